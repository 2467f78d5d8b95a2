package plan

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// MarshalJSON writes an answer that is no number, or infinite, as a string: JSON
// has no other form for it, and the rest of the report must not be lost.
func (o OutputValues) MarshalJSON() ([]byte, error) {
	type plain OutputValues // without this method
	values := make([]jsonFloat, len(o.Values))
	for i, x := range o.Values {
		values[i] = jsonFloat{float64(x), 32}
	}
	return json.Marshal(struct {
		plain
		Values []jsonFloat `json:"values"`
	}{plain(o), values})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (o *OutputValues) UnmarshalJSON(b []byte) error {
	type plain OutputValues
	var values struct {
		*plain
		Values []jsonFloat `json:"values"`
	}
	values.plain = (*plain)(o)
	if err := json.Unmarshal(b, &values); err != nil {
		return err
	}
	o.Values = make([]float32, len(values.Values))
	for i, x := range values.Values {
		o.Values[i] = float32(x.x)
	}
	return nil
}

// jsonFloat is a number of some bits, or "NaN", "Infinity" or "-Infinity".
type jsonFloat struct {
	x    float64
	bits int
}

func (f jsonFloat) MarshalJSON() ([]byte, error) {
	switch {
	case math.IsNaN(f.x):
		return []byte(`"NaN"`), nil
	case math.IsInf(f.x, 0):
		return []byte(map[bool]string{true: `"Infinity"`, false: `"-Infinity"`}[f.x > 0]), nil
	case f.bits == 32:
		return json.Marshal(float32(f.x))
	}
	return json.Marshal(f.x)
}

func (f *jsonFloat) UnmarshalJSON(b []byte) (err error) {
	f.x, err = strconv.ParseFloat(strings.Trim(string(b), `"`), 64)
	return err
}

// MarshalJSON is that of OutputValues for a score.
func (l LabelScore) MarshalJSON() ([]byte, error) {
	type plain LabelScore
	return json.Marshal(struct {
		plain
		Score jsonFloat `json:"score"`
	}{plain(l), jsonFloat{l.Score, 64}})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (l *LabelScore) UnmarshalJSON(b []byte) error {
	type plain LabelScore
	var score struct {
		*plain
		Score jsonFloat `json:"score"`
	}
	score.plain = (*plain)(l)
	err := json.Unmarshal(b, &score)
	l.Score = score.Score.x
	return err
}
