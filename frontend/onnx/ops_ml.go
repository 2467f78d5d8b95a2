package onnx

import (
	"math"
	"slices"

	"secc.example/secc/ir"
)

// mlOps are the operators that classical models are exported with. Their numbers
// stand in attributes; they are the server's like initialisers.
var mlOps = map[string]opRow{
	"Scaler":                 {min: 1, max: 1, build: scaler},
	"Normalizer":             {min: 1, max: 1, build: normalizer},
	"Binarizer":              {min: 1, max: 1, build: binarizer},
	"Imputer":                {min: 1, max: 1, build: imputer},
	"OneHotEncoder":          {min: 1, max: 1, build: oneHotEncoder},
	"TreeEnsemble":           {min: 1, max: 1, build: treeEnsemble},
	"LabelEncoder":           {min: 1, max: 1, build: labelEncoder},
	"ZipMap":                 {min: 1, max: 1, build: func(c *ctx) []*operand { return one(c.in[0]) }}, // scores, in the order of the labels
	"ArrayFeatureExtractor":  {min: 2, max: 2, build: arrayFeatures},
	"FeatureVectorizer":      {min: 1, max: many, build: featureVector},
	"LinearRegressor":        {min: 1, max: 1, build: linearRegressor},
	"LinearClassifier":       {min: 1, max: 1, build: linearClassifier},
	"SVMRegressor":           {min: 1, max: 1, build: svmRegressor},
	"SVMClassifier":          {min: 1, max: 1, build: svmClassifier},
	"TreeEnsembleRegressor":  {min: 1, max: 1, build: treeRegressor},
	"TreeEnsembleClassifier": {min: 1, max: 1, build: treeClassifier},
}

// floats gives a list attribute; nil where absent. Newer operators hold it as a tensor.
func (c *ctx) floats(name string) []float32 {
	if t := attr[*Tensor](c, name+"_as_tensor", nil); t != nil {
		return t.Floats()
	}
	return attr(c, name, []float32(nil))
}

// table is the batch of feature vectors that an operator takes, [rows, features].
func (c *ctx) table() *operand {
	x := c.typed(c.in[0], Float)
	c.rankOf(x, 1, 2)
	if len(x.shape) == 1 {
		x = c.reshape(x, 1, x.shape[0])
	}
	return x
}

// perFeature is a secret number for every feature, or one for all.
func (c *ctx) perFeature(list []float32, x *operand, missing float32) *operand {
	switch n := x.shape[len(x.shape)-1]; {
	case len(list) == 0:
		list = []float32{missing}
	case len(list) != 1 && len(list) != n:
		c.failf("%d numbers for %d features", len(list), n)
	}
	return c.secret(&Tensor{DType: Float, Shape: []int{len(list)}, F: list})
}

func scaler(c *ctx) []*operand {
	x := c.typed(c.in[0], Float)
	c.rankOf(x, 1, maxRank)
	offset, scale := c.perFeature(c.floats("offset"), x, 0), c.perFeature(c.floats("scale"), x, 1)
	return one(c.mul(c.sub(x, offset), scale))
}

func normalizer(c *ctx) []*operand {
	x := c.table()
	last := []int{1}
	var norm *operand
	switch how := c.str("norm", "MAX"); how {
	case "MAX":
		norm = reduceMax(c, x, last, keepDims)
	case "L1":
		norm = c.sum(c.abs(x), last, keepDims)
	case "L2":
		return one(c.mul(x, c.fn(c.sum(c.mul(x, x), last, keepDims), "rsqrt")))
	default:
		c.failf("norm %q", how)
	}
	return one(c.div(x, norm))
}

func binarizer(c *ctx) []*operand {
	x := c.typed(c.in[0], Float)
	return one(c.typed(c.not(atLeast(c, c.secretNumber(c.float("threshold", 0)), x)), Float))
}

// imputer puts other numbers in place of a marker. Missing numbers as such (NaN)
// do not reach it: the client's numbers are finite.
func imputer(c *ctx) []*operand {
	x := c.typed(c.in[0], Float)
	marker, values := c.float("replaced_value_float", 0), c.floats("imputed_value_floats")
	if ints := c.ints("imputed_value_int64s"); ints != nil {
		marker, values = float64(c.int("replaced_value_int64", 0)), wholeFloats(ints)
	}
	if math.IsNaN(marker) {
		return one(c.typed(x, c.in[0].dtype))
	}
	with := c.perFeature(values, x, 0)
	is := equal(c, x, c.secretNumber(marker))
	return one(c.typed(c.add(x, c.mul(c.typed(is, Float), c.sub(with, x))), c.in[0].dtype))
}

