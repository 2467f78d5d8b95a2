// Command secc-wasm is the client of a secure inference for browsers, and for Node: built
// with GOOS=js GOARCH=wasm it gives the page, or better a worker of it, the function
// secc.infer (see infer in main_js.go). Like secc-client it contains no compiler.
package main
