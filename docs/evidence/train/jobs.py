"""What is trained: one row a network. README.md says why these."""
import dataclasses
import json
import pathlib

import networks

BLOCKS = [(stage, block) for stage in (1, 2, 3) for block in (0, 1, 2)]
BLOCK_CONVS = {(s, b): [f"/layer{s}/layer{s}.{b}/conv{c}/Conv" for c in (1, 2)] for s, b in BLOCKS}
FOUR = BLOCK_CONVS[1, 1] + BLOCK_CONVS[1, 2]
NINE = [BLOCK_CONVS[k][1] for k in BLOCKS]
LAYERS = {1: 6, 2: 12, 3: 24, 4: 16}  # of DenseNet-121, by block


def dense(*blocks):
    """The bottlenecked 3x3 convolutions of some dense blocks."""
    return [f"/0/features/denseblock{b}/denselayer{i}/conv2/Conv" for b in blocks for i in range(1, LAYERS[b] + 1)]


@dataclasses.dataclass
class Job:
    data: str  # "cifar" or "chest"
    note: str  # what it is
    rewrite: str = ""  # --x-operator of `secc rewrite`; "off": the given network as it is
    surgery: object = None  # makes the network out of the one before it as ONNX
    build: object = None  # makes a module from scratch
    match: str = ""  # nodes, by a regular expression of their names, whose results that shall be as in the teacher
    rate: float = 1e-3

    @property
    def teacher(self):
        return TEACHERS[self.data]


RESIDUAL = r"layer\d\.\d/Add$"
DENSE = r"denseblock\d/Concat$"
TEACHERS = {"cifar": "resnet20", "chest": "densenet121"}

JOBS = {
    "resnet20": Job("cifar", "the given network", "off"),
    "resnet20_x4": Job("cifar", "X-operators in 4 of 19", ",".join(FOUR), match=RESIDUAL),
    "resnet20_x9": Job("cifar", "X-operators in 9 of 19: the second of every block", ",".join(NINE), match=RESIDUAL),
    "resnet20_x19": Job("cifar", "X-operators in all 19", "force", match=RESIDUAL, rate=2e-3),
    "resnet20_ds": Job("cifar", "depthwise-separable in 18 of 19", surgery=networks.separable, match=RESIDUAL, rate=2e-3),
    "resnet8": Job("cifar", "one block of three a stage", surgery=networks.first_blocks, rate=2e-3),
    "mobile": Job("cifar", "after MobileNetV2", build=networks.mobile, rate=4e-3),
    "shuffle": Job("cifar", "after ShuffleNetV2", build=networks.shuffle, rate=4e-3),
    "densenet121": Job("chest", "the given network", "off", rate=2e-4),
    "densenet121_x16": Job("chest", "X-operators in the last dense block", ",".join(dense(4)), match=DENSE, rate=5e-4),
    "densenet121_x40": Job("chest", "X-operators in the last two dense blocks", ",".join(dense(3, 4)), match=DENSE, rate=5e-4),
    "densenet121_x58": Job("chest", "X-operators in all dense blocks", ",".join(dense(1, 2, 3, 4)), match=DENSE, rate=5e-4),
    "small_chest": Job("chest", "after ResNet-10, half as wide", build=networks.small_chest, rate=2e-3),
}


@dataclasses.dataclass
class Places:
    """Where things lie."""
    train: pathlib.Path  # data sets
    models: pathlib.Path  # given networks
    work: pathlib.Path  # everything that is made
    secc: str
    side: int = 128  # of an X-ray

    def folder(self, job):
        return self.work / job

    def given(self, data):
        return self.models / {"cifar": "resnet20_cifar10", "chest": "densenet121_cxr"}[data]


def preprocessing(folder):
    """--preprocess as the meta.json of a given network says."""
    meta = json.loads((pathlib.Path(folder) / "meta.json").read_text())
    return ",".join(f"{k}=" + ":".join(f"{v:.10g}" for v in meta[k]) for k in ("scale", "shift"))
