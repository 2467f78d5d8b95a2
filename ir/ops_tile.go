package ir

import (
	"fmt"

	"secc.example/secc/ir/num"
)

// Operators of the fixed and real phase that cut a tensor into overlapping tiles
// and map every tile by a small integer matrix from both sides, and back: the
// transforms of Winograd's convolutions. They are linear over the integers: local.
const (
	OpTileIn  Op = "tile_in"  // [N,C,H,W] -> [N,S*S*C,T,U]: every SxS tile d becomes B d B^T; *TileAttrs
	OpTileOut Op = "tile_out" // [N,S*S*C,T,U] -> [N,C,H,W]: every SxS tile m becomes A m A^T; *TileAttrs
)

// TileAttrs describes both. Tiles are Side wide and begin Every apart; channel
// p*C + c holds element p of the tiles of channel c. Matrix is, row by row,
// Side x Side before the product and Every x Side behind it. Size is the spatial
// shape of the result: numbers of tiles, or what is left of the last tiles' results.
type TileAttrs struct {
	Side, Every int
	Matrix      []int
	PadsBegin   []int // tile_in: zeros before the tensor; as many follow it as the tiles need
	Size        []int
}

func tileOps() map[Op]Info {
	return map[Op]Info{
		OpTileIn:  {1, 1, newAttrs[TileAttrs], Local, inferTileIn, realTileIn, fixedTileIn},
		OpTileOut: {1, 1, newAttrs[TileAttrs], Local, inferTileOut, realTileOut, fixedTileOut},
	}
}

// maxTile bounds a tile's side, maxTileEntry its matrix.
const (
	maxTile      = 16
	maxTileEntry = 1 << 12
)

func (a *TileAttrs) check(rows int) error {
	if a.PadsBegin == nil {
		a.PadsBegin = filled(2, 0)
	}
	if a.Side < 1 || a.Side > maxTile || a.Every < 1 || a.Every > a.Side || len(a.Matrix) != rows*a.Side || len(a.Size) != 2 || len(a.PadsBegin) != 2 {
		return fmt.Errorf("tiles of %d, step %d, matrix of %d, size %v", a.Side, a.Every, len(a.Matrix), a.Size)
	}
	for _, x := range a.Matrix {
		if x > maxTileEntry || x < -maxTileEntry {
			return fmt.Errorf("matrix entry %d", x)
		}
	}
	for _, p := range a.PadsBegin {
		if p < 0 || p >= a.Side {
			return fmt.Errorf("pads %v", a.PadsBegin)
		}
	}
	return checkShape(a.Size)
}

func inferTileIn(v *Value) (Type, error) {
	x, a := v.Args[0].Type, v.Attrs.(*TileAttrs)
	if len(x.Shape) != 4 {
		return Type{}, fmt.Errorf("argument of shape %v, want four dimensions", x.Shape)
	}
	if err := a.check(a.Side); err != nil {
		return Type{}, err
	}
	for d := range 2 {
		if last := (a.Size[d]-1)*a.Every - a.PadsBegin[d]; last >= x.Shape[2+d] {
			return Type{}, fmt.Errorf("tile %d lies outside a dimension of %d", a.Size[d]-1, x.Shape[2+d])
		}
	}
	return Type{Elem: x.Elem, Shape: []int{x.Shape[0], a.Side * a.Side * x.Shape[1], a.Size[0], a.Size[1]}}, nil
}

func inferTileOut(v *Value) (Type, error) {
	x, a := v.Args[0].Type, v.Attrs.(*TileAttrs)
	if err := a.check(a.Every); err != nil {
		return Type{}, err
	}
	if len(x.Shape) != 4 || x.Shape[1]%(a.Side*a.Side) != 0 {
		return Type{}, fmt.Errorf("argument of shape %v for tiles of %d", x.Shape, a.Side)
	}
	for d := range 2 {
		if n := a.Size[d]; n < 1 || n > x.Shape[2+d]*a.Every {
			return Type{}, fmt.Errorf("size %v of %v tiles with %d results", a.Size, x.Shape[2:], a.Every)
		}
	}
	return Type{Elem: x.Elem, Shape: []int{x.Shape[0], x.Shape[1] / (a.Side * a.Side), a.Size[0], a.Size[1]}}, nil
}

func realTileIn(v *Value, in [][]float32, out []float32, _ int) { tileIn(v, in[0], out) }

func realTileOut(v *Value, in [][]float32, out []float32, _ int) { tileOut(v, in[0], out) }

func fixedTileIn(_ *simulation, v *Value, in [][]int64, out []int64) { tileIn(v, in[0], out) }

func fixedTileOut(_ *simulation, v *Value, in [][]int64, out []int64) { tileOut(v, in[0], out) }

// both is M t M^T for a square tile t of a side; rows is the number of rows of M.
func both[T num.Number](m []int, rows, side int, t, half, out []T) {
	for i := range rows {
		for j := range side {
			var sum T
			for k := range side {
				sum += T(m[i*side+k]) * t[k*side+j]
			}
			half[i*side+j] = sum
		}
	}
	for i := range rows {
		for j := range rows {
			var sum T
			for k := range side {
				sum += half[i*side+k] * T(m[j*side+k])
			}
			out[i*rows+j] = sum
		}
	}
}

func tileIn[T num.Number](v *Value, in, out []T) {
	x, y, a := v.Args[0].Type.Shape, v.Type.Shape, v.Attrs.(*TileAttrs)
	c, h, w, tiles := x[1], x[2], x[3], y[2]*y[3]
	t, half, u := make([]T, a.Side*a.Side), make([]T, a.Side*a.Side), make([]T, a.Side*a.Side)
	for ch := range x[0] * c {
		plane := in[ch*h*w : (ch+1)*h*w]
		for at := range tiles {
			top, left := at/y[3]*a.Every-a.PadsBegin[0], at%y[3]*a.Every-a.PadsBegin[1]
			for i := range t {
				t[i] = 0
				if r, q := top+i/a.Side, left+i%a.Side; r >= 0 && r < h && q >= 0 && q < w {
					t[i] = plane[r*w+q]
				}
			}
			both(a.Matrix, a.Side, a.Side, t, half, u)
			for p, z := range u {
				out[((ch/c*len(u)+p)*c+ch%c)*tiles+at] = z
			}
		}
	}
}

func tileOut[T num.Number](v *Value, in, out []T) {
	x, y, a := v.Args[0].Type.Shape, v.Type.Shape, v.Attrs.(*TileAttrs)
	c, h, w, tiles := y[1], y[2], y[3], x[2]*x[3]
	t, half, u := make([]T, a.Side*a.Side), make([]T, a.Every*a.Side), make([]T, a.Every*a.Every)
	for ch := range y[0] * c {
		for at := range tiles {
			for p := range t {
				t[p] = in[((ch/c*len(t)+p)*c+ch%c)*tiles+at]
			}
			both(a.Matrix, a.Every, a.Side, t, half, u)
			for i, z := range u {
				if r, q := at/x[3]*a.Every+i/a.Every, at%x[3]*a.Every+i%a.Every; r < h && q < w {
					out[(ch*h+r)*w+q] = z
				}
			}
		}
	}
}

// modular reports values that count only mod 2^Bits: what lies between the
// transforms may wrap, for the map as a whole is linear over the ring.
func (v *Value) modular() bool {
	return v.Op == OpTileIn || v.Op == OpTileOut || v.Op == OpConv && v.Args[0].Op == OpTileIn
}
