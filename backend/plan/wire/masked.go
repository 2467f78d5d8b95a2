package wire

// Mask describes a masked multiplexer (nonlinear.masked): the numbers that one bit selects, of
// which the client's shares are known ahead.
type Mask struct {
	Widths []int // rings of the numbers that both parties share
	Ones   []int // rings in which the bit itself becomes a number, that is, selects 1
	By     int   // bits that the first number is widened by to come into its ring; 0: none

	// Alone: the mask is the client's alone, and what it selects is sent under labels
	// (nonlinear.labelled); no Ones then.
	Alone bool
}

// Width is the bits of all numbers that both parties share.
func (m Mask) Width() (bits int) {
	for _, w := range m.Widths {
		bits += w
	}
	return bits
}

// Pads is the number of pad bits of the OT that the client sends, and of the one that the server
// sends: without it, 0, a bit of the client's is its share of the mask.
func (m Mask) Pads() (client, server int) {
	server = m.Width()
	client = server + m.By
	for _, w := range m.Ones {
		client += w
	}
	if server == 0 {
		client++
	}
	return client, server
}

// Fits reports whether one OT each way has pads enough, and one for what widens. A label takes a bit more
// than the numbers.
func (m Mask) Fits() bool {
	if m.Alone {
		return m.Width() < MaxPad && 2*m.By <= MaxPad
	}
	client, _ := m.Pads()
	return client <= MaxPad && 2*m.By <= MaxPad
}
