// Asks a model from Node, with the client that browsers get: secc.infer of cmd/secc-wasm.
// Usage: node [--experimental-websocket] ask.mjs WASM_EXEC.JS SECC.WASM MODEL.PLAN URL INPUT
// Prints the report as JSON; the seconds of the session go to standard error.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, resolve } from "node:path";

const [exec, wasm, plan, url, input] = process.argv.slice(2);
const require = createRequire(import.meta.url);
require(resolve(exec));
require("../../clients/web/kernels.js");
const go = new Go();
seccKernels(go);
const { instance } = await WebAssembly.instantiate(readFileSync(wasm), go.importObject);
go.run(instance);
const bytes = (file) => new Uint8Array(readFileSync(file));
const start = performance.now();
let parts = 0;
try {
  const report = await secc.infer(bytes(plan), url, [{ name: basename(input), bytes: bytes(input) }], {
    progress: () => parts++,
    warn: (text) => console.error("warning: " + text),
  });
  console.error(`${((performance.now() - start) / 1000).toFixed(2)} s, ${parts} steps, CPU ${(process.cpuUsage().user / 1e6).toFixed(2)} s`);
  console.log(report);
  process.exit(parts > 1 ? 0 : 1);
} catch (e) {
  console.error(`${e.message}${e.hint ? " (" + e.hint + ")" : ""}`);
  process.exit(e.code || 1);
}
