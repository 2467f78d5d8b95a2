package transport

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// alarm waits to within some ten microseconds. The runtime's own timers wake an
// idle process to the next millisecond only, which would make every message of
// an imitated network late by more than a local network takes.
type alarm struct{ file *os.File }

func newAlarm() *alarm {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return &alarm{}
	}
	return &alarm{os.NewFile(uintptr(fd), "timer")}
}

// wait returns after d.
func (a *alarm) wait(d time.Duration) {
	if d <= 0 {
		return
	}
	if a.file == nil || d > time.Second {
		time.Sleep(d)
		return
	}
	conn, err := a.file.SyscallConn()
	if err == nil {
		spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
		_ = conn.Control(func(fd uintptr) { err = unix.TimerfdSettime(int(fd), 0, &spec, nil) })
	}
	var ticks [8]byte
	if err == nil {
		_, err = a.file.Read(ticks[:])
	}
	if err != nil {
		time.Sleep(d)
	}
}

func (a *alarm) close() {
	if a.file != nil {
		a.file.Close()
	}
}
