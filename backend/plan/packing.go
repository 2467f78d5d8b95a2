package plan

// Packing is the chosen encoding of a Linear step. (The linear engine owns this
// file: one index map, read by the cost model, the runtime and the wire format.)
type Packing struct {
	Kind string
	N    int
}
