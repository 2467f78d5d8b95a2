package transport

import "testing"

// What taking a frame into a transcript costs, to be held against what making it does.
func BenchmarkTranscript(b *testing.B) {
	var t Transcript
	payload := make([]byte, frameSize)
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		t.data(false, 1, payload)
	}
}
