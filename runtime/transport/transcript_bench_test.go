package transport

import (
	"crypto/sha256"
	"testing"
)

// What taking a frame into a transcript costs, to be held against what making it does; beside it
// what SHA-256 would.
func BenchmarkTranscript(b *testing.B) {
	var t Transcript
	payload := make([]byte, frameSize)
	sum := sha256.New()
	for name, take := range map[string]func(){"transcript": func() { t.sent(1, payload) }, "SHA-256": func() { sum.Write(payload) }} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(payload)))
			for b.Loop() {
				take()
			}
		})
	}
}
