package kernel

import "golang.org/x/sys/cpu"

// X86 is what amd64 processors differ in, by the groups that kernels ask for.
// Nothing is set on other processors and in builds without assembly.
var X86 = func() (f struct {
	AVX2     bool // AVX2, FMA, BMI1, BMI2
	AES      bool // AVX2 with AES on 128 bits
	VAES     bool // AVX2 with AES on 256 bits
	CLMUL    bool // AVX2 with products of polynomials over GF(2) on 128 bits
	AVX512   bool // F, BW, DQ, VL
	VAES512  bool // AVX512 with AES on 512 bits
	CLMUL512 bool // AVX512 with CLMUL on 512 bits
	GFNI512  bool // AVX512 with Galois field instructions
	IFMA     bool // AVX512 with IFMA, VBMI, VPOPCNTDQ
}) {
	if !assembly {
		return f
	}
	x := &cpu.X86
	f.AVX2 = x.HasAVX2 && x.HasFMA && x.HasBMI1 && x.HasBMI2
	f.AES = f.AVX2 && x.HasAES
	f.VAES = f.AES && hasVAES()
	f.CLMUL = f.AVX2 && x.HasPCLMULQDQ
	f.AVX512 = f.AVX2 && x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL
	f.VAES512 = f.AVX512 && f.AES && x.HasAVX512VAES
	f.CLMUL512 = f.AVX512 && f.CLMUL && x.HasAVX512VPCLMULQDQ
	f.GFNI512 = f.AVX512 && x.HasAVX512GFNI
	f.IFMA = f.AVX512 && x.HasAVX512IFMA && x.HasAVX512VBMI && x.HasAVX512VPOPCNTDQ
	return f
}()

// ARM64 is what arm64 processors differ in; every one has NEON.
var ARM64 = struct {
	NEON  bool
	AES   bool
	CLMUL bool
}{
	NEON:  assembly && cpu.ARM64.HasASIMD,
	AES:   assembly && cpu.ARM64.HasASIMD && cpu.ARM64.HasAES,
	CLMUL: assembly && cpu.ARM64.HasASIMD && cpu.ARM64.HasPMULL,
}
