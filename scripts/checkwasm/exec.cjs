// Runs a test built with GOOS=js and the tag simd128 under Node, as Go's wasm_exec_node.js runs
// others: go test -exec "node --stack-size=8192 $PWD/scripts/checkwasm/exec.cjs".
const { execFileSync } = require("node:child_process");
require("../../clients/web/kernels.js");

let lending;
Object.defineProperty(globalThis, "Go", {
  get: () => lending,
  set: (go) => {
    lending = class extends go {
      constructor() {
        super();
        seccKernels(this);
      }
    };
  },
});
require(`${execFileSync("go", ["env", "GOROOT"]).toString().trim()}/lib/wasm/wasm_exec_node.js`);
