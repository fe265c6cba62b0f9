"""--precision: what predict, eval, features and bench make of it. How near bfloat16 is, the tests of the kernels say."""

import json
import pathlib

import pytest
from conftest import complaint, vgg

NOTE = "note: bf16 takes longer than f32 on this processor\n"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    data = tmp_path_factory.mktemp("precision") / "data"
    vgg("generate", data, "--train", 1, "--validation", 2, "--size", 40)
    return sorted((data / "validation").glob("*/*.png"))


def answers(pictures, *arguments, **options):
    """The logits of all classes of each picture, and what is said on standard error."""
    done = vgg("predict", "--model", "builtin", *pictures, "--top", 10, "--logits", "--format", "json",
               *arguments, **options)
    return [{best["index"]: best["logit"] for best in picture["predictions"]}
            for picture in json.loads(done.out)], done.err


def test_predict_rounds_a_little(pictures):
    floats, said = answers(pictures)
    assert said == "" and answers(pictures, "--precision", "f32") == (floats, "")
    rounded, _ = answers(pictures, "--precision", "bf16")
    assert answers(pictures, "--precision", "bf16", "--threads", 1)[0] == rounded
    most = max(abs(value) for picture in floats for value in picture.values())
    far = max(abs(a[i] - b[i]) for a, b in zip(floats, rounded) for i in a)
    assert 1e-6 * most < far < 0.03 * most


def test_a_picture_alone_has_the_same_bits(pictures):
    rounded, _ = answers(pictures, "--precision", "bf16")
    for i in (0, 7):
        assert answers(pictures[i:i + 1], "--precision", "bf16")[0] == rounded[i:i + 1]


@pytest.mark.parametrize("tier", ["portable", "avx2"])
def test_a_processor_without_it_is_told(pictures, tier):
    if tier == "avx2" and not {"avx2", "fma"} <= set(pathlib.Path("/proc/cpuinfo").read_text().split()):
        pytest.skip("this processor has no AVX2")
    environment = {"env": {"VGG_CPU": tier}}
    there, _ = answers(pictures[:2], "--precision", "bf16")
    here, said = answers(pictures[:2], "--precision", "bf16", **environment)
    assert said == f"vgg predict: {NOTE}"
    # AMX rounds inputs and weights, the other tiers what Winograd's transforms make of them, the portable one in tiles of
    # its own choice.
    amx = "(amx)" in vgg("--version").out
    same = answers(pictures[:2], "--precision", "bf16", env={"VGG_CPU": "avx512"})[0] if amx else there
    floats, _ = answers(pictures[:2], **environment)
    rounding = 0.01 * max(abs(value) for picture in floats for value in picture.values())
    for a, b, alike in zip(there, here, same):
        assert all(b[i] == pytest.approx(alike[i], abs=1e-4 if tier == "avx2" else rounding) for i in a)
        assert all(b[i] == pytest.approx(a[i], abs=rounding) for i in a)
    assert max(abs(a[i] - b[i]) for a, b in zip(floats, here) for i in a) > 0.001


def test_eval_takes_it(tmp_path, pictures):
    data, run = pictures[0].parents[2], tmp_path / "run"
    vgg("train", data, "-o", run, "--arch", "16,16,M,16/16", "--input", "16", "--batch", 8, "--epochs", 1)
    losses = {}
    for name in ("f32", "bf16"):
        out = vgg("eval", "--model", run, data, "--precision", name, "--format", "json").out
        losses[name] = json.loads(out)["loss"]
    assert losses["f32"] != losses["bf16"]
    assert losses["bf16"] == pytest.approx(losses["f32"], rel=0.02)


def test_features_take_it(tmp_path, pictures):
    rows = {}
    for name in ("f32", "bf16"):
        out = tmp_path / f"{name}.csv"
        vgg("features", "--model", "builtin", "--layer", "features.10", "--pool", "avg", "-o", out, *pictures[:2],
            "--precision", name)
        lines = out.read_text().splitlines()[1:]
        rows[name] = [float(word) for line in lines for word in line.split(",")[1:]]
    most = max(map(abs, rows["f32"]))
    far = max(abs(a - b) for a, b in zip(rows["f32"], rows["bf16"]))
    assert len(rows["f32"]) > 100 and 0 < far < 0.03 * most


def test_bench_says_which_layers(pictures):
    small = ("--arch", "16,16,M/16", "--input", "3x16x16", "--classes", 10, "--runs", 5, "--batch", 8)
    report = json.loads(vgg("bench", *small, "--precision", "bf16", "--format", "json").out)
    assert [layer["algorithm"] for layer in report["layers"] if layer["name"]] == [
        "direct-bf16" if report["tier"] == "amx" else "direct", "winograd-bf16+pool", "linear-bf16", "linear-bf16"]
    assert report["precision"] == "bf16"
    text = vgg("bench", *small, "--precision", "bf16").out
    assert any(line.startswith("program") and line.endswith("bf16") for line in text.splitlines())


def test_bench_trains_in_it():
    small = ("--arch", "16,24,M/16", "--input", "3x16x16", "--classes", 10, "--runs", 2, "--batch", 8)
    report = json.loads(vgg("bench", "--train", *small, "--precision", "bf16", "--format", "json").out)
    layer, = (layer for layer in report["layers"] if layer["name"] == "features.2")
    assert [layer["algorithm"], layer["backward_data_algorithm"], layer["backward_weights_algorithm"]] == [
        "winograd-bf16+pool", "winograd-bf16", "direct-bf16" if report["tier"] == "amx" else "winograd-bf16"]


