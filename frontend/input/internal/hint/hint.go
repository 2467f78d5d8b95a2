// Package hint joins an error with a line that says what to do about it.
package hint

import "errors"

type hinted struct {
	error
	way string
}

func (e *hinted) Unwrap() error { return e.error }
func (e *hinted) Hint() string  { return e.way }

// With adds the way out to an error.
func With(err error, way string) error { return &hinted{err, way} }

// Of is the way out that an error names, or nothing.
func Of(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}
