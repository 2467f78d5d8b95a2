package ir

func microFloat() micro[float32] { return microGo[float32]() }

func microInt(_ [][]int64) micro[int64] { return microGo[int64]() }
