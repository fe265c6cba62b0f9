"""--device: what every command that computes says of a GPU that is not there."""

import json
import os
import pathlib

import pytest
from conftest import complaint, vgg

BUILD = pathlib.Path(os.environ.get("VGG_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build"))
PLUGIN = BUILD / "tests" / "gpu_plugin.so"
NONE = "no libvgg-cuda.so beside the program or library in "
NO_GPU = "no GPU: cudaGetDeviceCount: no CUDA-capable device is detected"
SMALL = ("--arch", "8,M/8", "--input", "3x16x16", "--classes", 10, "--runs", 5, "--batch", 8)

# What a build with support for GPUs says depends on the machine, and is one line too.
BUILT = (BUILD / "libvgg-cuda.so").exists()
DOUBLE = BUILD / "tests" / "cuda" / "libvgg-cuda-double.so"


def plugin(kind):
    return {"env": {"VGG_CUDA_PLUGIN": str(PLUGIN), "VGG_TEST_PLUGIN": kind}}


@pytest.mark.parametrize("line", [
    ("predict", "x.png"), ("eval", "--model", "builtin", "x"), ("bench",), ("serve", "--model", "builtin"),
    ("features", "--layer", "x", "-o", "y.npy", "x.png"), ("train", "x"), ("explain", "x.png", "--map", "y.npy"),
    ("distance", "--model", "builtin", "a", "b"), ("style", "x.png", "--style", "y.png", "-o", "z.png"),
    ("index", "x", "-o", "y"), ("search", "x", "y"), ("duplicates", "x"), ("show", "builtin", "-o", "x.png"),
    ("probe", "x", "--layer", "y", "-o", "z.safetensors")])
def test_there_is_none(line):
    if not BUILT:
        said = complaint(*line, "--device", "cuda")
        assert said.startswith(f"vgg {line[0]}: --device cuda: {NONE}") and said.endswith(
            ": this build has no support for GPUs")
    assert complaint(*line, "--device", "cuda", **plugin("no-gpu")) == f"vgg {line[0]}: --device cuda: {NO_GPU}"


def test_what_is_missing(tmp_path):
    def said(path, kind=""):
        line = complaint("predict", "--device", "cuda", "x.png", env={
            "VGG_CUDA_PLUGIN": str(path), "VGG_TEST_PLUGIN": kind})
        return line.removeprefix("vgg predict: --device cuda: no GPU support: ")

    assert said(tmp_path / "no.so") == f"VGG_CUDA_PLUGIN names {tmp_path}/no.so: No such file or directory"
    text = tmp_path / "text.so"
    text.write_text("no library\n")
    assert said(text) == f"{text}: file too short"
    other = BUILD / "tests" / "fail_calls.so"
    if other.exists():
        assert said(other) == f"{other} is no plugin of libvgg, it has no vgg_cuda_plugin"
    assert said(PLUGIN, "older").startswith(
        f"{PLUGIN} is the plugin of another libvgg, found version 0 0.1.0, expected ")


def test_what_does_not_go_together():
    assert complaint("predict", "--precision", "tf32", "x.png", status=2) == (
        "vgg predict: --precision tf32: is for a GPU, expected f32 or bf16 on the processor")
    assert complaint("bench", "--precision", "f16", status=2) == (
        "vgg bench: --precision f16: is for a GPU, expected f32 or bf16 on the processor")
    assert complaint("eval", "--model", "builtin", "x", "--device", "cuda", "--exact", status=2) == (
        "vgg eval: --exact: is for the processor, not for --device cuda")


def test_what_is_chosen_is_said():
    """Of a GPU that can be opened; then the model is missing."""
    def said(*options):
        err = vgg("predict", "--model", "none.pth", "x.png", *options, status=1, **plugin("works")).err
        return err.splitlines()[:-1]

    assert said("--device", "cuda") == ["vgg predict: note: on a GPU of tests, in bf16"]
    assert said("--device", "auto", "--precision", "tf32") == ["vgg predict: note: on a GPU of tests, in tf32"]
    assert said("--device", "cuda", "--precision", "f32") == []
    assert said() == []


def test_auto_takes_the_processor(pictograms):
    picture = min((pictograms / "validation").glob("*/*.png"))
    line = ("predict", "--model", "builtin", picture)
    here = vgg(*line).out
    done = vgg(*line, "--device", "auto", **plugin("no-gpu"))
    assert done.out == here and done.err == f"vgg predict: note: on the processor: {NO_GPU}\n"
    assert vgg(*line, "--device", "cpu").out == here
    exact = vgg(*line, "--exact", "--device", "auto", **plugin("works"))
    assert exact.err == "" and exact.out == vgg(*line, "--exact").out


def test_bench_says_what_it_is():
    report = json.loads(vgg("bench", *SMALL, "--device", "auto", "--format", "json", **plugin("no-gpu")).out)
    assert (report["device"], report["device_name"], report["precision"]) == ("cpu", report["tier"], "f32")


def test_bench_measures_a_gpu():
    double = {"env": {"VGG_CUDA_PLUGIN": str(DOUBLE)}}
    report = json.loads(vgg("bench", *SMALL, "--device", "cuda", "--format", "json", **double).out)
    assert (report["device"], report["precision"]) == ("cuda", "bf16") and report["device_name"] != report["tier"]
    assert report["peak_gflops"] > 0 and report["read_gbps"] > 0
    text = vgg("bench", *SMALL, "--device", "cuda", "--train", "--precision", "f16", **double).out
    assert "GFLOP/s at most, copies " in text and f"program   {report['device_name']}, " in text


def test_a_run_notes_it(pictograms, tmp_path):
    run = tmp_path / "run"
    line = ("train", pictograms, "-o", run, "--arch", "4,M/8", "--recipe", "none", "--threads", 2)
    done = vgg(*line, "--epochs", 1, "--device", "auto", **plugin("no-gpu"))
    assert f"vgg train: note: on the processor: {NO_GPU}\n" in done.err
    record = run / "checkpoint.txt"
    assert "made.device cpu\n" in record.read_text()
    assert json.loads((run / "run.json").read_text())["options"]["device"] == "cpu"
    assert "device" not in vgg("train", pictograms, "-o", run, "--resume", "--epochs", 2).out
    resume = ("train", pictograms, "-o", run, "--resume", "--epochs", 3, "--device", "cuda")
    assert complaint(*resume, **plugin("no-gpu")) == f"vgg train: --device cuda: {NO_GPU}"
    done = vgg(*resume, env={"VGG_CUDA_PLUGIN": str(DOUBLE)})
    assert "--device cuda (was cpu)" in done.out
    assert "was computed on the processor and goes on with a GPU, which rounds otherwise" in done.err
    assert "made.device cuda\n" in record.read_text()
    # It goes on there unless it is asked to go back.
    last = ("train", pictograms, "-o", run, "--resume", "--epochs", 4)
    assert complaint(*last, **plugin("no-gpu")) == f"vgg train: --device cuda: {NO_GPU}"
    assert "goes on with the processor, which rounds otherwise" in vgg(*last, "--device", "cpu").err


@pytest.mark.skipif(not BUILT or pathlib.Path("/proc/driver/nvidia").exists(), reason="needs the plugin and no driver")
def test_no_driver():
    assert complaint("predict", "--device", "cuda", "x.png") == (
        "vgg predict: --device cuda: no GPU: no NVIDIA driver is installed")
