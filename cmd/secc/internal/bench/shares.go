package bench

import (
	"crypto/rand"
	"encoding/binary"
	"errors"

	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/transport"
)

// randomShare is a share of a random vector.
func randomShare(n, bits int) ([]uint64, error) {
	raw := make([]byte, 8*n)
	if _, err := rand.Read(raw); err != nil {
		return nil, err
	}
	x := make([]uint64, n)
	for i := range x {
		x[i] = binary.LittleEndian.Uint64(raw[8*i:]) & ring.Mask(bits)
	}
	return x, nil
}

// opened gives the server the values that are shared, and the client nothing.
func opened(conn transport.Conn, role transport.Role, share []uint64, bits int) ([]uint64, error) {
	b := make([]byte, ring.PackedLen(len(share), bits))
	if role == transport.Client {
		ring.Pack(b, share, bits)
		return nil, errors.Join(conn.Send(b), conn.Flush())
	}
	if err := conn.Recv(b); err != nil {
		return nil, err
	}
	values := make([]uint64, len(share))
	if err := ring.Unpack(values, b, bits); err != nil {
		return nil, err
	}
	for i := range values {
		values[i] = (values[i] + share[i]) & ring.Mask(bits)
	}
	return values, nil
}
