"""bench/vgglib.py, which bench/compare measures libvgg through, knows the structs and functions of the
library that is built: a network computes and learns through it. And the tables of bench/compare."""
import ctypes
import math
import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("VGG_BUILD", ROOT / "build"))
sys.path.append(str(ROOT / "bench"))

import report  # noqa: E402
import report_training  # noqa: E402
from vgglib import Library  # noqa: E402

SIZE, CLASSES, BATCH = 16, 3, 4


@pytest.fixture(scope="module")
def plain_build():
    if "VGG_SANITIZE:STRING=\n" not in (BUILD / "CMakeCache.txt").read_text():
        pytest.skip("Python is not built with the sanitizers of the library")


@pytest.fixture(scope="module")
def library(plain_build):
    return Library(BUILD / "src" / "libvgg.so")


@pytest.fixture
def network(library, tmp_path):
    model, layers, multiply_adds = library.create_model("4,M,6,M/5-bn", SIZE, CLASSES, False, 1)
    assert [layer["type"] for layer in layers] == [
        "conv", "batch_norm", "relu", "max_pool"] * 2 + ["linear", "dropout", "relu", "linear"]
    assert layers[0]["output"] == [4, SIZE, SIZE] and layers[0]["kernel"] == 3
    assert layers[-1]["tensors"] == ["classifier.3.weight", "classifier.3.bias"]
    assert multiply_adds > 4 * 27 * SIZE * SIZE
    path = tmp_path / "model.safetensors"
    library.model_save(model, str(path).encode())
    library.model_free(model)
    return library.load_network(path)


def test_it_computes_and_learns(library, network):
    inputs = (ctypes.c_float * (BATCH * 3 * SIZE * SIZE))(*[0.5] * 100)
    logits, gradient = ((ctypes.c_float * (BATCH * CLASSES))() for _ in range(2))
    labels = (ctypes.c_size_t * BATCH)(0, 1, 2, 0)
    library.plan_forward(library.make_plan(network, BATCH, 1), inputs, BATCH, logits)
    assert any(logits) and all(map(math.isfinite, logits))
    floats = list(logits)
    library.plan_forward(library.make_plan(network, BATCH, 1, precision="bf16"), inputs, BATCH, logits)
    assert list(logits) != floats and list(logits) == pytest.approx(floats, abs=0.05 * max(map(abs, floats)))
    plan = library.make_plan(network, BATCH, 1, train=True)
    optimiser, losses = library.make_optimiser(network, plan, 0.9, 0), []
    for _ in range(5):
        library.plan_forward(plan, inputs, BATCH, logits)
        losses.append(library.cross_entropy(logits, labels, BATCH, CLASSES, gradient))
        library.plan_backward(plan, gradient, None)
        library.optimiser_step(optimiser, 0.05)
    assert losses[-1] < losses[0]


def test_it_reads_pictures(library):
    picture = ROOT / "tests/golden/data/image/rgb8.png"
    assert any(library.picture(picture, SIZE))


def test_it_times_protocols(plain_build):
    done = subprocess.run(
        [sys.executable, ROOT / "bench/protocols", ROOT / "tests/golden/data/image/jpeg_420.jpg",
         "--arch", "4,M/8", "--size", "16", "--scale", "24", "--rounds", "1", "--library",
         BUILD / "src" / "libvgg.so"], capture_output=True, text=True, timeout=60, check=True)
    assert re.search(r"jpeg_420.jpg: center [0-9.]+, flip [0-9.]+, dense [0-9.]+, "
                     r"crops [0-9.]+; dense / crops [0-9.]+\n", done.stdout), done.stdout


def result(ms, difference):
    return {"ms": [ms], "difference": difference, "rss_mb": 100, "losses": [1.0]}


def row_of(train, **results):
    return {"row": "b1", "arch": "D", "size": 224, "classes": 1000, "batch": 1, "threads": 2, "held": False,
            "train": train, "last": False, "process": False, "missing": {},
            "results": {name.replace("_", " "): value for name, value in results.items()}}


def test_peers_of_each_arithmetic():
    """Ours are compared with what multiplies in no fewer bits; int8 with int8."""
    row = row_of(False, vgg=result(8, 0), vgg_bf16=result(4, 0.01), vgg_int8=result(2, 0.1), PyTorch=result(20, 1e-6),
                 ncnn_fp16=result(10, 2e-3), OpenVINO_bf16=result(5, 0.06), OpenVINO_int8=result(4, 0.1),
                 ncnn_int8=result(16, 0.3))
    cells = next(iter(report.summary_lines([row])))
    assert cells[1:] == ["8.0", "ncnn fp16", "10.0", "0.80", "", "", "0.80", "0.50"]
    marked = [line[0] for line in report.cells(row) if line[-2].endswith("!")]
    assert marked == ["OpenVINO bf16", "ncnn fp16", "ncnn int8"]
    assert "multiplies in int8: its outputs differ from vgg's by 1.0e-01" in report.variants_text([row])


def test_training_beside_pytorch():
    row = row_of(True, vgg=result(100, 0), vgg_bf16=result(50, 0.01), PyTorch=result(500, 1e-6),
                 PyTorch_autocast=result(200, 0.01))
    lines = list(report_training.summary_lines([row]))
    assert [line[1:4] for line in lines] == [["10.0", "5.00", ""], ["20.0", "10.00", "4.00"]]


def test_page_of_two_runs(tmp_path):
    """Rows of several runs stand in one page, which says when each run was."""
    first = row_of(False, vgg=result(8, 0), ncnn_fp16=result(10, 1e-3)) | {"multiply_adds": 10**9, "load": 0.1}
    first |= {"command": "bench/compare", "begun": 0, "ended": 60, "rounds": 10}
    second = first | {"row": "b8", "command": "bench/compare --keep --rows b8", "begun": 7200, "ended": 7320, "rounds": 4}
    report.write(tmp_path, [first, second])
    text = (tmp_path / "benchmarks.md").read_text()
    assert ("Measured from 1970-01-01 00:00 UTC to 1970-01-01 02:00 UTC by `bench/compare` and `bench/compare --keep "
            "--rows b8`, which writes this page, in 3.0 minutes.") in text
    assert "there were 4 or 10 rounds" in text
    assert report.DISTURBED not in text
    report.write(tmp_path, [first, second | {"load": 3}])
    assert report.DISTURBED in (tmp_path / "benchmarks.md").read_text()


def test_gpu_beside_pytorch(plain_build, tmp_path):
    """bench/gpu, on the processor and without PyTorch."""
    page = tmp_path / "gpu.md"
    subprocess.run(
        [sys.executable, ROOT / "bench/gpu", "--device", "cpu", "--threads", "2", "--rounds", "1", "--runs", "1",
         "--rows", "fast@32to10:b8,train:fast@32to10:b8", "--programs", "vgg f32,vgg tf32", "--build", BUILD,
         "--out", page], capture_output=True, text=True, timeout=120, check=True)
    text = page.read_text()
    assert text.count("\n| vgg f32 | ") == 2
    assert text.count("| vgg tf32 | missing: RuntimeError: precision tf32 is for a GPU") == 2
