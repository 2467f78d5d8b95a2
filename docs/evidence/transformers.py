"""Builds networks of many functions with seeded weights: the shapes of BERT-base and
DeiT-small, a tower of attention over many tokens, and a network that tells an age.

    python3 transformers.py bert-base FOLDER [--layers 12] [--tokens 128] [--inputs 2]
    python3 transformers.py deit-small FOLDER [--layers 12] [--inputs 2]
    python3 transformers.py tower FOLDER [--layers 12] [--tokens 128] [--inputs 2]
    python3 transformers.py age FOLDER [--inputs 2]

writes FOLDER/model.onnx and FOLDER/calib/I.npy. BERT starts at its embeddings' sum (inputs
[1, tokens, 768], of the size that its first LayerNorm leaves) and ends in two classes; DeiT
starts at the picture and ends in 1,000. The tower is DeiT-small's layers over embedded tokens
with a class first. The age network is made as SSR-Net is: two streams of convolutions over a
picture of 64 x 64, one with relus, one with tanh (2^16 elements at first), which meet in an
expectation over three stages. Weights are drawn so that attention is neither flat nor
on one token. Needs numpy and onnx.
"""
import argparse
import os

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Builder:
    def __init__(self, seed):
        self.draw = np.random.default_rng(seed)
        self.nodes, self.tensors = [], []

    def const(self, name, x):
        self.tensors.append(numpy_helper.from_array(np.asarray(x), name))
        return name

    def node(self, op, name, *args, **attributes):
        self.nodes.append(helper.make_node(op, list(args), [name], name=name, **attributes))
        return name

    def dense(self, name, x, inputs, outputs, gain=1.0):
        """x times weights that keep variance times gain, and a bias."""
        w = self.draw.normal(0, gain / np.sqrt(inputs), (inputs, outputs)).astype(np.float32)
        b = self.draw.normal(0, 0.05, outputs).astype(np.float32)
        y = self.node("MatMul", name + ".product", x, self.const(name + ".weight", w))
        return self.node("Add", name, y, self.const(name + ".bias", b))

    def norm(self, name, x, width):
        scale = self.const(name + ".weight", self.draw.normal(1, 0.1, width).astype(np.float32))
        shift = self.const(name + ".bias", self.draw.normal(0, 0.1, width).astype(np.float32))
        return self.node("LayerNormalization", name, x, scale, shift, axis=-1, epsilon=1e-5)

    def heads(self, name, x, tokens, heads, each, perm):
        shape = self.const(name + ".shape", np.array([1, tokens, heads, each], dtype=np.int64))
        y = self.node("Reshape", name + ".split", x, shape)
        return self.node("Transpose", name + ".heads", y, perm=perm)

    def attention(self, name, x, tokens, width, heads):
        each = width // heads
        q = self.heads(name + ".q", self.dense(name + ".query", x, width, width, 1.5), tokens, heads, each, [0, 2, 1, 3])
        k = self.heads(name + ".k", self.dense(name + ".key", x, width, width, 1.5), tokens, heads, each, [0, 2, 3, 1])
        v = self.heads(name + ".v", self.dense(name + ".value", x, width, width), tokens, heads, each, [0, 2, 1, 3])
        root = self.const(name + ".root", np.float32(np.sqrt(each)))
        s = self.node("Div", name + ".scores", self.node("MatMul", name + ".qk", q, k), root)
        y = self.node("MatMul", name + ".av", self.node("Softmax", name + ".softmax", s, axis=-1), v)
        y = self.node("Transpose", name + ".joined", y, perm=[0, 2, 1, 3])
        shape = self.const(name + ".flat", np.array([1, tokens, width], dtype=np.int64))
        return self.dense(name + ".out", self.node("Reshape", name + ".context", y, shape), width, width)

    def gelu(self, name, x):
        root, half, one = (self.const(name + c, np.float32(f)) for c, f in ((".root", np.sqrt(2)), (".half", 0.5), (".one", 1)))
        e = self.node("Add", name + ".gate", self.node("Erf", name + ".erf", self.node("Div", name + ".scaled", x, root)), one)
        return self.node("Mul", name, self.node("Mul", name + ".product", x, e), half)

    def mlp(self, name, x, width):
        return self.dense(name + ".down", self.gelu(name + ".gelu", self.dense(name + ".up", x, width, 4 * width)), 4 * width, width)

    def encoder(self, x, layers, tokens, width, heads):
        """Layers whose norms come first, and residual sums."""
        for i in range(layers):
            name = f"layer{i}"
            x = self.node("Add", name + ".sum1", x, self.attention(name + ".attention", self.norm(name + ".norm1", x, width), tokens, width, heads))
            x = self.node("Add", name + ".sum2", x, self.mlp(name + ".mlp", self.norm(name + ".norm2", x, width), width))
        return x

    def save(self, folder, name, x, y, inputs):
        graph = helper.make_graph(
            self.nodes, name,
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, list(x))],
            [helper.make_tensor_value_info(y[0], TensorProto.FLOAT, list(y[1]))], self.tensors)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        os.makedirs(os.path.join(folder, "calib"), exist_ok=True)
        onnx.save(model, os.path.join(folder, "model.onnx"))
        for i in range(inputs):
            np.save(os.path.join(folder, "calib", f"{i}.npy"), self.draw.normal(0, 1, x).astype(np.float32))


