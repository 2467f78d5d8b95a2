package runtime

import (
	"secc.example/secc/backend/plan"
	"secc.example/secc/internal/gemm"
)

// accumulate is the operator in the clear: w*x + bias in Z_2^InBits. It is in the call's memory.
func accumulate(l *plan.Linear, x Vec, w, bias []int64, p *Party) (Vec, error) {
	shape := gemm.Shape{Groups: l.G, In: l.CIn, Out: l.COut, Window: gemm.Window{
		In: []int{l.H, l.W}, Out: []int{l.OH, l.OW}, Kernel: []int{l.KH, l.KW}, Stride: []int{l.SH, l.SW}, Dilation: []int{l.DH, l.DW},
		Origin: []int{l.PT, l.PL}, Spread: []int{1, 1},
	}}
	rows := l.H*l.W == 1 && l.KH*l.KW == 1 && l.Batch > 1
	if rows { // a product of matrices, whose rows are the batch
		shape.Window.In, shape.Window.Out = []int{1, l.Batch}, []int{1, l.Batch}
		x = transposed(x, l.Batch, l.CIn)
	}
	conv, err := gemm.NewConv(shape, w, l.InBits)
	if err != nil {
		return nil, err
	}
	defer conv.Free()
	acc := p.Memory.Words(l.NumOut())
	each, in := shape.NumOut(), shape.NumIn()
	for at := 0; at*each < len(acc); at++ {
		conv.Add(acc[at*each:][:each], x[at*in:][:in], p.Threads)
	}
	if rows {
		acc = transposed(acc, l.COut, l.Batch)
	}
	m, plane := mask(l.InBits), l.OH*l.OW
	for at := 0; at < len(acc); at += plane {
		b := uint64(bias[at/plane%l.COut])
		for i, v := range acc[at:][:plane] {
			acc[at+i] = (v + b) & m
		}
	}
	return acc, nil
}

// transposed is a matrix of some rows and columns the other way round.
func transposed(x Vec, rows, cols int) Vec {
	y := make(Vec, len(x))
	for i := range rows {
		for j := range cols {
			y[j*rows+i] = x[i*cols+j]
		}
	}
	return y
}
