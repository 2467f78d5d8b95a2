package poly

// Variant names an implementation of the kernels.
type Variant uint8

const (
	// Auto takes the fastest variant the processor has.
	Auto Variant = iota
	// Generic is portable Go.
	Generic
	// IFMA is AVX-512 with IFMA, VBMI, VPOPCNTDQ and VAES (amd64).
	IFMA
)

// String returns the name used in benchmark rows.
func (v Variant) String() string {
	switch v {
	case Generic:
		return "generic"
	case IFMA:
		return "ifma"
	}
	return "auto"
}

// Available reports whether v can run here.
func (v Variant) Available() bool { return v != IFMA || haveIFMA }

// resolve turns Auto into a concrete variant.
func (v Variant) resolve() Variant {
	if v != Auto {
		return v
	}
	if haveIFMA {
		return IFMA
	}
	return Generic
}

// Variants lists what can run here, fastest last.
func Variants() []Variant {
	if haveIFMA {
		return []Variant{Generic, IFMA}
	}
	return []Variant{Generic}
}
