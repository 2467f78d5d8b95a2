package ir

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxFilled bounds what {all=x} may allocate in one text.
const maxFilled = 1 << 22

// Parse reads what Print writes. Types of computed values may be left out; where
// they stand they must be what is inferred. Long constants are looked up in long
// by their digest (may be nil).
func Parse(text string, long map[string]*ConstAttrs) (*Graph, error) {
	p := &parser{g: &Graph{}, byID: map[int]*Value{}, long: long}
	for n, line := range strings.Split(text, "\n") {
		p.rest = line
		if p.peek() == 0 {
			continue
		}
		if err := p.line(); err != nil {
			return nil, fmt.Errorf("ir: line %d: %w", n+1, err)
		}
	}
	if !p.done {
		return nil, errors.New("ir: the text ends without a return line")
	}
	return p.g, nil
}

type parser struct {
	g      *Graph
	byID   map[int]*Value
	long   map[string]*ConstAttrs
	rest   string // what is left of the line
	filled int
	done   bool
}

// peek gives the next character after spaces; 0 at the end of the line or a comment.
func (p *parser) peek() byte {
	p.rest = strings.TrimLeft(p.rest, " \t\r")
	if p.rest == "" || p.rest[0] == '#' {
		return 0
	}
	return p.rest[0]
}

// accept takes the token if it is next.
func (p *parser) accept(token string) bool {
	if p.peek() == 0 || !strings.HasPrefix(p.rest, token) {
		return false
	}
	p.rest = p.rest[len(token):]
	return true
}

func (p *parser) expect(token string) error {
	if !p.accept(token) {
		return fmt.Errorf("want %q at %.20q", token, p.rest)
	}
	return nil
}

// word takes a quoted string or a run of word characters.
func (p *parser) word() (string, error) {
	if p.peek() == '"' {
		q, err := strconv.QuotedPrefix(p.rest)
		if err != nil {
			return "", fmt.Errorf("bad string at %.20q", p.rest)
		}
		p.rest = p.rest[len(q):]
		s, err := strconv.Unquote(q)
		if err == nil && !utf8.ValidString(s) {
			err = errors.New("string is not valid UTF-8")
		}
		return s, err
	}
	n := 0
	for n < len(p.rest) && isWord(rune(p.rest[n])) {
		n++
	}
	if n == 0 {
		return "", fmt.Errorf("want a word at %.20q", p.rest)
	}
	w := p.rest[:n]
	p.rest = p.rest[n:]
	return w, nil
}

func (p *parser) int() (int, error) {
	w, err := p.word()
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(w)
}

func (p *parser) line() (err error) {
	switch {
	case p.done:
		return errors.New("text after the return line")
	case p.peek() == '%':
		err = p.value()
	case p.accept("graph"):
		p.g.Name, err = p.word()
	case p.accept("return"):
		p.done = true
		p.g.Outputs, err = p.values()
	default:
		return fmt.Errorf("want a value, graph or return at %.20q", p.rest)
	}
	if err == nil && p.peek() != 0 {
		err = fmt.Errorf("more on the line: %.20q", p.rest)
	}
	return err
}

// values reads "%1, %2".
func (p *parser) values() ([]*Value, error) {
	var vs []*Value
	for {
		if err := p.expect("%"); err != nil {
			return nil, err
		}
		id, err := p.int()
		if err != nil {
			return nil, err
		}
		v := p.byID[id]
		if v == nil {
			return nil, fmt.Errorf("%%%d is not defined", id)
		}
		vs = append(vs, v)
		if !p.accept(",") {
			return vs, nil
		}
	}
}

// value reads one line: %id = op(args) "name" {attrs} : type @proto.
func (p *parser) value() error {
	v, err := p.head()
	if err != nil {
		return err
	}
	info, ok := table[v.Op]
	if !ok {
		return fmt.Errorf("no operator %q", v.Op)
	}
	if info.Attrs != nil {
		v.Attrs = info.Attrs()
	}
	fields := map[string]string{}
	if p.accept("{") {
		if fields, err = p.attrs(); err != nil {
			return err
		}
	}
	typed := p.accept(":")
	if typed {
		if v.Type, err = p.typ(); err != nil {
			return err
		}
	} else if info.Class == Leaf {
		return errors.New("inputs and constants need a type")
	}
	if p.accept("@") {
		if v.Proto, err = p.word(); err != nil {
			return err
		}
	}
	if v.Op == OpConst {
		err = p.constant(v, fields)
	} else {
		err = setFields(v.Attrs, fields)
	}
	if err != nil {
		return err
	}
	return p.add(v, typed)
}

