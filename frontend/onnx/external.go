package onnx

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"secc.example/secc/frontend/onnx/internal/onnxpb"
)

// external reads tensor data that lies in files beside the model. A nil
// external refuses: bytes without a directory have no files beside them.
type external struct{ root *os.Root }

// openExternal confines external data to dir: os.Root refuses absolute paths,
// "..", and symbolic links that lead outside.
func openExternal(dir string) (*external, error) {
	if dir == "" {
		return nil, nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("onnx: external data: %w", err)
	}
	return &external{root}, nil
}

func (e *external) close() {
	if e != nil {
		e.root.Close()
	}
}

// read returns exactly want bytes of the file an external_data list describes.
func (e *external) read(entries []*onnxpb.StringEntry, want int) ([]byte, error) {
	if e == nil {
		return nil, errors.New("external data, but the model was not read from a file")
	}
	at := map[string]string{}
	for _, kv := range entries {
		at[kv.GetKey()] = kv.GetValue()
	}
	offset, err := optionalCount(at, "offset", 0)
	if err != nil {
		return nil, err
	}
	length, err := optionalCount(at, "length", int64(want))
	if err != nil {
		return nil, err
	}
	if length != int64(want) {
		return nil, fmt.Errorf("external data of %d bytes, the shape needs %d", length, want)
	}
	return e.section(at["location"], offset, want)
}

func (e *external) section(name string, offset int64, n int) ([]byte, error) {
	info, err := e.root.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("external data: %w", err)
	}
	if !info.Mode().IsRegular() || offset > info.Size() || int64(n) > info.Size()-offset {
		return nil, fmt.Errorf("external data %q: %d bytes at %d do not lie in the file", name, n, offset)
	}
	f, err := e.root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("external data: %w", err)
	}
	defer f.Close()
	b := make([]byte, n)
	if _, err := io.ReadFull(io.NewSectionReader(f, offset, int64(n)), b); err != nil {
		return nil, fmt.Errorf("external data %q: %w", name, err)
	}
	return b, nil
}

func optionalCount(at map[string]string, key string, missing int64) (int64, error) {
	s, ok := at[key]
	if !ok || s == "" {
		return missing, nil
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil || v < 0 {
		return 0, fmt.Errorf("external data: %s %q is not a count", key, s)
	}
	return v, nil
}
