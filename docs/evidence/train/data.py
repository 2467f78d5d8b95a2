"""The two data sets as arrays: CIFAR-10 and chest X-rays, decoded once and kept in the work folder."""
import csv
import io
import pathlib
import tarfile

import numpy
import torch
from PIL import Image

CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of the preprocessing that the given networks have


class Split:
    """Images as bytes, N x C x H x W, and what is known of them."""

    def __init__(self, images, labels, soft=None):
        self.images, self.labels, self.soft = images, labels, soft

    def __len__(self):
        return len(self.images)

    def inputs(self, index):
        """The network's input for some images: three channels, scaled and shifted."""
        x = self.images[index].float() / 255
        return (x.expand(-1, 3, -1, -1) - torch.tensor(MEAN).reshape(-1, 1, 1)) / torch.tensor(STD).reshape(-1, 1, 1)

    def some(self, n):
        """A random choice of n, the same every time; all of them if n is None."""
        index = torch.randperm(len(self), generator=torch.Generator().manual_seed(3))[:n].sort().values
        return Split(self.images[index], self.labels[index], None if self.soft is None else self.soft[index])


def cached(path, make):
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = make()
        with open(path.with_suffix(".part"), "wb") as f:
            numpy.savez(f, **arrays)
        path.with_suffix(".part").rename(path)
    with numpy.load(path) as z:
        return {k: torch.from_numpy(z[k]) for k in z.files}


def jpegs(path):
    """Name and picture of every file of an archive, in its order."""
    with tarfile.open(path) as tar:
        for member in tar:
            if member.isfile():
                yield member.name, Image.open(io.BytesIO(tar.extractfile(member).read()))


def cifar(folder, work):
    def make(name):
        images, labels = [], []
        for path, picture in jpegs(pathlib.Path(folder) / f"cifar10_{name}.tar.gz"):
            images.append(numpy.asarray(picture.convert("RGB")).transpose(2, 0, 1))
            labels.append(CLASSES.index(path.split("/")[-2]))
        return {"images": numpy.stack(images), "labels": numpy.array(labels, dtype=numpy.int64)}

    return [Split(**cached(pathlib.Path(work) / f"cifar_{name}.npz", lambda: make(name))) for name in ("train", "test")]


FINDINGS = ("Atelectasis Cardiomegaly Effusion Infiltration Mass Nodule Pneumonia Pneumothorax Consolidation Edema"
            " Emphysema Fibrosis Pleural_Thickening Hernia COVID-19").split()


def chest(folder, work, side):
    """Training images, and the 232 held-out ones that the given network has never seen.

    What is trained on is half the label, half the CheXNet replication's probability where there is
    one: what the given network was trained on.
    """
    def make():
        folder_ = pathlib.Path(folder)
        with open(folder_ / "cxr_labels.csv", newline="") as f:
            rows = {r["file"]: r for r in csv.DictReader(f)}
        out = {k: [] for k in ("train_images", "train_labels", "train_soft", "test_images", "test_labels")}
        for path, picture in jpegs(folder_ / "cxr224_grey.tar"):
            row = rows[path]
            which = "test" if row["held_out_232"] == "1" else row["split"]
            if which not in ("train", "test"):
                continue  # held out, but the given network has seen it
            labels = [float(row[k]) for k in FINDINGS]
            soft = [(float(row["p_" + k]) + y) / 2 if row.get("p_" + k) else y for k, y in zip(FINDINGS, labels)]
            out[which + "_images"].append(numpy.asarray(picture.convert("L").resize((side, side), Image.BILINEAR))[None])
            out[which + "_labels"].append(labels)
            if which == "train":
                out["train_soft"].append(soft)
        return {k: numpy.array(v, dtype=numpy.uint8 if k.endswith("images") else numpy.float32) for k, v in out.items()}

    a = cached(pathlib.Path(work) / f"chest_{side}.npz", make)
    return [Split(a["train_images"], a["train_labels"], a["train_soft"]), Split(a["test_images"], a["test_labels"])]


def auroc(scores, labels):
    """Mean area under the curve of the findings that some images have and others do not."""
    areas = []
    for s, y in zip(scores.T.double(), labels.T > 0):
        if 0 < y.sum() < len(y):
            above = (s[y][:, None] > s[~y][None]).double() + (s[y][:, None] == s[~y][None]).double() / 2
            areas.append(above.mean().item())
    return sum(areas) / len(areas)
