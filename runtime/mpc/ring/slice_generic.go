package ring

func sliceBlocks(planes [][]uint64, x []uint64, lo int) { sliceGeneric(planes, x, lo) }
