// Package ljpeg decodes grey-level frames of JPEG's lossless process (ITU-T T.81,
// process 14: prediction and Huffman codes, annex H), which Go's image/jpeg does
// not read and hospitals archive radiographs in.
package ljpeg

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The markers that occur in such a frame.
const (
	markerSOF3 = 0xc3
	markerDHT  = 0xc4
	markerSOI  = 0xd8
	markerEOI  = 0xd9
	markerSOS  = 0xda
	markerDRI  = 0xdd
	markerRST0 = 0xd0
)

var (
	errDamaged = errors.New("the JPEG frame is damaged")
	errCut     = errors.New("the JPEG frame is cut off")
)

// decoder is what the segments before the scan say.
type decoder struct {
	width, height int
	precision     int
	component     byte
	interval      int // samples between restart markers; 0: none
	tables        [4]*table
	seen          int // tables defined so far
	table         *table
	predictor     int
	shift         int // the point transform: low bits that were left out
}

// Decode gives the samples of a frame that must be of the given size.
func Decode(data []byte, width, height int) ([]uint16, error) {
	if len(data) < 2 || data[0] != 0xff || data[1] != markerSOI {
		return nil, errDamaged
	}
	d := new(decoder)
	for data = data[2:]; ; {
		marker, segment, rest, err := nextSegment(data)
		if err != nil {
			return nil, err
		}
		if err := d.segment(marker, segment); err != nil {
			return nil, err
		}
		if data = rest; marker != markerSOS {
			continue
		}
		if d.width != width || d.height != height {
			return nil, errors.New("the JPEG frame is not of the size that rows and columns say")
		}
		return d.scan(data)
	}
}

// nextSegment takes a marker segment off the data.
func nextSegment(data []byte) (marker byte, segment, rest []byte, err error) {
	for len(data) > 1 && data[0] == 0xff && data[1] == 0xff { // fill bytes
		data = data[1:]
	}
	if len(data) < 4 || data[0] != 0xff {
		return 0, nil, nil, errCut
	}
	if marker = data[1]; marker == markerEOI {
		return 0, nil, nil, errors.New("the JPEG frame holds no scan")
	}
	n := int(binary.BigEndian.Uint16(data[2:]))
	if n < 2 || n > len(data)-2 {
		return 0, nil, nil, errCut
	}
	return marker, data[4 : 2+n], data[2+n:], nil
}

func (d *decoder) segment(marker byte, s []byte) error {
	switch {
	case marker == markerSOF3:
		return d.frame(s)
	case marker == markerDHT:
		return d.huffman(s)
	case marker == markerSOS:
		return d.startOfScan(s)
	case marker == markerDRI:
		if len(s) != 2 {
			return errDamaged
		}
		d.interval = int(binary.BigEndian.Uint16(s))
	case marker >= 0xc0 && marker <= 0xcf && marker != 0xcc && marker != 0xc8:
		return errors.New("the JPEG frame is not one of the lossless process with Huffman codes")
	}
	return nil
}

func (d *decoder) frame(s []byte) error {
	if len(s) < 6 || len(s) != 6+3*int(s[5]) {
		return errDamaged
	}
	if s[5] != 1 {
		return fmt.Errorf("the JPEG frame has %d components, not one", s[5])
	}
	d.precision, d.component = int(s[0]), s[6]
	d.height, d.width = int(binary.BigEndian.Uint16(s[1:])), int(binary.BigEndian.Uint16(s[3:]))
	if d.precision < 2 || d.precision > 16 || d.height == 0 || d.width == 0 {
		return errDamaged
	}
	return nil
}

func (d *decoder) huffman(s []byte) error {
	for len(s) > 0 {
		if d.seen++; len(s) < 17 || s[0] > 3 || d.seen > 16 { // lossless has DC tables only
			return errDamaged
		}
		n := 0
		for _, c := range s[1:17] {
			n += int(c)
		}
		if n > 17 || len(s) < 17+n {
			return errDamaged
		}
		t, err := newTable([16]byte(s[1:17]), s[17:17+n])
		if err != nil {
			return err
		}
		d.tables[s[0]], s = t, s[17+n:]
	}
	return nil
}

