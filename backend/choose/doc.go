// Package choose picks what a plan leaves open: encodings of linear operators, trees of
// comparisons, lines of functions, kinds of OT. It prices all of them in one way, by the
// seconds that they take under a Profile of the network and the machines.
//
// It knows plans and what they cost, neither the IR nor how a protocol is computed.
package choose
