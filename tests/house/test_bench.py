"""bench/vgglib.py, which bench/compare measures libvgg through, knows the structs and functions of the
library that is built: a network computes and learns through it."""
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

from vgglib import Library  # noqa: E402

SIZE, CLASSES, BATCH = 16, 3, 4


@pytest.fixture(scope="module")
def library():
    if "VGG_SANITIZE:STRING=\n" not in (BUILD / "CMakeCache.txt").read_text():
        pytest.skip("Python is not built with the sanitizers of the library")
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


def test_it_times_protocols(library):
    done = subprocess.run(
        [sys.executable, ROOT / "bench/protocols", ROOT / "tests/golden/data/image/jpeg_420.jpg",
         "--arch", "4,M/8", "--size", "16", "--scale", "24", "--rounds", "1", "--library",
         BUILD / "src" / "libvgg.so"], capture_output=True, text=True, timeout=60, check=True)
    assert re.search(r"jpeg_420.jpg: center [0-9.]+, flip [0-9.]+, dense [0-9.]+, "
                     r"crops [0-9.]+; dense / crops [0-9.]+\n", done.stdout), done.stdout
