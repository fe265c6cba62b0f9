"""The command line itself: help, versions, and everything that can be mistyped."""

import pytest
from conftest import PROGRAM, complaint, environment, vgg

import subprocess

COMMANDS = ["train", "eval", "score", "report", "predict", "explain", "show", "features", "index", "search", "duplicates",
            "probe", "distance", "style", "serve", "summary", "inspect", "convert", "bench", "augment", "generate"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command):
    text = vgg(command, "--help").out
    assert text == vgg(command, "-h").out == vgg("help", command).out
    assert text.startswith(f"vgg {command} - ")
    for title in ("USAGE", "DESCRIPTION", "EXIT STATUS", "EXAMPLES"):
        assert f"\n{title}\n" in text
    assert max(map(len, text.splitlines())) <= 80
    assert all(line == line.rstrip() for line in text.splitlines())


def test_help_wins_over_what_is_missing():
    assert vgg("predict", "--top", 3, "--help").out.startswith("vgg predict - ")


@pytest.mark.parametrize(
    "line",
    [
        ("train", "--epochs", 77, "--no-shuffle", "--arch", "A", "--seed", 5),
        ("train", "--epochs", "ten", "--frobnicate"),
        ("eval", "--batch=7", "--format", "json"),
        ("predict", "x", "--top", 3),
        ("bench", "--batch", "1,2,3", "--input", "3x64x64", "--layout", "torchvision"),
        ("generate", "--size", 77),
    ],
)
def test_help_prints_defaults_whatever_else_is_given(line):
    assert vgg(*line, "--help").out == vgg(line[0], "--help").out


@pytest.mark.parametrize(
    "command,option,default",
    [
        ("train", "--epochs N", "10"),
        ("train", "--weight-decay X", "0.0005"),
        ("train", "--schedule NAME", "constant"),
        ("train", "--[no-]shuffle", "on"),
        ("train", "--flip WHEN",
         "random; none for MNIST's format, where a mirrored digit is no digit"),
        ("train", "--dropout P", "0.5; less without --arch, and printed"),
        ("train", "--seed K", "0"),
        ("eval", "--batch N", "32"),
        ("eval", "--format FORMAT", "text"),
        ("predict", "--top K", "5"),
        ("summary", "--arch ARCH", "D"),
        ("summary", "--classes N", "1000"),
        ("summary", "--input SIZE", "3x224x224"),
        ("summary", "--[no-]batch-norm", "off"),
        ("summary", "--batch N", None),
        ("bench", "--batch N,N...", "1,8,32; with --train 8,32"),
        ("bench", "--runs N", None),
        ("generate", "--size S", "64"),
    ],
)
def test_defaults_in_help(command, option, default):
    text = " ".join(vgg(command, "--help").out.split())
    row = text.split(f"{option} ", 1)[1].split(" --", 1)[0] if default is None else (
        text.split(f"{option} ", 1)[1])
    found = row.split("(default: ", 1)[1].split(")", 1)[0] if "(default: " in row else None
    assert found == default


@pytest.mark.parametrize("command", [command for command in COMMANDS if command != "convert"])
def test_formats_are_said(command):
    """Of what is printed; vgg convert writes files."""
    text = " ".join(vgg(command, "--help").out.split())
    for row in text.split("--format FORMAT ")[1:]:
        assert row.startswith("text") and "json" in row.split(" --", 1)[0]


@pytest.mark.parametrize("arguments", [("help",), ("--help",), ("-h",)])
def test_list_of_commands(arguments):
    text = vgg(*arguments).out
    assert all(f"\n  {command} " in text for command in COMMANDS)
    rows = text.split("COMMANDS\n", 1)[1].split("\n\n", 1)[0].splitlines()
    # All summaries begin in one column, behind a gap.
    (column,) = {row.index(row.split(None, 1)[1], 2 + len(row.split()[0])) for row in rows}
    assert all(row[column - 2:column] == "  " for row in rows)


def test_version():
    assert vgg("--version").out.startswith("vgg 0.")
    assert vgg("-V").out == vgg("--version").out


def test_version_with_a_tier_that_there_is_not():
    (line,) = vgg("--version", env={"VGG_CPU": "nonsense"}).out.splitlines()
    assert line.startswith("vgg 0.") and "(" not in line


