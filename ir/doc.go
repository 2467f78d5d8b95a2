// Package ir is the compiler's intermediate representation: a graph of tensors
// and operators, its types, its checks, its text form and its meaning.
//
// # The IR on one page
//
// A Graph is a list of Values in topological order. A Value is one tensor and
// the operator that makes it: Op, Args, Attrs (a pointer to the operator's
// attribute struct, see ops_*.go) and a Type. A Type is an element format, a
// static shape, and a Holder: who may see the value at run time.
//
// Graphs are built with Graph.Input, Graph.Const, Graph.PublicConst,
// Graph.FixedInput, Graph.FixedConst and, for everything computed, Graph.New,
// which infers the type or says why it cannot. Whoever changes Args or Attrs in
// place calls Graph.Sort (if order may have suffered) and Graph.Infer after.
//
// There are three phases. Every pass says which it needs and which it makes;
// Verify holds it to that.
//
//   - Real: every element is a real number (Elem{}). Front ends make it.
//   - Fixed: whatever is shared has a format (k, f): a signed integer in Z_2^k
//     read as x / 2^f. Client inputs and server constants have one too. After
//     OpReveal and OpToReal values are real again: the client computes those itself.
//   - Selected: as Fixed, and every shared value names the protocol that makes it.
//
// Formats are never free: they follow from the arguments and the attributes.
//
//	conv, conv_transpose, matmul, batch_norm, mul, prelu
//	            (l, f), weights (-, s), Shift   ->  (l-Shift, f+s-Shift), bias in (l, f+s)
//	extend      (k, f), Bits                    ->  (Bits, f)      same value, wider ring
//	reduce      (k, f), Bits                    ->  (Bits, f)      same value, narrower ring
//	truncate    (k, f), Shift, Bits             ->  (Bits, f-Shift)
//	rescale     (k, f), Frac                    ->  (k, Frac)      same integers, read differently
//	func        (k, f), Out                     ->  Out
//	argmax      (k, f)                          ->  (k, 0)
//	reveal      shared (k, f)                   ->  client (k, f)
//	to_real     client (k, f)                   ->  client real
//	all others  (k, f) everywhere               ->  (k, f)
//
// Rounding. A Shift is exact (round half up: floor((x + 2^(Shift-1)) / 2^Shift))
// or stochastic (floor(x/2^Shift + u), u uniform in [0,1), and a little noise).
// Real numbers enter a format by Quantize: round half away from zero, saturating
// at the ends of the ring.
//
// Signs. CompareAttrs{Lo, Hi} says which bits [Lo, Hi) of an element decide its
// sign; Hi == 0 means all of them. See Simulator for the error this permits.
//
// Holders. An input is the client's, a constant the server's (or public). What
// is computed from both is shared. Local operators (index maps, sums, extend,
// reduce, rescale) on the client's own value stay the client's: it shares the result as
// (0, x). Any other fixed-point operator gives a shared value.
//
// Meaning. Eval is the definition of an operator on real numbers, Simulate the
// definition in fixed point: what the runtime computes must agree with it.
//
// Text. Print writes a graph, Parse reads it back; both ends agree exactly.
//
// The package does not know ONNX, protocols, costs or plans; it imports no
// other package of this module.
package ir
