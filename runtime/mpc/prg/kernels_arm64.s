//go:build !purego

#include "textflag.h"

// ROUND is a round on eight blocks: AESE adds the key, then substitutes and
// shifts rows; AESMC mixes columns. Processors fuse the pairs.
#define ROUND(key) \
	AESE  key.B16, V0.B16; AESMC V0.B16, V0.B16; \
	AESE  key.B16, V1.B16; AESMC V1.B16, V1.B16; \
	AESE  key.B16, V2.B16; AESMC V2.B16, V2.B16; \
	AESE  key.B16, V3.B16; AESMC V3.B16, V3.B16; \
	AESE  key.B16, V4.B16; AESMC V4.B16, V4.B16; \
	AESE  key.B16, V5.B16; AESMC V5.B16, V5.B16; \
	AESE  key.B16, V6.B16; AESMC V6.B16, V6.B16; \
	AESE  key.B16, V7.B16; AESMC V7.B16, V7.B16

#define LAST(v) \
	AESE V25.B16, v.B16; VEOR V26.B16, v.B16, v.B16

// PUBLIC is the fifth round where it is the last.
#define PUBLIC(v) \
	AESE V20.B16, v.B16; VEOR V21.B16, v.B16, v.B16

#define ONE(key) \
	AESE key.B16, V0.B16; AESMC V0.B16, V0.B16

// func encryptNEON(rounds, x *uint64, n int)
TEXT ·encryptNEON(SB), NOSPLIT, $0-24
	MOVD rounds+0(FP), R0
	MOVD x+8(FP), R1
	MOVD n+16(FP), R2
	VLD1.P 64(R0), [V16.B16, V17.B16, V18.B16, V19.B16]
	VLD1.P 64(R0), [V20.B16, V21.B16, V22.B16, V23.B16]
	VLD1   (R0), [V24.B16, V25.B16, V26.B16]

wide:
	CMP $8, R2
	BLT narrow
	MOVD R1, R3
	VLD1.P 64(R3), [V0.B16, V1.B16, V2.B16, V3.B16]
	VLD1   (R3), [V4.B16, V5.B16, V6.B16, V7.B16]
	ROUND(V16)
	ROUND(V17)
	ROUND(V18)
	ROUND(V19)
	ROUND(V20)
	ROUND(V21)
	ROUND(V22)
	ROUND(V23)
	ROUND(V24)
	LAST(V0)
	LAST(V1)
	LAST(V2)
	LAST(V3)
	LAST(V4)
	LAST(V5)
	LAST(V6)
	LAST(V7)
	VST1.P [V0.B16, V1.B16, V2.B16, V3.B16], 64(R1)
	VST1.P [V4.B16, V5.B16, V6.B16, V7.B16], 64(R1)
	SUB $8, R2
	B   wide

narrow:
	CBZ  R2, done
	VLD1 (R1), [V0.B16]
	ONE(V16)
	ONE(V17)
	ONE(V18)
	ONE(V19)
	ONE(V20)
	ONE(V21)
	ONE(V22)
	ONE(V23)
	ONE(V24)
	LAST(V0)
	VST1.P [V0.B16], 16(R1)
	SUB $1, R2
	B   narrow

done:
	RET

// func publicNEON(rounds, x *uint64, n int)
TEXT ·publicNEON(SB), NOSPLIT, $0-24
	MOVD rounds+0(FP), R0
	MOVD x+8(FP), R1
	MOVD n+16(FP), R2
	VLD1.P 64(R0), [V16.B16, V17.B16, V18.B16, V19.B16]
	VLD1   (R0), [V20.B16, V21.B16]

wide:
	CMP $8, R2
	BLT narrow
	MOVD R1, R3
	VLD1.P 64(R3), [V0.B16, V1.B16, V2.B16, V3.B16]
	VLD1   (R3), [V4.B16, V5.B16, V6.B16, V7.B16]
	ROUND(V16)
	ROUND(V17)
	ROUND(V18)
	ROUND(V19)
	PUBLIC(V0)
	PUBLIC(V1)
	PUBLIC(V2)
	PUBLIC(V3)
	PUBLIC(V4)
	PUBLIC(V5)
	PUBLIC(V6)
	PUBLIC(V7)
	VST1.P [V0.B16, V1.B16, V2.B16, V3.B16], 64(R1)
	VST1.P [V4.B16, V5.B16, V6.B16, V7.B16], 64(R1)
	SUB $8, R2
	B   wide

narrow:
	CBZ  R2, done
	VLD1 (R1), [V0.B16]
	ONE(V16)
	ONE(V17)
	ONE(V18)
	ONE(V19)
	PUBLIC(V0)
	VST1.P [V0.B16], 16(R1)
	SUB $1, R2
	B   narrow

done:
	RET
