package nonlinear

import (
	"unsafe"

	"secc.example/secc/internal/largepage"
	"secc.example/secc/runtime/mpc/ring"
)

// Memory is vectors that a call uses in passing, and the next one uses again: memory that a process
// has touched before costs nothing, fresh pages do. It belongs to one call at a time; nil makes
// every vector anew.
//
// What is in it is as secret as all vectors are, and stays until it is overwritten. Nothing that a
// protocol returns is of it.
type Memory struct {
	blocks [][]uint64
	mark   mark
	spares spares
}

// mark is how far memory is given out.
type mark struct{ block, at int }

// spares are a chunk's words, each for one use (Party.spare).
type spares [6][]uint64

// memoryBlock is what is asked for at least, in words.
const memoryBlock = 1 << 17

// Words gives n zeros.
func (m *Memory) Words(n int) []uint64 {
	if m == nil {
		return make([]uint64, n)
	}
	w := m.Dirty(n)
	clear(w)
	return w
}

// unused makes words that were none before; tests fill them.
var unused = largepage.Words

// Dirty gives n words of any content.
func (m *Memory) Dirty(n int) []uint64 {
	if m == nil {
		return unused(n)
	}
	none := m.mark == mark{}
	for ; m.mark.block < len(m.blocks); m.mark = (mark{m.mark.block + 1, 0}) {
		if b := m.blocks[m.mark.block]; m.mark.at+n <= len(b) {
			m.mark.at += n
			return b[m.mark.at-n : m.mark.at : m.mark.at]
		}
	}
	if none { // nobody has any of the smaller blocks
		m.blocks, m.mark.block = nil, 0
	}
	m.blocks = append(m.blocks, unused(max(n, memoryBlock)))
	m.mark.at = n
	return m.blocks[m.mark.block][:n:n]
}

// Ints gives n numbers of any content.
func (m *Memory) Ints(n int) []int64 {
	w := m.Dirty(n)
	return unsafe.Slice((*int64)(unsafe.Pointer(unsafe.SliceData(w))), n)
}

// Planes is ring.Planes.
func (m *Memory) Planes(count, n int) [][]uint64 {
	w := ring.Words(n)
	all, p := m.Words(count*w), make([][]uint64, count)
	for j := range p {
		p[j] = all[j*w : (j+1)*w : (j+1)*w]
	}
	return p
}

// given and giveBack enclose what is used for a chunk alone.
func (m *Memory) given() mark {
	if m == nil {
		return mark{}
	}
	return m.mark
}

func (m *Memory) giveBack(to mark) {
	if m != nil {
		m.mark = to
	}
}

// Reset gives up all that was given out.
func (m *Memory) Reset() {
	if m != nil {
		m.mark = mark{}
	}
}
