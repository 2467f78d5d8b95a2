package plan

import (
	"fmt"
	"io"
	"strings"
)

// WriteText prints a plan for people: one line a step, with slots, formats and
// bytes. It is meant to be read and compared, not parsed.
func (p *Plan) WriteText(out io.Writer) error {
	w := &printer{out: out}
	w.line("plan %q version %d, %d slots, %d rounds, reveal %s", p.Model, p.Version, len(p.Slots), len(p.Rounds), p.Reveal)
	for i, in := range p.Inputs {
		w.line("input %q -> %s%s%s", in.Name, p.entry(i, in.Slot), in.Preprocess, in.scaling())
	}
	for i := range p.Head {
		w.line("client %s", p.headText(i))
	}
	for _, f := range p.Feeds {
		w.line("client v%d -> %s%s", f.Value, p.slot(f.Slot), f.scaling())
	}
	for r, steps := range p.Rounds {
		w.line("round %d", r)
		for i := range steps {
			w.line("  %s", p.stepText(&steps[i]))
		}
	}
	for _, o := range p.Outputs {
		w.line("output %q %v = %s%s", o.Name, o.Shape, p.slot(o.Slot), postText(o.Post))
	}
	if len(p.Labels) > 0 {
		w.line("labels %d", len(p.Labels))
	}
	return w.err
}

// Text is WriteText into a string.
func (p *Plan) Text() string {
	var b strings.Builder
	_ = p.WriteText(&b) // a Builder never fails
	return b.String()
}

// printer keeps the first error, so that callers need not check every line.
type printer struct {
	out io.Writer
	err error
}

func (w *printer) line(format string, args ...any) {
	if w.err == nil {
		_, w.err = fmt.Fprintf(w.out, format+"\n", args...)
	}
}

func (p *Plan) slot(x Slot) string {
	t := p.Slots[x]
	return fmt.Sprintf("s%d:i%d.%d%s", x, t.Bits, t.Frac, shapeText(t.Shape))
}

func shapeText(shape []int) string {
	return strings.ReplaceAll(fmt.Sprint(shape), " ", ",")
}

func (c Preprocess) String() string {
	if c.Preset == "" {
		return ""
	}
	crop, via, levels := "", "", ""
	if c.Crop != "" {
		crop = " crop " + c.Crop
	}
	if c.Via > 0 {
		via = fmt.Sprintf(" via %d", c.Via)
	}
	if c.Range > 0 {
		levels = fmt.Sprintf(" range %d", c.Range)
	}
	return fmt.Sprintf(" preprocess %s %s %s%s%s%s resize %d scale %v shift %v", c.Preset, c.Layout, c.Colour, crop, via, levels, c.Resize, c.Scale, c.Shift)
}

// entry says where input i goes.
func (p *Plan) entry(i int, x Slot) string {
	switch {
	case x == HeadOnly:
		return fmt.Sprintf("v%d%s", i, shapeText(p.Inputs[i].Shape))
	case len(p.Head) > 0:
		return fmt.Sprintf("v%d %s", i, p.slot(x))
	}
	return p.slot(x)
}

// headText is op i of the head: what it reads, and its public numbers.
func (p *Plan) headText(i int) string {
	op := &p.Head[i]
	var b strings.Builder
	fmt.Fprintf(&b, "v%d%s = %s", len(p.Inputs)+i, shapeText(op.Shape), op.Op)
	for _, x := range op.In {
		fmt.Fprintf(&b, " v%d", x)
	}
	switch op.Op {
	case "const":
		fmt.Fprintf(&b, " %v", op.Data[:min(len(op.Data), 8)])
	case "func":
		fmt.Fprintf(&b, " %s(%g, %g)", op.Name, op.Alpha, op.Beta)
	case "clip":
		fmt.Fprintf(&b, " to %g..%g", op.Alpha, op.Beta)
	case "copy":
		fmt.Fprintf(&b, " (%d regions, fill %g)", len(op.Regions), op.Alpha)
	case "sum", "reduce_max", "softmax", "log_softmax":
		fmt.Fprintf(&b, " axes %v", op.Axes)
	}
	fmt.Fprintf(&b, " # %q", op.Node)
	return b.String()
}

// scaling says what the client does to the elements before it encodes them.
func (in *Scaling) scaling() string {
	s := ""
	if in.Min != 0 {
		s = fmt.Sprintf(" from %g on", in.Min)
	}
	if len(in.Shift) > 0 {
		s += fmt.Sprintf(" times 2^%s each %d", shapeText(in.Shift), in.Inner)
	}
	return s
}

func postText(post []PostOp) string {
	var b strings.Builder
	for _, f := range post {
		fmt.Fprintf(&b, " | %s", f.Op)
		switch f.Op {
		case "func":
			fmt.Fprintf(&b, " %s", f.Name)
		case "softmax", "log_softmax":
			fmt.Fprintf(&b, " axis %d", f.Axis)
		default:
			b.WriteString(" " + shapeText(f.Shape))
		}
	}
	return b.String()
}

func (p *Plan) stepText(s *Step) string {
	var b strings.Builder
	for i, x := range s.Out {
		b.WriteString(strings.Repeat(", ", min(i, 1)) + p.slot(x))
	}
	fmt.Fprintf(&b, " = %s", s.Proto)
	for _, x := range s.In {
		fmt.Fprintf(&b, " s%d", x)
	}
	b.WriteString(s.does().Text())
	if s.W != "" {
		fmt.Fprintf(&b, " weights %q", s.W)
	}
	if !protocols[s.Proto].Local {
		c := p.CallCost([]*Step{s})
		fmt.Fprintf(&b, " {%d up, %d down, %d cots}", c.ToServer(), c.ToClient(), c.COTs.ServerSends+c.COTs.ClientSends)
	}
	if s.Name != "" {
		fmt.Fprintf(&b, " # %s %q", s.Op, s.Name)
	}
	return b.String()
}
