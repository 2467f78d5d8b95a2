"""The networks that are not written by `secc rewrite`: two made out of the trained one, three small backbones."""
import onnx
import onnx.numpy_helper
import numpy
import torch
from torch import nn


# --- made out of a trained network, as ONNX ---------------------------------------------------

def separable(source, target):
    """Depthwise-separable convolutions in the place of all k x k ones that have more than 3 inputs.

    They start as the best approximation of rank one that each input channel's kernels have.
    """
    model = onnx.load(source)
    graph, weights = model.graph, {t.name: t for t in model.graph.initializer}
    nodes = []
    for node in graph.node:
        w = onnx.numpy_helper.to_array(weights[node.input[1]]) if node.op_type == "Conv" else None
        if w is None or w.shape[1] <= 3 or w.shape[2] * w.shape[3] == 1:
            nodes.append(node)
            continue
        out, inputs, kh, kw = w.shape
        u, s, v = numpy.linalg.svd(w.transpose(1, 0, 2, 3).reshape(inputs, out, kh * kw), full_matrices=False)
        root = numpy.sqrt(s[:, :1])
        point = (u[:, :, 0] * root).T.reshape(out, inputs, 1, 1)
        depth = (v[:, 0] * root).reshape(inputs, 1, kh, kw)
        base = node.output[0]
        names = [base + ".depthwise.weight", base + ".pointwise.weight"]
        for name, array in zip(names, (depth, point)):
            graph.initializer.append(onnx.numpy_helper.from_array(numpy.ascontiguousarray(array, numpy.float32), name))
        attrs = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        nodes.append(onnx.helper.make_node("Conv", [node.input[0], names[0]], [base + ".depthwise"], **{**attrs, "group": inputs}))
        flat = {**attrs, "group": 1, "kernel_shape": [1, 1], "pads": [0, 0, 0, 0], "strides": [1, 1], "dilations": [1, 1]}
        nodes.append(onnx.helper.make_node("Conv", [base + ".depthwise", names[1], *node.input[2:]], [base], **flat))
    save(model, nodes, target)


def first_blocks(source, target):
    """ResNet-20 with one block of three in every stage: ResNet-8, with the trained weights."""
    model = onnx.load(source)
    skip = {}
    for stage in (1, 2, 3):
        ends = [[n.output[0] for n in model.graph.node if n.op_type == "Relu" and f"layer{stage}.{block}/" in n.name][-1] for block in (0, 2)]
        skip[ends[1]] = ends[0]
    nodes = []
    for node in model.graph.node:
        inputs = [skip.get(i, i) for i in node.input]
        del node.input[:]
        node.input.extend(inputs)
        nodes.append(node)
    save(model, nodes, target)


def save(model, nodes, target):
    """Writes a model with these nodes, of which only those that the output needs, and their weights."""
    needed, kept = {model.graph.output[0].name}, []
    for node in reversed(nodes):
        if needed & set(node.output):
            kept.append(node)
            needed |= set(node.input)
    weights = [t for t in model.graph.initializer if t.name in needed]
    del model.graph.node[:], model.graph.initializer[:], model.graph.value_info[:]
    model.graph.node.extend(reversed(kept))
    model.graph.initializer.extend(weights)
    onnx.checker.check_model(model)
    onnx.save(model, target)


# --- small backbones, from scratch ---------------------------------------------------------------

def conv(cin, cout, kernel=3, stride=1, group=1, relu=True):
    layers = [nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=group, bias=False), nn.BatchNorm2d(cout)]
    return nn.Sequential(*layers, nn.ReLU()) if relu else nn.Sequential(*layers)


class Inverted(nn.Module):
    """MobileNetV2's block, with ReLU in place of ReLU6: one comparison, not two."""

    def __init__(self, cin, cout, stride, widen):
        super().__init__()
        mid = cin * widen
        self.body = nn.Sequential(conv(cin, mid, 1), conv(mid, mid, 3, stride, mid), conv(mid, cout, 1, relu=False))
        self.keep = stride == 1 and cin == cout

    def forward(self, x):
        return x + self.body(x) if self.keep else self.body(x)


class Shuffle(nn.Module):
    """ShuffleNetV2's block: half of the channels pass, then both halves are interleaved."""

    def __init__(self, cin, cout, stride):
        super().__init__()
        half, self.stride = cout // 2, stride
        inner = cin if stride == 2 else half
        self.body = nn.Sequential(conv(inner, half, 1), conv(half, half, 3, stride, half, relu=False), conv(half, half, 1))
        self.other = nn.Sequential(conv(cin, cin, 3, 2, cin, relu=False), conv(cin, half, 1)) if stride == 2 else nn.Identity()

    def forward(self, x):
        half = x.shape[1] // 2
        a, b = (x, x) if self.stride == 2 else (x[:, :half], x[:, half:])
        y = torch.cat([self.other(a), self.body(b)], 1)
        n, c, h, w = y.shape
        return y.reshape(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


class Basic(nn.Module):
    """ResNet's block."""

    def __init__(self, cin, cout, stride):
        super().__init__()
        self.body = nn.Sequential(conv(cin, cout, 3, stride), conv(cout, cout, 3, relu=False))
        self.skip = conv(cin, cout, 1, stride, relu=False) if stride != 1 or cin != cout else nn.Identity()

    def forward(self, x):
        return torch.relu(self.skip(x) + self.body(x))


def head(channels, classes):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)]


def mobile(classes=10):
    """After MobileNetV2, for 32 x 32: 6 blocks."""
    plan = [(16, 24, 2, 2), (24, 24, 1, 3), (24, 48, 2, 3), (48, 48, 1, 3), (48, 48, 1, 3), (48, 96, 1, 3)]
    return nn.Sequential(conv(3, 16), *(Inverted(*p) for p in plan), *head(96, classes))


def shuffle(classes=10):
    """After ShuffleNetV2, for 32 x 32: 9 blocks."""
    blocks, cin = [], 24
    for cout, repeats in ((64, 3), (128, 4), (256, 2)):
        blocks += [Shuffle(cin if i == 0 else cout, cout, 2 if i == 0 else 1) for i in range(repeats)]
        cin = cout
    return nn.Sequential(conv(3, 24), *blocks, *head(256, classes))


def small_chest(classes=15):
    """After ResNet-10, half as wide, for X-rays: four blocks behind two strides and a pooling."""
    blocks = [Basic(a, b, s) for a, b, s in ((32, 32, 1), (32, 64, 2), (64, 128, 2), (128, 256, 2))]
    return nn.Sequential(conv(3, 32, 7, 2), nn.MaxPool2d(3, 2, 1), *blocks, *head(256, classes))
