//go:build !purego

#include "textflag.h"

// ENTRY adds a line to four rows, each from the block that the turn says: as offsets, the
// second block after one is its own with bit 5 turned.
#define ENTRY(e) \
	MOVWU (4*e)(R4), R6; \
	LSR   $30, R6, R7; \
	AND   R3, R6, R6; \
	ADD   R2, R6, R6; \
	LSL   $4, R7, R7; \
	ADD   $16, R7, R8; \
	AND   $48, R8, R8; \
	ADD   R6, R7, R10; \
	VLD1  (R10), [V4.B16]; \
	ADD   R6, R8, R11; \
	VLD1  (R11), [V5.B16]; \
	EOR   $32, R7, R7; \
	EOR   $32, R8, R8; \
	ADD   R6, R7, R12; \
	VLD1  (R12), [V6.B16]; \
	ADD   R6, R8, R13; \
	VLD1  (R13), [V7.B16]; \
	VEOR  V4.B16, V0.B16, V0.B16; \
	VEOR  V5.B16, V1.B16, V1.B16; \
	VEOR  V6.B16, V2.B16, V2.B16; \
	VEOR  V7.B16, V3.B16, V3.B16

// ASK asks for the line of an entry sixteen groups of ten ahead.
#define ASK(e) \
	MOVWU (4*(e+160))(R4), R9; \
	AND   R3, R9, R9; \
	ADD   R2, R9, R9; \
	PRFM  (R9), PLDL1KEEP

#define BEGIN \
	MOVD  dst+0(FP), R0; \
	MOVD  leaves+8(FP), R1; \
	MOVD  x+16(FP), R2; \
	MOVWU mask+24(FP), R3; \
	MOVD  index+32(FP), R4; \
	MOVD  n+40(FP), R5

#define ALL \
	ENTRY(0); ENTRY(1); ENTRY(2); ENTRY(3); ENTRY(4); \
	ENTRY(5); ENTRY(6); ENTRY(7); ENTRY(8); ENTRY(9)

// func gatherNEON(dst, leaves, x *uint64, mask uint32, index *uint64, n int)
TEXT ·gatherNEON(SB), NOSPLIT, $0-48
	BEGIN

group:
	CBZ    R5, done
	ASK(0)
	ASK(1)
	ASK(2)
	ASK(3)
	ASK(4)
	ASK(5)
	ASK(6)
	ASK(7)
	ASK(8)
	ASK(9)
	VLD1.P 64(R1), [V0.B16, V1.B16, V2.B16, V3.B16]
	ALL
	VST1.P [V0.B16, V1.B16, V2.B16, V3.B16], 64(R0)
	ADD    $40, R4
	SUB    $1, R5
	B      group

done:
	RET

// func multiplyNEON(dst, a, b *uint64, n int)
TEXT ·multiplyNEON(SB), NOSPLIT, $0-32
	MOVD dst+0(FP), R0
	MOVD a+8(FP), R1
	MOVD b+16(FP), R2
	MOVD n+24(FP), R3
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16
	VEOR V2.B16, V2.B16, V2.B16

multiply:
	VLD1.P  16(R1), [V3.B16]
	VLD1.P  16(R2), [V4.B16]
	VEXT    $8, V4.B16, V4.B16, V5.B16
	VPMULL  V3.D1, V4.D1, V6.Q1
	VPMULL  V3.D1, V5.D1, V7.Q1
	VPMULL2 V3.D2, V4.D2, V8.Q1
	VPMULL2 V3.D2, V5.D2, V9.Q1
	VEOR    V6.B16, V0.B16, V0.B16
	VEOR    V7.B16, V1.B16, V1.B16
	VEOR    V8.B16, V2.B16, V2.B16
	VEOR    V9.B16, V1.B16, V1.B16
	SUBS    $1, R3, R3
	BNE     multiply
	VST1    [V0.B16, V1.B16, V2.B16], (R0)
	RET

// func xorNEON(dst, a, b *uint64, n int)
TEXT ·xorNEON(SB), NOSPLIT, $0-32
	MOVD dst+0(FP), R0
	MOVD a+8(FP), R1
	MOVD b+16(FP), R2
	MOVD n+24(FP), R3

xor:
	VLD1.P 64(R1), [V0.B16, V1.B16, V2.B16, V3.B16]
	VLD1.P 64(R2), [V4.B16, V5.B16, V6.B16, V7.B16]
	VEOR   V4.B16, V0.B16, V0.B16
	VEOR   V5.B16, V1.B16, V1.B16
	VEOR   V6.B16, V2.B16, V2.B16
	VEOR   V7.B16, V3.B16, V3.B16
	VST1.P [V0.B16, V1.B16, V2.B16, V3.B16], 64(R0)
	SUBS   $4, R3, R3
	BNE    xor
	RET

// func addMaskedNEON(dst *uint64, src *byte, mask uint64, n int)
TEXT ·addMaskedNEON(SB), NOSPLIT, $0-32
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	MOVD mask+16(FP), R2
	MOVD n+24(FP), R3
	VDUP R2, V8.D2

add:
	VLD1.P 64(R1), [V0.B16, V1.B16, V2.B16, V3.B16]
	VLD1   (R0), [V4.B16, V5.B16, V6.B16, V7.B16]
	VAND   V8.B16, V0.B16, V0.B16
	VAND   V8.B16, V1.B16, V1.B16
	VAND   V8.B16, V2.B16, V2.B16
	VAND   V8.B16, V3.B16, V3.B16
	VEOR   V0.B16, V4.B16, V4.B16
	VEOR   V1.B16, V5.B16, V5.B16
	VEOR   V2.B16, V6.B16, V6.B16
	VEOR   V3.B16, V7.B16, V7.B16
	VST1.P [V4.B16, V5.B16, V6.B16, V7.B16], 64(R0)
	SUBS   $4, R3, R3
	BNE    add
	RET

// TWICE doubles the words of sum in GF(2^64) and adds a leaf: what leaves at the top, as a mask.
#define TWICE(sum, leaf) \
	VUSHR $63, sum.D2, V8.D2; \
	VSHL  $1, sum.D2, V9.D2; \
	VSUB  V8.D2, V30.D2, V8.D2; \
	VAND  V31.B16, V8.B16, V8.B16; \
	VEOR  leaf.B16, V9.B16, V9.B16; \
	VEOR  V8.B16, V9.B16, sum.B16

// func weighNEON(dst, src *uint64, n int)
TEXT ·weighNEON(SB), NOSPLIT, $0-24
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	MOVD n+16(FP), R2
	MOVD $0x1b, R3
	VDUP R3, V31.D2
	VEOR V30.B16, V30.B16, V30.B16
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16
	VEOR V2.B16, V2.B16, V2.B16
	VEOR V3.B16, V3.B16, V3.B16

weigh:
	VLD1.P 64(R1), [V4.B16, V5.B16, V6.B16, V7.B16]
	TWICE(V0, V4)
	TWICE(V1, V5)
	TWICE(V2, V6)
	TWICE(V3, V7)
	SUBS   $4, R2, R2
	BNE    weigh
	VST1   [V0.B16, V1.B16, V2.B16, V3.B16], (R0)
	RET
