package ask

import (
	"path/filepath"

	"secc.example/secc/internal/safefile"
	"secc.example/secc/runtime"
	"secc.example/secc/runtime/replay"
)

// recording keeps what an auditor needs to make this client's half of a session again. The session
// goes on when it cannot be kept.
type recording struct {
	*run
	session string
	file    *safefile.File
	to      *replay.Recorder
	failed  error
}

// begin begins the recording of a session.
func (r *recording) begin(session string, g *runtime.Program, q runtime.Inferences, cfg runtime.Config) (runtime.Inferences, runtime.Config) {
	r.session = session
	if r.file, r.failed = safefile.Create(filepath.Join(r.recordings, fileOf(session)+".record"), safefile.Private); r.failed != nil {
		return q, cfg
	}
	r.to, cfg = replay.Record(r.file, session, g, q.N, cfg)
	return r.to.Inferences(q), cfg
}

// end keeps the recording of a session that ended well.
func (r *recording) end() {
	err := r.failed
	if r.to != nil {
		if err = r.to.End(); err == nil {
			err = r.file.Finish()
		}
		if err == nil {
			err = r.file.Commit()
		}
	}
	if err != nil {
		r.log.Warn("there is no recording", "session", r.session, "error", err)
	}
}

func (r *recording) discard() {
	if r.file != nil {
		r.file.Discard()
	}
}
