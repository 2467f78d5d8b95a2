package transport

import (
	"encoding/binary"
	"hash/crc32"
)

// A frame on the wire, little-endian:
//
//	length   u32  bytes of payload
//	channel  u8
//	kind     u8
//	check    u16  low half of the CRC-32C of the other header fields
//	sequence u32  frames sent on this connection before this one
//	depth    u32  data: the sender's depth; otherwise 0
//	crc      u32  CRC-32C of the payload
//
// The checks find accidents (a bug, a broken middle box), not attacks: against
// those there is TLS.
const headerLen = 20

// maxFrame bounds a payload; larger sends are cut.
const maxFrame = 256 << 10

// preface opens a connection in both directions, so that a party that talks to
// something else (or to TLS in the clear) learns it at once.
const (
	name    = "secc.example/secc/"
	preface = name + "2\r\n"
)

type kind uint8

const (
	kindData   kind = iota
	kindCredit      // payload: u32, bytes the receiver will take beyond those allowed before
	kindAlive       // nothing to say, still at work
	kindBye         // payload: u8, a reason; the last frame
	numKinds
)

type header struct {
	length   uint32
	channel  uint8
	kind     kind
	sequence uint32
	depth    uint32
	crc      uint32
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func crc(p []byte) uint32 { return crc32.Checksum(p, castagnoli) }

// put writes the header to b[:headerLen].
func (h header) put(b []byte) {
	binary.LittleEndian.PutUint32(b[0:], h.length)
	b[4], b[5] = h.channel, byte(h.kind)
	b[6], b[7] = 0, 0
	binary.LittleEndian.PutUint32(b[8:], h.sequence)
	binary.LittleEndian.PutUint32(b[12:], h.depth)
	binary.LittleEndian.PutUint32(b[16:], h.crc)
	binary.LittleEndian.PutUint16(b[6:], uint16(crc(b[:headerLen])))
}

// parseHeader reads a header and checks everything that can be checked without
// knowing the connection's state.
func parseHeader(b *[headerLen]byte) (h header, err error) {
	check := binary.LittleEndian.Uint16(b[6:])
	b[6], b[7] = 0, 0
	if uint16(crc(b[:])) != check {
		return h, Violation("corrupt frame header")
	}
	h = header{
		length:   binary.LittleEndian.Uint32(b[0:]),
		channel:  b[4],
		kind:     kind(b[5]),
		sequence: binary.LittleEndian.Uint32(b[8:]),
		depth:    binary.LittleEndian.Uint32(b[12:]),
		crc:      binary.LittleEndian.Uint32(b[16:]),
	}
	return h, h.check()
}

func (h header) check() error {
	size := map[kind]uint32{kindCredit: 4, kindAlive: 0, kindBye: 1}
	switch {
	case h.kind >= numKinds:
		return Violation("frame of unknown kind %d", h.kind)
	case h.kind != kindData && h.length != size[h.kind]:
		return Violation("control frame of %d bytes", h.length)
	case h.kind == kindData && (h.length == 0 || h.length > maxFrame):
		return Violation("data frame of %d bytes, limit %d", h.length, maxFrame)
	case h.kind != kindData && h.depth != 0 || h.depth > 1<<30:
		return Violation("frame with depth %d", h.depth)
	}
	return nil
}
