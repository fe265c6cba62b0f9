"""`cmake --install` gives what a program needs, by pkg-config and by CMake, static and shared."""
import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("VGG_BUILD", ROOT / "build"))
EXAMPLE = ROOT / "examples" / "predict.c"

PROJECT = """cmake_minimum_required(VERSION 3.25)
project(user C)
find_package(vgg REQUIRED)
add_executable(user {source})
target_link_libraries(user PRIVATE vgg::{library})
"""


def run(*command, **options):
    result = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
    return result.stdout


def cache(name):
    for line in (BUILD / "CMakeCache.txt").read_text().splitlines():
        if line.startswith(name + ":"):
            return line.partition("=")[2]
    return ""


pytestmark = pytest.mark.skipif(cache("VGG_SANITIZE") != "",
                                reason="a sanitized library needs a sanitized program")


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", BUILD, "--prefix", folder)
    # The pkg-config file knows the prefix that the build was configured with.
    [file] = folder.rglob("vgg.pc")
    file.write_text(file.read_text().replace(cache("CMAKE_INSTALL_PREFIX"), str(folder)))
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    vgg = BUILD / "vgg"
    run(vgg, "generate", folder / "data", "--train", 2, "--validation", 1, "--size", 16)
    run(vgg, "train", folder / "data", "-o", folder / "run", "--arch", "8,M/", "--epochs", 1)
    return folder / "run" / "best.safetensors", folder / "data/validation/star/0000.png"


def check(program, model, **environment):
    out = run(program, *model, env={**os.environ, **environment})
    assert out.count("%") == 5


def test_headers_and_program(prefix):
    assert {p.name for p in (prefix / "include/vgg").iterdir()} == \
        {p.name for p in (ROOT / "include/vgg").iterdir()}
    assert run(prefix / "bin/vgg", "--version").startswith("vgg ")


@pytest.mark.parametrize("static", [False, True])
def test_pkg_config(prefix, model, tmp_path, static):
    [file] = prefix.rglob("vgg.pc")
    environment = {**os.environ, "PKG_CONFIG_PATH": str(file.parent)}
    packages = ["vgg"]
    if static:  # our library static, those below it shared
        packages += run("pkg-config", "--print-requires-private", "vgg", env=environment).split()
    flags = run("pkg-config", "--cflags", "--libs", *packages, env=environment).split()
    if static:
        flags = [str(next(prefix.rglob("libvgg.a"))) if f == "-lvgg" else f for f in flags]
        flags += ["-lm", "-pthread"]
    run("cc", "-std=c11", "-Wall", "-Wextra", "-Werror", EXAMPLE, "-o", tmp_path / "user", *flags)
    check(tmp_path / "user", model, LD_LIBRARY_PATH=str(next(prefix.rglob("libvgg.so")).parent))


@pytest.mark.parametrize("library", ["vgg", "shared"])
def test_cmake_package(prefix, model, tmp_path, library):
    shutil.copy(EXAMPLE, tmp_path / "predict.c")
    (tmp_path / "CMakeLists.txt").write_text(PROJECT.format(source="predict.c", library=library))
    run("cmake", "-S", tmp_path, "-B", tmp_path / "build", "-G", "Ninja",
        f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", tmp_path / "build")
    check(tmp_path / "build" / "user", model)


def test_headers_are_good_cplusplus(prefix, tmp_path):
    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler")
    source = tmp_path / "user.cc"
    source.write_text('#include <vgg/vgg.h>\nint main() { return vgg_version() == nullptr; }\n')
    run("c++", "-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", source,
        f"-I{prefix}/include")
