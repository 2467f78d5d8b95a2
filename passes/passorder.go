package passes

import (
	"fmt"
	"slices"
)

// before says that one pass must have run when another does, and why: what the prose of
// the pipeline argues, in a form that is checked.
type before struct{ First, Then, Why string }

// passOrder is checked whenever passes run, whichever of them do.
func passOrder() []before {
	return []before{
		{"constfold", "linear", "weights are recognised as constants"},
		{"constfold", "affine", "so are factors and shifts"},
		{"simplify", "linear", "reshapes that do nothing hide neighbours"},
		{"simplify", "batchnorm", "reshapes that do nothing hide neighbours"},
		{"simplify", "order", "reshapes that do nothing hide neighbours"},
		{"unread", "decompose", "a softmax and its rows must still be one operator"},
		{"never", "decompose", "a softmax must still be one operator"},
		{"decompose", "linear", "decompositions make products"},
		{"decompose", "factors", "a softmax is divided by its sums in one"},
		{"factors", "products", "a scaling must still be one operator"},
		{"products", "scale", "formats are for the products that run"},
		{"decompose", "scale", "formats are only for operators with a protocol"},
		{"linear", "batchnorm", "there is one operator to fold into"},
		{"affine", "batchnorm", "there is one operator that is folded"},
		{"average", "batchnorm", "the factors of averages are folded too"},
		{"batchnorm", "throughrelu", "only what cannot fold backwards moves through"},
		{"throughrelu", "depthwise", "what has become foldable needs no convolution of its own"},
		{"average", "poolmove", "sum pools are what moves"},
		{"batchnorm", "poolmove", "the factors of averages must be out of the way"},
		{"batchnorm", "order", "folds want conv-relu-pool chains as they are"},
		{"throughrelu", "order", "folds want conv-relu-pool chains as they are"},
		{"depthwise", "columns", "every factor must have found its place"},
		{"depthwise", "equalise", "every factor must have found its place"},
		{"deadcode", "scale", "values nobody reads would take part in shared formats"},
		{"order", "scale", "an order that changes would change the ranges"},
		{"poolmove", "scale", "an order that changes would change the ranges"},
		{"columns", "scale", "ranges are measured on what is raised"},
		{"equalise", "scale", "ranges are measured on what is raised"},
		{"winograd", "scale", "the marked convolutions get formats of their own"},
		{"scale", "signbits", "formats decide what a low bit is worth"},
		{"signbits", "headroom", "the check is of what will run"},
		{"headroom", "select", "a network that does not fit is refused first"},
	}
}

// checkOrder reports the first constraint that a list of passes breaks.
func checkOrder(passes []Pass) error {
	at := func(name string) int {
		return slices.IndexFunc(passes, func(p Pass) bool { return p.Name == name })
	}
	for _, b := range passOrder() {
		if first, then := at(b.First), at(b.Then); first >= 0 && then >= 0 && first > then {
			return fmt.Errorf("pass %s must stand before %s: %s", b.First, b.Then, b.Why)
		}
	}
	return nil
}
