// Keeps the page for when there is no network. Only the page: never an answer of a service.

const name = "secc-@BUNDLE@";
const page = ["./", "app.js", "style.css", "worker.js", "wasm_exec.js", "kernels.js", "secc.wasm"];

self.addEventListener("install", (e) => e.waitUntil(caches.open(name).then((c) => c.addAll(page))));
self.addEventListener("activate", (e) => e.waitUntil(caches.keys().then((all) => Promise.all(all.filter((k) => k !== name).map((k) => caches.delete(k))))));
self.addEventListener("fetch", (e) => {
  const url = new URL(e.request.url);
  const known = e.request.method === "GET" && url.origin === location.origin && page.some((p) => new URL(p, registration.scope).href === url.href);
  if (known) e.respondWith(fetch(e.request).catch(() => caches.match(e.request, { ignoreVary: true })));
});
