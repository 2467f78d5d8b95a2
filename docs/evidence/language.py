"""Trains a small transformer that names the language of a line of text, and writes it, its
calibration inputs and 200 inputs that it has not seen.

    nice -n 19 python3 language.py FOLDER [--minutes 4]

Texts are translated messages of the Debian packages that are installed
(/usr/share/locale/*/LC_MESSAGES/*.mo): lines of at least 24 letters in eight languages that
share an alphabet. A model reads 48 characters: token and position embeddings, two encoder
layers of width 64 with four heads and GELU, the mean over places, eight classes. Needs torch, numpy
and onnx; the network is written by hand, since torch 1.13 exports no attention that is one operator.
"""
import argparse
import gettext
import glob
import os
import random
import time

import numpy as np
import torch
from torch import nn

LANGUAGES = ["de", "fr", "es", "it", "pl", "nl", "sv", "fi"]
LETTERS = "abcdefghijklmnopqrstuvwxyz"
PLACES, WIDTH, HEADS, LAYERS = 48, 64, 4, 2


def words(text):
    """Letters without their accents, as a reader of plain ASCII would have them."""
    import unicodedata

    text = unicodedata.normalize("NFKD", text.lower())
    text = "".join(c if c in LETTERS else "" if unicodedata.combining(c) else " " for c in text)
    return " ".join(text.split())


def messages(language):
    seen = set()
    for path in sorted(glob.glob(f"/usr/share/locale/{language}/LC_MESSAGES/*.mo")):
        if os.path.basename(path).startswith("iso_"):
            continue
        try:
            with open(path, "rb") as f:
                catalog = gettext.GNUTranslations(f)._catalog
        except (OSError, UnicodeDecodeError, ValueError):
            continue
        for key, text in catalog.items():
            if key and isinstance(text, str) and text != key:
                text = words(text)
                if len(text) >= 24:
                    seen.add(text)
    return sorted(seen)


def ids(text):
    row = [LETTERS.find(c) + 2 for c in text[:PLACES]]  # a space is 1
    return row + [0] * (PLACES - len(row))


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        n = self.norm1(x)
        q, k, v = (m(n).reshape(-1, PLACES, HEADS, WIDTH // HEADS).transpose(1, 2) for m in (self.query, self.key, self.value))
        a = torch.softmax(q @ k.transpose(2, 3) / (WIDTH // HEADS) ** 0.5, -1) @ v
        x = x + self.out(a.transpose(1, 2).reshape(-1, PLACES, WIDTH))
        return x + self.down(nn.functional.gelu(self.up(self.norm2(x))))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.place = nn.Embedding(len(LETTERS) + 2, WIDTH), nn.Parameter(torch.randn(1, PLACES, WIDTH) * 0.1)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, len(LANGUAGES))

    def forward(self, x):
        x = self.table(x) + self.place
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x).mean(1))


def main():
    p = argparse.ArgumentParser(description="Trains a transformer that names languages.")
    p.add_argument("folder")
    p.add_argument("--minutes", type=float, default=4)
    a = p.parse_args()
    random.seed(1)
    torch.manual_seed(1)
    torch.set_num_threads(1)
    train, test = [], []
    for label, language in enumerate(LANGUAGES):
        texts = messages(language)
        random.shuffle(texts)
        rows = [(ids(t), label) for t in texts[:20000]]
        test += rows[:100]
        train += rows[100:]
        print(language, len(texts), flush=True)
    x, y = (torch.tensor(c) for c in zip(*train))
    tx, ty = (torch.tensor(c) for c in zip(*test))
    model = Model()
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0.01)
    end, step = time.process_time() + 60 * a.minutes, 0
    while time.process_time() < end:
        pick = torch.randint(len(x), (128,))
        left = (end - time.process_time()) / (60 * a.minutes)
        for g in optimizer.param_groups:
            g["lr"] = 2e-3 * max(left, 0.02)
        loss = nn.functional.cross_entropy(model(x[pick]), y[pick])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
    model.eval()
    with torch.no_grad():
        right = (model(tx).argmax(1) == ty).float().mean().item()
    print(f"{step} steps, {100 * right:.1f} % of {len(tx)} lines that it has not seen", flush=True)
    os.makedirs(os.path.join(a.folder, "calib"), exist_ok=True)
    os.makedirs(os.path.join(a.folder, "data"), exist_ok=True)
    torch.onnx.export(model, tx[:1], os.path.join(a.folder, "model.onnx"), input_names=["input"], output_names=["scores"], opset_version=17)
    order = torch.randperm(len(tx))
    for i, j in enumerate(order[:200]):
        np.save(os.path.join(a.folder, "data", f"{i:03}.npy"), tx[j : j + 1].numpy())
    for i, j in enumerate(torch.randperm(len(x))[:16]):
        np.save(os.path.join(a.folder, "calib", f"{i:02}.npy"), x[j : j + 1].numpy())


if __name__ == "__main__":
    main()
