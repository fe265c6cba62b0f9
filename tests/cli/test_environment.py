"""What the program takes from the process it runs in: variables, standard streams, limits."""
import json
import resource
import shlex
import subprocess

import pytest
from conftest import PROGRAM, TINY, environment, vgg


def in_shell(*arguments, redirect, env=None):
    """Runs the program with streams as a shell opens and closes them."""
    line = f"exec {shlex.join([PROGRAM, *map(str, arguments)])} {redirect}"
    return subprocess.run(["sh", "-c", line], capture_output=True, env=environment(**(env or {})),
                          timeout=60, check=False)


def test_variables_are_listed():
    text = vgg("help").out
    assert all(f"\n  {name} " in text for name in ("OMP_NUM_THREADS", "TMPDIR", "VGG_CPU", "VGG_CUDA_PLUGIN"))
    assert "--workers" not in text


@pytest.mark.parametrize("command", ["train", "eval", "predict", "bench"])
def test_help_names_the_variable_of_threads(command):
    text = " ".join(vgg(command, "--help").out.split())
    assert "(default: OMP_NUM_THREADS, or one per processor)" in text


@pytest.mark.parametrize("setting,threads", [("3", 3), ("3,2", 3), ("100000", 256)])
def test_default_of_threads(setting, threads):
    out = vgg("bench", "--arch", "4,M/8", "--input", 16, "--batch", 1, "--runs", 1, "--format=json",
              env={"OMP_NUM_THREADS": setting}).out
    assert json.loads(out)["threads"] == threads


def test_default_of_threads_that_is_no_number():
    line = ("bench", "--arch", "4,M/8", "--input", 16, "--batch", 1, "--runs", 1, "--format=json")
    counts = {json.loads(vgg(*line, env=env).out)["threads"]
              for env in ({"OMP_NUM_THREADS": "many"}, {"OMP_NUM_THREADS": ""})}
    assert len(counts) == 1 and counts.pop() >= 1


@pytest.mark.parametrize("redirect", [">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_files_do_not_take_the_place_of_closed_streams(pictograms, tmp_path, redirect):
    done = in_shell("train", pictograms, "-o", tmp_path / "run", *TINY, "--epochs", 1,
                    redirect=redirect)
    assert done.returncode == (1 if ">&- " in f" {redirect} ".replace("2>&-", "") else 0)
    for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines():
        assert json.loads(line)
    vgg("inspect", tmp_path / "run" / "last.safetensors")


def test_closed_output_is_complained_about():
    done = in_shell("summary", redirect=">&-")
    assert done.returncode == 1 and done.stdout == b""
    assert b"cannot write to standard output: Bad file descriptor" in done.stderr


def test_closed_input_is_complained_about(model):
    done = in_shell("predict", "--model", model, "-", redirect="<&-")
    assert done.returncode == 1
    assert done.stderr == b"vgg predict: standard input: cannot read: Bad file descriptor\n"


def test_limit_of_file_size_is_an_error(model, tmp_path):
    done = subprocess.run(
        [PROGRAM, "convert", model, tmp_path / "out.safetensors"], capture_output=True,
        env=environment(), timeout=60, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500)))
    assert done.returncode == 1 and b"File too large" in done.stderr
    assert list(tmp_path.iterdir()) == []
