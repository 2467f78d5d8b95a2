// The page in a real browser, against a real service: node --test, started by scripts/check-web.
// SECC is the program, PAGE the built page, MODELS the networks' folder, CHROMIUM the browser,
// NETWORKS which of them are asked, SHOTS a folder for pictures of the page (optional).

import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { execFileSync, spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const { SECC, PAGE, MODELS, SHOTS, CHROMIUM = "/usr/bin/chromium" } = process.env;
const PAGE_SOURCE = join(import.meta.dirname, "..", "..", ".."); // where scripts/web is
const networks = (process.env.NETWORKS ?? "mnist_cntk_8").split(" ");
const dir = mkdtempSync(join(tmpdir(), "secc-web-"));
const children = [];
let browser;

const secc = (...args) => execFileSync(SECC, args, { cwd: dir, stdio: ["ignore", "pipe", "pipe"] });

// start runs a program until it says what it is waited for.
function start(args, said) {
  const child = spawn(SECC, args, { cwd: dir, env: { ...process.env, SECC_STATE: join(dir, "state"), NO_PROXY: "*" }, stdio: ["ignore", "ignore", "pipe"] });
  children.push(child);
  let log = "";
  return new Promise((resolve, reject) => {
    child.stderr.on("data", (b) => {
      log += b;
      const m = log.match(said);
      if (m) resolve({ child, at: m[1], log: () => log });
    });
    child.on("exit", () => reject(new Error(`${args.join(" ")} ended:\n${log}`)));
  });
}

// compile makes a version of a network under models/NAME.
function compile(name, version, ...flags) {
  const from = join(MODELS, name), to = join(dir, "models", name, version);
  mkdirSync(to, { recursive: true });
  const meta = JSON.parse(readFileSync(join(from, "meta.json")));
  const factors = meta.scale ? `scale=${meta.scale.join(":")},shift=${meta.shift.join(":")}` : "raw";
  const labels = existsSync(join(from, "labels.txt")) ? ["--labels", join(from, "labels.txt")] : [];
  secc("compile", join(from, "model.onnx"), "-o", join(to, "model.plan"), "--calibrate", join(from, "images.u8"), "--preprocess", factors, ...labels, ...flags);
}

// picture is the first input of a network as a .npy of pixels, and onnxruntime's best class.
function picture(name) {
  const from = join(MODELS, name), meta = JSON.parse(readFileSync(join(from, "meta.json")));
  const shape = meta.shape, n = shape.reduce((a, b) => a * b, 1);
  let head = `{'descr': '|u1', 'fortran_order': False, 'shape': (${shape.join(", ")}), }`;
  head = head.padEnd(64 * Math.ceil((head.length + 11) / 64) - 11) + "\n";
  const length = Buffer.alloc(2);
  length.writeUInt16LE(head.length);
  const file = join(dir, `${name}.npy`);
  writeFileSync(file, Buffer.concat([Buffer.from([0x93, ...Buffer.from("NUMPY"), 1, 0]), length, Buffer.from(head), readFileSync(join(from, "images.u8")).subarray(0, n)]));
  const want = readFileSync(join(from, "outputs.f32"));
  const values = Array.from({ length: meta.output_elems }, (_, i) => want.readFloatLE(4 * i));
  return { file, best: values.indexOf(Math.max(...values)) };
}

// paged serves the page of a network.
async function paged(service, name) {
  const { child, at } = await start(["ask", `http://${service}/v2/models/${name}`, "--page", PAGE, "--listen", "127.0.0.1:0"], /msg=page url=(\S+)/);
  return { child, url: at };
}

const serve = (address = "127.0.0.1:0", ...more) => start(["serve", "models", "--listen", address, "--poll", "200ms", ...more], /msg=listening addr=(\S+)/);

// plain serves files and knows nothing of them, as any server does.
const plain = (folder) => new Promise((resolve) => {
  const server = createServer((q, r) => {
    const file = join(folder, q.url === "/" ? "index.html" : q.url.slice(1).split("?")[0]);
    if (!existsSync(file)) { r.writeHead(404); return r.end(); }
    const kinds = { html: "text/html", js: "text/javascript", css: "text/css", json: "application/json" };
    r.writeHead(200, { "Content-Type": kinds[file.split(".").pop()] ?? "application/octet-stream" });
    r.end(readFileSync(file));
  });
  server.listen(0, "127.0.0.1", () => resolve({ server, origin: `http://127.0.0.1:${server.address().port}` }));
});

async function opened(url, options = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const wrong = [];
  page.on("pageerror", (e) => wrong.push(String(e)));
  page.on("console", (m) => { if (m.type() === "error") wrong.push(m.text()); });
  await page.goto(url);
  await page.waitForFunction(() => document.getElementById("digest").textContent.length === 64 || !document.getElementById("error").hidden, null, { timeout: 120_000 });
  return { context, page, wrong };
}

// asked goes through the page by keyboard and gives the first line of the answer.
async function asked(page, file) {
  await page.setInputFiles("#file", file);
  await page.waitForFunction(() => !document.getElementById("go").disabled || !document.getElementById("error").hidden, null, { timeout: 120_000 });
  assert.equal(await page.textContent("#error"), "");
  await page.focus("#go");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => !document.getElementById("answer").hidden || !document.getElementById("error").hidden, null, { timeout: 1_200_000 });
  assert.equal(await page.textContent("#error"), "");
  return page.locator("#findings tbody tr").first().locator("td").first().textContent();
}

