"""The client: it starts the program that speaks the protocol, and asks it on this machine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Union

import numpy as np

from ._errors import InputError, NetworkError, SeccError, error_of

Input = Union[np.ndarray, str, "os.PathLike[str]", bytes]
Progress = Callable[[float, str], None]

_LENGTH = "Inference-Header-Content-Length"
_TYPES = {
    "bool": "BOOL", "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64", "int8": "INT8",
    "int16": "INT16", "int32": "INT32", "int64": "INT64", "float16": "FP16", "float32": "FP32", "float64": "FP64",
}


@dataclass(frozen=True)
class Finding:
    """A class with its score: a probability where the network gives one."""

    label: str
    score: float
    index: int


@dataclass(frozen=True)
class Answer:
    """What the client learnt of one input. It maps names of outputs to arrays."""

    outputs: Dict[str, np.ndarray]
    findings: List[Finding]  # of the first output, the best first; empty if it has no classes
    session: str  # as the service calls it
    warnings: List[str]

    @property
    def best(self) -> Optional[Finding]:
        """The class with the greatest score."""
        return self.findings[0] if self.findings else None

    def __getitem__(self, name: str) -> np.ndarray:
        return self.outputs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.outputs)


def _program(given: Optional[str]) -> str:
    for name in (given, os.environ.get("SECC"), "secc-client", "secc"):
        path = shutil.which(name) if name else None
        if path:
            return path
    raise SeccError("neither secc-client nor secc was found", "put it into the PATH, or name it in the environment variable SECC")


class Client:
    """Asks the model at an address of a service, or at a server that runs a plan.

    url: https://host/v2/models/name. plan, address: a plan file and host:port of `secc run`.
    options: flags of `secc ask` (or of `secc run`), as tls_ca="ca.pem", token_file="token".
    program: secc-client or secc, if it is not in the PATH.
    """

    def __init__(self, url: Optional[str] = None, *, plan: Optional[str] = None, address: Optional[str] = None,
                 program: Optional[str] = None, timeout: float = 3600, **options: Any):
        if (url is None) == (plan is None or address is None):
            raise TypeError("either url or plan and address are needed")
        self._program = _program(program)
        self._flags = [f for k, v in options.items() if v is not False
                       for f in (["--" + k.replace("_", "-")] + ([] if v is True else [str(v)]))]
        self._plan, self._address, self._timeout = plan, address, timeout
        self._process: Optional["subprocess.Popen[str]"] = None
        self._said: List[str] = []
        if url is not None:
            self._start(url)

    def _start(self, url: str) -> None:
        args = [self._program, "ask", url, "--listen", "127.0.0.1:0", "--json", *self._flags]
        self._process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said.append(line)
            found = re.search(r"msg=listening addr=(\S+) model=(\S+)", line)
            if found:
                self._base = f"http://{found[1]}/v2/models/{found[2]}"
                threading.Thread(target=self._listen, daemon=True).start()
                return
        out, _ = self._process.communicate()
        raise _from_json(out, self._process.returncode, "".join(self._said))

    def _listen(self) -> None:
        assert self._process is not None and self._process.stderr is not None
        for line in self._process.stderr:
            self._said = self._said[-50:] + [line]

    def close(self) -> None:
        """Ends the program."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process is not None:
            for pipe in (self._process.stdout, self._process.stderr):
                if pipe is not None:
                    pipe.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def metadata(self) -> Dict[str, Any]:
        """Names, shapes and types of inputs and outputs, labels, digest of the plan."""
        if self._plan is not None:
            raise TypeError("only a service has metadata")
        return json.loads(self._get("")[0])

    def infer(self, x: Union[Input, Sequence[Input], Dict[str, Input]], progress: Optional[Progress] = None) -> Any:
        """Asks about an array, a path, the bytes of a file, or for a network of several inputs
        about a dict of these by name: an Answer. About a list: a list of answers."""
        if isinstance(x, (list, tuple)):
            return [self.infer(one, progress) for one in x]
        if self._plan is not None:
            return self._run(x)
        return self._ask(x if isinstance(x, dict) else {self.metadata["inputs"][0]["name"]: x}, progress)

    def _ask(self, named: Dict[str, Input], progress: Optional[Progress]) -> Answer:
        inputs, tail = [], b""
        for name, value in named.items():
            tensor, raw = _tensor(name, value)
            inputs.append(tensor)
            tail += raw
        head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
        done = threading.Event()
        watch = None
        if progress is not None:
            watch = threading.Thread(target=self._watch, args=(progress, done), daemon=True)
            watch.start()
        try:
            body, length = self._get("/infer", head + tail, {_LENGTH: str(len(head)), "Content-Type": "application/octet-stream"})
        except InputError as e:
            files = [str(v) for v in named.values() if isinstance(v, (str, os.PathLike))]
            raise InputError(": ".join([*files, e.args[0]]), e.hint) from None
        finally:
            done.set()
            if watch is not None:
                watch.join()
        if progress is not None:
            progress(1.0, "")  # also where it all took less than a look at it
        answer, at, outputs = json.loads(body[:length]), length, {}
        for o in answer["outputs"]:
            n = o["parameters"]["binary_data_size"]
            outputs[o["name"]] = np.frombuffer(body[at:at + n], "<f4").reshape(o["shape"])
            at += n
        about = answer["parameters"]
        return _answer(outputs, about.get("answers"), about.get("session", ""), about.get("warnings"))

    def _watch(self, progress: Progress, done: threading.Event) -> None:
        while not done.wait(0.2):
            try:
                for r in json.loads(self._get("/progress")[0])["running"]:
                    progress(r["done"], r["operator"])
            except SeccError:
                return

    def _get(self, at: str, body: Optional[bytes] = None, headers: Optional[Dict[str, str]] = None) -> Any:
        request = urllib.request.Request(self._base + at, body, headers or {})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # this machine needs none
        try:
            with opener.open(request, timeout=self._timeout) as response:
                whole = response.read()
                return whole, int(response.headers.get(_LENGTH, len(whole)))
        except urllib.error.HTTPError as e:
            said = json.loads(e.read() or b"{}")
            raise error_of(said.get("code", 1), said.get("error", str(e)), said.get("hint"), e.code) from None
        except OSError as e:
            raise NetworkError(f"secc has ended: {e}\n{''.join(self._said)}") from None

    def _run(self, x: Union[Input, Dict[str, Input]]) -> Answer:
        with tempfile.TemporaryDirectory() as folder:
            files = []
            for i, (name, value) in enumerate((x if isinstance(x, dict) else {"": x}).items()):
                path = _file(value, Path(folder) / f"input_{i}")
                files += ["--input", f"{name}={path}" if name else path]
            args = [self._program, *(["run", "--party=client"] if "client" not in Path(self._program).name else []),
                    "--plan", str(self._plan), "--connect", str(self._address), "--json", *files, *self._flags]
            p = subprocess.run(args, capture_output=True, text=True, timeout=self._timeout, check=False)
        if p.returncode != 0:
            raise _from_json(p.stdout, p.returncode, p.stderr)
        report = json.loads(p.stdout)
        outputs = {o["name"]: np.array(o["values"], np.float32).reshape(o["shape"]) for o in report["outputs"]}
        return _answer(outputs, report.get("answers"), "", report.get("warnings"))


