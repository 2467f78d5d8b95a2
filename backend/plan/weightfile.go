package plan

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"unicode/utf8"
)

// The weights file has the safetensors layout: eight bytes of header length, a
// JSON header, then raw little-endian sections. It belongs to one plan, whose
// digest stands in the header beside a checksum of all the rest, and only the
// server ever has it.

const (
	weightsSchema = "secc.weights/2"
	maxHeader     = 64 << 20
	metadata      = "__metadata__" // the header's entry that is no tensor
)

// WeightInfo describes one section of a weights file.
type WeightInfo struct {
	DType   string   `json:"dtype"` // I8, I16, I32 or I64
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// dtypeBytes is the width of an element, 0 for an unknown type.
func dtypeBytes(dtype string) int64 {
	switch dtype {
	case "I8":
		return 1
	case "I16":
		return 2
	case "I32":
		return 4
	case "I64":
		return 8
	}
	return 0
}

// Weights is an open weights file. Tensors are read on demand, so a server
// holds only what it is working with; reading is safe from several goroutines.
type Weights struct {
	src     io.ReaderAt
	base    int64
	size    int64 // of the file
	tensors map[string]WeightInfo
	digest  Digest
	sum     checksum
}

// checksum is SHA-256 of the plan's digest, the descriptions of the sections and
// the sections.
type checksum [sha256.Size]byte

func (c checksum) String() string { return hex.EncodeToString(c[:]) }

// OpenWeights reads the header of a weights file of the given size and checks
// that every section lies inside the file and that none overlap.
func OpenWeights(src io.ReaderAt, size int64) (*Weights, error) {
	head, err := weightHeader(src, size)
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	raw := map[string]json.RawMessage{}
	if err := json.Unmarshal(head, &raw); err != nil {
		return nil, fmt.Errorf("weights: header: %w", err)
	}
	w := &Weights{src: src, base: 8 + int64(len(head)), size: size, tensors: map[string]WeightInfo{}}
	if err := w.readMeta(raw[metadata]); err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	delete(raw, metadata)
	for name, text := range raw {
		var info WeightInfo
		if err := json.Unmarshal(text, &info); err != nil {
			return nil, fmt.Errorf("weights: tensor %.60q: %w", name, err)
		}
		w.tensors[name] = info
	}
	if err := w.checkLayout(size - w.base); err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	return w, nil
}

func weightHeader(src io.ReaderAt, size int64) ([]byte, error) {
	var n [8]byte
	if _, err := src.ReadAt(n[:], 0); err != nil {
		return nil, fmt.Errorf("reading the header length: %w", err)
	}
	length := binary.LittleEndian.Uint64(n[:])
	if length > maxHeader || int64(length) > size-8 {
		return nil, fmt.Errorf("header of %d bytes in a file of %d", length, size)
	}
	head := make([]byte, length)
	if _, err := src.ReadAt(head, 8); err != nil {
		return nil, fmt.Errorf("reading the header: %w", err)
	}
	return head, nil
}

func (w *Weights) readMeta(text []byte) error {
	var meta weightsMeta
	if err := json.Unmarshal(text, &meta); err != nil || meta.Schema != weightsSchema {
		return errors.New("not a weights file of this version")
	}
	if !fromHex(w.digest[:], meta.PlanDigest) || !fromHex(w.sum[:], meta.Checksum) {
		return errors.New("malformed plan digest or checksum")
	}
	return nil
}

// weightsMeta is the __metadata__ entry of the header.
type weightsMeta struct{ Schema, PlanDigest, Checksum string }

func fromHex(to []byte, text string) bool {
	b, err := hex.DecodeString(text)
	return err == nil && copy(to, b) == len(b) && len(b) == len(to)
}

// Verify reads the whole file and holds it to its checksum.
func (w *Weights) Verify() error {
	h, err := newSum(w.digest, w.tensors)
	if err != nil {
		return err
	}
	if _, err := io.Copy(h, io.NewSectionReader(w.src, w.base, w.size-w.base)); err != nil {
		return fmt.Errorf("weights: %w", err)
	}
	if checksum(h.Sum(nil)) != w.sum {
		return errors.New("weights: the file is damaged: its checksum is another")
	}
	return nil
}

// newSum begins the checksum; the sections are still to come.
func newSum(d Digest, tensors map[string]WeightInfo) (hash.Hash, error) {
	text, err := json.Marshal(tensors) // map keys come out sorted
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	h := sha256.New()
	h.Write(d[:])
	h.Write(text)
	return h, nil
}

// copyTo writes the whole file again.
func (w *Weights) copyTo(out io.Writer) error {
	_, err := io.Copy(out, io.NewSectionReader(w.src, 0, w.size))
	return err
}

// checkLayout checks that the sections tile the data exactly.
func (w *Weights) checkLayout(size int64) error {
	var at int64
	for _, name := range w.byOffset() {
		t := w.tensors[name]
		n, err := checkShape(t.Shape)
		if err != nil {
			return fmt.Errorf("tensor %.60q: %w", name, err)
		}
		if width := dtypeBytes(t.DType); width == 0 || t.Offsets[0] != at || t.Offsets[1]-at != int64(n)*width {
			return fmt.Errorf("tensor %.60q: type %.10q, shape %v, offsets %v", name, t.DType, t.Shape, t.Offsets)
		}
		at = t.Offsets[1]
	}
	if at != size {
		return fmt.Errorf("sections take %d bytes, the file has %d", at, size)
	}
	return nil
}

func (w *Weights) byOffset() []string {
	var names []string
	for n := range w.tensors {
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := w.tensors[a].Offsets[0] - w.tensors[b].Offsets[0]; d != 0 {
			return int(max(min(d, 1), -1))
		}
		return 0
	})
	return names
}

