"""What people bring from other programs: names of options and architectures, a run's folder in place of
its model, a model without --model."""

import json
import shutil

import pytest
from conftest import TINY, complaint, vgg


@pytest.fixture(scope="module")
def picture(pictograms):
    return pictograms / "validation" / "heart" / "0001.png"


@pytest.mark.parametrize("theirs, ours", [
    (("--learning_rate", "0.05"), ("--lr", "0.05")),
    (("--learning-rate=0.05",), ("--lr", "0.05")),
    (("--batch-size", "4"), ("--batch", "4")),
    (("--batch_size", "4"), ("--batch", "4")),
    (("--bn",), ("--batch-norm",)),
    (("--batch_norm",), ("--batch-norm",)),
    (("--no-bn",), ("--no-batch-norm",)),
    (("--weight_decay", "0.01"), ("--weight-decay", "0.01")),
    (("--wd", "0.01"), ("--weight-decay", "0.01")),
    (("--image-size", "12"), ("--input", "12")),
    (("--num-workers", "2"), ("--workers", "2")),
    (("--random_seed", "7"), ("--seed", "7")),
    (("--lr-scheduler", "step"), ("--schedule", "step")),
    (("--dropout-rate", "0.25"), ("--dropout", "0.25")),
    (("--opt", "adamw"), ("--optimizer", "adamw")),
    (("--optimiser", "nesterov"), ("--optimizer", "nesterov")),
    (("--smoothing", "0.1"), ("--label-smoothing", "0.1")),
    (("--grad-clip", "1"), ("--clip-grad", "1")),
    (("--mixup-alpha", "0.2"), ("--mixup", "0.2")),
])
def test_names_with_the_same_meaning(theirs, ours, pictograms, tmp_path):
    models = []
    for options in (theirs, ours):
        run = tmp_path / options[0].strip("-").replace("=", "_")
        output, epochs = ("--output-dir", "--epoch") if options is theirs else ("-o", "--epochs")
        vgg("train", pictograms, output, run, "--arch", "4,M/8", "--threads", "2", epochs, "1", *options)
        models.append((run / "last.safetensors").read_bytes())
    assert models[0] == models[1]


@pytest.mark.parametrize("option", ["--pretrained", "--weights", "--finetune"])
def test_weights_to_begin_with(option, model, pictograms, tmp_path):
    for folder, word in (("theirs", option), ("ours", "--from")):
        vgg("train", pictograms, "-o", tmp_path / folder, word, model, "--epochs", 1, "--threads", 2)
    assert (tmp_path / "theirs" / "last.safetensors").read_bytes() == (
        tmp_path / "ours" / "last.safetensors").read_bytes()
    assert "--from: has no value" in complaint("train", pictograms, option, status=2)


@pytest.mark.parametrize("command, option, expected", [
    ("train", "--gpu", "a GPU is --device cuda"),
    ("inspect", "--device", "a GPU is --device cuda"),
    ("eval", "--cuda", "a GPU is --device cuda"),
    ("train", "--num-classes", "as many classes as the data has folders"),
    ("train", "--num_classes", "as many classes as the data has folders"),
    ("train", "--model", "the network is --arch"),
    ("train", "--data-dir", "DATA is written without an option"),
    ("predict", "--image", "an IMAGE is written without an option"),
    ("predict", "--json", "--format json"),
    ("eval", "--fp16", "--dtype f16"),
    ("search", "--image", "an IMAGE is written without an option"),
    ("show", "--model", "MODEL is written without an option"),
    ("bench", "--weights", "MODEL is written without an option"),
    ("inspect", "--model", "FILE is written without an option"),
    ("convert", "--model", "IN is written without an option"),
    ("convert", "-o", "OUT is written without an option"),
    ("generate", "--out", "FOLDER is written without an option"),
    ("search", "-o", "--page OUT.html"),
    ("predict", "-o", "standard output"),
    ("predict", "--batch-size", "is chosen here"),
    ("eval", "--csv", "--format csv"),
])
def test_names_without_counterpart(command, option, expected):
    line = complaint(command, "x", option, "3", status=2)
    assert line.startswith(f"vgg {command}: {option}: ") and expected in line


@pytest.mark.parametrize("command, option", [("report", "--json"), ("search", "--csv"), ("train", "--json"),
                                             ("summary", "--text-file"), ("explain", "--csv")])
def test_formats_that_a_command_does_not_have(command, option):
    line = complaint(command, "x", option, status=2)
    assert line.startswith(f"vgg {command}: unknown option {option}") and "--format" not in line


@pytest.mark.parametrize("command, option, ours", [
    ("explain", "--output", "out"), ("show", "--output-file", "out"), ("augment", "--out", "grid"),
    ("augment", "--output", "grid"), ("augment", "-o", "grid"),
])
def test_names_of_the_output(command, option, ours):
    line = complaint(command, "x", option, "out.gif", status=2)
    assert line == f"vgg {command}: --{ours}: expected a name that ends in .png"


