package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

func torus() {
	encode("encodeVector", false)
	encode("encodeAddVector", true)
	round()
	shifts()
}

// encode: with x' = x*2^(52-l) mod 2^52, round(q*x/2^l) is q*x'/2^52 rounded:
// the high half plus the carry of the low half and 2^51. At most q.
func encode(name string, add bool) {
	doc := " sets dst = round(q*x/2^l) mod q, up = 52-l."
	if add {
		doc = " adds round(q*x/2^l) to dst modulo q, up = 52-l."
	}
	begin(name, "(dst, x *uint64, n int, q, up uint64)", name+doc)
	p := ptrs("dst", "x")
	q, up, half := broadcast(gp("q")), broadcast(gp("up")), immediate(1<<51)
	each(gp("n"), p, func() {
		x, hi, lo := load(Mem{Base: p[1]}), zero(), copyOf(half)
		VPSLLVQ(up, x, x)
		VPMADD52LUQ(q, x, lo)
		VPMADD52HUQ(q, x, hi)
		VPSRLQ(U8(52), lo, lo)
		VPADDQ(lo, hi, hi)
		belowOnce(hi, q)
		if add {
			VPADDQ(Mem{Base: p[0]}, hi, hi)
			belowOnce(hi, q)
		}
		VMOVDQU64(hi, Mem{Base: p[0]})
	})
}

// round: the estimate hi(v*inv), inv = floor(2^(52+b)/q), is below v*2^b/q by less
// than 1+v/2^52 < 5/4: it is to be raised by one or by nothing, as the remainder
// shows.
func round() {
	begin("roundVector", "(dst, v *uint64, n int, q, inv, b, half uint64)",
		"roundVector sets dst = round(v*2^b/q) mod 2^b, half = (q+1)/2.")
	p := ptrs("dst", "v")
	inv, b, half := broadcast(gp("inv")), broadcast(gp("b")), broadcast(gp("half"))
	m := newModulus(gp("q"))
	one, mask := immediate(1), ZMM()
	VPSLLVQ(b, one, mask)
	VPSUBQ(one, mask, mask)
	each(gp("n"), p, func() {
		v, e, rem := load(Mem{Base: p[1]}), zero(), ZMM()
		VPMADD52HUQ(inv, v, e)
		VPSLLVQ(b, v, rem)
		VPMADD52LUQ(m.negQ, e, rem)
		VPANDQ(m.mask, rem, rem)
		up := K()
		VPCMPUQ(U8(5), half, rem, up)
		VPADDQ(one, e, up, e)
		VPANDQ(mask, e, e)
		VMOVDQU64(e, Mem{Base: p[0]})
	})
}

func shifts() {
	drop()
	restore()
	digit()
}

func drop() {
	begin("dropVector", "(dst, v *uint64, n int, j uint64)", "dropVector sets dst = v>>j.")
	p := ptrs("dst", "v")
	j := broadcast(gp("j"))
	each(gp("n"), p, func() {
		x := load(Mem{Base: p[1]})
		VPSRLVQ(j, x, x)
		VMOVDQU64(x, Mem{Base: p[0]})
	})
}

func restore() {
	begin("restoreVector", "(dst, v *uint64, n int, j, mid, q uint64)", "restoreVector sets dst = (v<<j | mid) mod q.")
	p := ptrs("dst", "v")
	j, mid, q := broadcast(gp("j")), broadcast(gp("mid")), broadcast(gp("q"))
	each(gp("n"), p, func() {
		x := load(Mem{Base: p[1]})
		VPSLLVQ(j, x, x)
		VPORQ(mid, x, x)
		belowOnce(x, q)
		VMOVDQU64(x, Mem{Base: p[0]})
	})
}

// digit: see Digits. half is (q-1)/2.
func digit() {
	begin("digitVector", "(dst, src *uint64, n int, q, half, offset, shift, mask, centre uint64)",
		"digitVector sets dst = (((src centred + offset) >> shift) & mask) - centre modulo q.")
	p := ptrs("dst", "src")
	q, half, offset := broadcast(gp("q")), broadcast(gp("half")), broadcast(gp("offset"))
	shift, mask, centre := broadcast(gp("shift")), broadcast(gp("mask")), broadcast(gp("centre"))
	each(gp("n"), p, func() {
		x, over := load(Mem{Base: p[1]}), K()
		VPCMPUQ(U8(6), half, x, over)
		VPSUBQ(q, x, over, x)
		VPADDQ(offset, x, x)
		VPSRLVQ(shift, x, x)
		VPANDQ(mask, x, x)
		VPSUBQ(centre, x, x)
		signed(x, q, p[0])
	})
}
