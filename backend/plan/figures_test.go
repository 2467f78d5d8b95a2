package plan

import (
	"reflect"
	"sync"
	"testing"
)

// Asking a plan changes nothing in it: what others hold may be asked side by side.
func TestAskingChangesNothing(t *testing.T) {
	p := encrypted()
	for name, ask := range map[string]func(*Plan){
		"Validate": func(p *Plan) {
			if err := p.Validate(); err != nil {
				t.Error(err)
			}
		},
		"Digest":   func(p *Plan) { _, _ = p.Digest() },
		"Cost":     func(p *Plan) { _, _ = p.Cost() },
		"Prepared": func(p *Plan) { _, _ = p.PreparedCost(2) },
		"NewAhead": func(p *Plan) { p.NewAhead() },
		"Memory":   func(p *Plan) { p.Memory() },
		"Text":     func(p *Plan) { _ = p.Text() },
	} {
		if ask(p); !reflect.DeepEqual(p, encrypted()) {
			t.Errorf("%s changes the plan", name)
			p = encrypted()
		}
	}
}

// What is remembered is what would be worked out, for copies that ask side by side, too.
func TestFiguresSideBySide(t *testing.T) {
	p := encrypted()
	want, err := p.Cost()
	if err != nil {
		t.Fatal(err)
	}
	p.Remember()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			q := *p
			for _, asked := range []*Plan{p, &q} {
				if err := asked.Validate(); err != nil {
					t.Error(err)
				}
				if got, err := asked.Cost(); err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("remembered: %+v (%v), worked out: %+v", got, err, want)
				}
			}
		})
	}
	all.Wait()
	if len(p.known.of) == 0 {
		t.Error("nothing is remembered")
	}
}
