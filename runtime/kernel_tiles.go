package runtime

import "secc.example/secc/backend/plan"

// tiles maps the tiles of a tensor, or maps them back to a tensor.
func tiles(c *Call, _ adder, _ Weights) ([]Vec, error) {
	out, m := c.Out(), mask(c.OutTypes[0].Bits)
	g := c.Attrs.(*plan.Tiles)
	w := newTileMap(g)
	for ch := range g.Batch * g.C {
		for at := range g.TH * g.TW {
			if g.Back {
				w.back(ch, at, c.In[0], out[0])
			} else {
				w.forth(ch, at, c.In[0], out[0])
			}
		}
	}
	for i := range out[0] {
		out[0][i] &= m
	}
	return out, nil
}

// tileMap is M t M^T with room for its intermediate results.
type tileMap struct {
	*plan.Tiles
	rows          int
	m             []uint64
	t, half, made []uint64
}

func newTileMap(g *plan.Tiles) *tileMap {
	w := &tileMap{Tiles: g, rows: len(g.Matrix) / g.Side}
	for _, x := range g.Matrix {
		w.m = append(w.m, uint64(x))
	}
	side := g.Side
	w.t, w.half, w.made = make([]uint64, side*side), make([]uint64, w.rows*side), make([]uint64, w.rows*w.rows)
	return w
}

func (w *tileMap) apply() {
	side := w.Tiles.Side
	for i := range w.rows {
		for j := range side {
			var sum uint64
			for k := range side {
				sum += w.m[i*side+k] * w.t[k*side+j]
			}
			w.half[i*side+j] = sum
		}
	}
	for i := range w.rows {
		for j := range w.rows {
			var sum uint64
			for k := range side {
				sum += w.half[i*side+k] * w.m[j*side+k]
			}
			w.made[i*w.rows+j] = sum
		}
	}
}

// place is where element p of tile at of a channel stands among the tiles.
func (w *tileMap) place(ch, p, at int) int {
	g := w.Tiles
	return ((ch/g.C*g.Side*g.Side+p)*g.C+ch%g.C)*g.TH*g.TW + at
}

func (w *tileMap) forth(ch, at int, in, out Vec) {
	g := w.Tiles
	plane := in[ch*g.H*g.W : (ch+1)*g.H*g.W]
	top, left := at/g.TW*g.Step-g.PT, at%g.TW*g.Step-g.PL
	for i := range w.t {
		w.t[i] = 0
		if y, x := top+i/g.Side, left+i%g.Side; y >= 0 && y < g.H && x >= 0 && x < g.W {
			w.t[i] = plane[y*g.W+x]
		}
	}
	w.apply()
	for p, v := range w.made {
		out[w.place(ch, p, at)] = v
	}
}

func (w *tileMap) back(ch, at int, in, out Vec) {
	g := w.Tiles
	for p := range w.t {
		w.t[p] = in[w.place(ch, p, at)]
	}
	w.apply()
	for i, v := range w.made {
		if y, x := at/g.TW*g.Step+i/g.Step, at%g.TW*g.Step+i%g.Step; y < g.H && x < g.W {
			out[(ch*g.H+y)*g.W+x] = v
		}
	}
}
