// The page: what is on it, and a worker that computes. Nothing here sends a picture anywhere.

const at = (id) => document.getElementById(id);
const show = (id, text) => { const e = at(id); e.textContent = text; e.hidden = !text; };

let config, plan, files, worker, running = false;
let service, token = ""; // where the model is, and what the service knows this page by, if anything

// Relative addresses are the page's own; config.json says which model is asked. The token goes to
// the model's address and nowhere else.
async function fetched(url, what, headers = {}) {
  let r;
  try {
    r = await fetch(url, { cache: "no-cache", credentials: "same-origin", redirect: "error", headers });
  } catch {
    const elsewhere = new URL(url, location.href).origin !== location.origin;
    throw new Error(`${what} cannot be reached. Is there a connection?${elsewhere ? ` And does it allow pages of ${location.origin}?` : ""}`);
  }
  if (!r.ok) {
    const said = await r.json().catch(() => ({}));
    throw Object.assign(new Error(`${what}: ${said.error ?? r.statusText} (HTTP ${r.status})`), { status: r.status });
  }
  return r;
}

const ofModel = (part, what) => fetched(service.href + part, what, token ? { Authorization: `Bearer ${token}` } : {});

// A token is kept only if that was asked for. Where nothing can be, nothing is.
const kept = {
  get name() { return `secc token ${service.href}`; },
  get() { try { return localStorage.getItem(this.name) ?? ""; } catch { return ""; } },
  set(value) { try { value ? localStorage.setItem(this.name, value) : localStorage.removeItem(this.name); } catch { /* a private window */ } },
};

// A WebSocket takes no headers from a page: the token is offered as a protocol.
function protocols() {
  if (!token) return undefined;
  return ["secc.session", `secc.bearer.${btoa(token).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "")}`];
}

const hex = (b) => Array.from(new Uint8Array(b), (x) => x.toString(16).padStart(2, "0")).join("");

function size(n) {
  return n < 1 << 20 ? `${Math.ceil(n / 1024)} KiB` : `${(n / (1 << 20)).toFixed(n < 10 << 20 ? 1 : 0)} MiB`;
}

// begin fetches what says whom one asks, and the plan, which is public.
async function begin() {
  config = await (await fetched("config.json", "This page's settings")).json();
  service = new URL(config.model.replace(/\/+$/, ""), location.href);
  token ||= kept.get();
  at("forget").hidden = !kept.get();
  const about = await (await ofModel("", "The service")).json();
  at("who").hidden = true;
  const more = about.parameters ?? {};
  const encoded = new Uint8Array(await (await ofModel("/plan", "The plan")).arrayBuffer());
  const digest = await call({ do: "digest", plan: encoded });
  if (config.plan_digest && digest !== config.plan_digest) {
    throw new Error("The service's plan is not the one that this page was made for. Do not use it; tell whoever runs this page.");
  }
  plan = encoded;
  if (more.title) { at("title").textContent = more.title; document.title = more.title; }
  at("model").textContent = more.description ? `${about.name}: ${more.description}` : about.name;
  at("digest").textContent = digest;
  at("cost").textContent = more.bytes ? `Asking sends and receives ${size(more.bytes)}. The computing is this device's and the service's.` : "";
  at("go").disabled = !files;
}

// The worker runs one thing after the other; what it cannot finish is ended with it.
let last = Promise.resolve();

function start() {
  worker?.terminate();
  worker = new Worker("worker.js");
  last = Promise.resolve();
}

function call(message) {
  const mine = last.then(() => post(message));
  last = mine.catch(() => {});
  return mine;
}

function post(message) {
  return new Promise((resolve, reject) => {
    if (!worker) start();
    worker.onmessage = ({ data }) => {
      switch (data.kind) {
        case "progress": return progress(data.part, data.next);
        case "warn": return warned(data.text);
        case "done": return resolve(data.value);
        default: return reject(Object.assign(new Error(data.message), { hint: data.hint }));
      }
    };
    worker.onerror = () => { worker = undefined; reject(new Error("The computation ended unexpectedly. Does this device have enough memory?")); };
    worker.postMessage(message);
  });
}

let spoken = 0;
function progress(part, next) {
  at("bar").value = part;
  at("step").textContent = `${Math.round(100 * part)} % ${next ? `– ${next}` : ""}`;
  if (part >= spoken + 0.25) { // a screen reader is told quarters
    spoken = Math.floor(part * 4) / 4;
    at("spoken").textContent = `${Math.round(100 * spoken)} per cent`;
  }
}

function warned(text) {
  show("warning", [at("warning").textContent, text].filter(Boolean).join("\n"));
}