func wholeFloats(list []int) []float32 {
	out := make([]float32, len(list))
	for i, v := range list {
		out[i] = float32(v)
	}
	return out
}

// labelEncoder looks whole numbers up in a table. Words come out as their place in
// the table: whoever reads the answer has the list.
func labelEncoder(c *ctx) []*operand {
	keys := c.floats("keys_floats")
	if ints := c.ints("keys_int64s"); ints != nil {
		keys = wholeFloats(ints)
	}
	if keys == nil {
		c.fail(refuseHint(hints[stringData], stringData))
	}
	values, missing, d := c.floats("values_floats"), c.float("default_float", 0), Float
	if ints := c.ints("values_int64s"); ints != nil {
		values, missing, d = wholeFloats(ints), float64(c.int("default_int64", -1)), Int64
	}
	words := attr(c, "values_strings", []string(nil))
	if words != nil {
		values, missing, d = nil, -1, Int64
		for i := range words {
			values = append(values, float32(i))
		}
	}
	if len(values) != len(keys) {
		c.failf("%d keys and %d values", len(keys), len(values))
	}
	x := c.in[0]
	if slices.Equal(keys, values) && c.neverNegative(x) && consecutive(keys) {
		return one(c.typed(x, d))
	}
	x = c.typed(c.reshape(x, append(slices.Clone(x.shape), 1)...), Float)
	is := c.typed(equal(c, x, c.secret(&Tensor{DType: Float, Shape: []int{len(keys)}, F: keys})), Float)
	gains := make([]float32, len(values))
	for i, v := range values {
		gains[i] = v - float32(missing)
	}
	y := c.matmul(is, c.secret(&Tensor{DType: Float, Shape: []int{len(gains), 1}, F: gains}), nil)
	return one(c.typed(c.add(c.reshape(y, c.in[0].shape...), c.secretNumber(missing)), d))
}

// oneHotEncoder compares numbers with the categories there are.
func oneHotEncoder(c *ctx) []*operand {
	cats := wholeFloats(c.ints("cats_int64s"))
	if len(cats) == 0 {
		c.fail(refuseHint(hints[stringData], stringData))
	}
	x := c.typed(c.reshape(c.in[0], append(slices.Clone(c.in[0].shape), 1)...), Float)
	return one(c.typed(equal(c, x, c.secret(&Tensor{DType: Float, Shape: []int{len(cats)}, F: cats})), Float))
}

func consecutive(list []float32) bool {
	for i, v := range list {
		if v != float32(i) {
			return false
		}
	}
	return true
}

func arrayFeatures(c *ctx) []*operand {
	x := c.in[0]
	if len(x.shape) == 1 {
		x = c.reshape(x, 1, x.shape[0])
	}
	if ids := c.in[1]; ids.con == nil && ids.val != nil { // the label of an arg-max
		return one(c.chosen(x, len(x.shape)-1, c.reshape(ids, ids.N())))
	}
	index := c.indices(1, "the features")
	if index == nil {
		index = []int{int(c.scalar(1, "the feature", 0))}
	}
	return one(c.gather(x, len(x.shape)-1, index, []int{len(index)}))
}

func featureVector(c *ctx) []*operand {
	var parts []*operand
	for _, o := range c.in {
		if o == nil {
			c.failf("an input is missing")
		}
		parts = append(parts, c.typed(o, Float))
	}
	return one(c.concat(1, parts...))
}

// post is what is done to scores in the end.
func (c *ctx) post(scores *operand) *operand {
	switch how := c.str("post_transform", "NONE"); how {
	case "NONE":
	case "LOGISTIC":
		return c.fn(scores, "sigmoid")
	case "SOFTMAX":
		return c.emit(ir.OpSoftmax, &ir.AxisAttrs{Axis: 1}, Float, scores)
	default:
		c.fail(refuseHint("export it with post_transform NONE, LOGISTIC or SOFTMAX", "post_transform %s", how))
	}
	return scores
}

// linear is x times secret coefficients, [outputs, features], and intercepts.
func (c *ctx) linear(x *operand, coefficients []float32, outputs int, intercepts []float32) *operand {
	n := x.shape[1]
	if outputs < 1 || len(coefficients) != outputs*n || len(intercepts) != 0 && len(intercepts) != outputs {
		c.failf("%d coefficients and %d intercepts for %d outputs of %d features", len(coefficients), len(intercepts), outputs, n)
	}
	w := c.transpose(c.secret(&Tensor{DType: Float, Shape: []int{outputs, n}, F: coefficients}), 1, 0)
	var bias *operand
	if len(intercepts) != 0 {
		bias = c.secret(&Tensor{DType: Float, Shape: []int{outputs}, F: intercepts})
	}
	return c.matmul(x, w, bias)
}