const shot = async (page, name) => { if (SHOTS) await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true }); };

// memory is what the page's own process holds at most, in MiB.
async function memory() {
  const cdp = await browser.newBrowserCDPSession();
  const { processInfo } = await cdp.send("SystemInfo.getProcessInfo");
  let most = 0;
  for (const { type, id } of processInfo) {
    if (type !== "renderer") continue;
    const m = /VmHWM:\s+(\d+)/.exec(existsSync(`/proc/${id}/status`) ? readFileSync(`/proc/${id}/status`, "utf8") : "");
    if (m) most = Math.max(most, Number(m[1]) / 1024);
  }
  return Math.round(most);
}

before(async () => {
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
});

after(async () => {
  await browser?.close();
  for (const c of children) c.kill("SIGKILL");
  rmSync(dir, { recursive: true, force: true });
});

for (const name of networks) {
  test(`${name}: the right answer, by keyboard`, { timeout: 1_500_000 }, async () => {
    compile(name, "1");
    const service = await serve(), { url } = await paged(service.at, name);
    const { page, wrong, context } = await opened(url);
    const { file, best } = picture(name);
    const begun = Date.now();
    const first = await asked(page, file);
    const seconds = (Date.now() - begun) / 1000;
    const labels = existsSync(join(MODELS, name, "labels.txt")) ? readFileSync(join(MODELS, name, "labels.txt"), "utf8").trim().split("\n") : [];
    assert.equal(first, labels[best]?.trim() ?? `class ${best}`);
    assert.deepEqual(wrong, []);
    console.log(JSON.stringify({ network: name, seconds, took: await page.textContent("#took"), renderer_mib: await memory() }));
    await shot(page, name);
    await context.close();
    service.child.kill("SIGKILL");
  });
}

test("what goes wrong is said, and the page goes on", { timeout: 600_000 }, async () => {
  compile("mnist_cntk_8", "1");
  let service = await serve();
  const { url } = await paged(service.at, "mnist_cntk_8");
  const { page, context } = await opened(url, { colorScheme: "dark", viewport: { width: 390, height: 844 } });

  writeFileSync(join(dir, "broken.png"), Buffer.from([0x89, 0x50, 0x4e, 0x47, 1, 2, 3]));
  await page.setInputFiles("#file", join(dir, "broken.png"));
  await page.locator("#error:not([hidden])").waitFor();
  assert.match(await page.textContent("#error"), /input/);
  assert.ok(await page.locator("#go").isDisabled());

  const { file, best } = picture("mnist_cntk_8");
  copyFileSync(join(MODELS, "mnist_cntk_8", "seven.png"), join(dir, "seven.png"));
  await page.setInputFiles("#file", join(dir, "seven.png"));
  await page.locator("#preview:not([hidden])").waitFor();
  await shot(page, "phone-dark");
  assert.equal(await asked(page, file), String(best));

  // The server is killed while it computes.
  await page.evaluate(() => {
    new MutationObserver(() => { if (!document.getElementById("running").hidden) globalThis.computing = true; }).observe(document.body, { subtree: true, attributes: true });
  });
  await page.focus("#go");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => globalThis.computing);
  service.child.kill("SIGKILL");
  await page.locator("#error:not([hidden])").waitFor({ timeout: 120_000 });
  assert.notEqual(await page.textContent("#error"), "");
  assert.ok(await page.locator("#go").isEnabled());

  // Without a network the page is there, and says what is missing.
  await page.waitForFunction(() => navigator.serviceWorker?.controller !== undefined);
  await page.evaluate(() => navigator.serviceWorker.ready);
  await context.setOffline(true);
  await page.reload();
  await page.locator("#error:not([hidden])").waitFor({ timeout: 60_000 });
  assert.match(await page.textContent("#error"), /cannot be reached/);
  assert.equal(await page.textContent("h1"), "Ask without showing");
  await context.close();
});

