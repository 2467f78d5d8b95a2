package passes

import (
	"fmt"

	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

// protoOf is the protocol that makes the result of an operator. Where several
// could, the cheapest under the profile belongs here.
func protoOf(op ir.Op) (plan.Proto, bool) {
	p, ok := map[ir.Op]plan.Proto{
		ir.OpInput: plan.ProtoInput, ir.OpReveal: plan.ProtoReveal,
		ir.OpReshape: plan.ProtoCopy, ir.OpRescale: plan.ProtoCopy, ir.OpTranspose: plan.ProtoCopy, ir.OpConcat: plan.ProtoCopy,
		ir.OpSlice: plan.ProtoCopy, ir.OpPad: plan.ProtoCopy, ir.OpGather: plan.ProtoCopy, ir.OpExpand: plan.ProtoCopy,
		ir.OpAdd: plan.ProtoAffine, ir.OpSub: plan.ProtoAffine, ir.OpNeg: plan.ProtoAffine,
		ir.OpSum: plan.ProtoSumPool, ir.OpSumPool: plan.ProtoSumPool,
		ir.OpTileIn: plan.ProtoTiles, ir.OpTileOut: plan.ProtoTiles,
		ir.OpExtend: plan.ProtoExtend, ir.OpReduce: plan.ProtoReduce, ir.OpTruncate: plan.ProtoTruncate,
		ir.OpConv: plan.ProtoLinearRLWE, ir.OpRelu: plan.ProtoRelu, ir.OpPRelu: plan.ProtoPRelu, ir.OpClip: plan.ProtoClip,
		ir.OpMaxPool: plan.ProtoMaxPool, ir.OpArgMax: plan.ProtoArgMax, ir.OpMul: plan.ProtoMul, ir.OpMatMul: plan.ProtoMul, ir.OpFunc: plan.ProtoFunc,
	}[op]
	return p, ok
}

// selectProtos names the protocol of every value that the two parties compute.
func selectProtos(g *ir.Graph, cfg *Config) error {
	for _, v := range g.Values {
		if ir.IsConst(v) || v.Type.Elem.IsReal() {
			continue
		}
		p, ok := protoOf(v.Op)
		if !ok {
			return fmt.Errorf("node %q: no protocol for %s", v.Name, v.Op)
		}
		v.Proto = string(p)
	}
	return selectLinear(g, cfg)
}