// head reads up to the attributes.
func (p *parser) head() (*Value, error) {
	v := &Value{}
	err := p.expect("%")
	if err == nil {
		v.ID, err = p.int()
	}
	if err == nil {
		err = p.expect("=")
	}
	if err != nil {
		return nil, err
	}
	if v.ID < 1 || v.ID > math.MaxInt32 || p.byID[v.ID] != nil {
		return nil, fmt.Errorf("%%%d is used twice or out of range", v.ID)
	}
	op, err := p.word()
	if err != nil {
		return nil, err
	}
	v.Op = Op(op)
	if p.accept("(") {
		if v.Args, err = p.values(); err == nil {
			err = p.expect(")")
		}
	}
	if err == nil && p.peek() == '"' {
		v.Name, err = p.word()
	}
	return v, err
}

// add infers the type and appends the value under its own number.
func (p *parser) add(v *Value, typed bool) error {
	t, err := v.Infer()
	if err != nil {
		return err
	}
	if typed && !t.Equal(v.Type) {
		return fmt.Errorf("%%%d is said to be %v, it is %v", v.ID, v.Type, t)
	}
	v.Type = t
	p.byID[v.ID] = v
	p.g.Values = append(p.g.Values, v)
	p.g.nextID = max(p.g.nextID, v.ID)
	if v.Op == OpInput {
		p.g.Inputs = append(p.g.Inputs, v)
	}
	return nil
}

// attrs reads "name=value name ...}".
func (p *parser) attrs() (map[string]string, error) {
	fields := map[string]string{}
	for !p.accept("}") {
		name, err := p.word()
		if err != nil {
			return nil, err
		}
		if _, twice := fields[name]; twice {
			return nil, fmt.Errorf("attribute %s stands twice", name)
		}
		fields[name] = "true"
		if !p.accept("=") {
			continue
		}
		if fields[name], err = p.attrValue(); err != nil {
			return nil, err
		}
	}
	return fields, nil
}

// attrValue reads a word or a list, which it gives back with its brackets.
func (p *parser) attrValue() (string, error) {
	if p.peek() != '[' {
		return p.word()
	}
	list, rest, ok := strings.Cut(p.rest, "]")
	if !ok {
		return "", errors.New("list without end")
	}
	p.rest = rest
	return list + "]", nil
}

