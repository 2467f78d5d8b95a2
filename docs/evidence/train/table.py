"""Makes a table (Markdown) and a picture (SVG) of what train.py and measure.py found.

    python3 table.py --work DIR --explained FILE [--svg FILE] {cifar,chest}

FILE is what `secc explain A.onnx B.onnx ... --accuracy accuracy.csv --json` prints for the same
networks; `table.py --work DIR --accuracy {cifar,chest}` writes the lines of accuracy.csv.
"""
import argparse
import json
import math
import pathlib

from jobs import JOBS

STYLE = """<style>
  svg { --page: #fbfbfa; --card: #ffffff; --ink: #1d2327; --soft: #5b656d; --line: #dfe3e6; --a: #b4540a; --b: #7a5aa6; --c: #1f5fa8; }
  @media (prefers-color-scheme: dark) { svg { --page: #14181b; --card: #1c2226; --ink: #e6eaed; --soft: #9aa6ae; --line: #333c42; --a: #f0a261; --b: #b79be0; --c: #7fb5f2; } }
  text { font: 13px system-ui, "DejaVu Sans", sans-serif; fill: var(--ink); }
  .soft { fill: var(--soft); font-size: 12px; } .mid { text-anchor: middle; } .end { text-anchor: end; }
  .page { fill: var(--page); } .frame { fill: var(--card); stroke: var(--line); } .tick { stroke: var(--line); }
  .a { fill: var(--a); stroke: var(--a); } .b { fill: var(--b); stroke: var(--b); } .c { fill: var(--c); stroke: var(--c); }
  path { fill: none !important; stroke-width: 1.5; stroke-dasharray: 4 3; } text.n { fill: var(--card); font-size: 11px; font-weight: 600; text-anchor: middle; stroke: none; }
</style>"""


def results(work, kind):
    for name, job in JOBS.items():
        path = work / name / "result.json"
        if job.data == kind and path.exists():
            r = json.loads(path.read_text())
            measured = work / name / "measured.json"
            r["measured"] = json.loads(measured.read_text()) if measured.exists() else None
            yield r


def bytes_text(n):
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if n < 999.5 or unit == "TB":
            return f"{n:.3g} {unit}" if unit != "B" else f"{n} B"
        n /= 1000


def score(evaluated, form, kind):
    s = evaluated.get(form)
    if not s:
        return "-"
    value = s["top1"] if kind == "cifar" else s["auroc"]
    return f"{100 * value:.1f} %" if kind == "cifar" else f"{value:.3f}"


def markdown(rows, explained, kind):
    what = "accuracy" if kind == "cifar" else "AUROC"
    print(f"| | network | cycles | {what} at the start | after training | in simulation | MACs | comparisons | CrypTFlow2 over OT | with Winograd | ours over OT | with Winograd | ours, the plan | s, LAN |")
    print("|---" * 14 + "|")
    for i, r in enumerate(rows, 1):
        e, m = explained[r["name"]], r["measured"]
        show = (lambda v: f"{100 * v:.1f} %") if kind == "cifar" else (lambda v: f"{v:.3f}")
        star = lambda c: bytes_text(c["bytes"]) + (" *" if c.get("pareto") else "")
        print(f"| {i} | `{r['name']}`: {r['note']} | {r['cycles']} | {show(r['measure'][0])} | {show(r['measure'][-1])} | {score(m['eval'], 'simulator', kind)}"
              f" | {e['macs'] / 1e6:.3g} M | {e['comparisons'] / 1e3:.3g} k | {star(e['ot'])} | {star(e['ot_winograd'])}"
              f" | {bytes_text(m['ot']['bytes'])} | {bytes_text(m['ot_winograd']['bytes'])} | {star(e['secc'])} | {m['plan']['seconds']:.2f} |")


def picture(rows, explained, kind):
    systems = [("a", "CrypTFlow2 over OT", "ot"), ("b", "with Winograd", "ot_winograd"), ("c", "this compiler's plan", "secc")]
    left, right, top, bottom = 62, 700, 44, 360
    xs = [math.log10(explained[r["name"]][k]["bytes"]) for r in rows for _, _, k in systems]
    ys = [explained[r["name"]]["accuracy"] for r in rows]
    low, high = min(xs) - 0.2, max(xs) + 0.2
    step = next(s for s in (0.01, 0.02, 0.05, 0.1) if (max(ys) - min(ys)) / s <= 6 or s == 0.1)
    least, most = math.floor(min(ys) / step - 0.5) * step, math.ceil(max(ys) / step + 0.5) * step
    x = lambda b: left + (right - left) * (math.log10(b) - low) / (high - low)
    y = lambda a: bottom - (bottom - top) * (a - least) / (most - least)
    what = "accuracy" if kind == "cifar" else "mean AUROC"
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 400" width="720" height="400" role="img">',
           f"<title>{what} against bytes of one secure inference</title>", STYLE, '<rect class="page" width="720" height="400"/>',
           f'<rect class="frame" x="{left}" y="{top}" width="{right - left}" height="{bottom - top}"/>']
    for e in range(math.ceil(low), math.floor(high) + 1):
        out.append(f'<line class="tick" x1="{x(10 ** e):.1f}" x2="{x(10 ** e):.1f}" y1="{top}" y2="{bottom}"/><text class="soft mid" x="{x(10 ** e):.1f}" y="{bottom + 18}">{bytes_text(10 ** e)}</text>')
    for n in range(round(least / step), round(most / step) + 1):
        label = f"{100 * n * step:.0f} %" if kind == "cifar" else f"{n * step:.2f}"
        out.append(f'<line class="tick" x1="{left}" x2="{right}" y1="{y(n * step):.1f}" y2="{y(n * step):.1f}"/><text class="soft end" x="{left - 6}" y="{y(n * step) + 4:.1f}">{label}</text>')
    for i, (css, label, key) in enumerate(systems):
        out.append(f'<circle class="{css}" cx="{left + 10 + 210 * i}" cy="22" r="6"/><text x="{left + 22 + 210 * i}" y="27">{label}</text>')
        points = [(x(explained[r["name"]][key]["bytes"]), y(explained[r["name"]]["accuracy"]), n, explained[r["name"]][key].get("pareto")) for n, r in enumerate(rows, 1)]
        front = sorted(p for p in points if p[3])
        out.append(f'<path class="{css}" d="M{front[0][0]:.1f} {front[0][1]:.1f}' + "".join(f"H{p[0]:.1f}V{p[1]:.1f}" for p in front[1:]) + '"/>')
        for px, py, n, on in points:
            out.append(f'<g opacity="{1 if on else 0.6}"><circle class="{css}" cx="{px:.1f}" cy="{py:.1f}" r="8"/><text class="n" x="{px:.1f}" y="{py + 4:.1f}">{n}</text></g>')
    return "\n".join(out + ["</svg>"]) + "\n"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", required=True, type=pathlib.Path)
    p.add_argument("--explained", type=pathlib.Path)
    p.add_argument("--svg", type=pathlib.Path)
    p.add_argument("--accuracy", action="store_true", help="print the lines for secc explain --accuracy")
    p.add_argument("data", choices=("cifar", "chest"))
    a = p.parse_args()
    rows = list(results(a.work, a.data))
    if a.accuracy:
        for r in rows:
            print(f"{r['name']},{r['measure'][-1]:.4f}")
        return
    explained = {row["model"]: row for row in json.loads(a.explained.read_text())["rows"]}
    rows = [r for r in rows if r["name"] in explained and r["measured"]]
    markdown(rows, explained, a.data)
    if a.svg:
        a.svg.write_text(picture(rows, explained, a.data))


main()
