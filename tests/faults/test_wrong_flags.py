"""Command lines that are wrong: flags, their values, commands, operands and the environment."""

import pytest
from conftest import TINY, fails, names, run


@pytest.mark.parametrize(
    "line,says",
    [
        ("train x --batchsizes 8", ["--batchsizes"]),
        ("train x --leraning-rate 1", ["--leraning-rate"]),
        ("train x --momentun 0.9", ["--momentun", "did you mean --momentum?"]),
        ("train x --no-augmnet", ["--no-augmnet", "did you mean --no-augment?"]),
        ("eval x --bacth 8", ["--bacth", "did you mean --batch?"]),
        ("predict x --topp 3", ["--topp", "did you mean --top?"]),
        ("summary --arhc D", ["--arhc", "did you mean --arch?"]),
        ("generate x --szie 64", ["--szie", "did you mean --size?"]),
        ("summary -x", ["-x"]),
        ("train x -o", ["--output", "no value", "RUN"]),
        ("train x --lr", ["--lr", "no value", "a number"]),
        ("summary --arch --layout paper", ["--arch", "no value"]),
        ("train x --quiet=1", ["--quiet", "no value", "1"]),
        ("train x --epochs 1.5", ["--epochs", "1.5", "a whole number"]),
        ("train x --epochs 0", ["--epochs", '"0"', "from 1"]),
        ("train x --epochs 99999999999999999999999", ["--epochs", "99999999999999999999999"]),
        ("train x --batch 0", ["--batch", '"0"', "from 1 to 65536"]),
        ("train x --batch 0x10", ["--batch", "0x10", "a whole number"]),
        ("train x --lr -1", ["--lr", "-1", "above 0"]),
        ("train x --lr=nan", ["--lr", "nan", "a number"]),
        ("train x --lr inf", ["--lr", "inf", "a number"]),
        ("train x --lr 1e999", ["--lr", "1e999", "a number"]),
        ("train x --lr 0,01", ["--lr", "0,01", "a number"]),
        ("train x --momentum 1", ["--momentum", '"1"', "below 1"]),
        ("train x --weight-decay -0.1", ["--weight-decay", "-0.1", "at least 0"]),
        ("train x --gamma 0", ["--gamma", '"0"', "above 0"]),
        ("train x --dropout 1.5", ["--dropout", "1.5", "below 1"]),
        ("train x --validation-split 1", ["--validation-split", '"1"', "below 1"]),
        ("train x --seed -1", ["--seed", "-1", "from 0"]),
        ("train x --threads 9999", ["--threads", "9999", "from 1 to 256"]),
        ("train x --workers 0", ["--workers", '"0"', "from 1 to 256"]),
        ("train x --input 0x0", ["--input", "0x0", "sides from 1"]),
        ("train x --input 2x32x32", ["--input", "2x32x32", "1 or 3 channels"]),
        ("train x --input 3x32x", ["--input", "3x32x", "3x224x224"]),
        ("train x --input 99999", ["--input", "99999", "sides from 1"]),
        ("train x --preprocess imagenet", ["--preprocess", "imagenet", "torchvision", "unit"]),
        ("train x --schedule linear", ["--schedule", "linear", "constant", "step"]),
        ("train x --init zeros", ["--init", "zeros", "kaiming", "glorot", "paper"]),
        ("train x --layout keras", ["--layout", "keras", "paper", "torchvision"]),
        ("train x --resume", ["--resume", "-o RUN"]),
        ("train x --device gpu", ["--device", "gpu", "cpu", "cuda", "auto"]),
        ("predict x --precision f64", ["--precision", "f64", "f32", "bf16", "tf32", "f16"]),
        ("predict x --precision tf32", ["--precision tf32", "is for a GPU"]),
        ("eval --model m x --device cuda --exact", ["--exact", "is for the processor"]),
        ("predict --model m x --format yaml", ["--format", "yaml", "text", "json", "csv"]),
        ("predict --model m x --top -1", ["--top", "-1", "from 1"]),
        ("summary --classes 0", ["--classes", '"0"', "from 1"]),
        ("summary --classes 5000000", ["--classes", "5000000", "from 1 to"]),
        ("summary --batch 0", ["--batch", '"0"', "from 1"]),
        ("generate x --size 5000", ["--size", "5000", "from 16 to 1024"]),
        ("generate x --train 0", ["--train", '"0"', "from 1"]),
        ("train", ["DATA is missing"]),
        ("eval --model m", ["DATA is missing"]),
        ("eval x", ["--model FILE is missing"]),
        ("predict x.pth", ["--model FILE is missing", "--model x.pth"]),
        ("predict --model m", ["IMAGE is missing"]),
        ("generate", ["FOLDER is missing"]),
        ("generate x y", ['"y"']),
        ("inspect -- m x", ['"x"']),
        ("frobnicate", ["frobnicate", "vgg help"]),
        ("predcit m", ["predcit", "did you mean vgg predict?"]),
        ("help nothing", ["nothing", "vgg help"]),
        ("--hlep", ["--hlep", "did you mean vgg --help?"]),
    ],
)
def test_command_line(line, says, tmp_path):
    fails(*line.split(), says=says, status=2, cwd=tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "arch,says",
    [
        ("32,Q,M", ['"32,Q,M"', 'word 2 is "Q"', "1x1:N", "M"]),
        ("32,,M", ["word 2"]),
        ("32,M/4096,x", ['word 4 is "x"', "hidden"]),
        ("F", ['"F"', "A, A-LRN, B, C, D and E"]),
        ("999999999", ["999999999", "65536"]),
        ("0", ['word 1 is "0"']),
        ("-3", ['word 1 is "-3"']),
        ("5x5:32", ['"5x5:32"', "1x1:N"]),
        ("32 32 M", ['"32 32 M"']),
        (",".join(["64"] * 5000), ["more than 512 words"]),
        ("M" * 100000, ["MMM", "expected"]),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else "",
)
@pytest.mark.parametrize("command", ["summary", "train"])
def test_architecture(command, arch, says, pictograms, tmp_path):
    data = [pictograms, "-o", tmp_path / "run"] if command == "train" else []
    (line,) = fails(command, *data, "--arch", arch, says=[*says, "architecture"],
                    status=2)
    assert len(line) < 1100
    assert names(tmp_path) == []


def test_input_too_small_for_the_pools():
    fails("summary", "--arch", "D", "--input", "3x5x5", status=2,
          says=["5x5", '"D" needs a side of at least 32', "at least 32"])


def test_input_too_small_to_train_with(pictograms, tmp_path):
    fails("train", pictograms, "-o", tmp_path / "run", "--arch", "D",
          says=["16x16", '"D" needs a side of at least 32', "at least 32"])
    assert names(tmp_path) == []


def test_model_and_architecture(model):
    """A file that says what it is cannot be told to be something else."""
    fails("summary", model, "--arch", "4,4,M/8", says=[model, "4,4,M/8"])


def test_classes_of_a_model(model):
    fails("summary", model, "--classes", 3, says=["--classes"], status=2)


@pytest.mark.parametrize("tier", ["nonsense", "avx9", "AVX2", " "])
def test_unknown_tier(tier, model, picture, pictograms, tmp_path):
    env = {"VGG_CPU": tier}
    says = ["VGG_CPU", f'"{tier}"', "ref, portable, avx2, avx512 or amx"]
    fails("predict", "--model", model, picture, says=says, env=env)
    fails("eval", "--model", model, pictograms, says=says, env=env)
    fails("train", pictograms, "-o", tmp_path / "run", *TINY, says=says, env=env, silent=False)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "line",
    [("x\ny",), ("train", "d", "--ep\nochs"), ("train", "d", "--epochs", "1\n2"),
     ("train", "d\n\x1b[2J"), ("summary", "a\nb"), ("generate", "d", "e\nf"),
     ("predict", "--model", "m\nn", "x"), ("train", "d", "--quiet=\n")],
)
def test_control_characters_do_not_reach_the_terminal(line, tmp_path):
    """One line stays one line, whatever was typed."""
    status = 1 if line in [("train", "d\n\x1b[2J"), ("summary", "a\nb"),
                           ("predict", "--model", "m\nn", "x")] else 2
    fails(*line, says=["vgg"], status=status, cwd=tmp_path)


@pytest.mark.parametrize("command", ["train", "eval", "predict", "summary"])
def test_empty_path(command, model, tmp_path):
    """The message shows that the name is empty."""
    given = ["--model", model] if command in ("eval", "predict") else []
    status, out, err = run(command, "", *given, cwd=tmp_path)
    assert status in (1, 2) and out == "" and len(err.splitlines()) == 1, err
    assert '""' in err, err


def test_empty_folder_to_generate(somebody, tmp_path):
    """An unset variable in a script does not mean the root of the file system, where somebody who
    is not root can do no harm if the program falls for it."""
    status, out, err = run("generate", "", "--train", 1, "--validation", 0, "--size", 16,
                           cwd=tmp_path, **somebody)
    assert status in (1, 2) and out == "" and len(err.splitlines()) == 1, err
    assert '""' in err and "/train" not in err, err
