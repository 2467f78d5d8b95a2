// Package kernel says which implementation of every hot loop runs.
//
// A kernel is a loop with several variants: portable Go, and one for each set of
// instructions that it was written for. All variants of a kernel give the same
// bits. A package declares its kernels as variables, each with the variants that
// this processor can run, and asks Variant where it calls one:
//
//	var hashing = kernel.New("prg.hash",
//		kernel.When(kernel.AVX2, kernel.X86.AES), kernel.When(kernel.AVX512, kernel.X86.VAES512))
//
// The fastest one is used, kernel by kernel: a processor with AVX-512 but without
// its integer multiply-add mixes. The environment variable SECC_KERNELS names the
// fastest variant that may be used (portable, wasm, neon, avx2, vaes, avx512, ifma); tests
// take Force. The build tag purego leaves portable variants only.
package kernel

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
)

// Variant is one way to write a kernel, faster ones last.
type Variant uint32

const (
	// Portable is Go without assembly, in constant time where it touches secrets.
	Portable Variant = iota
	// WASM is what suits WebAssembly: Go without upper halves of products, and vectors of 128 bits
	// by a module beside Go's (build tag simd128).
	WASM
	// NEON is arm64, with the AES instructions where a kernel needs them.
	NEON
	// AVX2 is amd64 with AVX2 and FMA, with the AES instructions where a kernel needs them.
	AVX2
	// VAES is AVX2 with AES on 256 bits.
	VAES
	// AVX512 is amd64 with AVX-512 F, BW, DQ and VL, and what else a kernel needs.
	AVX512
	// IFMA is AVX512 with multiplication of 52-bit integers.
	IFMA
)

var names = []string{"portable", "wasm", "neon", "avx2", "vaes", "avx512", "ifma"}

// String returns the name that reports and SECC_KERNELS use.
func (v Variant) String() string { return names[v] }

// Limit is the environment variable that names the fastest variant to use.
const Limit = "SECC_KERNELS"

var limit, limitErr = readLimit(os.Getenv(Limit))

func readLimit(name string) (Variant, error) {
	if name == "" {
		return IFMA, nil
	}
	if i := slices.Index(names, name); i >= 0 {
		return Variant(i), nil
	}
	return IFMA, fmt.Errorf("%s=%s: not one of %s", Limit, name, strings.Join(names, ", "))
}

// Check reports a limit that names no variant; without this call it is ignored.
func Check() error { return limitErr }

// Case is a variant and whether it runs here.
type Case struct {
	variant Variant
	runs    bool
}

// When is a variant that runs if the processor has what it needs.
func When(v Variant, runs bool) Case { return Case{v, runs} }

// Kernel is one hot loop and the variants of it that run here.
type Kernel struct {
	name     string
	variants []Variant // that run here, slowest first
	used     atomic.Uint32
}

var all []*Kernel // written by the initialisation of packages only

// New declares a kernel. To be called from variable declarations of packages.
func New(name string, cases ...Case) *Kernel {
	k := &Kernel{name: name, variants: []Variant{Portable}}
	for _, c := range cases {
		if c.runs {
			k.variants = append(k.variants, c.variant)
		}
	}
	slices.Sort(k.variants)
	for _, v := range k.variants {
		if v <= limit {
			k.used.Store(uint32(v))
		}
	}
	all = append(all, k)
	return k
}

// Name is package.kernel.
func (k *Kernel) Name() string { return k.name }

// Variant is what runs.
func (k *Kernel) Variant() Variant { return Variant(k.used.Load()) }

// Variants is what can run here, the limit aside, slowest first.
func (k *Kernel) Variants() []Variant { return slices.Clone(k.variants) }

// Force makes a kernel run one of its variants until undo is called. For tests
// and benchmarks.
func (k *Kernel) Force(v Variant) (undo func()) {
	if !slices.Contains(k.variants, v) {
		panic(fmt.Sprintf("BUG: kernel: %s does not run %v here", k.name, v))
	}
	was := k.used.Swap(uint32(v))
	return func() { k.used.Store(was) }
}

// All lists the kernels of the packages that this program has, by name.
func All() []*Kernel {
	ks := slices.Clone(all)
	slices.SortFunc(ks, func(a, b *Kernel) int { return strings.Compare(a.name, b.name) })
	return ks
}

// Summary groups the kernels by what runs, fastest first: "ifma: poly.ring; avx512: prg.ctr ...".
func Summary() string {
	var groups []string
	for v := IFMA + 1; v > Portable; {
		v--
		var ks []string
		for _, k := range All() {
			if k.Variant() == v {
				ks = append(ks, k.name)
			}
		}
		if len(ks) > 0 {
			groups = append(groups, v.String()+": "+strings.Join(ks, " "))
		}
	}
	return strings.Join(groups, "; ")
}
