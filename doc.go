// Package secc compiles trained networks to secure two-party inference and runs
// them. A server holds the weights, a client holds an input and learns the answer,
// and neither learns anything else, as long as both follow the protocol
// (docs/security/).
//
// Most users want two functions: [Compile] makes a [Network] of an ONNX model, and
// [Local] runs both parties of it in this process. A Network is saved as two files:
// the plan, which is public and which both parties need, and the weights, which
// stay with the server.
//
// The packages below this one are the compiler's and the runtime's own; their
// interfaces change without notice. A program that is a client and nothing else
// can do without the compiler: see cmd/secc-client.
package secc