def bert(folder, layers, tokens, inputs, width=768, heads=12):
    b = Builder(1)
    x = b.norm("embeddings", "input", width)
    for i in range(layers):
        name = f"layer{i}"
        x = b.norm(name + ".norm1", b.node("Add", name + ".sum1", x, b.attention(name + ".attention", x, tokens, width, heads)), width)
        x = b.norm(name + ".norm2", b.node("Add", name + ".sum2", x, b.mlp(name + ".mlp", x, width)), width)
    first = b.node("Gather", "first", x, b.const("first.index", np.int64(0)), axis=1)
    pooled = b.node("Tanh", "pooled", b.dense("pooler", first, width, width))
    b.save(folder, "bert-base", [1, tokens, width], (b.dense("logits", pooled, width, 2), [1, 2]), inputs)


def deit(folder, layers, inputs, width=384, heads=6, side=224, patch=16):
    b = Builder(2)
    n = (side // patch) ** 2
    w = b.draw.normal(0, 1 / np.sqrt(3 * patch * patch), (width, 3, patch, patch)).astype(np.float32)
    p = b.node("Conv", "patches", "input", b.const("patches.weight", w), strides=[patch, patch], kernel_shape=[patch, patch])
    p = b.node("Reshape", "tokens", p, b.const("tokens.shape", np.array([1, width, n], dtype=np.int64)))
    p = b.node("Transpose", "rows", p, perm=[0, 2, 1])
    cls = b.const("class", b.draw.normal(0, 1, (1, 1, width)).astype(np.float32))
    place = b.const("places", b.draw.normal(0, 0.3, (1, n + 1, width)).astype(np.float32))
    x = b.node("Add", "placed", b.node("Concat", "all", cls, p, axis=1), place)
    x = b.encoder(x, layers, n + 1, width, heads)
    first = b.node("Gather", "first", b.norm("norm", x, width), b.const("first.index", np.int64(0)), axis=1)
    b.save(folder, "deit-small", [1, 3, side, side], (b.dense("logits", first, width, 1000), [1, 1000]), inputs)


def tower(folder, layers, tokens, inputs, width=384, heads=6):
    b = Builder(3)
    x = b.encoder("input", layers, tokens, width, heads)
    first = b.node("Gather", "first", b.norm("norm", x, width), b.const("first.index", np.int64(0)), axis=1)
    b.save(folder, "tower", [1, tokens, width], (b.dense("logits", first, width, 10), [1, 10]), inputs)


def age(folder, inputs, channels=16, side=64):
    b = Builder(4)

    def stage(name, x, inputs, outputs, act, pool):
        w = b.draw.normal(0, 1 / np.sqrt(9 * inputs), (outputs, inputs, 3, 3)).astype(np.float32)
        bias = b.draw.normal(0, 0.05, outputs).astype(np.float32)
        y = b.node("Conv", name + ".conv", x, b.const(name + ".weight", w), b.const(name + ".bias", bias), pads=[1, 1, 1, 1])
        y = b.node(act, name + ".act", y)
        return b.node(pool, name, y, kernel_shape=[2, 2], strides=[2, 2])

    x, y = "input", "input"
    widths = [3, channels, 2 * channels, 2 * channels]
    stages = []
    for i in range(3):
        x = stage(f"relu{i}", x, widths[i], widths[i + 1], "Relu", "AveragePool")
        y = stage(f"tanh{i}", y, widths[i], widths[i + 1], "Tanh", "MaxPool")
        flat = widths[i + 1] * (side >> (i + 1)) ** 2
        a, c = (b.dense(f"{n}{i}.dense", b.node("Flatten", f"{n}{i}.flat", v, axis=1), flat, 3) for n, v in (("x", x), ("y", y)))
        p = b.node("Softmax", f"stage{i}", b.node("Mul", f"stage{i}.product", a, b.node("Tanh", f"stage{i}.tanh", c)), axis=1)
        stages.append(b.node("MatMul", f"stage{i}.mean", p, b.const(f"stage{i}.ages", (np.arange(3, dtype=np.float32) * 33 / 3**i).reshape(3, 1))))
    out = b.node("Add", "age", b.node("Add", "coarse", stages[0], stages[1]), stages[2])
    b.save(folder, "age", [1, 3, side, side], (out, [1, 1]), inputs)


def main():
    p = argparse.ArgumentParser(description="Builds transformers with seeded weights.")
    p.add_argument("network", choices=["bert-base", "deit-small", "tower", "age"])
    p.add_argument("folder")
    p.add_argument("--layers", type=int, default=12)
    p.add_argument("--tokens", type=int, default=128)
    p.add_argument("--inputs", type=int, default=2)
    a = p.parse_args()
    if a.network == "bert-base":
        bert(a.folder, a.layers, a.tokens, a.inputs)
    elif a.network == "tower":
        tower(a.folder, a.layers, a.tokens, a.inputs)
    elif a.network == "age":
        age(a.folder, a.inputs)
    else:
        deit(a.folder, a.layers, a.inputs)


if __name__ == "__main__":
    main()
