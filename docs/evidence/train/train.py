"""Trains the networks of jobs.py, a cycle (an epoch) at a time, and goes on where it was stopped.

    python3 train.py --train DIR --models DIR --work DIR --secc secc [--cycles N] [JOB ...]

Every job has one folder in --work: start.onnx, state.pt after every 50 steps, model.onnx and
result.json after every cycle. The same seeds, threads and versions give the same networks.
"""
import argparse
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import time

import onnx
import onnx.numpy_helper
import torch
import torch.nn.functional as F

import data
from jobs import JOBS, Places, preprocessing

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2]))
from finetune import Network  # noqa: E402

BATCH = {"cifar": 128, "chest": 16}
SAVE_EVERY = 50
FIT_IMAGES = {"cifar": 300, "chest": 48}  # what rewrite fits X-operators on


def write(path, save):
    """Whole or not at all."""
    part = path.with_suffix(".part")
    save(part)
    os.replace(part, path)


class Model(torch.nn.Module):
    """A network with what training wants of it: logits, and tensors inside by their names."""

    def __init__(self, body, match=""):
        super().__init__()
        self.body, self.match = body, re.compile(match) if match else None
        if isinstance(body, Network):
            last = body.nodes[-1]
            self.logits = last[1][0] if last[0] == "Sigmoid" else last[2]

    def forward(self, x):
        if not isinstance(self.body, Network):
            return self.body(x), {}
        at = self.body.values(x)
        inside = {name: at[out] for name, out in self.body.outputs.items() if self.match and self.match.search(name)}
        return at[self.logits], inside


class Exported(torch.nn.Module):
    """A module from scratch as it is used: findings as probabilities."""

    def __init__(self, body, sigmoid):
        super().__init__()
        self.body, self.sigmoid = body, sigmoid

    def forward(self, x):
        return torch.sigmoid(self.body(x)) if self.sigmoid else self.body(x)


def export(body, origin, kind, split, path):
    """Writes a network as ONNX: the file that it came from with the weights of now, or what torch makes of it."""
    if isinstance(body, Network):
        model = onnx.load(origin)
        for t in model.graph.initializer:
            if t.name in body.names:
                t.CopyFrom(onnx.numpy_helper.from_array(getattr(body, body.names[t.name]).detach().numpy(), t.name))
        onnx.save(model, path)
        return
    example = torch.zeros(1, 3, *split.images.shape[2:])
    torch.onnx.export(Exported(body, kind == "chest"), example, str(path), opset_version=13, input_names=["input"],
                      output_names=["logits" if kind == "cifar" else "probabilities"])


def fit_images(places, kind, split):
    """A file of the images that X-operators are fitted on and formats calibrated with."""
    path = places.work / f"fit_{kind}.u8"
    if not path.exists():
        index = torch.randperm(len(split), generator=torch.Generator().manual_seed(7))[: FIT_IMAGES[kind]]
        images = split.images[index].expand(-1, 3, -1, -1).contiguous().numpy()
        write(path, lambda p: images.tofile(p))
    return path


def start(places, name, split):
    """The network that a job begins with."""
    job, folder = JOBS[name], places.folder(name)
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    if job.build:
        return job.build()
    path = folder / "start.onnx"
    if not path.exists():
        part = folder / "start.part.onnx"
        if job.surgery:
            job.surgery(places.folder(job.teacher) / "model.onnx", part)
        else:
            # X-operators are fitted to the teacher once that is trained
            source = places.given(job.data) if job.rewrite == "off" else places.folder(job.teacher)
            command = [places.secc, "rewrite", source / "model.onnx", "-o", part, f"--x-operator={job.rewrite}",
                       "--preprocess", preprocessing(places.given(job.data)), "--calibrate", fit_images(places, job.data, split)]
            if job.data == "chest":
                command += ["--input-shape", f"1,3,{places.side},{places.side}"]
            with open(folder / "rewrite.txt", "w") as log:
                subprocess.run([str(c) for c in command], check=True, stdout=log)
        os.replace(part, path)
    return Network(str(path))


def augment(x, kind, g):
    """Moved by up to an eighth, CIFAR's mirrored too."""
    n, side = len(x), x.shape[2]
    if kind == "cifar":
        x = torch.where(torch.rand(n, 1, 1, 1, generator=g) < 0.5, x.flip(3), x)
    edge = side // 8 if kind == "cifar" else side // 16
    wide = F.pad(x, (edge,) * 4, mode="reflect")
    corners = torch.randint(0, 2 * edge + 1, (n, 2), generator=g).tolist()
    return torch.stack([w[:, i : i + side, j : j + side] for w, (i, j) in zip(wide, corners)])


def loss_of(kind, got, want, split, index):
    """Labels, and where there is a teacher its answers and what it computes inside."""
    y, inside = got
    if kind == "cifar":
        loss = F.cross_entropy(y, split.labels[index])
    else:
        loss = F.binary_cross_entropy_with_logits(y, split.soft[index])
    if want is None:
        return loss
    t, there = want
    if kind == "cifar":
        loss = loss + 4 * F.kl_div(F.log_softmax(y / 4, 1), F.softmax(t / 4, 1), reduction="batchmean") * 4
    else:
        loss = loss + F.binary_cross_entropy_with_logits(y, t.sigmoid())
    for k in inside:
        if k in there and there[k].shape == inside[k].shape:
            loss = loss + F.mse_loss(inside[k], there[k]) / there[k].var() / len(inside)
    return loss


