// Kernels in vectors of 128 bits, which Go does not compile to: the program (secc-wasm, built with
// the tag simd128) brings them as a module of their own, which works in its memory. seccKernels lends
// it what it imports: to be called before the program is instantiated.

globalThis.seccKernels = (go) => {
  let kernels;
  go.importObject.secc = {
    load: (at, n) => {
      const memory = go._inst.exports.mem;
      try {
        const module = new WebAssembly.Module(new Uint8Array(memory.buffer, at, n).slice());
        kernels = new WebAssembly.Instance(module, { go: { memory } }).exports;
      } catch { // no such vectors here: the program does without
        return 0;
      }
      return 1;
    },
    encrypt: (q, keys, n, last) => kernels.encrypt(q, keys, n, last),
  };
};
