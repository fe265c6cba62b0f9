"""Each public header stands alone, in the languages that programs are written in."""
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADERS = sorted((ROOT / "include/vgg").glob("*.h"))
COMPILERS = [("cc", "c99"), ("cc", "c11"), ("c++", "c++11"), ("c++", "c++17"),
             ("clang", "c99"), ("clang++", "c++17")]
# Structs that are too small to grow, and are promised not to.
FROZEN = {"vgg_error", "vgg_image", "vgg_prediction", "vgg_allocator", "vgg_architecture",
          "vgg_confused_pair", "vgg_reliability_bin", "vgg_tap", "vgg_index_match",
          "vgg_duplicate_pair", "vgg_style_source"}
STRUCT = re.compile(r"typedef struct (vgg_\w+) \{\n(.*?)\n\} \1;", re.DOTALL)


def bare(text):
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


def structs():
    return {name: body for header in HEADERS
            for name, body in STRUCT.findall(bare(header.read_text()))}


def functions():
    """(result, name, parameters) of each."""
    text = "\n".join(bare(header.read_text()) for header in HEADERS)
    for result, name, parameters in re.findall(
            r"VGG_API\s+([^;()]*?)(vgg_\w+)\(((?:[^()]|\([^()]*\))*)\);", text):
        yield " ".join(result.split()), name, [" ".join(p.split()) for p in parameters.split(",")]


@pytest.mark.parametrize("compiler,standard", COMPILERS, ids=lambda value: str(value))
def test_headers_stand_alone(compiler, standard, tmp_path):
    if compiler.startswith("clang") and shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    ending = "cc" if "++" in compiler else "c"
    for header in HEADERS:
        source = tmp_path / f"{header.stem}.{ending}"
        source.write_text(f"#include <vgg/{header.name}>\n#include <vgg/{header.name}>\n"
                          "int main(void) { return 0; }\n")
        out = subprocess.run([compiler, f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic",
                              "-Werror", "-fsyntax-only", f"-I{ROOT}/include", source],
                             capture_output=True, text=True)
        assert out.returncode == 0, out.stderr


def test_structs_grow_or_are_frozen():
    found = structs()
    assert len(found) > 20
    frozen = {name for name, body in found.items()
              if not re.match(r"\s*size_t struct_size;", body)}
    assert frozen == FROZEN
    for name in FROZEN:
        said = [header.name for header in HEADERS if re.search(
            rf"Frozen\. \*/\ntypedef struct {name} \{{", header.read_text())]
        assert len(said) == 1, name


def test_no_struct_that_grows_lies_in_another():
    grow = "|".join(set(structs()) - FROZEN)
    assert not [f"{name}: {match[0].strip()}" for name, body in structs().items()
                for match in re.finditer(rf"^\s*(const )?({grow}) \w.*$", body, re.MULTILINE)]


def test_no_struct_that_grows_is_passed_by_value():
    grow = re.compile(rf"(const )?({'|'.join(set(structs()) - FROZEN)})( \w+)?$")
    assert not [name for result, name, parameters in functions()
                if grow.match(result) or any(map(grow.match, parameters))]


def test_every_struct_is_tried_in_other_sizes():
    texts = [path.read_text() for path in sorted((ROOT / "tests/unit").glob("test_*.c"))]
    tests = "".join(text for text in texts if '"edge.h"' in text)
    tests += "".join(f"vgg_{row}\n" for row in re.findall(r"ROW\((\w+),", tests))
    assert not [name for name in set(structs()) - FROZEN
                if not re.search(rf"\b{name}\b", tests)]


def test_errors_come_last():
    assert not [name for _, name, parameters in functions()
                if "vgg_error *error" in parameters[:-1]]
    assert not [name for result, name, parameters in functions()
                if result == "vgg_status" and parameters[-1] != "vgg_error *error"]


def test_const_handles_hand_out_const():
    assert not [name for result, name, parameters in functions()
                if result.endswith("*") and not result.startswith("const ")
                and parameters[0].startswith("const vgg_")]


def test_what_crosses_is_said_plainly():
    """No pointer stands for a number or an answer that may be left open."""
    odd = re.compile(r"^\s*const (bool|int|size_t|double) \*\w+;", re.MULTILINE)
    assert not [name for name, body in structs().items()
                if "options" in name and odd.search(body)]
