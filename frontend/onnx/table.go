package onnx

import (
	"cmp"
	"fmt"
	"slices"
)

// maxOpset is the newest version of the default domain whose operators were
// checked against this table.
const maxOpset = 25

// opRow is one row of the operator table.
type opRow struct {
	min, max int // number of inputs
	build    func(*ctx) []*operand
	since    int // first opset whose meaning is implemented; 0: all

	graphs    []string // subgraphs that it carries
	sequences bool     // inputs may be sequences
	gaps      bool     // optional inputs come before the others
}

const many = 1 << 20

// lookup finds the importer of a node, or says why there is none.
func lookup(n *node) (opRow, error) {
	if why := refusedByName[n.op]; why != "" && n.domain == "" {
		return opRow{}, refuseHint(hints[why], "%s", why)
	}
	if n.odd != "" {
		return opRow{}, refuse("attribute %s: not supported", n.odd)
	}
	table, ok := tables[n.domain]
	if !ok {
		return opRow{}, refuseHint("export the model with standard operators only", "operators of domain %q are not supported", n.domain)
	}
	row, ok := table[n.op]
	if !ok && n.domain == "com.microsoft" {
		return opRow{}, refuseHint("onnxruntime wrote it: compile the model as it was before its optimiser or quantiser changed it, or quantise in QDQ form (QuantFormat.QDQ)", "operator not supported")
	}
	if !ok {
		return opRow{}, refuse("operator not supported")
	}
	if n.domain == "" && n.opset > maxOpset {
		return opRow{}, refuseHint(fmt.Sprintf("export the model with opset %d", maxOpset), "opset %d is newer than this build knows", n.opset)
	}
	if n.opset < row.since {
		return opRow{}, refuseHint("convert the model to a newer opset", "opset %d is too old for this operator; supported from %d", n.opset, row.since)
	}
	return row, row.carries(n)
}

// carries checks the subgraphs of a node.
func (row opRow) carries(n *node) error {
	for _, name := range row.graphs {
		if n.graphs[name] == nil {
			return fmt.Errorf("it has no %s", name)
		}
	}
	if len(n.graphs) > len(row.graphs) {
		return refuseHint(hints[controlFlow], "it carries a subgraph")
	}
	return nil
}

const (
	controlFlow = "control flow is not supported: what is computed must not depend on data"
	sequences   = "sequences, optionals and maps are not supported"
	stringData  = "strings are not supported"
	dataShaped  = "the shape of its result depends on data"
	randomness  = "random operators are not supported"
)

// hints say what helps against a reason, where something does.
var hints = map[string]string{
	controlFlow: "compute both branches and choose with Where; a condition that is the same in every run is fixed with --set NAME=VALUE",
	sequences:   "export tensors in their place: Split and Concat, or Slice",
	stringData:  "move it before the network: the client feeds numbers",
	dataShaped:  "keep all elements and multiply by a mask, or compute it from the revealed output",
	randomness:  "export for inference (model.eval()), or feed the numbers as an input",
}

// refusedByName are standard operators that are out of the question, with the reason.
var refusedByName = map[string]string{
	"SequenceMap":      sequences,
	"StringNormalizer": stringData, "StringConcat": stringData, "StringSplit": stringData, "RegexFullMatch": stringData,
	"TfIdfVectorizer": stringData,
	"Unique":          dataShaped, "NonMaxSuppression": dataShaped,
	"RandomNormal": randomness, "RandomNormalLike": randomness, "RandomUniform": randomness, "RandomUniformLike": randomness,
	"Bernoulli": randomness, "Multinomial": randomness,
}

// tables maps domains to their operators. It never changes once it is made: in init,
// because control flow looks operators up itself.
var tables map[string]map[string]opRow

func init() {
	written := []map[string]opRow{structuralOps, shapeOps, linearOps, poolOps, arithmeticOps, reduceOps, logicOps, normOps, quantOps, scatterOps, selectOps, recurrentOps, qlinearOps, controlOps, sequenceOps, signalOps, attentionOps}
	tables = map[string]map[string]opRow{
		"":              join(append(written, functionOps(written...))...),
		"com.microsoft": join(microsoftOps, contributed, fusedAttention),
		"ai.onnx.ml":    mlOps,
	}
}

func join(families ...map[string]opRow) map[string]opRow {
	all := map[string]opRow{}
	for _, f := range families {
		for name, row := range f {
			if _, twice := all[name]; twice {
				panic("BUG: onnx: operator " + name + " stands in two families")
			}
			all[name] = row
		}
	}
	return all
}

func one(o *operand) []*operand { return []*operand{o} }

// Operator describes one row of the operator table, for documentation.
type Operator struct {
	Name, Domain string
	Since        int // oldest opset whose meaning is implemented; 0: every opset
}

// Operators lists every operator that can be imported, sorted.
func Operators() []Operator {
	var list []Operator
	for domain, table := range tables {
		for name, row := range table {
			list = append(list, Operator{name, domain, row.since})
		}
	}
	slices.SortFunc(list, func(a, b Operator) int {
		return cmp.Or(cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Name, b.Name))
	})
	return list
}

// MaxOpset is the newest version of the default operator set that is accepted.
func MaxOpset() int { return maxOpset }
