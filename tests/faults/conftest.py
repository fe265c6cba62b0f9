"""Running the program on what is wrong; its path is in the environment variable VGG, build/vgg by
default. A failure is a status that the command's manual lists, and a line that says why."""

import functools
import os
import pathlib
import re
import resource
import shutil
import signal
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.path.abspath(os.environ.get("VGG", REPOSITORY / "build" / "vgg"))
sys.path.insert(0, str(REPOSITORY / "tests" / "support"))

import forks  # noqa: E402

TIMEOUT = 15

# A network that learns next to nothing, but in no time.
TINY = ("--arch", "4,M/8", "--batch", 8, "--epochs", 1, "--threads", 1, "--workers", 1)


BASE = {}


@pytest.fixture(scope="session", autouse=True)
def base_folder(tmp_path_factory):
    """Where pytest makes the folders of the tests."""
    BASE["folder"] = tmp_path_factory.getbasetemp()


def set_limits(limits):
    # A write beyond the limit then fails, as on a full disk, in place of ending the program.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    for kind, most in limits.items():
        resource.setrlimit(getattr(resource, kind), (most, most))


def run(*arguments, env=None, limits=None, timeout=TIMEOUT, **options):
    """The exit status, standard output and standard error."""
    if limits:
        options["preexec_fn"] = functools.partial(set_limits, limits)
    done = forks.run(arguments, env={**os.environ, "LC_ALL": "C", "TERM": "xterm", **(env or {})}, timeout=timeout,
                     **options)
    return done.returncode, *(text.decode(errors="replace") for text in (done.stdout, done.stderr))


@functools.lru_cache(maxsize=None)
def documented_statuses(command):
    manual = run(command, "--help")[1]
    listed = re.search(r"^EXIT STATUS\n((?:  .*\n)+)", manual, re.MULTILINE).group(1)
    return {int(number) for number in re.findall(r"^  (\d+) ", listed, re.MULTILINE)}


def fails(*arguments, says, status=1, lines=1, silent=True, **options):
    """Checks that the program fails as it should: with the status, with so many lines on standard
    error, all of whose words in `says` are there, and with nothing on standard output when it is
    silent. Returns the lines."""
    return complaints(arguments, run(*arguments, **options), says, status, lines, silent)


def complaints(arguments, outcome, says, status=1, lines=1, silent=True):
    """The same for what `run` has returned."""
    found, out, err = outcome
    shown = f"status {found}, expected {status}\nstandard error:\n{err}standard output:\n{out}"
    assert found == status, shown
    if arguments and arguments[0] in ("train", "eval", "predict", "summary", "generate"):
        assert status in documented_statuses(arguments[0])
    said = err.splitlines()
    assert len(said) == lines, shown
    assert all(line.startswith("vgg") for line in said), shown
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", err), shown
    # The name of a test's own folder says much by accident; only paths are looked for there.
    bare = re.sub(re.escape(str(BASE["folder"])) + r"/[^/\s:\"]+", "", err)
    for word in says:
        text = err if isinstance(word, pathlib.Path) else bare
        assert str(word) in text, f"{word!r} is not said\n{shown}"
    assert not silent or out == "", shown
    return said


def names(folder):
    """What is in the folder and beneath it."""
    return sorted(str(path.relative_to(folder)) for path in pathlib.Path(folder).rglob("*"))


@pytest.fixture(scope="session")
def pictograms(tmp_path_factory):
    """Ten classes of four pictures to learn from and two to check with, 16 x 16. Not changed."""
    folder = tmp_path_factory.mktemp("data") / "pictograms"
    assert run("generate", folder, "--train", 4, "--validation", 2, "--size", 16)[0] == 0
    return folder


@pytest.fixture(scope="session")
def model(pictograms, tmp_path_factory):
    """A model trained on the pictograms. Not changed."""
    folder = tmp_path_factory.mktemp("run")
    assert run("train", pictograms, "-o", folder, *TINY)[0] == 0
    return folder / "last.safetensors"


@pytest.fixture(scope="session")
def somebody():
    """The options that run the program as somebody whom permissions bind: not as root."""
    options = {"user": 65534} if os.geteuid() == 0 else {}
    try:
        run("--version", **options)
    except PermissionError:
        pytest.skip("the program is where only root may run it")
    return options


@pytest.fixture(scope="session")
def little_memory():
    """The limits of a process that has 200 MB in all."""
    limits = {"RLIMIT_AS": 200 << 20}
    if run("--version", limits=limits)[0] != 0:
        pytest.skip("built with a sanitizer, which takes more memory for itself")
    return limits


@pytest.fixture
def picture(pictograms):
    return pictograms / "validation" / "heart" / "0001.png"


@pytest.fixture
def spoilt(pictograms, tmp_path):
    """A copy of the pictograms that a test may damage."""
    return pathlib.Path(shutil.copytree(pictograms, tmp_path / "spoilt"))
