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
	switch a := s.Attrs.(type) {
	case *Copy:
		return a.Fill == 0
	case *Affine:
		return len(s.In) > 0 && !a.Server && a.Public == 0
	}
	return s.Proto == ProtoInput || s.Proto == ProtoReduce || s.Proto == ProtoSumPool || s.Proto == ProtoTiles
}
