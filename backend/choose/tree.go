package choose

import (
	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
)

// Tree is a way to compare. Extra is what it takes beyond its correlated OTs, in
// nanoseconds a compared bit, as measured with free OTs (BenchmarkReluAlone).
type Tree struct {
	wire.Tree
	Extra float64
}

// Trees are what is tried: radix of the leaves, and a log-depth tree (few rounds) or a ripple (few
// bits). With the client choosing, a clip's bounds share OTs, and the step ends up to a
// round trip later.
func Trees() []Tree {
	return []Tree{
		{wire.Tree{Leaf: 2, Ripple: true}, 0}, {wire.Tree{Leaf: 1, Ripple: true}, 0},
		{wire.Tree{Leaf: 2}, 0.5}, {wire.Tree{Leaf: 3}, 1}, {wire.Tree{Leaf: 1}, 1}, {wire.Tree{Leaf: 4}, 2},
		{wire.Tree{Leaf: 2, Arity: 3}, 0.7}, {wire.Tree{Leaf: 3, Arity: 3}, 1.2}, {wire.Tree{Leaf: 4, Arity: 3}, 2.2}, {wire.Tree{Leaf: 5, Arity: 3}, 4},
		{wire.Tree{Leaf: 2, ClientChooses: true}, 0.5}, {wire.Tree{Leaf: 3, ClientChooses: true}, 1}, {wire.Tree{Leaf: 4, ClientChooses: true}, 2},
	}
}

// Comparison is the seconds that a comparison takes between two linear operators, its
// correlated OTs and some nanoseconds of its tree's included, where bytes are dear times
// as dear as they are.
func (p Profile) Comparison(c plan.Cost, nanos, dear float64) float64 {
	return p.busy(c) + (dear-1)*p.sent(c.ToServer()+c.ToClient()) + p.latency(between(c.Flights)) + p.makeCOTs(c.COTs) + nanos/1e9/float64(max(p.Threads, 1))
}

// between is the rounds from the upload of one linear operator to that of the
// next, with these flights in between. It is not their number: messages that
// follow each other from the same party travel together, so that an extension, say,
// often takes none, and which depth of a tree is cheap depends on who sends last.
func between(flights []plan.Flight) int {
	const response, upload = 1, 1
	d := plan.Depth{}.After([]plan.Flight{{ToClient: response}}).After(flights).After([]plan.Flight{{ToServer: upload}})
	return d.Server
}
