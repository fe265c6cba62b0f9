"""vgg summary: torchsummary's table, and the figures of the paper's configurations."""

import json
import pathlib

import pytest
from conftest import complaint, vgg

GOLDEN = pathlib.Path(__file__).parent / "golden"

# Parameters, giga multiply-adds, rows, and MB of the forward/backward pass, the parameters and all,
# at 3 x 224 x 224 with 1000 classes in torchvision's layout.
CONFIGURATIONS = [
    ("A", False, 132863336, 7.609, 29, 125.37, 506.83, 632.78),
    ("A", True, 132868840, 7.609, 37, 182.03, 506.85, 689.46),
    ("B", False, 133047848, 11.308, 33, 198.87, 507.54, 706.99),
    ("B", True, 133053736, 11.308, 43, 292.28, 507.56, 800.42),
    ("C", False, 133638952, 11.771, 39, 218.78, 509.79, 729.15),
    ("D", False, 138357544, 15.470, 39, 218.78, 527.79, 747.15),
    ("D", True, 138365992, 15.470, 52, 322.14, 527.82, 850.54),
    ("E", False, 143667240, 19.632, 45, 238.69, 548.05, 787.31),
    ("E", True, 143678248, 19.632, 61, 352.00, 548.09, 900.66),
]


@pytest.mark.parametrize("arguments", [(), ("--arch", "D"), ("--arch=D", "--layout=paper")])
def test_d_is_the_table_of_torchsummary(arguments):
    assert vgg("summary", *arguments).out == (GOLDEN / "summary-D.txt").read_text()


@pytest.mark.parametrize("arch,norm,params,gmac,rows,passes,size,total", CONFIGURATIONS)
def test_figures(arch, norm, params, gmac, rows, passes, size, total):
    arguments = ["summary", "--arch", arch, "--layout", "torchvision"]
    arguments.append("--batch-norm" if norm else "--no-batch-norm")
    text = vgg(*arguments).out
    assert f"Total params: {params:,}\n" in text
    assert f"Forward/backward pass size (MB): {passes:.2f}\n" in text
    assert f"Params size (MB): {size:.2f}\n" in text
    assert f"Estimated Total Size (MB): {total:.2f}\n" in text
    body = text.split("=" * 64 + "\n")[1]
    assert len(body.splitlines()) == rows

    data = json.loads(vgg(*arguments, "--format", "json").out)
    assert data["parameters"] == params
    assert round(data["multiply_adds"] / 1e9, 3) == gmac
    assert len(data["layers"]) == rows
    assert round(data["forward_backward_mb"], 2) == passes
    assert round(data["parameters_mb"], 2) == size
    assert round(data["total_mb"], 2) == total
    assert sum(layer["parameters"] for layer in data["layers"]) == params


def test_a_lrn_has_one_more_row_than_a():
    plain = json.loads(vgg("summary", "--arch", "A", "--format", "json").out)
    normed = json.loads(vgg("summary", "--arch", "A-LRN", "--format", "json").out)
    assert normed["parameters"] == plain["parameters"]
    assert len(normed["layers"]) == len(plain["layers"]) + 1
    assert normed["layers"][2]["type"] == "LocalResponseNorm"


def test_written_architecture():
    data = json.loads(
        vgg("summary", "--arch", "8,1x1:4,M,L/16,16", "--input", "1x12x10", "--classes", 3,
            "--batch", 5, "--format", "json").out
    )
    types = [layer["type"] for layer in data["layers"]]
    assert types == ["Conv2d", "ReLU", "Conv2d", "ReLU", "MaxPool2d", "LocalResponseNorm",
                     "Linear", "Dropout", "ReLU", "Linear", "Dropout", "ReLU", "Linear"]
    assert data["layers"][-1]["output_shape"][-1] == 3
    assert data["parameters"] == 8 * 9 + 8 + 32 + 4 + 120 * 16 + 16 + 16 * 16 + 16 + 16 * 3 + 3


def test_batch_is_printed():
    text = vgg("summary", "--arch", "4,M/", "--input", 8, "--classes", 2, "--batch", 7).out
    assert "[7, 4, 8, 8]" in text


