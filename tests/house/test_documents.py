"""Every command that a document shows is run: each ```sh block, in order, in a folder where build/vgg is
the program and my-photos a small data set. `make` targets are only looked up, as the tests run inside
one. Links to files must lead somewhere."""
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("VGG_BUILD", ROOT / "build"))
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("models/*.md"), *ROOT.glob("tests/**/*.md")])


def commands(document):
    for block in re.findall(r"^```sh\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            line = re.sub(r"\s+# .*", "", line).strip()
            if line and not line.startswith("#"):
                yield line


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "build").symlink_to(BUILD)
    for name in ("examples", "tests", "include", "src", "scripts"):
        (tmp_path / name).symlink_to(ROOT / name)
    vgg = BUILD / "vgg"
    subprocess.run([vgg, "generate", tmp_path / "my-photos", "--train", "3", "--validation", "1",
                    "--size", "32"], check=True, capture_output=True)
    for name in ("photo.png", "photo.jpg"):
        os.link(tmp_path / "my-photos/validation/star/0000.png", tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands(document, folder):
    targets = set(re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for command in commands(document):
        words = command.split()
        while words and "=" in words[0]:
            words = words[1:]
        if words[0] == "make":
            assert words[1] in targets, command
            continue
        result = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True,
                                timeout=120)
        assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links(document):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
        assert (document.parent / target).exists(), target


def test_help_examples(folder):
    """The examples that --help shows parse: none is a usage error."""
    for command in ("train", "eval", "report", "score", "predict", "explain", "show", "features", "distance",
                    "index", "search", "duplicates", "style", "probe", "summary", "inspect", "convert", "bench",
                    "augment", "generate"):
        text = subprocess.run([BUILD / "vgg", command, "--help"], capture_output=True, text=True,
                              check=True).stdout.partition("EXAMPLES\n")[2]
        examples = re.findall(r"^  (vgg .*)", text.replace("\\\n", " "), re.MULTILINE)
        assert examples
        for example in examples:
            result = subprocess.run(example.replace("vgg ", f"{BUILD}/vgg ", 1).replace("…", ""),
                                    shell=True, cwd=folder, capture_output=True, text=True,
                                    timeout=120, stdin=subprocess.DEVNULL)
            assert result.returncode != 2, f"{example}\n{result.stderr}"
