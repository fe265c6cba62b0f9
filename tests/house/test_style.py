"""Small rules that keep the house readable."""
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def code():
    return sorted(p for folder in ("include", "src", "cli", "examples", "tests", "fuzz")
                  for p in (ROOT / folder).rglob("*") if p.suffix in (".c", ".cc", ".h"))


def test_files_are_one_sitting():
    long = {str(p.relative_to(ROOT)): n for p in code() if p.name != "imagenet_names.c"
            and (n := len(p.read_text().splitlines())) > 500}
    assert not long


def test_library_asks_nothing_of_the_process():
    """VGG_CPU and VGG_CUDA_PLUGIN are its only environment variables, and "-" a name like any other;
    standard streams are the program's."""
    asks = re.compile(r'\bgetenv *\(|\bstdin\b|\bSTDIN_FILENO\b|\bstdout\b|\bstderr\b|"-"')
    found = [f"{p.relative_to(ROOT)}: {line.strip()}" for p in sorted((ROOT / "src").rglob("*.[ch]"))
             for line in p.read_text().splitlines() if asks.search(line)]
    assert found == ['src/kernels/dispatch.c: const char *wanted = getenv("VGG_CPU");',
                     'src/nn/gpu/plugin.c: const char *named = getenv("VGG_CUDA_PLUGIN");']


def test_defaults_stand_in_one_place():
    """--help prints the value that an option holds; only what is chosen later is put in words."""
    written = re.compile(r'\.fallback = "(?:[\d.,x]+|on|off|text|constant|paper|kaiming|D)"')
    assert not [str(p) for p in (ROOT / "cli").glob("*.c") if written.search(p.read_text())]


def test_shares_are_written_in_one_form():
    """12.5 %, with a space, wherever the program, the examples and the benches say how much of a whole something is;
    in a style sheet there is none."""
    together = re.compile(r"%[-+.*0-9]*(?:z?u|d|[efg])%%|:[<>+.,0-9]*%}")
    files = [p for folder in ("cli", "examples", "bench") for p in (ROOT / folder).rglob("*")
             if p.is_file() and not {"venv", "__pycache__"} & set(p.parts)]
    assert not [f"{p.relative_to(ROOT)}: {line.strip()}" for p in files for line in p.read_text().splitlines()
                if together.search(line)]


def test_nothing_is_left_open():
    open_ends = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|#if 0")
    assert not [str(p) for p in code() if open_ends.search(p.read_text())]


def test_no_large_files():
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    out = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True,
                         check=True).stdout
    large = [name for name in out.split("\0")
             if name and (ROOT / name).is_file() and (ROOT / name).stat().st_size > 6 << 20]
    assert not large


def test_code_is_formatted():
    """By Debian's clang-format-16, whose version is fixed because each has a taste of its own."""
    program = shutil.which("clang-format-16")
    assert program, "clang-format-16 is not installed; scripts/packages.sh test installs it"
    out = subprocess.run([program, "--dry-run", "-Werror", *map(str, code())],
                         capture_output=True, text=True)
    assert out.returncode == 0, out.stderr


def open_loops(text):
    """Lines where a loop begins whose body has no braces; the code is formatted already."""
    text = re.sub(r"'[()]'", "'x'", text)
    for match in re.finditer(r"^ *(?:for|while) \(", text, re.MULTILINE):
        at, depth = match.end(), 1
        while depth > 0:
            depth += {"(": 1, ")": -1}.get(text[at], 0)
            at += 1
        if not text[at:].startswith((" {", ";")):
            yield text.count("\n", 0, match.start()) + 1


def test_loops_have_braces():
    assert not [f"{p.relative_to(ROOT)}:{line}" for p in code()
                for line in open_loops(p.read_text())]


def test_no_line_is_over_100_characters():
    assert not [f"{p.relative_to(ROOT)}:{n}" for p in code()
                for n, line in enumerate(p.read_text().splitlines(), 1) if len(line) > 100]


# The C library's own: what getline and realpath made.
FREES = {"cgroup.c": 2, "onnx_tensor.c": 1}


def test_memory_comes_from_the_allocator():
    """vgg_malloc and its kin, which vgg_allocator_set can lead elsewhere. The plugin for a GPU is
    another library."""
    direct = re.compile(r"(?<![\w.>])(?:malloc|calloc|realloc|free|strdup|strndup|aligned_alloc)\(")
    found = {p.name: n for p in (ROOT / "src").rglob("*.c")
             if p.name not in ("allocator.c", "memory.c") and p.parent.name != "cuda" and (n := len(direct.findall(p.read_text())))}
    assert found == FREES