def test_the_length_of_lists(model, picture):
    assert vgg("predict", "--model", model, picture, "-k", 2).out == \
        vgg("predict", "--model", model, picture, "--top", 2).out


def test_options_of_predict(model, picture, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("".join(f"n{i}\n" for i in range(10)))
    said = vgg("predict", "--model", model, picture, "--top", 3, "--classes", 10, "--labels", names).out
    for option in ("--weights", "--checkpoint", "--ckpt"):
        assert vgg("predict", option, model, picture, "--topk", 3, "--num-classes", 10, "--class-names", names).out == said


def run_of(model, folder, *files):
    folder.mkdir()
    for name in files:
        shutil.copy(model, folder / name)
    return folder


def test_a_run_in_place_of_its_model(trained, model, picture, pictograms, tmp_path):
    best = vgg("predict", "--model", trained / "best.safetensors", picture).out
    assert vgg("predict", "--model", trained, picture).out == best
    assert vgg("predict", "--model", f"{trained}/", picture).out == best
    for command in (("eval", "--model", trained, pictograms), ("summary", trained), ("inspect", trained)):
        assert vgg(*command).out.replace(str(trained) + "/best.safetensors", "") == vgg(
            *(trained / "best.safetensors" if word == trained else word for word in command)
        ).out.replace(str(trained) + "/best.safetensors", "")
    vgg("convert", trained, tmp_path / "copy.safetensors")
    assert (tmp_path / "copy.safetensors").read_bytes() == (trained / "best.safetensors").read_bytes()
    last = run_of(model, tmp_path / "last", "last.safetensors")
    assert json.loads(vgg("inspect", last, "--format", "json").out)["file"] == str(last / "last.safetensors")
    assert "folder" in complaint("predict", "--model", run_of(model, tmp_path / "none"), picture)


def test_a_model_without_its_option(trained, model, picture, pictograms):
    line = complaint("predict", model, picture, status=2)
    assert "--model FILE is missing" in line and f"did you mean --model {model}?" in line
    assert f"did you mean --model {trained}?" in complaint("predict", trained, picture, status=2)
    assert "did you mean" not in complaint("eval", pictograms, status=2)


@pytest.mark.parametrize("name, row, batch_norm", [
    ("vgg16", "D", False), ("VGG16", "D", False), ("VGG-16", "D", False), ("16", "D", False), ("vgg_16", "D", False),
    ("d", "D", False), ("vggD", "D", False), ("vgg11", "A", False), ("vgg13", "B", False), ("vgg19", "E", False),
    ("19", "E", False), ("vgg16_bn", "D", True), ("vgg19-bn", "E", True), ("D-bn", "D", True), ("A_BN", "A", True),
    ("vgg11bn", "A", True), ("A-LRN", "A-LRN", False), ("C", "C", False),
])
def test_names_of_architectures(name, row, batch_norm):
    norm = ("--batch-norm",) if batch_norm else ()
    assert vgg("summary", "--arch", name, "--format", "json").out == \
        vgg("summary", "--arch", row, *norm, "--format", "json").out


def test_architectures_of_files_and_runs(pictograms, tmp_path):
    line = complaint("summary", "vgg16_bn", status=2)
    assert "did you mean --arch vgg16_bn?" in line
    # A written architecture stays one, even one that reads like a name.
    out = vgg("train", pictograms, "-o", tmp_path / "run", *TINY[2:], "--arch", "16,M/8", "--epochs", 1).out
    assert "network   16,M/8" in out


@pytest.mark.parametrize("arch, expected", [
    ("8 M 16 M", 'word 1 is "8 M 16 M"; words are separated by commas'),
    ("8,M 16,M", 'word 2 is "M 16"; words are separated by commas'),
    ("064XYZ", '"064XYZ"'),
    ("64" + "0" * 40, "0000"),
    ("vgg15", '"vgg15"'),
    ("vgg16_gn", '"vgg16_gn"'),
    ("resnet50", '"resnet50"'),
])
def test_words_that_are_none(arch, expected):
    line = complaint("summary", "--arch", arch, status=2)
    assert expected in line


@pytest.mark.parametrize("name", ["out.tflite", "out.bin", "out.mat", "out.pb", "out.json"])
def test_endings_of_other_formats(name, model, tmp_path):
    line = complaint("convert", model, tmp_path / name, status=2)
    assert f"its ending {name[3:]} is of no format that is written" in line
    assert ".safetensors, .pth, .pt or .onnx" in line and not (tmp_path / name).exists()
    vgg("convert", model, tmp_path / name, "--format", "safetensors")
    vgg("convert", model, tmp_path / "plain")
    assert (tmp_path / "plain").read_bytes() == model.read_bytes() == (tmp_path / name).read_bytes()
