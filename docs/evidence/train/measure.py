"""Compiles what train.py made and measures it: accuracy in floating point, in simulation and securely, and what it costs.

    python3 measure.py --train DIR --models DIR --work DIR --secc secc [--cases N] [--secure N] [JOB ...]

Writes measured.json into the job's folder; table.py makes tables and pictures of them.
"""
import argparse
import json
import pathlib
import subprocess

import torch

import data
from jobs import JOBS, Places, preprocessing

CALIBRATE = {"cifar": 32, "chest": 16}  # images that number formats are fitted to: of the training split


def examples(places, kind, splits, cases):
    """Files of calibration and test images, and of the answers."""
    calibration, test, answers = (places.work / f"{name}_{kind}" for name in ("calibrate", f"test{cases or ''}", f"answers{cases or ''}"))
    calibration, test, answers = calibration.with_suffix(".u8"), test.with_suffix(".u8"), answers.with_suffix(".json")
    index = torch.randperm(len(splits[0]), generator=torch.Generator().manual_seed(11))[: CALIBRATE[kind]]
    for path, split, chosen in ((calibration, splits[0], index), (test, splits[1], torch.arange(len(splits[1]))[:cases])):
        split.images[chosen].expand(-1, 3, -1, -1).contiguous().numpy().tofile(path)
    labels = splits[1].labels[:cases]
    rows = labels.tolist() if kind == "cifar" else [" ".join(str(int(v)) for v in row) for row in labels]
    answers.write_text(json.dumps(rows))
    return calibration, test, answers


def run(places, *command):
    done = subprocess.run([str(c) for c in (places.secc, *command, "--json")], check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def measure(places, name, splits, cases, secure):
    kind, folder = JOBS[name].data, places.folder(name)
    calibration, test, answers = examples(places, kind, splits, cases)
    model = [folder / "model.onnx", "--calibrate", calibration, "--preprocess", preprocessing(places.given(kind)), "--force"]
    evaluated = run(places, "eval", *model, "--data", test, "--labels", answers, "--quiet",
                    *(["--secure", "--secure-n", secure] if secure else []))
    out = {"eval": evaluated, "cases": cases or len(splits[1]), "secure": secure}
    for key, flags in {"plan": [], "cost": ["--target", "cost"], "ot": ["--linear", "ot", "--winograd", "off"], "ot_winograd": ["--linear", "ot", "--winograd", "force"]}.items():
        out[key] = run(places, "explain", *model, *flags)["total"]
    (folder / "measured.json").write_text(json.dumps(out, indent=1))
    print(name, {k: (v["bytes"], round(v["seconds"], 2)) for k, v in out.items() if k in ("plan", "cost", "ot", "ot_winograd")}, flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("train", "models", "work"):
        p.add_argument("--" + name, required=True, type=pathlib.Path)
    p.add_argument("--secc", default="secc")
    p.add_argument("--cases", type=int, help="test images to take (default: all)")
    p.add_argument("--secure", type=int, default=2, help="of these by the real protocol")
    p.add_argument("jobs", nargs="*", metavar="JOB")
    a = p.parse_args()
    places, loaded = Places(a.train, a.models, a.work, a.secc), {}
    for name in a.jobs or JOBS:
        if not (places.folder(name) / "model.onnx").exists():
            continue
        kind = JOBS[name].data
        if kind not in loaded:
            loaded[kind] = data.cifar(a.train, a.work) if kind == "cifar" else data.chest(a.train, a.work, places.side)
        measure(places, name, loaded[kind], a.cases, a.secure)


main()