def test_control_characters_are_not_repeated():
    line = complaint("train", "x", "y\n\x1b[2J\x7fz", status=2)
    assert line.startswith('vgg train: unexpected argument "y??[2J?z"; expected ')


@pytest.mark.parametrize("letter", ["x", "\u00e9", "\u20ac"])
def test_long_words_are_shortened_in_the_middle(letter):
    line = complaint("train", "a", letter * 5000, status=2)
    assert len(line.encode(errors="surrogateescape")) < 1100 and f"{letter} ... {letter}" in line
    assert line.startswith(f'vgg train: unexpected argument "{letter}')
    assert line.endswith("expected vgg train DATA [-o RUN] [options]")


def test_no_command():
    result = vgg(status=2)
    assert result.out == "" and "USAGE" in result.err


@pytest.mark.parametrize(
    "typed,meant",
    [("trian", "train"), ("sumary", "summary"), ("evla", "eval"), ("--versoin", "--version")],
)
def test_nearest_command(typed, meant):
    assert complaint(typed, status=2).endswith(f"did you mean vgg {meant}?")


def test_command_like_no_other():
    assert complaint("frobnicate", status=2).endswith("vgg help lists the commands")


@pytest.mark.parametrize(
    "command,typed,meant",
    [
        ("train", "--epcohs", "--epochs"),
        ("train", "-epochs", "--epochs"),
        ("train", "--batch-nrom", "--batch-norm"),
        ("train", "--no-shufle", "--no-shuffle"),
        ("train", "--weigth-decay=1", "--weight-decay"),
        ("eval", "--modle", "--model"),
        ("predict", "--logit", "--logits"),
        ("summary", "--clases", "--classes"),
        ("predict", "--exakt", "--exact"),
        ("inspect", "--fromat", "--format"),
        ("bench", "--secnds", "--seconds"),
        ("generate", "--sede", "--seed"),
    ],
)
def test_nearest_option(command, typed, meant):
    line = complaint(command, "x", typed, status=2)
    assert line == f"vgg {command}: unknown option {typed.split('=')[0]}; did you mean {meant}?"


def test_option_like_no_other():
    line = complaint("train", "x", "--frobnicate", status=2)
    assert line == "vgg train: unknown option --frobnicate; vgg train --help lists the options"