func linearRegressor(c *ctx) []*operand {
	return one(c.post(c.linear(c.table(), c.floats("coefficients"), c.int("targets", 1), c.floats("intercepts"))))
}

// labels counts the classes and says which numbers stand for them; nil if it is
// their places that do: words have none.
func (c *ctx) labels(names ...string) (count int, numbers []float32) {
	for _, name := range names {
		if list := attr(c, name, []string(nil)); len(list) > 0 {
			return len(list), nil
		}
	}
	for _, name := range []string{"classlabels_ints", "classlabels_int64s"} {
		if list := c.ints(name); len(list) > 0 {
			if numbers := wholeFloats(list); !consecutive(numbers) {
				return len(list), numbers
			}
			return len(list), nil
		}
	}
	return 0, nil
}

// labelled gives the label at a place.
func (c *ctx) labelled(place *operand, count int, numbers []float32) *operand {
	if numbers == nil {
		return c.typed(place, Int64)
	}
	hits := c.typed(c.hits(c.typed(place, Int64), len(place.shape), count), Float)
	y := c.matmul(hits, c.secret(&Tensor{DType: Float, Shape: []int{count, 1}, F: numbers}), nil)
	return c.typed(c.reshape(y, place.shape...), Int64)
}

// best is the label of the highest score of every row.
func (c *ctx) best(scores *operand, count int, numbers []float32) *operand {
	return c.labelled(c.emit(ir.OpArgMax, &ir.ReduceAttrs{Axes: []int{1}}, Int64, scores), count, numbers)
}

// twoClasses makes label and scores of one score a row, for the second class. It is
// chosen above a border. The other class has what is missing to one, or the opposite.
func (c *ctx) twoClasses(s *operand, border float64, missing bool, numbers []float32) []*operand {
	place := c.not(atLeast(c, c.number(border, Float), c.reshape(s, s.shape[0])))
	if logistic := c.str("post_transform", "NONE") == "LOGISTIC"; logistic {
		s, missing = c.post(s), true
	}
	other := c.neg(s)
	if missing {
		other = c.sub(c.number(1, Float), s)
	}
	return []*operand{c.labelled(place, 2, numbers), c.concat(1, other, s)}
}

func linearClassifier(c *ctx) []*operand {
	x := c.table()
	coefficients := c.floats("coefficients")
	outputs := len(coefficients) / max(1, x.shape[1])
	scores := c.linear(x, coefficients, outputs, c.floats("intercepts"))
	count, numbers := c.labels("classlabels_strings")
	switch {
	case outputs == 1 && (count == 2 || count == 0):
		return c.twoClasses(scores, 0, true, numbers)
	case outputs != count && count != 0:
		c.failf("%d labels for %d scores", count, outputs)
	}
	return []*operand{c.best(scores, outputs, numbers), c.post(scores)}
}

// notLinear refuses kernels.
func (c *ctx) notLinear() {
	if kernel := c.str("kernel_type", "LINEAR"); kernel != "LINEAR" {
		c.fail(refuseHint("train it with a linear kernel, or write the kernel out (MatMul, Exp)", "kernel %s", kernel))
	}
}

func svmRegressor(c *ctx) []*operand {
	c.notLinear()
	x, coefficients, rho := c.table(), c.floats("coefficients"), c.floats("rho")
	if n := c.int("n_supports", 0); n > 0 {
		coefficients = c.combined(coefficients, c.floats("support_vectors"), 1, n, x.shape[1])
	}
	y := c.linear(x, coefficients, 1, rho)
	if c.flag("one_class", false) {
		above := c.typed(c.not(atLeast(c, c.number(0, Float), y)), Float)
		return one(c.shifted(c.scaled(above, 2), -1))
	}
	return one(c.post(y))
}

// combined sums support vectors up: with a linear kernel they are one direction.
func (c *ctx) combined(coefficients, vectors []float32, outputs, supports, features int) []float32 {
	if len(coefficients) != outputs*supports || len(vectors) != supports*features {
		c.failf("%d coefficients and %d numbers in support vectors for %d of %d features", len(coefficients), len(vectors), supports, features)
	}
	w := make([]float32, outputs*features)
	for o := range outputs {
		for f := range features {
			var sum float64
			for s := range supports {
				sum += float64(coefficients[o*supports+s]) * float64(vectors[s*features+f])
			}
			w[o*features+f] = float32(sum)
		}
	}
	return w
}

