// Package onnx reads an ONNX model and builds the real-phase graph of package ir.
//
// The way is: bytes -> protobuf messages -> normalise (tensors to a side table,
// functions inlined, names and opsets attached to nodes) -> onnx-go walks the
// graph into a recording backend -> one importer function a node builds ir
// values with static shapes, folding whatever depends on constants only.
//
// It knows everything about ONNX (opsets, attribute forms, exporters' habits)
// and nothing about fixed point, protocols or who computes what, with one
// exception: it marks constants that are part of the public architecture.
// It evaluates nothing but shape arithmetic and constants; reference evaluation
// is package ir's. Whatever bytes it is given, it returns a graph or an error.
package onnx
