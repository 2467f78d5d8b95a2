package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Layout of packTables in bytes.
const (
	offEven = 64 * iota
	offOdd
	offGather
	offShift
	offWords
)

func opmask(table Register, word int) Op {
	k := K()
	KMOVQ(Mem{Base: table, Disp: offWords + 8*word}, k)
	return k
}

// packing: eight values of b bits are b bytes. Every value, shifted to its
// place within a byte, fits a word; an output byte holds bits of at most two
// neighbouring values (b >= 8), one of even and one of odd number.
func packing() {
	pack()
	unpack()
}

func pack() {
	begin("packGroups", "(dst *byte, v *uint64, groups, b int, tables *uint64)",
		"packGroups packs groups of 8 values of b bits.")
	dst, v, groups, b, t := gp("dst"), gp("v"), gp("groups"), gp("b"), gp("tables")
	even, odd, shift := load(Mem{Base: t, Disp: offEven}), load(Mem{Base: t, Disp: offOdd}), load(Mem{Base: t, Disp: offShift})
	mask := broadcast(Mem{Base: t, Disp: offWords})
	useEven, useOdd, bytes := opmask(t, 1), opmask(t, 2), opmask(t, 3)
	counter("group", groups, func() {
		x, lo, hi := load(Mem{Base: v}), ZMM(), ZMM()
		VPANDQ(mask, x, x)
		VPSLLVQ(shift, x, x)
		VPERMB_Z(x, even, useEven, lo)
		VPERMB_Z(x, odd, useOdd, hi)
		VPORQ(lo, hi, hi)
		VMOVDQU8(hi, bytes, Mem{Base: dst})
		ADDQ(U8(64), v)
		ADDQ(b, dst)
	})
	end()
}

func unpack() {
	begin("unpackGroups", "(dst *uint64, src *byte, groups, b int, tables *uint64)",
		"unpackGroups unpacks groups of 8 values of b bits.")
	dst, src, groups, b, t := gp("dst"), gp("src"), gp("groups"), gp("b"), gp("tables")
	gather, shift := load(Mem{Base: t, Disp: offGather}), load(Mem{Base: t, Disp: offShift})
	mask, bytes := broadcast(Mem{Base: t, Disp: offWords}), opmask(t, 3)
	counter("group", groups, func() {
		x := ZMM()
		VMOVDQU8_Z(Mem{Base: src}, bytes, x)
		VPERMB(x, gather, x)
		VPSRLVQ(shift, x, x)
		VPANDQ(mask, x, x)
		VMOVDQU64(x, Mem{Base: dst})
		ADDQ(U8(64), dst)
		ADDQ(b, src)
	})
	end()
}
