"""Tests against a service: SECC_TEST_URL, SECC_TEST_DIGITS (folder of the model's files)."""

import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np

import secc

URL = os.environ["SECC_TEST_URL"]
DIGITS = Path(os.environ["SECC_TEST_DIGITS"])
STATE = os.environ["SECC_TEST_STATE"]


class ClientTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = secc.Client(URL, state=STATE)
        cls.pixels = np.fromfile(DIGITS / "images.u8", np.uint8).reshape(-1, 1, 28, 28)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()

    def test_metadata(self):
        self.assertEqual(self.client.metadata["inputs"][0]["shape"], [1, 1, 28, 28])

    def test_array_path_bytes_list(self):
        path = DIGITS / "seven.png"
        for x in (self.pixels[:1], self.pixels[:1].astype(np.float64), path, str(path), path.read_bytes()):
            answer = self.client.infer(x)
            self.assertEqual(answer.best.index, 7)
            name = next(iter(answer))
            self.assertEqual(answer[name].shape[-1], 10)
            self.assertEqual(int(answer[name].argmax()), 7)
        two = self.client.infer([self.pixels[:1], path])
        self.assertEqual([a.best.index for a in two], [7, 7])

    def test_progress(self):
        seen = []
        self.client.infer([self.pixels[:1]] * 3, progress=lambda done, operator: seen.append(done))
        self.assertTrue(all(0 <= d <= 1 for d in seen), seen)
        self.assertGreaterEqual(seen.count(1), 3, seen)

    def test_errors(self):
        with self.assertRaises(secc.InputError):
            self.client.infer(np.zeros((3, 3), np.float32))
        with self.assertRaises(secc.InputError):
            self.client.infer(np.zeros((1, 1, 28, 28), np.complex64))
        with self.assertRaises(secc.InputError):
            self.client.infer("no such file.png")
        with tempfile.TemporaryDirectory() as folder:
            cut = Path(folder) / "cut.png"
            cut.write_bytes((DIGITS / "seven.png").read_bytes()[:100])
            for broken in (cut, str(cut), [DIGITS / "seven.png", cut]):
                with self.assertRaisesRegex(secc.InputError, "cut.png"):
                    self.client.infer(broken)
        with self.assertRaisesRegex(secc.InputError, "numpy.asarray"):
            self.client.infer({"Input3": 7})
        with self.assertRaises(secc.NetworkError) as failed:
            secc.Client("http://127.0.0.1:1/v2/models/digits", state=STATE, retry="0s")
        self.assertIn("server running", failed.exception.hint)
        self.assertIn("server running", str(failed.exception))
        with self.assertRaises(secc.MismatchError):
            secc.Client(URL, state=STATE, plan_digest="00" * 32)
        with self.assertRaises(TypeError):
            secc.Client()

    def test_plan_and_address(self):
        client = secc.Client(plan=os.environ["SECC_TEST_PLAN"], address=os.environ["SECC_TEST_ADDRESS"])
        self.assertEqual(client.infer(self.pixels[:1]).best.index, 7)

    @unittest.skipUnless(importlib.util.find_spec("matplotlib"), "no matplotlib (apt-get install python3-matplotlib)")
    def test_example(self):
        """The example that plots secure scores beside those in the clear gives a picture, and they agree."""
        example = Path(__file__).parent.parent / "examples" / "compare.py"
        with tempfile.TemporaryDirectory() as folder:
            clear, plot = Path(folder) / "clear.npy", Path(folder) / "plot.svg"
            np.save(clear, np.fromfile(DIGITS / "outputs.f32", np.float32).reshape(-1, 10)[0])
            done = subprocess.run(
                [sys.executable, str(example), URL, str(DIGITS / "seven.png"), str(clear), str(plot)],
                env={**os.environ, "XDG_CONFIG_HOME": folder, "MPLCONFIGDIR": folder}, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            largest = float(done.stdout.removeprefix("largest difference "))
            self.assertLess(largest, 0.05 * np.ptp(np.load(clear)))
            self.assertIn("<svg", plot.read_text())


if __name__ == "__main__":
    unittest.main()