// svmClassifier has a score for every class, or one for every pair of classes,
// where those that win more often count.
func svmClassifier(c *ctx) []*operand {
	c.notLinear()
	x, rho := c.table(), c.floats("rho")
	count, numbers := c.labels("classlabels_strings")
	if len(c.floats("prob_a")) > 0 && count != 2 {
		c.fail(refuseHint("train it without probability=True", "probabilities that are fitted to pairs of classes"))
	}
	per := c.ints("vectors_per_class")
	if len(per) == 0 {
		coefficients := c.floats("coefficients")
		outputs := len(coefficients) / max(1, x.shape[1])
		if len(rho) != 1 {
			c.failf("%d numbers in rho", len(rho))
		}
		scores := c.add(c.linear(x, coefficients, outputs, nil), c.secretNumber(float64(rho[0])))
		if outputs != count {
			c.failf("%d labels for %d scores", count, outputs)
		}
		return []*operand{c.best(scores, count, numbers), c.post(scores)}
	}
	if len(per) != count || count < 2 {
		c.failf("support vectors of %d classes, %d labels", len(per), count)
	}
	pairs := c.pairs(x, per, rho)
	if count == 2 {
		return c.onePair(pairs, numbers)
	}
	return []*operand{c.best(c.won(pairs, count), count, numbers), c.post(pairs)}
}

// onePair makes label and scores of the decision between two classes, above zero for the
// first. Probabilities that were fitted to it are Platt's: 1 / (1 + exp(a s + b)).
func (c *ctx) onePair(pairs *operand, numbers []float32) []*operand {
	place := c.not(c.typed(c.fn(c.reshape(pairs, pairs.shape[0]), "step"), Bool))
	label := c.labelled(place, 2, numbers)
	a, b := c.floats("prob_a"), c.floats("prob_b")
	if len(a) == 0 {
		return []*operand{label, c.concat(1, c.neg(pairs), pairs)}
	}
	if len(a) != 1 || len(b) != 1 {
		c.failf("%d and %d numbers in prob_a and prob_b", len(a), len(b))
	}
	p := c.fn(c.sub(c.mul(pairs, c.secretNumber(-float64(a[0]))), c.secretNumber(float64(b[0]))), "sigmoid")
	return []*operand{label, c.concat(1, p, c.sub(c.number(1, Float), p))}
}

// pairs gives the decision between every two classes i < j: above zero for i.
func (c *ctx) pairs(x *operand, per []int, rho []float32) *operand {
	total, start := 0, make([]int, len(per))
	for i, n := range per {
		if n < 0 || n > maxIntElems {
			c.failf("%d support vectors", n)
		}
		start[i] = total
		total += n
	}
	features := x.shape[1]
	coefficients, vectors := c.floats("coefficients"), c.floats("support_vectors")
	if len(coefficients) != (len(per)-1)*total || len(vectors) != total*features || len(rho) != len(per)*(len(per)-1)/2 {
		c.failf("%d coefficients, %d numbers in support vectors and %d in rho for %d vectors of %d features", len(coefficients), len(vectors), len(rho), total, features)
	}
	var w []float32
	for i := range per {
		for j := i + 1; j < len(per); j++ {
			side := func(class, row int) []float32 {
				at := start[class]
				return c.combined(coefficients[row*total+at:row*total+at+per[class]], vectors[at*features:(at+per[class])*features], 1, per[class], features)
			}
			a, b := side(i, j-1), side(j, i)
			for f := range features {
				w = append(w, a[f]+b[f])
			}
		}
	}
	return c.linear(x, w, len(rho), rho)
}

// won counts for every class the pairs that it wins.
func (c *ctx) won(pairs *operand, count int) *operand {
	first := c.fn(pairs, "step")
	second := c.sub(c.number(1, Float), first)
	both := c.concat(1, first, second)
	index := make([][]int, count)
	at := 0
	for i := range count {
		for j := i + 1; j < count; j++ {
			index[i], index[j] = append(index[i], at), append(index[j], pairs.shape[1]+at)
			at++
		}
	}
	all := slices.Concat(index...)
	return c.sum(c.gather(both, 1, all, []int{count, count - 1}), []int{2}, dropDims)
}
