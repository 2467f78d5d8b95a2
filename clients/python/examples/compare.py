"""Scores of a network computed securely beside those in the clear, as a plot.

    python compare.py https://company.example/v2/models/digits scan.png clear.npy plot.png

clear.npy holds the scores that the network gives in the clear. Needs matplotlib.
"""

import sys

import matplotlib
import numpy as np

import secc

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402


def main(url: str, image: str, clear: str, out: str) -> None:
    with secc.Client(url) as model:
        answer = model.infer(image, progress=lambda done, op: print(f"\r{100 * done:3.0f} %  {op:40.40s}", end="", file=sys.stderr))
        labels = model.metadata["parameters"]["labels"]
    secure, want = next(iter(answer.outputs.values())).ravel(), np.load(clear).ravel()
    at = np.arange(len(secure))
    fig, ax = plt.subplots(figsize=(8, 4))
    ax.bar(at - 0.2, want, 0.4, label="in the clear")
    ax.bar(at + 0.2, secure, 0.4, label="securely")
    ax.set_xticks(at, labels or at)
    ax.set_ylabel("score")
    difference = f"largest difference {np.abs(secure - want).max():.3g}"
    ax.set_title(difference)
    ax.legend()
    fig.tight_layout()
    fig.savefig(out)
    print(difference)


if __name__ == "__main__":
    main(*sys.argv[1:])
