// The worker: the protocol's client, compiled from Go. It is fetched by its hash.

importScripts("wasm_exec.js", "kernels.js");

const ready = (async () => {
  const go = new Go();
  seccKernels(go);
  const response = await fetch("secc.wasm", { integrity: "@secc.wasm@" });
  const { instance } = await WebAssembly.instantiate(await response.arrayBuffer(), go.importObject);
  go.run(instance).catch((e) => postMessage({ kind: "error", message: String(e) }));
  while (!self.secc) await new Promise((r) => setTimeout(r, 5));
})();

onmessage = async ({ data }) => {
  try {
    await ready;
    const value = await work(data);
    postMessage({ kind: "done", value });
  } catch (e) {
    postMessage({ kind: "error", message: e.message ?? String(e), hint: e.hint });
  }
};

function work(m) {
  switch (m.do) {
    case "digest": return self.secc.digest(m.plan);
    case "preview": return self.secc.preview(m.plan, m.files);
    default: return self.secc.infer(m.plan, m.url, m.files, {
      protocols: m.protocols,
      progress: (part, next) => postMessage({ kind: "progress", part, next }),
      warn: (text) => postMessage({ kind: "warn", text }),
    });
  }
}
