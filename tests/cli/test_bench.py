"""vgg bench: the shape of its reports, and what it refuses. How fast it is, no test says."""

import json

import pytest
from conftest import complaint, vgg

SMALL = ("--arch", "4,M,8,M/16", "--input", "3x16x16", "--classes", 10, "--seconds", 0.05)

RESULT = ["batch", "ms_median", "ms_p25", "ms_p75", "ms_per_image", "images_per_s", "gflops",
          "share_of_peak", "runs", "plan_mb", "rss_mb", "mapped_mb"]


def bench_json(*arguments, **options):
    return json.loads(vgg("bench", *arguments, "--format", "json", **options).out)


@pytest.fixture(scope="module")
def report():
    return bench_json(*SMALL, "--batch", "2,1,5", "--threads", 2)


def test_json_has_just_these_members(report):
    assert list(report) == ["arch", "tier", "device", "device_name", "precision", "threads", "results", "peak_gflops",
                            "read_gbps", "rss_mb", "layers"]
    assert report["arch"] == "4,M,8,M/16" and report["threads"] == 2
    assert report["tier"] in ("ref", "portable", "avx2", "avx512", "amx")
    assert report["peak_gflops"] > 0 and report["read_gbps"] > 0


def test_results(report):
    assert [row["batch"] for row in report["results"]] == [2, 1, 5]
    for row in report["results"]:
        assert list(row) == RESULT
        assert 0 < row["ms_p25"] <= row["ms_median"] <= row["ms_p75"]
        assert row["ms_per_image"] == pytest.approx(row["ms_median"] / row["batch"])
        assert row["images_per_s"] == pytest.approx(1000 / row["ms_per_image"])
        assert row["share_of_peak"] == pytest.approx(row["gflops"] / report["peak_gflops"])
        assert 5 <= row["runs"] <= 10000 and row["plan_mb"] > 0


def test_rates_count_the_multiply_adds_of_the_layers(report):
    arguments = ("--arch", "4,M,8,M/16", "--input", "3x16x16", "--classes", 10, "--format", "json")
    listed = json.loads(vgg("summary", *arguments).out)
    giga = 2e-9 * listed["multiply_adds"]
    for row in report["results"]:
        assert row["gflops"] * row["ms_per_image"] * 1e-3 == pytest.approx(giga)
    adds = {layer["name"]: layer["multiply_adds"] for layer in listed["layers"]}
    for layer in report["layers"]:
        if layer["gflops"] is not None:
            done = layer["gflops"] * layer["ms"] * 1e6
            assert done == pytest.approx(2 * adds[layer["name"]] * 2)  # at batch 2, the first


def test_layers(report):
    assert all(list(layer) == ["name", "algorithm", "ms", "gflops", "gbps", "mb", "predicted_ms",
                               "share_of_bound"] for layer in report["layers"])
    assert all(layer["mb"] > 0 and layer["predicted_ms"] > 0 for layer in report["layers"])
    names = [layer["name"] for layer in report["layers"]]
    assert {"features.0", "features.3", "classifier.0", "classifier.3"} <= set(names)
    linear = [layer for layer in report["layers"] if layer["gbps"] is not None]
    assert [layer["name"] for layer in linear] == ["classifier.0", "classifier.3"]
    weights = [8 * 4 * 4 * 16 * 4, 16 * 10 * 4]
    for layer, size in zip(linear, weights):
        assert layer["algorithm"].startswith("linear")
        assert layer["gbps"] * layer["ms"] * 1e6 == pytest.approx(size)
    assert all(layer["ms"] >= 0 for layer in report["layers"])


PASSES = ("forward", "backward_data", "backward_weights")


@pytest.fixture(scope="module")
def training():
    return bench_json(*SMALL, "--train", "--batch", "2,5", "--threads", 2)


def test_training_json_has_just_these_members(training):
    assert list(training) == ["arch", "tier", "device", "device_name", "precision", "threads", "results", "peak_gflops", "read_gbps",
                              "rss_mb", "layers", "packing_ms", "update_ms"]
    assert training["packing_ms"] >= 0 and training["update_ms"] > 0


def test_training_results(training):
    assert [row["batch"] for row in training["results"]] == [2, 5]
    for row in training["results"]:
        assert list(row) == RESULT
        assert 0 < row["ms_p25"] <= row["ms_median"] <= row["ms_p75"]
        assert row["images_per_s"] == pytest.approx(1000 * row["batch"] / row["ms_median"])
        assert row["rss_mb"] > 0 and row["plan_mb"] > 0


