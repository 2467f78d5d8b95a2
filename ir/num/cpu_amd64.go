//go:build !purego

package num

// The two instructions that tell what the processor and the system have; this package
// asks itself, so that the IR needs nothing but the standard library.
func cpuid(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)

func xgetbv() (eax, edx uint32)

// hasAVX512 reports AVX-512 F and DQ, with FMA, on a system that saves the registers.
func hasAVX512() bool {
	const fma, osxsave, states, f, dq = 1 << 12, 1 << 27, 0xe6, 1 << 16, 1 << 17
	if most, _, _, _ := cpuid(0, 0); most < 7 {
		return false
	}
	if _, _, ecx, _ := cpuid(1, 0); ecx&(fma|osxsave) != fma|osxsave {
		return false
	}
	if eax, _ := xgetbv(); eax&states != states {
		return false
	}
	_, ebx, _, _ := cpuid(7, 0)
	return ebx&(f|dq) == f|dq
}
