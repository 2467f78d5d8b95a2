package onnx

import "slices"

// The numbers that stand for words in an ensemble of ai.onnx.ml 5.
var (
	treeModes      = []string{"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"}
	treeAggregates = []string{"AVERAGE", "SUM", "MIN", "MAX"}
)

// treeEnsemble is the operator that came after the other two: inner nodes and leaves have
// lists of their own.
func treeEnsemble(c *ctx) []*operand {
	x, n := c.table(), c.int("n_targets", 0)
	if n < 1 || n > maxIntElems {
		c.failf("%d targets", n)
	}
	f, leaves := c.plainForest(x.shape[1])
	targets, weights := c.ints("leaf_targetids"), c.tensorFloats("leaf_weights")
	if len(targets) != len(weights) {
		c.failf("%d targets and %d weights of leaves", len(targets), len(weights))
	}
	var votes []vote
	for node, leaf := range leaves {
		if leaf < 0 {
			continue
		}
		if leaf >= len(weights) || targets[leaf] < 0 || targets[leaf] >= n {
			c.failf("leaf %d of %d has no weight or no target", leaf, len(weights))
		}
		votes = append(votes, vote{node, targets[leaf], weights[leaf]})
	}
	if post := c.int("post_transform", 0); post != 0 { // 1 is SOFTMAX in the one and LOGISTIC in the other
		c.fail(refuseHint("export it with post_transform 0 and a Softmax or Sigmoid behind it", "post_transform %d, of which the standard and onnxruntime say different things", post))
	}
	words := c.with(attrs{"aggregate_function": c.word(treeAggregates, "aggregate_function", 1)}, c.in...)
	return one(words.polled(f, x, votes, n))
}

// word is what the number of an attribute stands for.
func (c *ctx) word(list []string, attribute string, missing int) string {
	i := c.int(attribute, missing)
	if i < 0 || i >= len(list) {
		c.failf("%s %d", attribute, i)
	}
	return list[i]
}

// tensorFloats are the numbers of an attribute that is a tensor.
func (c *ctx) tensorFloats(name string) []float32 {
	t := attr[*Tensor](c, name, nil)
	if t == nil {
		return nil
	}
	return t.Floats()
}

// plainForest reads inner nodes, and puts a leaf behind every way that ends; leaves says
// for every node of the forest which leaf it is, -1 for inner ones.
func (c *ctx) plainForest(features int) (f *forest, leaves []int) {
	look, values, modes := c.ints("nodes_featureids"), c.tensorFloats("nodes_splits"), c.tensorFloats("nodes_modes")
	sides := [2]treeSide{
		{c.ints("nodes_truenodeids"), c.ints("nodes_trueleafs")}, {c.ints("nodes_falsenodeids"), c.ints("nodes_falseleafs")},
	}
	n := len(look)
	for _, length := range []int{len(values), len(modes), len(sides[0].to), len(sides[0].ends), len(sides[1].to), len(sides[1].ends)} {
		if length != n || n == 0 {
			c.failf("lists of %d and %d nodes", n, length)
		}
	}
	f = &forest{nodes: make([]treeNode, n), roots: c.ints("tree_roots")}
	g := &grown{c: c, forest: f, child: make([]bool, n), leaves: slices.Repeat([]int{-1}, n)}
	for _, root := range f.roots {
		g.lead(root)
	}
	for i := range n {
		mode := int(modes[i])
		if mode < 0 || mode >= len(treeModes) {
			c.fail(refuseHint("train trees that compare numbers", "node %d compares by mode %d", i, mode))
		}
		if look[i] < 0 || look[i] >= features {
			c.failf("node %d looks at feature %d of %d", i, look[i], features)
		}
		yes, no := g.behind(sides[0], i), g.behind(sides[1], i)
		f.nodes[i] = treeNode{look[i], treeModes[mode], values[i], yes, no, -1}
	}
	return f, g.leaves
}

// treeSide is where one of the two ways behind each node leads: to a node, or to a leaf.
type treeSide struct{ to, ends []int }

// grown is a forest while leaves are put into it.
type grown struct {
	*forest
	c      *ctx
	child  []bool // nodes that something leads to
	leaves []int
}

// lead takes a way to an inner node, the only one.
func (g *grown) lead(to int) {
	if to < 0 || to >= len(g.child) || g.child[to] {
		g.c.failf("node %d is not there, or two ways lead to it", to)
	}
	g.child[to] = true
}

func (g *grown) behind(s treeSide, i int) int {
	if s.ends[i] == 0 {
		g.lead(s.to[i])
		return s.to[i]
	}
	if s.to[i] < 0 {
		g.c.failf("node %d ends at leaf %d", i, s.to[i])
	}
	g.nodes, g.leaves = append(g.nodes, treeNode{mode: leafMode, yes: -1, no: -1, bit: -1}), append(g.leaves, s.to[i])
	return len(g.nodes) - 1
}