def _tensor(name: str, value: Input) -> Any:
    if isinstance(value, np.ndarray):
        if value.dtype.name not in _TYPES:
            raise error_of(2, f"arrays of {value.dtype} cannot be sent")
        raw = np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<"), copy=False).tobytes()
        return {"name": name, "shape": list(value.shape), "datatype": _TYPES[value.dtype.name], "parameters": {"binary_data_size": len(raw)}}, raw
    if not isinstance(value, bytes):
        try:
            value = Path(value).read_bytes()
        except TypeError:
            raise error_of(2, f"input {name}: {type(value).__name__} is neither an array, a path nor bytes", "numpy.asarray makes an array of numbers") from None
        except OSError as e:
            raise error_of(2, str(e)) from None
    raw = len(value).to_bytes(4, "little") + value
    return {"name": name, "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(raw)}}, raw


def _file(value: Input, stem: Path) -> str:
    if isinstance(value, np.ndarray):
        path = stem.with_suffix(".npy")
        np.save(path, value)
        return str(path)
    if isinstance(value, bytes):
        stem.write_bytes(value)
        return str(stem)
    return str(value)


def _answer(outputs: Dict[str, np.ndarray], answers: Optional[List[Dict[str, Any]]], session: str, warnings: Optional[List[str]]) -> Answer:
    labels = (answers[0].get("labels") or []) if answers else []
    found = [Finding(l.get("label") or f"class {l['index']}", l["score"], l["index"]) for l in labels]
    return Answer(outputs, found, session, list(warnings or []))


def _from_json(out: str, code: int, log: str) -> SeccError:
    for line in out.splitlines():
        try:
            failure = json.loads(line).get("error")
        except ValueError:
            continue
        if failure:
            return error_of(failure["code"], failure["message"], failure.get("hint"))
    return error_of(code, log.strip() or f"secc ended with {code}")
