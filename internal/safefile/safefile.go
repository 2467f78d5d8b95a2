// Package safefile writes files that appear whole or not at all. What stood under
// the name before stays until the new file is on the disk; a symbolic link is
// replaced, never followed.
package safefile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// File is a file that is being written under a temporary name beside its place.
type File struct {
	*os.File
	path string
}

// Private is the mode of files that only their owner may read, Public of others.
const (
	Private fs.FileMode = 0o600
	Public  fs.FileMode = 0o644
)

// Create begins a file that will stand at path. Devices, pipes and directories
// are not replaced.
func Create(path string, mode fs.FileMode) (*File, error) {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() && info.Mode()&fs.ModeSymlink == 0 {
		return nil, &fs.PathError{Op: "write", Path: path, Err: errors.New("not a regular file")}
	}
	dir, name := filepath.Split(path)
	f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf(".%s.%s", name, rand.Text())), os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return nil, err
	}
	return &File{f, path}, nil
}

// Finish puts what was written on the disk and closes the file.
func (f *File) Finish() error {
	return errors.Join(f.Sync(), f.Close())
}

// Commit moves a finished file to its place.
func (f *File) Commit() error {
	if err := os.Rename(f.Name(), f.path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(f.path))
	if err != nil {
		return nil // the file stands; some systems do not open directories
	}
	defer dir.Close()
	_ = dir.Sync() // nor sync them
	return nil
}

// Discard removes what was written, unless it was committed.
func (f *File) Discard() {
	_ = f.Close()           // closed already, after Finish
	_ = os.Remove(f.Name()) // gone already, after Commit
}

// Write makes a whole file of b.
func Write(path string, b []byte, mode fs.FileMode) error {
	f, err := Create(path, mode)
	if err != nil {
		return err
	}
	defer f.Discard()
	if _, err := f.Write(b); err != nil {
		return err
	}
	if err := f.Finish(); err != nil {
		return err
	}
	return f.Commit()
}
