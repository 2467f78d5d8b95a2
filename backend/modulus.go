package backend

import (
	"fmt"
	"sync"

	"github.com/tuneinsight/lattigo/v5/ring"

	"secc.example/secc/backend/plan/wire"
)

// largestDegree is the largest degree of an encrypted linear operator.
const largestDegree = 4096

// Modulus gives Q, the modulus of encrypted linear operators: the largest prime of
// wire.QBits bits that is 1 modulo twice the largest degree, so that one prime
// serves all degrees. Plans carry it, and whoever runs one checks it.
var Modulus = sync.OnceValue(func() uint64 {
	primes := ring.NewNTTFriendlyPrimesGenerator(wire.QBits, 2*largestDegree)
	q, err := primes.NextDownstreamPrime()
	if err != nil {
		panic(fmt.Sprintf("BUG: backend: no prime of %d bits: %v", wire.QBits, err)) // both are constants
	}
	return q
})
