//go:build !purego

package kernel

// cpuid is the instruction; x/sys/cpu tells of VAES only beside AVX-512.
func cpuid(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)

// hasVAES reads leaf 7; to be asked only where the system saves AVX registers.
func hasVAES() bool {
	if top, _, _, _ := cpuid(0, 0); top < 7 {
		return false
	}
	_, _, ecx, _ := cpuid(7, 0)
	return ecx>>9&1 == 1
}
