#!/usr/bin/python3
"""Makes what one version of the program leaves to all later ones: small models in every form that it
writes, folders of runs, and what that version says of them and makes of them.

    tests/versions/make_fixtures.py PROGRAM

writes tests/versions/VERSION/, the version being the program's own; README.md says what is in it. Made
again by the same program the files are the same, but for the speeds in the logs. Everything is computed by
the tier `portable`, whose results have the same bits on every processor.
"""
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import zlib

HERE = pathlib.Path(__file__).resolve().parent
PICTURES = ["--train", "6", "--validation", "1", "--size", "16", "--seed", "5"]
COMMON = ["--batch", "4", "--lr", "0.02", "--dropout", "0.2", "--threads", "1", "--workers", "1"]

# The folders of runs: how they begin, whether they are stopped on the way, and how they go on.
RUNS = {
    "complete": (["--arch", "3,M,4,M/6", "--epochs", "2"], False, ["--epochs", "4"]),
    "stopped": (["--arch", "3,L,M,4,M/6", "--epochs", "4", "--schedule", "step", "--micro-batch", "3"],
                True, []),
    "frozen": (["--arch", "3,M,4,M/6", "--epochs", "2", "--freeze", "1", "--preprocess", "caffe"],
               False, ["--epochs", "3"]),
    "batch-norm": (["--arch", "3,M,4,M/6", "--epochs", "2", "--batch-norm"], False, ["--epochs", "3"]),
    "torchvision": (["--arch", "3,M,4,M/6", "--epochs", "2", "--layout", "torchvision"], False,
                    ["--epochs", "3"]),
}

# The models: the best of which run, converted how.
MODELS = {
    "paper-f32.safetensors": ("complete", ["--dtype", "f32"]),
    "paper-f16.safetensors": ("complete", ["--dtype", "f16"]),
    "paper-bf16.safetensors": ("complete", ["--dtype", "bf16"]),
    "paper-int8.safetensors": ("complete", ["--dtype", "int8-linear"]),
    "paper.pth": ("complete", []),
    "paper-f16.pth": ("complete", ["--dtype", "f16"]),
    "paper.onnx": ("complete", []),
    "paper-bf16.onnx": ("complete", ["--dtype", "bf16"]),
    "paper-softmax.onnx": ("complete", ["--softmax"]),
    "lrn.safetensors": ("stopped", []),
    "lrn.onnx": ("stopped", []),
    "batch-norm.safetensors": ("batch-norm", []),
    "batch-norm-int8.safetensors": ("batch-norm", ["--dtype", "int8-linear"]),
    "batch-norm.pth": ("batch-norm", []),
    "batch-norm.onnx": ("batch-norm", []),
    "torchvision.safetensors": ("torchvision", []),
    "torchvision.pth": ("torchvision", []),
}

# The run is stopped here, in the middle of an epoch of 15 steps.
STOP = "stopped in epoch 2 of 4, after step 7;"


class Program:
    """The program, run in a folder that holds the pictures."""

    def __init__(self, path, folder):
        self.path, self.folder = path, folder
        self.environment = {**os.environ, "VGG_CPU": "portable", "LC_ALL": "C"}

    def run(self, *words):
        return subprocess.run([self.path, *words], cwd=self.folder, env=self.environment, check=True,
                              stdout=subprocess.PIPE, text=True).stdout

    def stop(self, run, *words):
        """Trains until the log has a line of the epoch to stop in, and interrupts."""
        log = self.folder / run / "log.jsonl"
        with subprocess.Popen([self.path, "train", "data", "-o", run, "--overwrite", *words],
                              cwd=self.folder, env=self.environment, stdout=subprocess.PIPE,
                              text=True) as process:
            while process.poll() is None:
                if log.exists() and '"epoch":2,"images":24' in log.read_text():
                    process.send_signal(signal.SIGINT)
                    break
            return process.stdout.read()

    def predictions(self, model):
        """A line for each picture to check with: the three likeliest classes."""
        text = self.run("predict", "--model", model, "data/validation", "--format", "json", "--top", "3")
        return ["; ".join(f"{p['index']} {p['label']} {p['probability']!r}"
                          for p in entry["predictions"]) for entry in json.loads(text)]


def pictures_digest(folder):
    """Of the PNG files below a folder, before compression, which each version of zlib does its way."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.png")):
        data, at, packed = path.read_bytes(), 8, b""
        while at < len(data):
            (size,) = struct.unpack(">I", data[at:at + 4])
            packed += data[at + 8:at + 8 + size] if data[at + 4:at + 8] == b"IDAT" else b""
            at += size + 12
        digest.update(zlib.decompress(packed))
    return digest.hexdigest()


def make_runs(program, out):
    """The folders, and what each becomes when the same program goes on with it."""
    expected = {}
    for name, (options, stops, more) in RUNS.items():
        if stops:
            while STOP not in program.stop(name, *COMMON, *options):
                pass
        else:
            program.run("train", "data", "-o", name, *COMMON, *options)
        shutil.copytree(program.folder / name, out / "runs" / name)
        program.run("train", "data", "-o", name, "--resume", *more)
        expected[name] = {"resume": more}
        for model in ("best.safetensors", "last.safetensors"):
            data = (program.folder / name / model).read_bytes()
            expected[name][model] = hashlib.sha256(data).hexdigest()
    return expected


def make_models(program, out):
    """The files, and what the program sees with each in the pictures to check with."""
    (out / "models").mkdir()
    expected = {}
    for name, (run, options) in MODELS.items():
        path = out / "models" / name
        program.run("convert", out / "runs" / run / "best.safetensors", path, *options)
        expected[name] = program.predictions(path)
    return expected


def make_nameless(program, out):
    """A model without class names and notes, converted from a file that says nothing but its tensors."""
    data = (out / "models" / "paper-f32.safetensors").read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + size])
    del header["__metadata__"]
    text = json.dumps(header).encode()
    (program.folder / "bare.safetensors").write_bytes(
        struct.pack("<Q", len(text)) + text + data[8 + size:])
    path = out / "models" / "nameless.safetensors"
    program.run("convert", "bare.safetensors", path, "--layout", "paper", "--input", "16",
                "--preprocess", "signed")
    return {path.name: program.predictions(path)}


def main():
    path = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        program = Program(path, pathlib.Path(folder))
        out = HERE / re.match(r"vgg (\S+)", program.run("--version"))[1]
        if out.exists():
            shutil.rmtree(out)
        out.mkdir()
        program.run("generate", "data", *PICTURES)
        expected = {"generate": PICTURES,
                    "pictures": pictures_digest(program.folder / "data"),
                    "runs": make_runs(program, out),
                    "models": make_models(program, out)}
        expected["models"] |= make_nameless(program, out)
    (out / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
