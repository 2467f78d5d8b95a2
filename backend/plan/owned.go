package plan

// OwnedByClient reports that of what a step makes the server's share is zero, as an
// encrypted product takes it for granted that says so (Linear.ClientInput): the client's
// input, and what is moved or added up of such things without a constant, which would
// be the server's. owned says it of the slots before.
func (s *Step) OwnedByClient(owned func(Slot) bool) bool {
	for _, x := range s.In {
		if !owned(x) {
			return false
		}
	}
	switch s.Proto {
	case ProtoInput:
		return true
	case ProtoCopy:
		return s.Copy.Fill == 0
	case ProtoAffine:
		return len(s.In) > 0 && !s.Affine.Server && s.Affine.Public == 0
	case ProtoReduce, ProtoSumPool, ProtoTiles:
		return true
	}
	return false
}
