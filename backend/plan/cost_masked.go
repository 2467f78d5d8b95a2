package plan

import "secc.example/secc/backend/plan/wire"

// Costs of what is prepared of comparisons whose client's operand is known ahead
// (nonlinear/masked.go).

// costMask is a masked multiplexer of n elements: what leaves with the first flights of the
// comparison, and the flight that opens the bit.
func costMask(n int, m wire.Mask) (start, end Cost) {
	var f Flight
	start.Kept = Memory{plane(n), plane(n)}
	if m.Alone {
		start.Kept.Server = 0
	} else {
		start.COTs.ClientSends = int64(n)
	}
	for _, w := range m.Widths {
		number := wire.PackedLen(n, w)
		f.ToClient += number
		if !m.Alone {
			start.Ahead += number
		}
		start.Kept = start.Kept.add(Memory{2 * number, number})
	}
	for _, w := range m.Ones {
		number := wire.PackedLen(n, w)
		start.Ahead += number
		start.Kept = start.Kept.add(Memory{number, number})
	}
	if len(m.Widths) > 0 {
		start.COTs.ServerSends = int64(n)
	}
	if m.By > 0 {
		number := 3 * wire.PackedLen(n, m.By) // the client knows one of them alone
		if m.Alone {
			number = 2 * wire.PackedLen(n, m.By)
		}
		f.ToClient += plane(n)
		start.Ahead += number
		start.Kept = start.Kept.add(Memory{plane(n) + number, number})
		start.COTs.ClientSends += int64(n)
	}
	if f != (Flight{}) {
		start.Flights = []Flight{f}
	}
	return start.withWork(UnitMux, n), Cost{Flights: crossing(plane(n))}
}

// costLabelled is a comparison of m bits whose client's operand is known ahead, and what its bit selects,
// sent at once: a flight from the server and one back.
func costLabelled(n, m int, t wire.Tree, mask wire.Mask) Cost {
	c := wire.NewCarries(m, 0, 1, t)
	factors := int64(c.Factors())
	c.Levels = nil // nobody joins
	number := wire.PackedLen(n, mask.Width())
	start, _ := costMask(n, mask)
	labels := Cost{
		Flights: []Flight{{ToClient: (factors + 1) * plane(n)}, {ToServer: (factors+1)*plane(n) + 2*number}},
		COTs:    COTs{ClientSends: (factors + 1) * int64(n)},
		Ahead:   factors * number,
		Kept:    Memory{(factors+2)*plane(n) + (factors+1)*number, (factors+1)*plane(n) + (factors+2)*number},
	}
	return CostCarries(n, c).Beside(start).Beside(labels.withWork(UnitMux, n))
}

// costMasked is a comparison and what its bits select: a mask for each.
func costMasked(n int, sign Cost, masks ...wire.Mask) Cost {
	var opened Cost
	for _, m := range masks {
		start, end := costMask(n, m)
		sign, opened = sign.Beside(start), opened.Beside(end)
	}
	return sign.Add(opened)
}

// costFix makes the client's shares of n numbers known ahead.
func costFix(n int, widths []int) Cost {
	var bytes int64
	for _, w := range widths {
		bytes += wire.PackedLen(n, w)
	}
	return Cost{Flights: []Flight{{ToServer: bytes}}, Kept: Memory{Client: bytes}}
}
