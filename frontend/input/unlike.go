package input

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"secc.example/secc/backend/plan"
)

// moments sums up values of one channel.
type moments struct{ n, sum, squares float64 }

func (m *moments) add(x float64) { m.n, m.sum, m.squares = m.n+1, m.sum+x, m.squares+x*x }

func (m *moments) mean() float64 { return m.sum / m.n }

func (m *moments) deviation() float64 {
	return math.Sqrt(max(m.squares/m.n-m.mean()*m.mean(), 0))
}

// Figures sums up the calibration inputs for the plan: range, mean and deviation
// of every channel to three digits, and whether all were grey. Nil without any.
func (w Spec) Figures(inputs [][]float32) *plan.Seen {
	if len(inputs) == 0 {
		return nil
	}
	least, most, channels := w.measure(inputs...)
	if least > most || slices.ContainsFunc(channels, func(m moments) bool { return m.n == 0 }) {
		return nil
	}
	s := &plan.Seen{Inputs: len(inputs), Min: short(least), Max: short(most)}
	for _, m := range channels {
		s.Mean, s.Deviation = append(s.Mean, short(m.mean())), append(s.Deviation, short(m.deviation()))
	}
	grey := 0
	for _, values := range inputs {
		if w.grey(values) {
			grey++
		}
	}
	switch {
	case len(channels) != 3 || grey != 0 && grey != len(inputs):
	case grey == 0:
		s.Colour = "colour"
	default:
		s.Colour = "grey"
	}
	return s
}

// maxChannels is up to how many channels have figures of their own: those of
// pictures. More are taken together.
const maxChannels = 4

func (w Spec) measure(inputs ...[]float32) (least, most float64, channels []moments) {
	c, inner := w.Channels()
	if c > maxChannels {
		c, inner = 1, 1
	}
	least, most, channels = math.Inf(1), math.Inf(-1), make([]moments, c)
	for _, values := range inputs {
		for i, v := range values {
			x := float64(v)
			if math.IsInf(x, -1) { // a mask's
				continue
			}
			least, most = min(least, x), max(most, x)
			channels[i/inner%c].add(x)
		}
	}
	return least, most, channels
}

// grey says whether an input of three channels is a picture without colours.
func (w Spec) grey(values []float32) bool {
	c, inner := w.Channels()
	if c != 3 || w.Prep.Preset == "" {
		return false
	}
	for i := 0; i < len(values); i++ {
		if k := i / inner % c; k > 0 {
			at, first := w.unpixel(values[i], k), w.unpixel(values[i-k*inner], 0)
			if math.Abs(at-first) > 2 { // grey levels
				return false
			}
		}
	}
	return true
}

// unpixel undoes pixel.
func (w Spec) unpixel(x float32, c int) float64 {
	scale, shift := 1.0, 0.0
	if n := len(w.Prep.Scale); n > 0 {
		scale = w.Prep.Scale[min(c, n-1)]
	}
	if n := len(w.Prep.Shift); n > 0 {
		shift = w.Prep.Shift[min(c, n-1)]
	}
	return (float64(x) - shift) / scale
}

// short keeps three digits: more would say more of the calibration inputs than
// a warning needs.
func short(x float64) float64 {
	y, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 3, 64), 64)
	return y
}

// Unlike compares an input with what the plan says of the calibration inputs.
func (w Spec) Unlike(values []float32) (warnings []string) {
	s := w.Seen
	if s == nil || len(values) == 0 {
		return nil
	}
	least, most, channels := w.measure(values)
	if least > most {
		return nil
	}
	if wide := s.Max - s.Min; least < s.Min-wide/2 || most > s.Max+wide/2 {
		warnings = append(warnings, fmt.Sprintf("values from %.3g to %.3g, calibration saw %.3g to %.3g", least, most, s.Min, s.Max))
	}
	if len(channels) == len(s.Mean) && len(channels) == len(s.Deviation) {
		warnings = append(warnings, unlikeChannel(s, channels)...)
	}
	switch grey := w.grey(values); {
	case s.Colour == "grey" && !grey:
		warnings = append(warnings, "a picture in colour, calibration saw grey ones only")
	case s.Colour == "colour" && grey:
		warnings = append(warnings, "a grey picture, calibration saw coloured ones only")
	}
	return warnings
}

// unlikeChannel tells of the first channel that is not like calibration's.
func unlikeChannel(s *plan.Seen, channels []moments) []string {
	for i, m := range channels {
		if m.n == 0 {
			break
		}
		where := ""
		if len(channels) > 1 {
			where = fmt.Sprintf(" of channel %d", i+1)
		}
		if math.Abs(m.mean()-s.Mean[i]) > 1.5*s.Deviation[i] {
			return []string{fmt.Sprintf("the mean%s is %.3g, calibration saw %.3g with a deviation of %.3g", where, m.mean(), s.Mean[i], s.Deviation[i])}
		}
		if m.deviation() < s.Deviation[i]/10 && m.n > 1 {
			return []string{fmt.Sprintf("the values%s deviate by %.3g, calibration saw %.3g: hardly any contrast", where, m.deviation(), s.Deviation[i])}
		}
	}
	return nil
}
