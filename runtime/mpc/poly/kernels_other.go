package poly

// Without the assembly no ring selects it; these are never called.

const (
	haveIFMA       = false
	ifmaMinForward = 64
	ifmaMinInverse = 512
)

type packTables struct{}

const notHere = "BUG: poly: IFMA kernel called where there is none"

func (r *Ring) forwardIFMA([]uint64, int)               { panic(notHere) }
func (r *Ring) inverseIFMA([]uint64)                    { panic(notHere) }
func (r *Ring) consts() *uint64                         { panic(notHere) }
func addIFMA(_, _, _ *uint64, _ int, _ uint64)          { panic(notHere) }
func subIFMA(_, _, _ *uint64, _ int, _ uint64)          { panic(notHere) }
func mulIFMA(_, _, _ *uint64, _ int, _ *uint64)         { panic(notHere) }
func mulScalarIFMA(_, _ *uint64, _ int, _, _, _ uint64) { panic(notHere) }
func reduceIFMA(_, _, _ *uint64, _ int, _ *uint64)      { panic(notHere) }
func mulAddIFMA(*Acc, []uint64, []uint64, int)          { panic(notHere) }
func mulAddPairIFMA(_, _ *Acc, _, _, _ []uint64, _ int) { panic(notHere) }
func newPackTables(int) *packTables                     { panic(notHere) }
func (p *Packer) packFast([]byte, []uint64) int         { panic(notHere) }
func (p *Packer) unpackFast([]uint64, []byte) int       { panic(notHere) }