def test_training_layers_have_the_passes_that_they_need(training):
    layers = {layer["name"]: layer for layer in training["layers"]}
    for layer in layers.values():
        assert list(layer)[:3] == ["name", "algorithm", "ms"]
        known = [layer[f"{name}_ms"] for name in PASSES if layer[f"{name}_ms"] is not None]
        assert layer["forward_ms"] is not None and layer["ms"] == pytest.approx(sum(known), abs=0.01)
    present = {name: [layers[name][f"{part}_ms"] is not None for part in PASSES]
               for name in ("features.0", "features.2", "features.3", "classifier.0")}
    assert present == {
        "features.0": [True, False, True],  # nobody wants the gradient of the picture
        "features.2": [True, True, False],  # a pool has no weights
        "features.3": [True, True, True], "classifier.0": [True, True, True]}
    assert layers["features.0"]["backward_data_algorithm"] is None
    assert layers["features.3"]["backward_weights_algorithm"] is not None


def test_each_pass_of_training_counts_the_multiply_adds_of_its_layer(training):
    arguments = ("--arch", "4,M,8,M/16", "--input", "3x16x16", "--classes", 10, "--format", "json")
    listed = json.loads(vgg("summary", *arguments).out)["layers"]
    adds = {layer["name"]: layer["multiply_adds"] for layer in listed}
    total = 0
    for layer in training["layers"]:
        for name in PASSES:
            if layer[f"{name}_gflops"] is not None:
                done = layer[f"{name}_gflops"] * layer[f"{name}_ms"] * 1e6
                assert done == pytest.approx(2 * adds[layer["name"]] * 2)  # at batch 2, the first
                total += adds[layer["name"]]
    for row in training["results"]:
        assert row["gflops"] * row["ms_per_image"] * 1e6 == pytest.approx(2 * total)


def test_training_text():
    out = vgg("bench", *SMALL, "--train", "--batch", "2,4", "--batch-norm").out
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[:6]] == ["network", "weights", "program", "training",
                                                       "machine", "memory"]
    assert lines[3] == "training  SGD, momentum 0.9, weight decay 0.0005; random labels"
    assert max(map(len, lines)) <= 80 and all(line == line.rstrip() for line in lines)
    assert [line.split()[0] for line in out.split("\n\n")[1].splitlines()] == ["batch", "2", "4"]
    table = out.split("\n\n")[2].splitlines()
    assert table[0].split() == ["forward", "backward,", "data", "and", "weights"]
    assert table[1].split() == ["layer", "algorithm", *["ms", "GFLOP/s"] * 3, "share"]
    assert any(line.startswith("features.1   norm+pool ") for line in table)
    assert [line.split("  ")[0] for line in table[-5:-1]] == ["packing of weights", "update",
                                                              "all layers", "all"]


def test_what_is_frozen_has_no_backward_pass():
    arguments = (*SMALL, "--train", "--freeze", 1, "--batch", 2, "--runs", 2)
    data = bench_json(*arguments)
    layers = {layer["name"]: layer for layer in data["layers"]}
    present = {name: [layers[name][f"{part}_ms"] is not None for part in PASSES]
               for name in ("features.0", "features.3", "classifier.0")}
    assert layers["features.0"]["algorithm"] == "direct+pool" and "features.2" not in layers
    assert present == {
        "features.0": [True, False, False],
        "features.3": [True, False, True],  # nobody wants the gradient of what is frozen
        "classifier.0": [True, True, True]}
    lines = vgg("bench", *arguments).out.splitlines()
    assert lines[4] == "frozen    the first 1 block of convolutions"
    (line,) = [line for line in lines if line.startswith("features.0 ")]
    assert line.split()[4:6] == ["-", "-"]


def test_what_is_frozen_counts_the_multiply_adds_of_a_forward_pass():
    data = bench_json(*SMALL, "--train", "--freeze", 1, "--batch", 2, "--runs", 2)
    passes = {"features.0": 1, "features.3": 2, "classifier.0": 3, "classifier.3": 3}
    arguments = ("--arch", "4,M,8,M/16", "--input", "3x16x16", "--classes", 10, "--format", "json")
    listed = {layer["name"]: layer["multiply_adds"]
              for layer in json.loads(vgg("summary", *arguments).out)["layers"]}
    (row,) = data["results"]
    total = sum(count * listed[name] for name, count in passes.items())
    assert row["gflops"] * row["ms_per_image"] * 1e6 == pytest.approx(2 * total)


def test_what_cannot_be_frozen():
    line = complaint("bench", *SMALL, "--freeze", 1, status=2)
    assert line == "vgg bench: --freeze: expected --train too; without it nothing is trained"
    line = complaint("bench", *SMALL, "--train", "--freeze", 3, status=2)
    assert line.startswith("vgg bench: --freeze: ") and "2" in line


def test_training_leaves_the_model_file_alone(model):
    before = model.read_bytes()
    out = vgg("bench", model, "--train", "--batch", 2, "--runs", 3).out
    assert f"\nweights   {model}\n" in out
    assert model.read_bytes() == before


def test_training_runs_at_two_batch_sizes_unless_told():
    rows = bench_json(*SMALL, "--train", "--runs", 1)["results"]
    assert [row["batch"] for row in rows] == [8, 32]