// PlanDigest is the digest of the plan these weights were made for.
func (w *Weights) PlanDigest() Digest { return w.digest }

// Checksum names the weights: SHA-256 of what stands in their file.
func (w *Weights) Checksum() string { return w.sum.String() }

// Len is the number of elements of a tensor, -1 if there is none of that name.
func (w *Weights) Len(name string) int {
	t, ok := w.tensors[name]
	if !ok {
		return -1
	}
	n, _ := checkShape(t.Shape)
	return n
}

// Ints reads a tensor of exactly n elements.
func (w *Weights) Ints(name string, n int) ([]int64, error) {
	if w.Len(name) != n {
		return nil, noTensor(name, n)
	}
	out := make([]int64, n)
	return out, w.IntsInto(out, name)
}

func noTensor(name string, n int) error {
	return fmt.Errorf("weights: no tensor %.60q of %d elements", name, n)
}

// IntsInto is Ints into the caller's memory.
func (w *Weights) IntsInto(out []int64, name string) error {
	t, ok := w.tensors[name]
	if !ok || w.Len(name) != len(out) {
		return noTensor(name, len(out))
	}
	width, at := dtypeBytes(t.DType), w.base+t.Offsets[0]
	raw := make([]byte, min(readPiece, int64(len(out))*width))
	for len(out) > 0 {
		n := min(len(out), readPiece/int(width))
		piece := raw[:int64(n)*width]
		if _, err := w.src.ReadAt(piece, at); err != nil {
			return fmt.Errorf("weights: tensor %.60q: %w", name, err)
		}
		widen(out[:n], piece, width)
		out, at = out[n:], at+int64(len(piece))
	}
	return nil
}

// readPiece is how much of a tensor is read at once: little enough to stay in the cache.
const readPiece = 64 << 10

// widen reads numbers of some bytes each.
func widen(out []int64, raw []byte, width int64) {
	switch width {
	case 1:
		for i, b := range raw[:len(out)] {
			out[i] = int64(int8(b))
		}
	case 2:
		for i := range out {
			out[i] = int64(int16(binary.LittleEndian.Uint16(raw[2*i:])))
		}
	case 4:
		for i := range out {
			out[i] = int64(int32(binary.LittleEndian.Uint32(raw[4*i:])))
		}
	default:
		for i := range out {
			out[i] = int64(binary.LittleEndian.Uint64(raw[8*i:]))
		}
	}
}

// WeightTensor is one tensor to write.
type WeightTensor struct {
	Name  string
	Shape []int
	Data  []int64
}

// WriteWeights writes a weights file for the plan with the given digest. Each
// tensor takes the narrowest type that holds its values; the same tensors in
// the same order give the same bytes.
func WriteWeights(out io.Writer, d Digest, tensors []WeightTensor) error {
	infos := make(map[string]WeightInfo, len(tensors))
	var at int64
	widths := make([]int64, len(tensors))
	for i, t := range tensors {
		var dtype string
		dtype, widths[i] = narrowest(t.Data)
		end := at + int64(len(t.Data))*widths[i]
		if _, dup := infos[t.Name]; dup || t.Name == metadata || !utf8.ValidString(t.Name) {
			return fmt.Errorf("weights: tensor %q twice, or a name that cannot be written", t.Name)
		}
		infos[t.Name] = WeightInfo{dtype, t.Shape, [2]int64{at, end}}
		at = end
	}
	sum, err := newSum(d, infos)
	if err != nil {
		return err
	}
	for i, t := range tensors {
		sum.Write(pack(t.Data, widths[i]))
	}
	head := map[string]any{metadata: weightsMeta{weightsSchema, d.String(), checksum(sum.Sum(nil)).String()}}
	for name, info := range infos {
		head[name] = info
	}
	text, err := json.Marshal(head) // map keys come out sorted
	if err != nil {
		return fmt.Errorf("weights: %w", err)
	}
	if _, err := out.Write(append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...)); err != nil {
		return fmt.Errorf("weights: %w", err)
	}
	for i, t := range tensors {
		if _, err := out.Write(pack(t.Data, widths[i])); err != nil {
			return fmt.Errorf("weights: tensor %q: %w", t.Name, err)
		}
	}
	return nil
}

func narrowest(data []int64) (string, int64) {
	lo, hi := int64(0), int64(0)
	for _, x := range data {
		lo, hi = min(lo, x), max(hi, x)
	}
	for _, t := range []string{"I8", "I16", "I32"} {
		bits := 8 * dtypeBytes(t)
		if lo >= -1<<(bits-1) && hi < 1<<(bits-1) {
			return t, bits / 8
		}
	}
	return "I64", 8
}

func pack(data []int64, width int64) []byte {
	b := make([]byte, 0, int64(len(data))*width)
	for _, x := range data {
		for range width {
			b = append(b, byte(x))
			x >>= 8
		}
	}
	return b
}
