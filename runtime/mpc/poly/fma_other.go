//go:build !(amd64 || arm64) || purego

package poly

func (*Ring) forwardFMA([]uint64, int)                                 { panic(absent) }
func (*Ring) inverseFMA([]uint64)                                      { panic(absent) }
func (*Ring) mulFMA(_, _, _ []uint64)                                  { panic(absent) }
func (*Ring) addProductsFMA(_ []uint64, _, _ [][]uint64)               { panic(absent) }
func (*Acc) fmaStrip(_, _ *[]uint64, _, _, _ int, _ uint64)            { panic(absent) }
func fmaPairStrip(_, _ *Acc, _, _, _ *[]uint64, _, _, _ int, _ uint64) { panic(absent) }
