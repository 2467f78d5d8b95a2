package secc

import "runtime/debug"

// module is this module's path.
const module = "secc.example/secc"

// Version is the version of this package in the running program, as plans name the
// compiler that made them: of a release v1.2.3, of a commit what the go command calls it,
// "devel" where the build says neither.
func Version() string {
	b, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	for _, m := range append(b.Deps, &b.Main) {
		if m.Path == module && m.Version != "" && m.Version != "(devel)" {
			return m.Version
		}
	}
	return "devel"
}
