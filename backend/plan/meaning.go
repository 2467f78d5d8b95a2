package plan

import (
	"fmt"
	"slices"
	"strings"
)

// AnswerKind is what an output means to a person.
type AnswerKind string

const (
	AnswerScores   AnswerKind = "scores"   // one a class, the largest wins
	AnswerShares   AnswerKind = "shares"   // the same behind a softmax: they add up to 1
	AnswerFindings AnswerKind = "findings" // each from 0 to 1 by itself: several may apply, or none
	AnswerClasses  AnswerKind = "classes"  // indices of classes, the best first
	AnswerPlaces   AnswerKind = "places"   // the index of a class at every place
	AnswerTensor   AnswerKind = "tensor"   // anything else
)

// Answer is one output for one input, as a person reads it.
type Answer struct {
	Input  int          `json:"input"` // of those of the run, counted from 1
	Output string       `json:"output"`
	Kind   AnswerKind   `json:"kind"`
	Labels []LabelScore `json:"labels,omitempty"` // the classes; of places the share that each takes
}

// KindOf says what an output means, and how many classes it is about (0: none).
func (p *Plan) KindOf(output int) (kind AnswerKind, classes int) {
	o := &p.Outputs[output]
	if s := p.indexed(o); s != nil {
		k := s.Attrs.(*ArgMax).K
		rows := p.Slots[s.Out[0]].N() / k
		if rows > p.Batch() {
			return AnswerPlaces, p.Slots[s.In[0]].N() / rows
		}
		return AnswerClasses, p.Slots[s.In[0]].N() / rows
	}
	wide, n := 0, 1 // dimensions beside that of the inputs
	shape := o.Shape
	if p.Batch() > 1 {
		shape = shape[1:]
	}
	for _, d := range shape {
		if n *= d; d > 1 {
			wide++
		}
	}
	if wide > 1 {
		return AnswerTensor, 0
	}
	return kindAfter(o.Post), n
}

// kindAfter reads the kind off what the client computes.
func kindAfter(post []PostOp) AnswerKind {
	kind := AnswerScores
	for _, f := range post {
		switch f.Op {
		case "func":
			if kind = AnswerScores; f.Name == "sigmoid" {
				kind = AnswerFindings
			}
		case "softmax":
			kind = AnswerShares
		case "log_softmax":
			kind = AnswerScores
		}
	}
	return kind
}

// CheckLabels counts labels against the outputs: names that belong to another
// list of classes would be given to the wrong ones.
func (p *Plan) CheckLabels(labels []string) error {
	if len(labels) == 0 {
		return nil
	}
	var have []string
	for k, o := range p.Outputs {
		kind, classes := p.KindOf(k)
		if classes == len(labels) || kind == AnswerTensor && slices.Contains(o.Shape, len(labels)) {
			return nil
		}
		if kind == AnswerTensor {
			have = append(have, fmt.Sprintf("%q has shape %v", o.Name, o.Shape))
		} else {
			have = append(have, fmt.Sprintf("%q has %d", o.Name, classes))
		}
	}
	return fmt.Errorf("%d labels, but of the outputs %s", len(labels), strings.Join(have, ", "))
}

// indexed finds the step whose indices an output reveals, nil if it reveals
// something else. Only what moves elements may stand between.
func (p *Plan) indexed(o *Output) *Step {
	if slices.ContainsFunc(o.Post, func(f PostOp) bool { return f.Op != "reshape" && f.Op != "transpose" }) {
		return nil
	}
	makes := map[Slot]*Step{}
	for _, s := range p.Steps() {
		for _, x := range s.Out {
			makes[x] = s
		}
	}
	for s := makes[o.Slot]; s != nil; s = makes[s.In[0]] {
		switch s.Proto {
		case ProtoArgMax:
			return s
		case ProtoReveal, ProtoCopy, ProtoReduce, ProtoExtend:
			if len(s.In) != 1 {
				return nil
			}
		default:
			return nil
		}
	}
	return nil
}