test("another plan than the page's is not asked", { timeout: 300_000 }, async () => {
  const service = await serve(), { url } = await paged(service.at, "mnist_cntk_8");
  compile("mnist_cntk_8", "2", "--bits", "18");
  await new Promise((r) => setTimeout(r, 1500));
  const { page, context } = await opened(url);
  await page.locator("#error:not([hidden])").waitFor();
  assert.match(await page.textContent("#error"), /not the one that this page was made for/);
  await context.close();
  service.child.kill("SIGKILL");
});

test("a page of any server asks a service of another origin, with a token that is kept only if asked", { timeout: 600_000 }, async () => {
  compile("mnist_cntk_8", "1");
  const port = await new Promise((resolve) => { const s = createServer().listen(0, "127.0.0.1", () => { const { port } = s.address(); s.close(() => resolve(port)); }); });
  const service = `http://127.0.0.1:${port}`, page = join(dir, "static");
  execFileSync("scripts/web", [page], { cwd: PAGE_SOURCE, env: { ...process.env, CONNECT: service, MODEL: "mnist_cntk_8" }, stdio: "ignore" });
  const ours = await plain(page), other = await plain(page);
  const token = "s3same+/=?~", clients = join(dir, "clients.json");
  writeFileSync(clients, JSON.stringify({ clients: [{ name: "patient", tokens_sha256: [createHash("sha256").update(token).digest("hex")] }] }));
  const running = await serve(`127.0.0.1:${port}`, "--clients", clients, "--allow-origin", ours.origin);

  const stranger = await browser.newContext().then((c) => c.newPage());
  await stranger.goto(other.origin);
  await stranger.locator("#error:not([hidden])").waitFor({ timeout: 60_000 });
  assert.match(await stranger.textContent("#error"), new RegExp(`allow pages of ${other.origin}`));
  await stranger.context().close();

  const context = await browser.newContext(), tab = await context.newPage();
  const policy = [];
  tab.on("console", (m) => { if (/Content Security Policy|CORS/.test(m.text())) policy.push(m.text()); });
  const entered = async (value, keep) => {
    await tab.locator("#who:not([hidden])").waitFor({ timeout: 60_000 });
    await tab.fill("#token", value);
    await tab.setChecked("#keep", keep);
    await tab.keyboard.press("Enter");
  };
  const digest = () => tab.waitForFunction(() => document.getElementById("digest").textContent.length === 64, null, { timeout: 120_000 });
  const stored = () => tab.evaluate(() => JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage), document.cookie]));
  await tab.goto(ours.origin);
  await tab.locator("#who:not([hidden])").waitFor({ timeout: 60_000 });
  assert.match(await tab.textContent("#whom"), new RegExp(service));
  await shot(tab, "token");
  await entered("sésame", false);
  await tab.locator("#error:not([hidden])").waitFor();
  assert.match(await tab.textContent("#error"), /without blanks or accents/);
  await entered("wrong", true);
  await tab.waitForFunction(() => /does not know/.test(document.getElementById("error").textContent));
  await entered(token, false);
  await digest();
  const { file, best } = picture("mnist_cntk_8");
  assert.equal(await asked(tab, file), String(best));
  assert.equal(await stored(), '[[],[],""]');
  assert.ok(await tab.locator("#forget").isHidden());

  await tab.reload(); // what was not kept is asked for again
  await entered(token, true);
  await digest();
  await tab.reload();
  await digest();
  assert.ok(await tab.locator("#who").isHidden());
  assert.match(await stored(), /secc token/);
  await tab.click("#forget");
  assert.equal(await stored(), '[[],[],""]');
  assert.deepEqual(policy, []);
  assert.ok(!running.log().includes(token) && !running.log().includes(Buffer.from(token).toString("base64url")), "the service's log has the token");
  await context.close();
  running.child.kill("SIGKILL");
  ours.server.close(); other.server.close();
});