@pytest.mark.parametrize(
    "arguments,expected",
    [
        (("train", "x", "--epochs", "ten"), '--epochs: found "ten", expected a whole number from 1'),
        (("train", "x", "--epochs=0"), '--epochs: found "0", expected a whole number from 1 to'),
        (("train", "x", "--epochs", "-3"), '--epochs: found "-3", expected a whole number'),
        (("train", "x", "--epochs"), "--epochs: has no value, expected a whole number"),
        (("train", "x", "--epochs", "--strict"), "--epochs: has no value"),
        (("train", "x", "--lr", "0"), '--lr: found "0", expected a number above 0'),
        (("train", "x", "--lr", "nan"), '--lr: found "nan", expected a number'),
        (("train", "x", "--lr", "0x1"), '--lr: found "0x1", expected a number'),
        (("train", "x", "--lr", "1e"), '--lr: found "1e", expected a number'),
        (("train", "x", "--momentum", "1"), '--momentum: found "1", expected a number of at least 0'),
        (("train", "x", "--dropout", "1.5"), "and below 1"),
        (("train", "x", "--seed", "18446744073709551616"), "from 0 to 18446744073709551615"),
        (("train", "x", "--input", "2x8x8"), "1 or 3 channels"),
        (("train", "x", "--input", "8x"), "such as 3x224x224"),
        (("train", "x", "--input", "0"), "sides from 1 to"),
        (("train", "x", "--input", "1x2x3x4"), "such as 3x224x224"),
        (("train", "x", "--schedule", "cos"),
         "expected constant, step, plateau, cosine, one-cycle or triangle"),
        (("train", "x", "--layout", "tv"), "expected paper, torchvision, global or global-max"),
        (("train", "x", "--preprocess", "tv"), "expected torchvision, caffe, paper, unit, signed, cifar10, cifar100, mnist or clip"),
        (("train", "x", "--init", "he"), "expected kaiming, glorot, paper, dirac or whiten"),
        (("train", "x", "--strict=yes"), '--strict: takes no value, found "yes"'),
        (("train", "x", "--arch", ""), '--arch: found "", expected ARCH'),
        (("train", ""), 'DATA: found "", expected vgg train DATA'),
        (("eval", "--model", "x", ""), 'DATA: found "", expected vgg eval'),
        (("predict", "--model", "x", "y", ""), 'IMAGE: found "", expected vgg predict'),
        (("summary", ""), 'MODEL: found "", expected vgg summary'),
        (("generate", ""), 'FOLDER: found "", expected vgg generate'),
        (("train", "x", "-o", ""), '--output: found "", expected RUN'),
        (("train", "x", "--output="), '--output: found "", expected RUN'),
        (("predict", "--model", "", "x"), '--model: found "", expected FILE'),
        (("eval", "--model=m", "--labels", "", "x"), '--labels: found "", expected NAMES'),
        (("train", "x", "-o"), "--output: has no value, expected RUN"),
        (("train", "x", "--resume"), "--resume: has no run to continue"),
        (("train", "x", "-o", "y", "--resume", "--overwrite"), "expected one of them"),
        (("train",), "DATA is missing"),
        (("train", "x", "y"), 'unexpected argument "y"'),
        (("eval", "x"), "--model FILE is missing"),
        (("eval", "--model", "x"), "DATA is missing"),
        (("predict", "x.pth"), "--model FILE is missing"),
        (("predict", "--model", "x"), "IMAGE is missing"),
        (("predict", "--model", "x", "y", "--top", "0"), "expected a whole number from 1"),
        (("predict", "--model", "x", "y", "--format", "xml"), "expected text, json or csv"),
        (("bench", "--batch", "1,,8"), '--batch: found "1,,8", expected whole numbers from 1 to 65536'),
        (("bench", "--batch", "1,"), '--batch: found "1,", expected whole numbers'),
        (("bench", "--batch", ""), '--batch: found "", expected whole numbers'),
        (("bench", "--batch", "1,0"), '--batch: found "1,0", expected whole numbers'),
        (("bench", "--batch", "1, 8"), '--batch: found "1, 8", expected whole numbers'),
        (("bench", "--batch", "1" + 16 * ",2"), "at most 16, with commas between them"),
        (("bench", "--seconds", "0"), '--seconds: found "0", expected a number above 0'),
        (("bench", "--runs", "0"), '--runs: found "0", expected a whole number from 1 to 10000'),
        (("bench", "--threads", "257"), "expected a whole number from 1 to 256"),
        (("bench", "--exact=yes"), '--exact: takes no value, found "yes"'),
        (("bench", "--format", "csv"), "expected text or json"),
        (("bench", "x", "y"), 'unexpected argument "y"'),
        (("inspect",), "FILE is missing"),
        (("inspect", "x", "y"), 'unexpected argument "y"'),
        (("bench", ""), 'MODEL: found "", expected vgg bench'),
        (("generate",), "FOLDER is missing"),
        (("distance", "x"), "A or B is missing"),
        (("augment",), "DATA or IMAGE is missing"),
        (("augment", "x"), "--grid OUT.png is missing"),
        (("augment", "x", "--grid", "y"), "--grid: expected a name that ends in .png"),
        (("generate", "x", "--size", "4"), '--size: found "4", expected a whole number from 16'),
    ],
)
def test_wrong_command_line(arguments, expected):
    line = complaint(*arguments, status=2)
    assert line.startswith(f"vgg {arguments[0]}: ") and expected in line


def test_two_dashes_end_the_options(tmp_path):
    vgg("generate", "--train=1", "--validation=0", "--size=16", "--", "--odd", cwd=tmp_path)
    assert (tmp_path / "--odd" / "train" / "moon" / "0000.png").is_file()


@pytest.mark.parametrize("arguments", [("help",), ("train", "--help"), ("summary",)])
def test_full_disk(arguments):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([PROGRAM, *arguments], stdout=full, stderr=subprocess.PIPE,
                              env=environment(), check=False)
    assert done.returncode == 1
    assert b"cannot write to standard output: No space left on device" in done.stderr


def test_closed_pipe_is_quiet():
    with subprocess.Popen([PROGRAM, "summary"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=environment()) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