def test_model_file(model):
    text = vgg("summary", model).out
    assert "[-1, 4, 16, 16]" in text
    assert text == vgg("summary", "--arch", "4,M/8", "--input", "3x16x16", "--classes", 10).out


@pytest.mark.parametrize("dtype,kind,size", [("f16", "F16", 2 * 2128), ("bf16", "BF16", 2 * 2128),
                                             ("int8-linear", "I8", 2128 + 18 * 4)])
def test_narrow_weights_count_as_they_are_stored(model, tmp_path, dtype, kind, size):
    """2,128 weights of linear layers with 8 and 10 outputs, which have a scale each where they are
    int8, and 130 other parameters."""
    path = tmp_path / "narrow.safetensors"
    vgg("convert", model, path, "--dtype", dtype)
    wide, narrow = (json.loads(vgg("summary", m, "--format", "json").out) for m in (model, path))
    assert wide.pop("parameters_by_type") == {"F32": 2258}
    assert narrow.pop("parameters_by_type") == {"F32": 130, kind: 2128}
    assert wide["parameters_mb"] == pytest.approx(2258 * 4 / 2**20, rel=1e-8)
    assert narrow["parameters_mb"] == pytest.approx((130 * 4 + size) / 2**20, rel=1e-8)
    for data in (wide, narrow):
        parts = (data.pop(f"{part}_mb") for part in ("input", "forward_backward", "parameters"))
        assert data.pop("total_mb") == pytest.approx(sum(parts), rel=1e-8)
    assert wide == narrow
    text = vgg("summary", path).out
    assert f" (130 F32, 2,128 {kind})\nEstimated Total Size" in text
    without = [line for line in text.splitlines() if not line.startswith(("Params", "Estimated"))]
    assert set(without) <= set(vgg("summary", model).out.splitlines())


def test_a_file_has_its_own_classes(model):
    line = complaint("summary", model, "--classes", 3, status=2)
    assert line.startswith("vgg summary: --classes:") and str(model) in line


def test_an_architecture_is_no_file():
    line = complaint("summary", "D", status=2)
    assert line == "vgg summary: there is no file D; did you mean --arch D?"


def test_classes_are_as_many_as_a_network_may_have():
    text = vgg("summary", "--arch", "4,M/", "--input", 8, "--classes", 1000000).out
    assert "[-1, 1000000]" in text
    line = complaint("summary", "--classes", 1000001, status=2)
    assert line.endswith('found "1000001", expected a whole number from 1 to 1000000')


def test_state_of_a_run_is_no_model(trained):
    line = complaint("summary", trained / "state.safetensors")
    assert line == (f"vgg summary: {trained}/state.safetensors: is the state of a training run, not "
                    "a model; expected best.safetensors or last.safetensors beside it")


@pytest.mark.parametrize("arch", ["32,,M", "32,X", "0,M", "Q", "32,M/a"])
def test_malformed_architecture(arch):
    assert arch in complaint("summary", "--arch", arch, status=2)


def test_input_too_small_for_the_pools():
    line = complaint("summary", "--arch", "D", "--input", 16, status=2)
    assert "16" in line


def test_missing_file():
    line = complaint("summary", "nowhere.safetensors")
    assert "nowhere.safetensors" in line and "No such file" in line


def test_input_of_other_channels_than_the_file(model):
    line = complaint("summary", model, "--input", "1x16x16")
    assert line == f"vgg summary: --input: found 1 channels, but {model} takes 3"