def trained(data, run, *arguments, **options):
    """The loss of each step, and what was said."""
    done = vgg("train", data, "-o", run, "--arch", "16,24,M,32/16", "--input", 16, "--batch", 8, "--recipe", "none",
               "--no-report", *arguments, **options)
    lines = map(json.loads, (run / "log.jsonl").read_text().splitlines())
    return [line["loss"] for line in lines if line["type"] == "step"], done


def test_train_rounds_a_little_and_resumes(tmp_path, pictures):
    data, runs = pictures[0].parents[2], [tmp_path / name for name in ("f32", "bf16", "again", "resumed")]
    floats, _ = trained(data, runs[0], "--epochs", 3)
    rounded, done = trained(data, runs[1], "--epochs", 3, "--precision", "bf16")
    assert floats != rounded and rounded == pytest.approx(floats, rel=0.05)
    assert ", in bf16" in done.out and ", in " not in vgg("train", data, "--dry-run").out
    assert ", in bf16" in vgg("train", data, "--dry-run", "--precision", "bf16").out
    trained(data, runs[2], "--epochs", 3, "--precision", "bf16", "--threads", 1)
    models = [(run / "last.safetensors").read_bytes() for run in runs[:3]]
    assert models[1] == models[2] != models[0]
    # A run goes on in what it began with, and says where it does not.
    trained(data, runs[3], "--epochs", 1, "--precision", "bf16")
    vgg("train", data, "-o", runs[3], "--resume", "--epochs", 2)
    vgg("train", data, "-o", runs[3], "--resume", "--epochs", 3)
    assert "made.precision bf16" in (runs[3] / "checkpoint.txt").read_text()
    losses = [json.loads(line) for line in (runs[3] / "log.jsonl").read_text().splitlines()]
    assert [line["loss"] for line in losses if line["type"] == "step"] == rounded
    done = vgg("train", data, "-o", runs[3], "--resume", "--epochs", 4, "--precision", "f32")
    assert "--precision f32 (was bf16)" in done.out
    assert "was computed in bf16 and goes on in f32, which rounds otherwise" in done.err


def test_train_notes_it(tmp_path, pictures):
    data, run = pictures[0].parents[2], tmp_path / "run"
    vgg("train", data, "-o", run, "--arch", "16,16,M/16", "--input", 16, "--epochs", 1, "--precision", "bf16")
    assert json.loads((run / "run.json").read_text())["options"]["precision"] == "bf16"
    assert "note.options.precision bf16" in (run / "checkpoint.txt").read_text()


FLAGS = {"portable": set(), "avx2": {"avx2", "fma"}, "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl"},
         "amx": {"amx_tile", "amx_int8", "amx_bf16", "avx512_bf16"}}


def need(tier):
    if not FLAGS[tier] <= set(pathlib.Path("/proc/cpuinfo").read_text().split()):
        pytest.skip(f"this processor has no {tier}")


@pytest.fixture(scope="module", params=["avx2", "amx"])
def int8(request, pictures, tmp_path_factory):
    """The model in the box in int8, all that can be, by transforms or directly, as it becomes on a processor,
    and the names of such layers."""
    need(request.param)
    model = tmp_path_factory.mktemp("int8") / "int8.safetensors"
    said = vgg("convert", "builtin", model, "--dtype", "int8", "--calibrate", pictures[0].parents[1], "--max-drop", 1,
               env={"VGG_CPU": request.param}).out
    assert ("directly is slow without AMX" in said) == (request.param == "amx")
    found = json.loads(vgg("inspect", model, "--format", "json").out)["int8"]
    assert {layer["tile"] for layer in found} == {1 if request.param == "amx" else 4}
    return model, [layer["layer"] for layer in found]


def maps(int8, pictures, folder, tier):
    """The means of what the last layer in int8 gives for some pictures, and the first class of each."""
    need(tier)
    (model, layers), out, env = int8, folder / f"{tier}.csv", {"VGG_CPU": tier}
    vgg("features", "--model", model, "--layer", layers[-1], "--pool", "avg", "-o", out, *pictures[:4], env=env)
    found = json.loads(vgg("predict", "--model", model, *pictures[:4], "--top", 1, "--format", "json", env=env).out)
    return out.read_bytes(), [picture["predictions"][0]["index"] for picture in found]


@pytest.mark.parametrize("tier", ["portable", "avx512", "amx"])
def test_int8_has_the_same_sums_on_every_tier(tmp_path, pictures, int8, tier):
    """Bit by bit, through a whole network; but `portable`, whose transforms have no fused multiply-adds, rounds
    some of what it multiplies to the other neighbour."""
    (here, classes), (there, same) = (maps(int8, pictures, tmp_path, name) for name in (tier, "avx2"))
    assert len(int8[1]) > 3 and classes == same
    if tier != "portable":
        assert here == there
        return
    a, b = ([float(word) for line in text.decode().splitlines()[1:] for word in line.split(",")[1:]]
            for text in (here, there))
    far = sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) ** 0.5
    assert far < 0.02 * sum(y * y for y in b) ** 0.5


@pytest.mark.parametrize("line, message", [
    (("bench", "--exact", "--precision", "bf16"), "vgg bench: --precision bf16: expected f32 with --exact"),
    (("predict", "--exact", "--precision", "bf16", "x.png"),
     "vgg predict: --precision bf16: expected f32 with --exact"),
    (("features", "--layer", "x", "-o", "y.npy", "--exact", "--precision", "bf16", "x.png"),
     "vgg features: --precision bf16: expected f32 with --exact"),
    (("eval", "--model", "builtin", "--exact", "--precision", "bf16", "x"),
     "vgg eval: --precision bf16: expected f32 with --exact"),
])
def test_what_does_not_go_together(line, message):
    assert complaint(*line, status=2) == message
