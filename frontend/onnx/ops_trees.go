package onnx

import (
	"slices"
)

// Trees are walked in a shape that everybody knows: all comparisons at once, then
// level by level the products that say which nodes are reached. Thresholds and what
// leaves hold are secret constants; which feature a node looks at, how it compares
// and how the trees branch stand in the plan.

// forest is what the attributes of a tree ensemble say.
type forest struct {
	nodes []treeNode
	roots []int
	at    map[nodeID]int
}

type nodeID struct{ tree, node int }

type treeNode struct {
	feature int
	mode    string
	value   float32
	yes, no int // places of the nodes behind; -1 for leaves
	bit     int // place of the comparison
}

const leafMode = "LEAF"

func (c *ctx) forest(features int) *forest {
	trees, ids, modes := c.ints("nodes_treeids"), c.ints("nodes_nodeids"), attr(c, "nodes_modes", []string(nil))
	look, yes, no, values := c.ints("nodes_featureids"), c.ints("nodes_truenodeids"), c.ints("nodes_falsenodeids"), c.floats("nodes_values")
	n := len(trees)
	for _, length := range []int{len(ids), len(modes), len(look), len(yes), len(no), len(values)} {
		if length != n || n == 0 {
			c.failf("lists of %d and %d nodes", n, length)
		}
	}
	f := &forest{nodes: make([]treeNode, n), at: make(map[nodeID]int, n)}
	for i := range n {
		id := nodeID{trees[i], ids[i]}
		if _, twice := f.at[id]; twice {
			c.failf("node %d of tree %d stands twice", ids[i], trees[i])
		}
		f.at[id] = i
	}
	child := make([]bool, n)
	for i := range n {
		f.nodes[i] = treeNode{look[i], modes[i], values[i], -1, -1, -1}
		if modes[i] == leafMode {
			continue
		}
		if look[i] < 0 || look[i] >= features {
			c.failf("node %d of tree %d looks at feature %d of %d", ids[i], trees[i], look[i], features)
		}
		f.nodes[i].yes = c.childOf(f, nodeID{trees[i], ids[i]}, yes[i], child)
		f.nodes[i].no = c.childOf(f, nodeID{trees[i], ids[i]}, no[i], child)
	}
	for i, is := range child {
		if !is {
			f.roots = append(f.roots, i)
		}
	}
	return f
}

// childOf is the place of a node that another leads to, which no other may do.
func (c *ctx) childOf(f *forest, of nodeID, id int, child []bool) int {
	to, ok := f.at[nodeID{of.tree, id}]
	if !ok || child[to] {
		c.failf("node %d of tree %d leads to %d, which is not there or has another way to it", of.node, of.tree, id)
	}
	child[to] = true
	return to
}

// comparisons computes for every inner node whether the way is the first one.
func (c *ctx) comparisons(f *forest, x *operand) *operand {
	byMode := map[string][]int{}
	var order []string
	for i, n := range f.nodes {
		if n.mode == leafMode {
			continue
		}
		if byMode[n.mode] == nil {
			order = append(order, n.mode)
		}
		byMode[n.mode] = append(byMode[n.mode], i)
	}
	var all []*operand
	count := 0
	for _, mode := range order {
		var look []int
		var values []float32
		for _, i := range byMode[mode] {
			f.nodes[i].bit = count
			look, values, count = append(look, f.nodes[i].feature), append(values, f.nodes[i].value), count+1
		}
		threshold := c.secret(&Tensor{DType: Float, Shape: []int{len(values)}, F: values})
		all = append(all, c.typed(c.compared(mode, c.gather(x, 1, look, []int{len(look)}), threshold), Float))
	}
	if all == nil {
		return nil
	}
	return c.concat(1, all...)
}

func (c *ctx) compared(mode string, x, threshold *operand) *operand {
	switch mode {
	case "BRANCH_LEQ":
		return atLeast(c, threshold, x)
	case "BRANCH_LT":
		return c.not(atLeast(c, x, threshold))
	case "BRANCH_GTE":
		return atLeast(c, x, threshold)
	case "BRANCH_GT":
		return c.not(atLeast(c, threshold, x))
	case "BRANCH_EQ":
		return equal(c, x, threshold)
	case "BRANCH_NEQ":
		return c.not(equal(c, x, threshold))
	}
	c.failf("mode %q", mode)
	return nil
}