def test_layers_of_every_kind():
    arguments = ["summary", "--arch", "c8,R,B,P,12v/B,f16,R,D0.1", "--layout", "global", "--padding",
                 "same", "--input", "3x20x20", "--classes", "4"]
    data = json.loads(vgg(*arguments, "--format", "json").out)
    assert data["layout"] == "global" and data["padding"] == "same"
    assert [(layer["type"], layer["output_shape"][1:]) for layer in data["layers"]] == [
        ("Conv2d", [8, 20, 20]), ("ReLU", [8, 20, 20]), ("BatchNorm2d", [8, 20, 20]),
        ("AvgPool2d", [8, 10, 10]), ("Conv2d", [12, 8, 8]), ("ReLU", [12, 8, 8]),
        ("AdaptiveAvgPool2d", [12, 1, 1]), ("BatchNorm1d", [12]), ("Linear", [16]), ("ReLU", [16]),
        ("Dropout", [16]), ("Linear", [4])]
    convolutions = 8 * 3 * 9 * 400 + 12 * 8 * 9 * 64
    assert data["multiply_adds"] == convolutions + 12 * 16 + 16 * 4
    text = vgg(*arguments).out
    assert "       BatchNorm1d-8                   [-1, 12]              24\n" in text
    valid = json.loads(vgg("summary", "--arch", "8,M,8", "--padding", "valid", "--layout",
                           "global-max", "--input", 14, "--format", "json").out)
    assert [layer["output_shape"][2:] for layer in valid["layers"][:5]] == [
        [12, 12], [12, 12], [6, 6], [4, 4], [4, 4]]
    assert valid["layers"][5]["type"] == "AdaptiveMaxPool2d"


def test_too_small_without_padding():
    message = complaint("summary", "--arch", "8,M,8", "--padding", "valid", "--input", 7, status=2)
    assert "features.3 has 2x2 to convolve without padding" in message and "least 8" in message


# ---- multiply-adds, and several networks ---------------------------------------------------------


def test_multiply_adds_are_a_column_on_request():
    plain = vgg("summary", "--arch", "D").out.splitlines()
    more = vgg("summary", "--arch", "D", "--multiply-adds").out.splitlines()
    layers = json.loads(vgg("summary", "--arch", "D", "--format", "json").out)["layers"]
    assert more.pop(len(layers) + 5) == "Total mult-adds: 15,470,264,320"
    assert len(plain) == len(more)
    for i, (before, after) in enumerate(zip(plain, more)):
        if 3 <= i < 3 + len(layers):
            assert after.rsplit(None, 1) == [before.rstrip(),
                                             f"{layers[i - 3]['multiply_adds']:,}"]
        elif i == 1:
            assert after.split() == [*before.split(), "Mult-Adds"]
        else:
            assert after == before + ("" if before[0] not in "-=" else before[0] * 19)


def test_networks_side_by_side(model, tmp_path):
    out = vgg("summary", "--arch", "8,M,8/4", "--arch", "8,8,M/", "--input", 16, "--classes", 5).out
    lines = [line.rstrip() for line in out.splitlines()]
    assert lines[0].split() == ["8,M,8/4", "8,8,M/"]
    assert lines[4].split() == ["Conv2d", "8x16x16", "224", "Conv2d", "8x16x16", "224"]
    # Blocks begin together; the longer one of each goes on alone.
    assert lines[6].split() == ["MaxPool2d", "8x8x8", "0", "Conv2d", "8x16x16", "584"]
    assert lines[8].split() == ["MaxPool2d", "8x8x8", "0"]
    assert lines[9].split() == ["Conv2d", "8x8x8", "584", "Linear", "5", "2,565"]
    assert lines[-1].split() == ["9", "layers", "0.06", "MB", "2,885", "6", "layers", "0.08", "MB",
                                 "3,373"]
    more = vgg("summary", "--arch", "8,M,8/4", "--arch", "8,8,M/", "--input", 16, "--classes", 5,
               "--multiply-adds").out.splitlines()
    assert more[4].split()[3] == "55,296" and len(more) == len(lines)

    both = json.loads(vgg("summary", "--arch", "A", model, "--model", model, "--format", "json").out)
    assert [network["name"] for network in both["networks"]] == ["A", str(model), str(model)]
    alone = json.loads(vgg("summary", model, "--format", "json").out)
    assert both["networks"][1] == {"name": str(model), **alone}
    # With one file an architecture says what the file does not.
    assert (vgg("summary", model, "--arch", "4,M/8").out == vgg("summary", model).out
            == vgg("summary", "--model", model).out)
    line = complaint("summary", "--arch", "A", "--arch", "Q", status=2)
    assert "Q" in line
