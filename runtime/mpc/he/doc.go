// Package he evaluates linear operators under encryption: the client sends its
// share of the input as RLWE ciphertexts, the server multiplies by its integer
// weights and answers with masked, rounded ciphertexts, and both end with
// additive shares of the result.
//
// It knows rings, ciphertexts, keys and index maps (Map). It knows nothing of
// plans, of convolutions or of how an index map came about, and it never
// chooses: the numbers of bits, of keys and of digits are given to it.
//
// Ciphertexts live in Z_Q[X]/(X^N+1) with one prime Q just below 2^50; a share
// x of Z_2^l stands for round(Q*x/2^l) (torus encoding). Ciphertexts that are
// multiplied by the same weights share their uniform half, each under a secret
// key of its own, so that this half is computed and sent once for all of them
// (RLWE with several secrets: Peikert-Vaikuntanathan-Waters 2008).
package he