func (d *decoder) startOfScan(s []byte) error {
	if len(s) != 6 || s[0] != 1 || d.width == 0 || s[1] != d.component || s[2]>>4 > 3 {
		return errDamaged
	}
	d.table, d.predictor, d.shift = d.tables[s[2]>>4], int(s[3]), int(s[5]&15)
	if d.table == nil || d.predictor < 1 || d.predictor > 7 || d.shift >= d.precision {
		return errDamaged
	}
	return nil
}

// scan decodes all samples.
func (d *decoder) scan(data []byte) ([]uint16, error) {
	out := make([]uint16, d.width*d.height)
	b := &bits{data: data}
	first := 0 // where the line began that has no other above it
	if d.interval%d.width != 0 {
		return nil, errors.New("the JPEG frame restarts within a line")
	}
	for i := range out {
		if d.interval > 0 && i > 0 && i%d.interval == 0 {
			if err := b.restart(byte(i/d.interval-1) & 7); err != nil {
				return nil, err
			}
			first = i
		}
		diff, err := b.difference(d.table)
		if err != nil {
			return nil, err
		}
		out[i] = uint16(d.predict(out, i, first) + diff)
	}
	if d.shift > 0 {
		for i := range out {
			out[i] <<= d.shift
		}
	}
	return out, nil
}

// predict gives what a sample is expected to be from those on its left (a),
// above (b), and above on the left (c).
func (d *decoder) predict(out []uint16, i, first int) int {
	switch column := i % d.width; {
	case i == first:
		return 1 << (d.precision - d.shift - 1)
	case i < first+d.width:
		return int(out[i-1])
	case column == 0:
		return int(out[i-d.width])
	}
	a, b, c := int(out[i-1]), int(out[i-d.width]), int(out[i-d.width-1])
	switch d.predictor {
	case 1:
		return a
	case 2:
		return b
	case 3:
		return c
	case 4:
		return a + b - c
	case 5:
		return a + (b-c)>>1
	case 6:
		return b + (a-c)>>1
	}
	return (a + b) >> 1
}

// table finds a Huffman code by the 16 bits that begin with it.
type table [1 << 16]struct{ length, value uint8 }

func newTable(counts [16]byte, values []byte) (*table, error) {
	t, code := new(table), 0
	for i, n := range counts {
		length := i + 1
		for range n {
			if code >= 1<<length || values[0] > 16 {
				return nil, errDamaged
			}
			from := code << (16 - length)
			for k := range 1 << (16 - length) {
				t[from+k].length, t[from+k].value = uint8(length), values[0]
			}
			code, values = code+1, values[1:]
		}
		code <<= 1
	}
	return t, nil
}

// bits reads the entropy-coded segment.
type bits struct {
	data []byte
	acc  uint64
	have int
	made int // bits that were made up beyond a marker or the end
}

// fill makes sure of 32 bits; behind the end they are zero.
func (b *bits) fill() {
	for b.have <= 32 {
		x := byte(0)
		switch {
		case len(b.data) > 1 && b.data[0] == 0xff && b.data[1] == 0:
			x, b.data = 0xff, b.data[2:]
		case len(b.data) == 0 || b.data[0] == 0xff:
			b.made += 8
		default:
			x, b.data = b.data[0], b.data[1:]
		}
		b.acc, b.have = b.acc<<8|uint64(x), b.have+8
	}
}

func (b *bits) take(n int) int {
	b.have -= n
	return int(b.acc >> b.have & (1<<n - 1))
}

// difference reads one code and the bits that belong to it.
func (b *bits) difference(t *table) (int, error) {
	b.fill()
	e := t[b.acc>>(b.have-16)&0xffff]
	if e.length == 0 {
		return 0, errDamaged
	}
	b.have -= int(e.length)
	n, diff := int(e.value), 0
	switch {
	case n == 16: // stands for itself
		diff = 1 << 15
	case n > 0:
		if diff = b.take(n); diff < 1<<(n-1) {
			diff += 1 - 1<<n
		}
	}
	if b.made > b.have { // these bits were none of the file's
		return 0, errCut
	}
	return diff, nil
}

// restart goes on behind the restart marker of a number.
func (b *bits) restart(number byte) error {
	b.acc, b.have, b.made = 0, 0, 0
	for len(b.data) > 1 && b.data[0] == 0xff && b.data[1] == 0xff {
		b.data = b.data[1:]
	}
	if len(b.data) < 2 || b.data[0] != 0xff || b.data[1] != markerRST0+number {
		return errCut
	}
	b.data = b.data[2:]
	return nil
}