def test_memory_leaves_the_measurement_of_the_machine_out(report):
    """That alone takes 256 MB."""
    assert report["rss_mb"] == report["results"][-1]["rss_mb"]
    # The kernel counts pages per thread and adds up late, so a figure may be some pages off.
    assert all(0 < row["rss_mb"] < 200 for row in report["results"])


def test_memory_is_this_program_s_own():
    """What the program that starts it had in memory is not counted: here, 300 MB."""
    ballast = bytearray(b"x") * (300 << 20)
    data = bench_json(*SMALL, "--batch", 1, "--runs", 1)
    assert data["rss_mb"] < 200
    del ballast


def test_runs_are_counted():
    data = bench_json(*SMALL, "--batch", "1,3", "--runs", 7)
    assert [row["runs"] for row in data["results"]] == [7, 7]
    (row,) = bench_json(*SMALL, "--batch", "1", "--runs", 1)["results"]
    assert row["runs"] == 1 and row["ms_p25"] == row["ms_median"] == row["ms_p75"]


def test_threads_are_as_many_as_the_machine_leaves():
    data = bench_json(*SMALL, "--batch", 1, env={"OMP_NUM_THREADS": "3"})
    assert data["threads"] == 3


def test_exact_has_no_winograd():
    arguments = ("--arch", "32,32,M,64,64,M/", "--input", 32, "--batch", 1, "--runs", 1)
    algorithms = [layer["algorithm"] for layer in bench_json(*arguments, "--exact")["layers"]]
    assert algorithms and not any("winograd" in name for name in algorithms)
    assert "direct" in algorithms and "direct+pool" in algorithms
    out = vgg("bench", *arguments, "--exact").out
    assert ", exact\n" in out and "winograd" not in out


def test_model_file(model):
    data = bench_json(model, "--batch", 1, "--runs", 1)
    assert data["arch"] == "4,M/8"
    out = vgg("bench", model, "--batch", 1, "--runs", 1).out
    assert f"\nweights   {model}\n" in out and "3x16x16, 10 classes" in out


def test_text():
    out = vgg("bench", *SMALL, "--batch", "1,4", "--batch-norm").out
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[:5]] == ["network", "weights", "program", "machine",
                                                      "memory"]
    assert "4,M,8,M/16 with batch norm, paper layout, 3x16x16, 10 classes" in lines[0]
    assert lines[1] == "weights   random (kaiming, seed 0)"
    assert max(map(len, lines)) <= 80 and all(line == line.rstrip() for line in lines)
    results = out.split("\n\n")[1].splitlines()
    assert results[0].split()[:3] == ["batch", "runs", "ms"]
    assert [line.split()[0] for line in results[1:]] == ["1", "4"]
    layers = out.split("\n\n")[2].splitlines()
    assert layers[0].split() == ["layer", "algorithm", "MB", "predicted", "ms", "share",
                                 "GFLOP/s", "bound"]
    assert any(line.startswith("features.0 ") for line in layers)
    assert layers[-1].endswith("at batch 1")


def test_long_architectures_are_wrapped():
    arch = ",".join(["4"] * 50) + "/16,16"
    out = vgg("bench", "--arch", arch, "--input", 4, "--batch", 1, "--runs", 1).out
    assert arch in out.replace("\n", "")


def test_an_architecture_is_no_file():
    line = complaint("bench", "D", status=2)
    assert line == "vgg bench: there is no file D; did you mean --arch D?"


def test_a_file_has_its_own_classes_and_channels(model):
    line = complaint("bench", model, "--classes", 3, status=2)
    assert line == f"vgg bench: --classes: cannot be chosen for {model}, which has its own"
    line = complaint("bench", model, "--input", "1x16x16")
    assert line == f"vgg bench: --input: found 1 channels, but {model} takes 3"


def test_what_cannot_be_run(trained, tmp_path):
    assert "32,X" in complaint("bench", "--arch", "32,X", status=2)
    assert "nowhere" in complaint("bench", tmp_path / "nowhere.safetensors")
    line = complaint("bench", trained / "state.safetensors")
    assert "is the state of a training run, not a model" in line
    line = complaint("bench", *SMALL, env={"VGG_CPU": "nonsense"})
    assert line.startswith("vgg bench: ") and "nonsense" in line


def test_batch_that_no_memory_holds():
    line = complaint("bench", "--arch", "64,M,M,M,M,M,M,M,M/", "--input", 2048, "--batch", 65536)
    assert line.startswith("vgg bench: ") and "memory" in line


def test_structures_of_every_kind():
    layers = bench_json("--arch", "c8,R,B,P,12v/D0.5,f9,R", "--layout", "global", "--input", 16,
                        "--seconds", 0.05, "--batch", 1)["layers"]
    kinds = [layer["algorithm"] for layer in layers]
    assert kinds[:3] == ["direct", "batch-norm", "average-pool"] and "global-average" in kinds
