package ir

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode"
)

// The text form. One value a line, in order:
//
//	graph "name"
//	%1 = input "x" : client real[1,2]
//	%2 = const "w" {data=[1,2,3,4]} : server real[2,2]
//	%3 = matmul(%1, %2) "fc" {shift=8 exact} : shared i16.8[1,2] @linear_rlwe
//	return %3
//
// Attributes that have their default are left out. A constant whose elements
// are all equal is {all=x}, or {one=x} where that is so whatever x is (ConstAttrs.Equal); a short one is {data=[...]}; a long one {digest=...},
// the key under which Parse looks its data up. # starts a comment.

// inlineLimit is how many elements Print writes out.
const inlineLimit = 16

// Print writes a graph, deterministically; long constants by their digest.
func Print(g *Graph) string {
	s, _ := PrintAll(g, inlineLimit)
	return s
}

// PrintAll writes a graph with constants of up to inline elements written out
// and gives the others by digest, as Parse wants them.
func PrintAll(g *Graph, inline int) (string, map[string]*ConstAttrs) {
	var b strings.Builder
	long := map[string]*ConstAttrs{}
	fmt.Fprintf(&b, "graph %s\n", strconv.Quote(g.Name))
	for _, v := range g.Values {
		b.WriteString(v.text(inline, long))
		b.WriteByte('\n')
	}
	outs := make([]string, len(g.Outputs))
	for i, o := range g.Outputs {
		outs[i] = fmt.Sprintf("%%%d", o.ID)
	}
	fmt.Fprintf(&b, "return %s\n", strings.Join(outs, ", "))
	return b.String(), long
}

// String prints the value's line.
func (v *Value) String() string { return v.text(inlineLimit, map[string]*ConstAttrs{}) }

func (v *Value) text(inline int, long map[string]*ConstAttrs) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%%%d = %s", v.ID, v.Op)
	if len(v.Args) > 0 {
		args := make([]string, len(v.Args))
		for i, a := range v.Args {
			args[i] = fmt.Sprintf("%%%d", a.ID)
		}
		fmt.Fprintf(&b, "(%s)", strings.Join(args, ", "))
	}
	if v.Name != "" {
		b.WriteString(" " + strconv.Quote(v.Name))
	}
	attrs := []string{}
	if c, ok := v.Attrs.(*ConstAttrs); ok {
		attrs = append(attrs, c.text(inline, long))
	} else if v.Attrs != nil {
		attrs = printFields(reflect.ValueOf(v.Attrs).Elem(), attrs)
	}
	if len(attrs) > 0 {
		b.WriteString(" {" + strings.Join(attrs, " ") + "}")
	}
	b.WriteString(" : " + v.Type.String())
	if v.Proto != "" {
		b.WriteString(" @" + word(v.Proto))
	}
	return b.String()
}

func (c *ConstAttrs) text(inline int, long map[string]*ConstAttrs) string {
	n, same := c.n(), true
	for i := range n {
		same = same && c.element(i) == c.element(0)
	}
	switch {
	case same && c.Equal:
		return "one=" + c.element(0)
	case same && n > 1:
		return "all=" + c.element(0)
	case n <= inline:
		s := make([]string, n)
		for i := range s {
			s[i] = c.element(i)
		}
		return "data=[" + strings.Join(s, ",") + "]"
	}
	d := c.Digest()
	long[d] = c
	return "digest=" + d
}

func (c *ConstAttrs) n() int {
	if c.Real != nil {
		return len(Floats(c.Real))
	}
	return len(c.Ints)
}

func (c *ConstAttrs) element(i int) string {
	if c.Real != nil {
		return strconv.FormatFloat(float64(Floats(c.Real)[i]), 'g', -1, 32)
	}
	return strconv.FormatInt(c.Ints[i], 10)
}

// Digest names the data of a constant: 16 hexadecimal digits of its SHA-256.
func (c *ConstAttrs) Digest() string {
	h := sha256.New()
	buf := make([]byte, 0, 1<<13)
	flush := func(limit int) {
		if len(buf) >= limit {
			h.Write(buf)
			buf = buf[:0]
		}
	}
	if c.Real != nil {
		for _, x := range Floats(c.Real) {
			buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(x))
			flush(1 << 12)
		}
	}
	for _, x := range c.Ints {
		buf = binary.LittleEndian.AppendUint64(buf, uint64(x))
		flush(1 << 12)
	}
	flush(0)
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// printFields lists the attributes of a struct that differ from their default.
func printFields(s reflect.Value, out []string) []string {
	for i := range s.NumField() {
		f, name := s.Field(i), s.Type().Field(i).Name
		if s.Type().Field(i).Anonymous {
			out = printFields(f, out)
			continue
		}
		if isDefault(name, f) {
			continue
		}
		switch x := f.Interface().(type) {
		case bool:
			out = append(out, snake(name))
		case []int:
			out = append(out, snake(name)+"="+ShapeString(x))
		case float64:
			out = append(out, snake(name)+"="+strconv.FormatFloat(x, 'g', -1, 64))
		case int:
			out = append(out, snake(name)+"="+strconv.Itoa(x))
		case Elem:
			out = append(out, snake(name)+"="+x.String())
		default: // string kinds
			out = append(out, snake(name)+"="+word(f.String()))
		}
	}
	return out
}

// isDefault reports whether a field may be left out: it is zero, or it is what
// Infer fills in.
func isDefault(name string, f reflect.Value) bool {
	all := func(x int) bool {
		s, _ := f.Interface().([]int)
		for _, y := range s {
			if y != x {
				return false
			}
		}
		return len(s) > 0
	}
	switch name {
	case "Group":
		return f.Int() <= 1
	case "Strides", "Dilations", "Step":
		return f.IsNil() || all(1)
	case "PadsBegin", "PadsEnd", "OutputPad":
		return f.IsNil() || all(0)
	}
	if f.Kind() == reflect.Float64 && f.Float() == 0 {
		return true // -0 is not worth a word
	}
	return f.IsZero()
}

// snake turns PadsBegin into pads_begin.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// word quotes a string unless it is plain.
func word(s string) string {
	for _, r := range s {
		if !isWord(r) {
			return strconv.Quote(s)
		}
	}
	if s == "" {
		return `""`
	}
	return s
}

func isWord(r rune) bool {
	return r == '_' || r == '.' || r == '-' || r == '+' || r < 128 && (unicode.IsLetter(r) || unicode.IsDigit(r))
}