def rate_at(job, step, steps):
    """Up within a twentieth of a cycle, then down along a cosine."""
    warm = max(1, steps // 20)
    return job.rate * min((step + 1) / warm, (1 + math.cos(math.pi * step / steps)) / 2)


@torch.no_grad()
def measure(model, kind, split):
    """Accuracy, or mean AUROC."""
    model.eval()
    outputs = torch.cat([model(split.inputs(torch.arange(i, min(i + 100, len(split)))))[0] for i in range(0, len(split), 100)])
    if kind == "cifar":
        return (outputs.argmax(1) == split.labels).double().mean().item()
    return data.auroc(outputs, split.labels)


class Training:
    """One job: its network, its optimizer and how far it has come."""

    def __init__(self, places, name, splits):
        self.places, self.name, self.job, self.splits = places, name, JOBS[name], splits
        self.folder = places.folder(name)
        self.model = Model(start(places, name, splits[0]), self.job.match)
        self.optimizer = torch.optim.Adam(self.model.parameters(), self.job.rate)
        self.cycle, self.step, self.seconds, self.history = 0, 0, 0.0, []
        if (self.folder / "state.pt").exists():
            s = torch.load(self.folder / "state.pt")
            self.model.load_state_dict(s["model"]), self.optimizer.load_state_dict(s["optimizer"])
            self.cycle, self.step, self.seconds, self.history = s["cycle"], s["step"], s["seconds"], s["history"]
        else:
            self.history = [measure(self.model, self.job.data, splits[1])]
            self.save()
            self.report()

    def save(self):
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "cycle": self.cycle,
                 "step": self.step, "seconds": self.seconds, "history": self.history}
        write(self.folder / "state.pt", lambda p: torch.save(state, p))

    def teacher(self):
        if self.name == self.job.teacher:
            return None
        model = Model(Network(str(self.places.folder(self.job.teacher) / "start.onnx")), self.job.match)
        model.load_state_dict(torch.load(self.places.folder(self.job.teacher) / "state.pt")["model"])
        return model.eval()

    def run_cycle(self):
        """One pass over the training images, from wherever it was stopped."""
        kind, split = self.job.data, self.splits[0]
        batch = BATCH[kind]
        order = torch.randperm(len(split), generator=torch.Generator().manual_seed(1000 + self.cycle))
        steps, teacher = len(split) // batch, self.teacher()
        while self.step < steps:
            began, t0 = time.process_time(), self.step
            for _ in range(min(SAVE_EVERY, steps - self.step)):
                index = order[self.step * batch : (self.step + 1) * batch]
                g = torch.Generator().manual_seed(100_000 * self.cycle + self.step)
                x = augment(split.inputs(index), kind, g)
                with torch.no_grad():
                    want = teacher(x) if teacher else None
                loss = loss_of(kind, self.model.train()(x), want, split, index)
                for group in self.optimizer.param_groups:
                    group["lr"] = rate_at(self.job, self.step, steps)
                self.optimizer.zero_grad(), loss.backward(), self.optimizer.step()
                self.step += 1
            self.seconds += time.process_time() - began
            self.save()
            print(f"{self.name} cycle {self.cycle + 1}, step {self.step} of {steps}: loss {loss.item():.4f}, "
                  f"{(time.process_time() - began) / (self.step - t0):.2f} CPU s a step", flush=True)
        self.cycle, self.step = self.cycle + 1, 0
        self.history.append(measure(self.model, kind, self.splits[1]))
        self.save()
        self.report()

    def report(self):
        """Writes the network as it is now, and how good it is."""
        body = self.model.body.eval()
        write(self.folder / "model.onnx", lambda p: export(body, self.folder / "start.onnx", self.job.data, self.splits[0], p))
        result = {"name": self.name, "note": self.job.note, "data": self.job.data, "measure": self.history,
                  "cycles": self.cycle, "cpu_seconds": round(self.seconds), "images": len(self.splits[0])}
        write(self.folder / "result.json", lambda p: p.write_text(json.dumps(result, indent=1)))
        print(f"{self.name}: {100 * self.history[-1]:.2f} % after {self.cycle} cycles ({self.seconds:.0f} CPU s)", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("train", "models", "work"):
        p.add_argument("--" + name, required=True, type=pathlib.Path)
    p.add_argument("--secc", default="secc")
    p.add_argument("--cycles", type=int, default=1, help="that every job shall have")
    p.add_argument("--images", type=int, help="train on so many images only")
    p.add_argument("jobs", nargs="*", metavar="JOB", help="of " + ", ".join(JOBS))
    a = p.parse_args()
    torch.set_num_threads(1)
    places = Places(a.train, a.models, a.work, a.secc)
    loaded = {}
    for cycle in range(1, a.cycles + 1):
        for name in a.jobs or JOBS:
            kind = JOBS[name].data
            if kind not in loaded:
                loaded[kind] = data.cifar(a.train, a.work) if kind == "cifar" else data.chest(a.train, a.work, places.side)
                loaded[kind][0] = loaded[kind][0].some(a.images)
            t = Training(places, name, loaded[kind])
            if t.cycle < cycle:
                t.run_cycle()


main()
