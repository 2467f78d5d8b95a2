package plan

// Linear describes one linear operator with server-held integer weights:
// a (grouped, strided, dilated, padded) 2-D convolution over NCHW, of which a
// matrix product is the case H = W = KH = KW = 1 with the rows as Batch.
//
//	acc[b,o,y,x] = bias[o] + sum_{c,i,j} w[o,c,i,j] * in[b, g*CIn/G + c, y*SH + i*DH - PT, x*SW + j*DW - PL]   in Z_2^InBits
//	out          = round(acc / 2^Shift)                                                                     in Z_2^OutBits
//
// InBits = OutBits + Shift. Weights (o,c,i,j order, signed) and bias (one a
// filter, in units of the accumulator) stand in the server's weights file.
type Linear struct {
	Batch                  int
	G                      int // groups
	CIn, COut              int // totals over all groups
	H, W, OH, OW           int
	KH, KW, SH, SW, DH, DW int
	PT, PL                 int

	InBits, Shift, OutBits int
	Exact                  bool `cbor:",omitempty"` // interactive faithful truncation instead of stochastic rounding
	ClientInput            bool `cbor:",omitempty"` // the input is the client's own: the server's share is zero

	// Norm is a public, coarse (power of two) bound on the l2 norm of any
	// output's weight vector; it fixes how many low bits the upload drops.
	NormLog2 int

	Packing Packing // see packing.go
}
