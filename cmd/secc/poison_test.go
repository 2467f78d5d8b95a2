package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// poison overwrites the first elements of a float tensor in an ONNX file:
// poison FILE TENSOR VALUE COUNT
func poison(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: poison FILE TENSOR VALUE COUNT")
	}
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	value, err := strconv.ParseFloat(args[2], 32)
	ts.Check(err)
	count, err := strconv.Atoi(args[3])
	ts.Check(err)
	name := append([]byte{0x42, byte(len(args[1]))}, args[1]...) // field 8 of TensorProto, followed by raw_data, field 9
	at := bytes.Index(b, append(name, 0x4a))
	if at < 0 {
		ts.Fatalf("%s: no tensor %s with raw data", args[0], args[1])
	}
	data := b[at+len(name)+1:]
	size, n := binary.Uvarint(data)
	data = data[n:][:size]
	for i := range count {
		binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(float32(value)))
	}
	ts.Check(os.WriteFile(path, b, 0o644))
}

// writeNPY makes an array with one value everywhere: npy FILE SHAPE VALUE
func writeNPY(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: npy FILE SHAPE VALUE")
	}
	value, err := strconv.ParseFloat(args[2], 32)
	ts.Check(err)
	n := 1
	for _, d := range strings.Split(args[1], ",") {
		size, err := strconv.Atoi(d)
		ts.Check(err)
		n *= size
	}
	header := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }\n", args[1])
	b := binary.LittleEndian.AppendUint16([]byte("\x93NUMPY"+"\x01\x00"), uint16(len(header)))
	b = append(b, header...)
	for range n {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(value)))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o644))
}
