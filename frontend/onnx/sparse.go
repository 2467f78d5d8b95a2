package onnx

import (
	"errors"
	"fmt"

	"secc.example/secc/frontend/onnx/internal/onnxpb"
)

// What sparse tensors may grow to when their zeros are written out: as many elements for
// each that is stored, and so many anyway.
const (
	freeSparse = 1 << 22
	sparseEach = 1 << 10
)

// decodeSparse writes the zeros of a sparse tensor out.
func (m *model) decodeSparse(s *onnxpb.SparseTensor, ext *external) (*Tensor, error) {
	values, err := decodeTensor(s.GetValues(), ext)
	if err != nil {
		return nil, err
	}
	index, err := decodeTensor(s.GetIndices(), ext)
	if err != nil {
		return nil, fmt.Errorf("indices: %w", err)
	}
	shape, err := intShape(s.GetDims())
	if err != nil {
		return nil, err
	}
	n, err := numel(shape)
	if err != nil {
		return nil, err
	}
	*m.sparse += n - sparseEach*values.N()
	if *m.sparse > freeSparse {
		return nil, fmt.Errorf("%d numbers stand for %d elements", values.N(), n)
	}
	each := 1 // numbers that say where one is
	if len(index.Shape) == 2 {
		each = index.Shape[1]
	}
	if index.I == nil || len(values.Shape) != 1 || index.N() != each*values.N() || each != 1 && each != len(shape) {
		return nil, errors.New("indices do not go with values and dimensions")
	}
	t, err := newTensor(values.DType, shape)
	if err != nil {
		return nil, err
	}
	t.Name = values.Name
	for i := range values.N() {
		at, err := sparsePlace(index.I[i*each:(i+1)*each], shape, n)
		if err != nil {
			return nil, err
		}
		t.block(at, values, i, 1)
	}
	return t, nil
}

// sparsePlace is the element that an index names: a place among all, or one in every
// dimension.
func sparsePlace(index []int64, shape []int, n int) (int, error) {
	if len(index) == 1 {
		shape = []int{n}
	}
	at := 0
	for d, i := range index {
		if i < 0 || i >= int64(shape[d]) {
			return 0, fmt.Errorf("index %v in shape %v", index, shape)
		}
		at = at*shape[d] + int(i)
	}
	return at, nil
}
