package plan

// Flight is the data that crosses in one one-way latency. When both directions
// are non-zero the two messages cross (neither depends on the other).
type Flight struct{ ToServer, ToClient int64 }

// Cost is what one step (or several, merged) needs on line. Flights are in
// order: each depends on the one before. Bytes are payload bytes, exact.
type Cost struct {
	Flights []Flight
	COTs    COTs
	Work    Work

	// What its correlated OTs come to, hashed down to the bits that are used: bytes that
	// either party keeps where they are made before the operands exist.
	Kept Memory

	// What either party sends where they are made: messages that wait for no operand that is
	// not known then.
	Early Flight

	// What the client sends where they are made and the server takes in at once, in bytes.
	Ahead int64
}

// COTs counts correlated OTs by who is their OT sender.
type COTs struct{ ServerSends, ClientSends int64 }

// Work counts units of computation on each side; a Profile prices them.
type Work struct{ Server, Client [NumUnits]float64 }

// Unit is a kind of computation.
type Unit int

// The units. "Poly" units are per 4096 coefficients (N = 2048 counts half).
const (
	UnitNTT     Unit = iota // one transform of 4096 coefficients
	UnitMAC                 // multiply-accumulate of a polynomial
	UnitEncrypt             // sample, transform, encode and pack one ciphertext
	UnitRespond             // mask, inverse transforms, round, pack one response
	UnitDecrypt             // unpack, transform, round one response
	UnitSwitch              // one key switch
	UnitCOT                 // making one correlated OT
	UnitAND                 // one AND gate (one bit), hashing included
	UnitMux                 // one multiplexer element
	UnitElem                // one element of a local or bookkeeping pass
	UnitPlain               // a million multiplications of a convolution in the clear
	NumUnits
)

// DefaultUnits are nanoseconds a unit of the linear engine on one AVX-512 IFMA
// core, fitted to the convolutions of ResNet-50 (secc bench linear). Uploads are
// received at the price of UnitDecrypt.
func DefaultUnits() (u [NumUnits]float64) {
	u[UnitNTT], u[UnitMAC], u[UnitSwitch] = 4500, 700, 3500
	u[UnitEncrypt], u[UnitDecrypt], u[UnitRespond], u[UnitElem] = 40000, 40000, 80000, 2
	u[UnitPlain] = 100_000
	return u
}

// ToServer and ToClient sum the flights.
func (c Cost) ToServer() (n int64) {
	for _, f := range c.Flights {
		n += f.ToServer
	}
	return n
}

// ToClient is the number of bytes the server sends.
func (c Cost) ToClient() (n int64) {
	for _, f := range c.Flights {
		n += f.ToClient
	}
	return n
}

// Depth follows the chain of dependent messages at both parties: it is how
// transport.Stats.Rounds is predicted.
type Depth struct{ Server, Client int }

// After is the depth once the flights have passed.
func (d Depth) After(flights []Flight) Depth {
	for _, f := range flights {
		n := d
		if f.ToServer > 0 {
			n.Server = max(d.Server, d.Client+1)
		}
		if f.ToClient > 0 {
			n.Client = max(d.Client, d.Server+1)
		}
		d = n
	}
	return d
}

// Max is the depth once both of two walks that began together have ended.
func (d Depth) Max(e Depth) Depth { return Depth{max(d.Server, e.Server), max(d.Client, e.Client)} }

// Add appends the flights of d to c and sums the rest: d runs after c.
func (c Cost) Add(d Cost) Cost {
	c.Flights = append(c.Flights[:len(c.Flights):len(c.Flights)], d.Flights...)
	return c.sums(d)
}

// Beside lays the flights of d over those of c and sums the rest: d runs beside c.
func (c Cost) Beside(d Cost) Cost {
	flights := make([]Flight, max(len(c.Flights), len(d.Flights)))
	copy(flights, c.Flights)
	for i, f := range d.Flights {
		flights[i].ToServer += f.ToServer
		flights[i].ToClient += f.ToClient
	}
	c.Flights = flights
	return c.sums(d)
}

// sums adds all of d but its flights.
func (c Cost) sums(d Cost) Cost {
	c.COTs = c.COTs.add(d.COTs)
	c.Kept = c.Kept.add(d.Kept)
	c.Ahead += d.Ahead
	c.Early = Flight{c.Early.ToServer + d.Early.ToServer, c.Early.ToClient + d.Early.ToClient}
	for u := range NumUnits {
		c.Work.Server[u] += d.Work.Server[u]
		c.Work.Client[u] += d.Work.Client[u]
	}
	return c
}

// Rounds is the longest chain of dependent messages so far.
func (d Depth) Rounds() int { return max(d.Server, d.Client) }
