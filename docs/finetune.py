"""Trains a network that `secc rewrite` wrote until it answers as the one before did.

    python3 finetune.py BEFORE.onnx REWRITTEN.onnx TUNED.onnx --images images.u8 --labels labels.json --scale 0.00392

Both networks must come from `secc rewrite` (BEFORE with --x-operator=off): that
writes few operators. Needs torch and onnx, nothing else. See FINETUNE.md.
"""
import argparse
import json
import re

import numpy
import onnx.numpy_helper
import torch
import torch.nn.functional as F


class Network(torch.nn.Module):
    """An ONNX file as a module: weights are parameters, statistics are buffers."""
    def __init__(self, path):
        super().__init__()
        graph = onnx.load(path).graph
        self.input, self.output = graph.input[0], graph.output[0]
        attrs = lambda n: {a.name: onnx.helper.get_attribute_value(a) for a in n.attribute}
        self.nodes = [(n.op_type, list(n.input), n.output[0], attrs(n)) for n in graph.node if n.op_type != "Constant"]
        self.outputs = {n.name: n.output[0] for n in graph.node}
        self.names, public = {}, {n.output[0]: attrs(n)["value"] for n in graph.node if n.op_type == "Constant"}
        self.consts = {name: onnx.numpy_helper.to_array(t).tolist() for name, t in public.items()}
        for t in graph.initializer:
            array, name = torch.tensor(onnx.numpy_helper.to_array(t)), re.sub(r"\W", "_", t.name)
            if not array.is_floating_point() or array.dim() == 0:  # sizes, positions, factors: never trained
                self.consts[t.name] = array.tolist()
                continue
            self.names[t.name] = name
            self.register_buffer(name, array) if "running_" in name else self.register_parameter(name, torch.nn.Parameter(array))

    def forward(self, x):
        return self.values(x)[self.output.name]

    def values(self, x):
        """Every tensor of the graph by its name."""
        at = {"": None, self.input.name: x, **self.consts, **{k: getattr(self, v) for k, v in self.names.items()}}
        for op, inputs, output, attrs in self.nodes:
            at[output] = getattr(self, op)(*(at[i] for i in inputs), **attrs)
        return at

    def Conv(self, x, w, b=None, *, strides, pads, dilations, group, kernel_shape):
        return F.conv2d(around(x, pads), w, b, strides, 0, dilations, group)
    def BatchNormalization(self, x, scale, shift, mean, variance, *, epsilon):
        return F.batch_norm(x, mean, variance, scale, shift, self.training, 0.1, epsilon)
    def MaxPool(self, x, *, kernel_shape, strides, pads, ceil_mode=0, dilations=1):
        return F.max_pool2d(around(x, pads, -torch.inf), kernel_shape, strides, 0, dilations, bool(ceil_mode))
    def AveragePool(self, x, *, kernel_shape, strides, pads, ceil_mode=0, count_include_pad=0):
        assert count_include_pad or not any(pads), "an average that leaves padding out"
        return F.avg_pool2d(around(x, pads), kernel_shape, strides, 0, bool(ceil_mode))
    def Slice(self, x, starts, ends, axes, steps):
        index = [slice(None)] * x.dim()
        for start, end, axis, step in zip(starts, ends, axes, steps):
            index[axis] = slice(start, end, step)
        return x[tuple(index)]
    def Pad(self, x, pads, value=0, *, mode):
        n = x.dim()
        return F.pad(x, [p for d in reversed(range(n)) for p in (pads[d], pads[n + d])], mode.decode(), value)
    def Reshape(self, x, shape):  # the file's batch is 1, the one in training is not
        return x.reshape(-1, *shape[1:])
    Concat = staticmethod(lambda *x, axis: torch.cat(x, axis))
    Add, Mul, MatMul, Relu, Sigmoid, Identity = (staticmethod(f) for f in (torch.add, torch.mul, torch.matmul, F.relu, torch.sigmoid, torch.clone))


def around(x, pads, value=0.0):
    return F.pad(x, (pads[1], pads[3], pads[0], pads[2]), value=value) if any(pads) else x


def augment(x, flip):
    """Mirrored, moved, mixed with one another and noisy: what the teacher answers is the label."""
    if flip:
        x = torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x.flip(3), x)
    edge = x.shape[2] // 8
    moved = F.pad(x, (edge,) * 4, mode="replicate")
    corners = torch.randint(0, 2 * edge + 1, (len(x), 2)).tolist()
    x = torch.stack([m[:, i : i + x.shape[2], j : j + x.shape[3]] for m, (i, j) in zip(moved, corners)])
    x = torch.lerp(x, x[torch.randperm(len(x))], 0.5 * torch.rand(len(x), 1, 1, 1))
    return x + 0.05 * x.std() * torch.randn_like(x)


def compare(y, t, labels):
    same, right, was = ((a.argmax(1) == b).sum().item() for a, b in ((y, t.argmax(1)), (y, labels), (t, labels)))
    return f"{same} of {len(y)} answers as before, {right} right (before: {was}), outputs deviate by {100 * ((y - t).norm() / (t - t.mean()).norm()).item():.1f} % of their spread"


def main():
    p = argparse.ArgumentParser()
    for name in ("before", "rewritten", "tuned"):
        p.add_argument(name)
    for name, text in (("images", "unsigned bytes, N x C x H x W"), ("labels", "JSON file with a list labels: only to count right answers")):
        p.add_argument("--" + name, required=True, help=text)
    for name, default in (("scale", "1"), ("shift", "0")):
        p.add_argument("--" + name, default=default, help="of pixels, one number or one a channel with colons between")
    p.add_argument("--flip", action="store_true", help="mirror images left to right")
    for name, default in (("steps", 1000), ("batch", 64), ("rate", 2e-3)):
        p.add_argument("--" + name, type=type(default), default=default)
    a = p.parse_args()
    torch.manual_seed(1)
    teacher, net = Network(a.before).eval(), Network(a.rewritten)
    shape = [d.dim_value for d in net.input.type.tensor_type.shape.dim]
    scale, shift = (torch.tensor([float(f) for f in s.split(":")]).reshape(-1, 1, 1) for s in (a.scale, a.shift))
    x = torch.tensor(numpy.fromfile(a.images, numpy.uint8).astype(numpy.float32)).reshape(-1, *shape[1:]) * scale + shift
    labels = torch.tensor(json.load(open(a.labels))["labels"])
    held = torch.arange(len(x)) % 4 == 3  # those that rewrite has not fitted to either
    report = torch.no_grad()(lambda: compare(net.eval()(x[held]), teacher(x[held]), labels[held]))
    print("rewritten:", report(), flush=True)
    optimizer = torch.optim.Adam(net.parameters(), a.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, a.steps)
    for step in range(1, a.steps + 1):
        batch = augment(x[~held][torch.randint(0, int((~held).sum()), (a.batch,))], a.flip)
        want = torch.no_grad()(teacher)(batch)
        loss = F.mse_loss(net.train()(batch), want) / want.var()
        optimizer.zero_grad(), loss.backward(), optimizer.step(), schedule.step()
        if step % 100 == 0 or step == a.steps:
            print(f"step {step}: loss {loss.item():.4f}; {report()}", flush=True)
    torch.onnx.export(net.eval(), torch.zeros(shape), a.tuned, opset_version=13, input_names=[net.input.name], output_names=[net.output.name])


if __name__ == "__main__":
    main()