// items splits "[a,b]".
func items(list string) ([]string, error) {
	s, ok := strings.CutPrefix(list, "[")
	if !ok {
		return nil, fmt.Errorf("want a list, not %.20q", list)
	}
	s = strings.TrimSpace(strings.TrimSuffix(s, "]"))
	if s == "" {
		return []string{}, nil
	}
	parts := strings.Split(s, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts, nil
}

func parseInts(list string) ([]int, error) {
	parts, err := items(list)
	if err != nil {
		return nil, err
	}
	out := make([]int, len(parts))
	for i, s := range parts {
		if out[i], err = strconv.Atoi(s); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// typ reads "shared i16.8[1,2]".
func (p *parser) typ() (t Type, err error) {
	h, err := p.word()
	if err != nil {
		return t, err
	}
	for i, name := range holderNames {
		if h == name {
			t.Holder = Holder(i)
		}
	}
	if t.Holder.String() != h {
		return t, fmt.Errorf("no holder %q", h)
	}
	e, err := p.word()
	if err != nil {
		return t, err
	}
	if t.Elem, err = parseElem(e); err != nil {
		return t, err
	}
	list, err := p.attrValue()
	if err != nil {
		return t, err
	}
	t.Shape, err = parseInts(list)
	return t, err
}

func parseElem(s string) (Elem, error) {
	if s == "real" {
		return Elem{}, nil
	}
	bits, frac, ok := strings.Cut(strings.TrimPrefix(s, "i"), ".")
	b, err1 := strconv.Atoi(bits)
	f, err2 := strconv.Atoi(frac)
	if e := (Elem{b, f}); ok && err1 == nil && err2 == nil && b > 0 && e.check() == nil && e.String() == s {
		return e, nil
	}
	return Elem{}, fmt.Errorf("no format %.20q", s)
}

// constant reads {data=[...]}, {all=x}, {one=x} or {digest=...}.
func (p *parser) constant(v *Value, fields map[string]string) error {
	if len(fields) != 1 {
		return errors.New("a constant has one of data, all, one and digest")
	}
	if err := checkShape(v.Type.Shape); err != nil {
		return err
	}
	if d, ok := fields["digest"]; ok {
		c := p.long[d]
		if c == nil {
			return fmt.Errorf("no data with digest %.20q", d)
		}
		v.Attrs = c
		return nil
	}
	number := cmp.Or(fields["all"], fields["one"])
	v.Attrs.(*ConstAttrs).Equal = fields["one"] != ""
	parts := []string{number}
	if list, ok := fields["data"]; ok {
		var err error
		if parts, err = items(list); err != nil {
			return err
		}
	} else if p.filled += v.Type.N(); p.filled > maxFilled {
		return fmt.Errorf("constants of more than %d elements in all", maxFilled)
	}
	return v.setData(parts, number != "")
}

// setData fills a constant from its printed elements.
func (v *Value) setData(parts []string, all bool) error {
	n, c := v.Type.N(), v.Attrs.(*ConstAttrs)
	if !all && len(parts) != n {
		return fmt.Errorf("%d elements for shape %v", len(parts), v.Type.Shape)
	}
	real := make([]float32, len(parts))
	ints := make([]int64, len(parts))
	for i, s := range parts {
		var err error
		if v.Type.Elem.IsReal() {
			var f float64
			f, err = strconv.ParseFloat(s, 32)
			real[i] = float32(f)
		} else {
			ints[i], err = strconv.ParseInt(s, 10, 64)
		}
		if err != nil {
			return err
		}
	}
	if all {
		real, ints = repeated(real[0], n), repeated(ints[0], n)
	}
	if v.Type.Elem.IsReal() {
		c.Real = NewReal(v.Type.Shape, real)
	} else {
		c.Ints = ints
	}
	return nil
}

func repeated[T any](x T, n int) []T {
	s := make([]T, n)
	for i := range s {
		s[i] = x
	}
	return s
}

// setFields fills an attribute struct from its printed form.
func setFields(attrs any, fields map[string]string) error {
	n := 0
	if attrs != nil {
		var err error
		if n, err = setStruct(reflect.ValueOf(attrs).Elem(), fields); err != nil {
			return err
		}
	}
	if n != len(fields) {
		return fmt.Errorf("attributes %v: the operator does not have them all", fields)
	}
	return nil
}

// setStruct sets the fields that are named and counts them.
func setStruct(s reflect.Value, fields map[string]string) (int, error) {
	n := 0
	for i := range s.NumField() {
		if s.Type().Field(i).Anonymous {
			m, err := setStruct(s.Field(i), fields)
			if err != nil {
				return 0, err
			}
			n += m
			continue
		}
		name := snake(s.Type().Field(i).Name)
		text, ok := fields[name]
		if !ok {
			continue
		}
		n++
		if err := setField(s.Field(i), text); err != nil {
			return 0, fmt.Errorf("attribute %s: %w", name, err)
		}
	}
	return n, nil
}

func setField(f reflect.Value, text string) (err error) {
	var x any
	switch f.Interface().(type) {
	case bool:
		x, err = strconv.ParseBool(text)
	case []int:
		x, err = parseInts(text)
	case float64:
		x, err = strconv.ParseFloat(text, 64)
	case int:
		x, err = strconv.Atoi(text)
	case Elem:
		x, err = parseElem(text)
	default:
		f.SetString(text)
		return nil
	}
	if err == nil {
		f.Set(reflect.ValueOf(x))
	}
	return err
}
