package transport

// depthMeter follows the chain of dependent messages on one channel. A frame
// carries its sender's depth; consuming a byte of it lifts the receiver to one
// more. Two messages that cross therefore count once.
type depthMeter struct {
	own  int  // this party's depth
	sent *int // largest depth sent, plus one; 0 before the first frame. Lanes share it.
	peer int  // largest depth the peer has claimed
}

func newDepthMeter() depthMeter { return depthMeter{sent: new(int)} }

// send is the depth to put on a frame that leaves now.
func (d *depthMeter) send() int {
	*d.sent = max(*d.sent, d.own+1)
	return d.own
}

// arrived checks a claimed depth against causality: the peer can have seen no
// more than what was sent to it, and its depth never falls.
func (d *depthMeter) arrived(claim int) error {
	if claim < d.peer || claim > *d.sent {
		return Violation("frame claims depth %d, possible are %d to %d", claim, d.peer, *d.sent)
	}
	d.peer = claim
	return nil
}

// consumed notes that data of a frame of that depth was handed to the caller.
func (d *depthMeter) consumed(depth int) { d.own = max(d.own, depth+1) }
