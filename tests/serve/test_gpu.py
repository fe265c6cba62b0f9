"""vgg serve --device cuda, by the double of a GPU on the processor."""

import os
import pathlib

import pytest
from conftest import Server

BUILD = pathlib.Path(os.environ.get("VGG_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build"))
DOUBLE = {"VGG_CUDA_PLUGIN": str(BUILD / "tests" / "cuda" / "libvgg-cuda-double.so")}
pytestmark = pytest.mark.skipif(not pathlib.Path(DOUBLE["VGG_CUDA_PLUGIN"]).exists(),
                                reason="the double of a GPU is not built: VGG_BUILD_TESTS")
PICTURE = pathlib.Path(__file__).resolve().parents[1] / "golden/data/image/rgb8.png"


def answer(*arguments, **options):
    # A GPU computes a whole batch whatever is in it, for which the double takes its time.
    server = Server("--model", "builtin", "--max-batch", 2, *arguments, **options)
    try:
        found = server.post("/predict?top=10", PICTURE.read_bytes())
    finally:
        server.stop()
    assert found.status == 200, found.body
    predictions = found.json[0]["predictions"]
    return {row["label"]: row["probability"] for row in predictions}, server.lines


def test_answers_are_those_of_the_processor():
    here, _ = answer()
    there, lines = answer("--device", "cuda", environment=DOUBLE)
    assert "vgg serve: note: on a double on the processor, in bf16" in lines
    assert there == pytest.approx(here, abs=0.02) and there != here
    exact, _ = answer("--device", "cuda", "--precision", "f32", environment=DOUBLE)
    assert exact == pytest.approx(here, abs=1e-5)


def test_explains():
    server = Server("--model", "builtin", "--device", "cuda", environment=DOUBLE)
    try:
        found = server.post("/explain", PICTURE.read_bytes())
    finally:
        server.stop()
    assert found.status == 200 and found.body.startswith(b"\x89PNG"), found.body
