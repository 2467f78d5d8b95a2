package onnxtest

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"secc.example/secc/frontend/onnx"
	"secc.example/secc/ir"
)

// Model is a real network with real inputs and the outputs another engine gave.
type Model struct {
	Dir    string
	Input  string
	Shape  []int
	Count  int
	Scale  []float32
	Shift  []float32
	images []byte
	want   []float32
}

// LoadModel reads a model directory: meta.json, images.u8, outputs.f32.
func LoadModel(dir string) (*Model, error) {
	m := &Model{Dir: dir}
	meta, err := os.ReadFile(filepath.Join(dir, "meta.json"))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(meta, m); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if m.images, err = os.ReadFile(filepath.Join(dir, "images.u8")); err != nil {
		return nil, err
	}
	if m.want, err = ReadFloats(filepath.Join(dir, "outputs.f32")); err != nil {
		return nil, err
	}
	n := ir.Numel(m.Shape)
	if m.Count = min(m.Count, len(m.images)/n); m.Count == 0 || len(m.want)%m.Count != 0 {
		return nil, fmt.Errorf("%s: %d images, %d outputs", dir, m.Count, len(m.want))
	}
	return m, nil
}

// Import imports the network.
func (m *Model) Import() (*ir.Graph, error) {
	return onnx.ImportFile(filepath.Join(m.Dir, "model.onnx"), onnx.Options{})
}

// Data is the preprocessed input of case i.
func (m *Model) Data(i int) []float32 {
	n, plane := ir.Numel(m.Shape), ir.Numel(m.Shape[2:])
	out := make([]float32, n)
	for j := range out {
		ch := j / plane % m.Shape[1]
		out[j] = float32(m.images[i*n+j])*m.Scale[ch] + m.Shift[ch]
	}
	return out
}

// Want is the expected output of case i.
func (m *Model) Want(i int) []float32 {
	n := len(m.want) / m.Count
	return m.want[i*n : (i+1)*n]
}

// ReadFloats reads raw little-endian float32 numbers.
func ReadFloats(path string) ([]float32, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	out := make([]float32, len(b)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return out, nil
}