// reached says for every leaf whether a row ends there, [rows, leaves], and which
// leaf is in which column. Trees that are one leaf are left out.
func (c *ctx) reached(f *forest, bits *operand) (ends *operand, leaves []int) {
	var parts []*operand
	var level *operand // of the nodes that are due, whether they are reached; nil where all are
	due := slices.DeleteFunc(slices.Clone(f.roots), func(i int) bool { return f.nodes[i].mode == leafMode })
	for len(due) > 0 {
		var inner, ended, look []int // places in due, and of comparisons
		var yes, no []int
		for at, i := range due {
			n := f.nodes[i]
			if n.mode == leafMode {
				ended, leaves = append(ended, at), append(leaves, i)
				continue
			}
			inner, look, yes, no = append(inner, at), append(look, n.bit), append(yes, n.yes), append(no, n.no)
		}
		if len(ended) > 0 {
			parts = append(parts, c.gather(level, 1, ended, []int{len(ended)}))
		}
		if due = slices.Concat(yes, no); len(due) == 0 {
			break
		}
		first, all := c.gather(bits, 1, look, []int{len(look)}), c.number(1, Float)
		if level != nil {
			all = c.gather(level, 1, inner, []int{len(inner)})
			first = c.mul(all, first)
		}
		level = c.concat(1, first, c.sub(all, first))
	}
	if parts == nil {
		return nil, nil
	}
	return c.concat(1, parts...), leaves
}

// vote is what a leaf says of an output.
type vote struct {
	node, output int
	weight       float32
}

// ensemble adds what the leaves hold. Each weight belongs to a node and one of the
// outputs.
func (c *ctx) ensemble(kind string, outputs int, to func(id int) int) *operand {
	x := c.table()
	f := c.forest(x.shape[1])
	trees, ids, outs, weights := c.ints(kind+"_treeids"), c.ints(kind+"_nodeids"), c.ints(kind+"_ids"), c.floats(kind+"_weights")
	if len(ids) != len(trees) || len(outs) != len(trees) || len(weights) != len(trees) {
		c.failf("lists of %d, %d, %d and %d weights", len(trees), len(ids), len(outs), len(weights))
	}
	votes := make([]vote, len(trees))
	for i := range trees {
		node, ok := f.at[nodeID{trees[i], ids[i]}]
		o := to(outs[i])
		if !ok || f.nodes[node].mode != leafMode || o < 0 || o >= outputs {
			c.failf("a weight at node %d of tree %d for output %d, where there is no leaf or no output", ids[i], trees[i], outs[i])
		}
		votes[i] = vote{node, o, weights[i]}
	}
	return c.polled(f, x, votes, outputs)
}

// polled sums or averages what the leaves that are reached say.
func (c *ctx) polled(f *forest, x *operand, votes []vote, outputs int) *operand {
	ends, leaves := c.reached(f, c.comparisons(f, x))
	held, base := c.held(f, leaves, votes, outputs)
	for i, b := range c.floats("base_values") {
		if i < outputs {
			base[i] += b
		}
	}
	bias := c.secret(&Tensor{DType: Float, Shape: []int{outputs}, F: base})
	if ends == nil {
		return c.expand(bias, x.shape[0], outputs)
	}
	return c.matmul(ends, c.secret(held), bias)
}

// held is what the leaves hold, [leaves, outputs], and what trees that are one leaf add
// to every row.
func (c *ctx) held(f *forest, leaves []int, votes []vote, outputs int) (held *Tensor, base []float32) {
	column := make(map[int]int, len(leaves))
	for i, leaf := range leaves {
		column[leaf] = i
	}
	share := c.shareOf(f)
	held, base = c.fresh(Float, []int{max(1, len(leaves)), outputs}), make([]float32, outputs)
	for _, v := range votes {
		if at, walked := column[v.node]; walked {
			held.F[at*outputs+v.output] += v.weight * share
		} else {
			base[v.output] += v.weight * share
		}
	}
	return held, base
}

// shareOf is a tree's share in the result.
func (c *ctx) shareOf(f *forest) float32 {
	switch how := c.str("aggregate_function", "SUM"); how {
	case "SUM":
	case "AVERAGE":
		return 1 / float32(len(f.roots))
	default:
		c.fail(refuseHint("train an ensemble whose trees are summed", "aggregate_function %s", how))
	}
	return 1
}

func treeRegressor(c *ctx) []*operand {
	n := c.int("n_targets", 1)
	if n < 1 || n > maxIntElems {
		c.failf("%d targets", n)
	}
	return one(c.post(c.ensemble("target", n, func(id int) int { return id })))
}

// treeClassifier has votes for every class, or of two classes for one only; where
// they are never negative they are shares.
func treeClassifier(c *ctx) []*operand {
	count, numbers := c.labels("classlabels_strings")
	ids, weights := c.ints("class_ids"), c.floats("class_weights")
	if count == 0 || len(ids) == 0 {
		c.failf("it has no class labels or no weights")
	}
	if single := !slices.ContainsFunc(ids, func(id int) bool { return id != ids[0] }); single && count <= 2 {
		votes, border := !slices.ContainsFunc(weights, func(w float32) bool { return w < 0 }), 0.0
		if votes {
			border = 0.5
		}
		given := c.floats("base_values")
		if len(given) == 2 { // of the second class
			c = c.with(attrs{"base_values": given[1:]}, c.in...)
		}
		return c.twoClasses(c.ensemble("class", 1, func(int) int { return 0 }), border, votes, numbers)
	}
	scores := c.ensemble("class", count, func(id int) int { return id })
	return []*operand{c.best(scores, count, numbers), c.post(scores)}
}
