// Package transport moves bytes between the two parties and counts them.
//
// One network connection carries several logical channels (Mux). A channel is
// ordered and reliable, has a deadline on every wait, and counts payload bytes
// and rounds exactly. The package knows nothing of plans or protocols.
package transport

// Conn is one logical channel. A Conn is used by one goroutine at a time.
type Conn interface {
	// Send queues p (it is copied or written before Send returns; the caller may reuse it).
	// Data goes out at Flush, at the next Recv, or when enough is queued.
	Send(p []byte) error
	// Recv flushes what is queued and fills p exactly.
	Recv(p []byte) error
	// Flush sends what is queued.
	Flush() error
	// Stats reports what has passed so far.
	Stats() Stats
}

// Stats counts payload bytes and rounds as seen by one party.
//
// Rounds is the length of the longest chain of messages each of which could
// only be sent after the one before it had arrived (one-way latencies), ending
// at this party. Two messages that cross count once. Every frame carries its
// sender's depth, so both parties measure it exactly.
type Stats struct {
	Sent, Received  int64 // payload bytes
	FramingSent     int64 // frame headers, not part of Sent
	FramingReceived int64
	Rounds          int
}