function failed(e) {
  show("error", [e.message, e.hint].filter(Boolean).join("\n"));
  if (e.status !== 401) return;
  show("error", token ? "The service does not know this token." : "");
  token = "";
  at("whom").textContent = `The owner of the service gave it to you. It is sent to ${service.origin} and nowhere else.`;
  at("who").hidden = false;
  at("token").focus();
}

// known takes the token that was typed.
async function known() {
  const typed = at("token").value.trim();
  if (!/^[!-~]+$/.test(typed)) { // what a header can hold
    show("error", "A token consists of letters, digits and signs, without blanks or accents.");
    return;
  }
  token = typed;
  kept.set(at("keep").checked ? token : "");
  at("token").value = "";
  show("error", "");
  try {
    await begin();
    at("file").focus();
  } catch (e) {
    if (e.status === 401) kept.set("");
    failed(e);
  }
}

// forget ends what the page knows of a token; what it computes with one goes on.
function forget() {
  kept.set("");
  token = "";
  at("forget").hidden = true;
  at("file").focus();
}

// chosen takes the files and draws the input as the network will be given it.
async function chosen(list) {
  if (!list.length || running) return;
  show("error", ""); show("warning", ""); at("answer").hidden = true;
  at("go").disabled = true;
  files = await Promise.all(Array.from(list, async (f) => ({ name: f.name, bytes: new Uint8Array(await f.arrayBuffer()) })));
  at("hint").textContent = Array.from(list, (f) => f.name).join(", ");
  at("preview").hidden = true;
  try {
    if (!plan) await begin();
    const picture = await call({ do: "preview", plan, files });
    if (picture) {
      URL.revokeObjectURL(at("preview").src);
      at("preview").src = URL.createObjectURL(new Blob([picture], { type: "image/png" }));
      at("preview").hidden = false;
    }
    at("go").disabled = false;
    at("go").focus();
  } catch (e) {
    files = undefined;
    at("go").disabled = true;
    failed(e);
  }
}

function busy(is) {
  running = is; spoken = 0;
  at("running").hidden = !is; at("stop").hidden = !is; at("go").hidden = is; at("file").disabled = is;
  at("bar").value = 0; at("step").textContent = ""; at("spoken").textContent = is ? "computing" : "";
}

async function ask() {
  show("error", ""); show("warning", ""); at("answer").hidden = true;
  busy(true);
  const begun = performance.now();
  try {
    answered(JSON.parse(await call({ do: "infer", plan, files, url: `${service.href}/session`, protocols: protocols() })), (performance.now() - begun) / 1000);
  } catch (e) {
    start(); // whatever is left of the session goes with the worker
    failed(e);
  } finally {
    busy(false);
  }
}

function answered(report, seconds) {
  at("findings").replaceChildren(...(report.answers ?? []).map(table));
  at("took").textContent = `${size(report.total.bytes)}, ${report.total.rounds} rounds, ${seconds.toFixed(1)} s.`;
  at("answer").hidden = false;
  at("answer").focus();
}

function table(a) {
  if (!a.labels?.length) {
    return Object.assign(document.createElement("p"), { textContent: `${a.output}: values, not classes.` });
  }
  const perCent = ["findings", "shares", "places"].includes(a.kind);
  const t = document.createElement("table");
  const head = t.createTHead().insertRow();
  for (const [text, cls] of [[a.kind === "findings" ? "Finding" : "Class", ""], ["Score", "n"], ...(perCent ? [["", "b"]] : [])]) {
    head.append(Object.assign(document.createElement("th"), { textContent: text, className: cls, scope: "col" }));
  }
  const body = t.createTBody();
  for (const l of a.labels) {
    const row = body.insertRow();
    row.insertCell().textContent = l.label || `class ${l.index}`;
    Object.assign(row.insertCell(), { className: "n", textContent: perCent ? `${(100 * l.score).toFixed(1)} %` : l.score.toPrecision(5) });
    if (perCent) {
      const m = Object.assign(document.createElement("meter"), { max: 1, value: l.score });
      m.setAttribute("aria-hidden", "true");
      Object.assign(row.insertCell(), { className: "b" }).append(m);
    }
  }
  return t;
}

at("file").addEventListener("change", (e) => chosen(e.target.files));
at("ask").addEventListener("submit", (e) => { e.preventDefault(); if (!running && files) ask(); });
at("who").addEventListener("submit", (e) => { e.preventDefault(); known(); });
at("forget").addEventListener("click", forget);
at("stop").addEventListener("click", () => { start(); busy(false); show("error", "Stopped. Nothing of the picture or the answer is anywhere."); });
for (const kind of ["dragover", "drop", "dragleave"]) {
  at("drop").addEventListener(kind, (e) => {
    e.preventDefault();
    at("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") chosen(e.dataTransfer.files);
  });
}
if ("serviceWorker" in navigator) navigator.serviceWorker.register("sw.js").catch(() => {}); // without it, the page is fetched anew
begin().catch(failed);
