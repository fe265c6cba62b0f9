"""What `cmake --install` and `make install` put into a folder is all that a program needs, by
pkg-config and by CMake, static and shared, wherever the folder is. The programs are those in examples/:
each says in its first comment how it is compiled and run, and these commands are run."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("VGG_BUILD", ROOT / "build")).resolve()
EXAMPLES = sorted(path for path in (ROOT / "examples").iterdir() if path.is_file())
STRICT = {".c": ["cc", "-std=c11"], ".cc": ["c++", "-std=c++17"]}
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]

# What an example prints, where it is more than something.
PRINTS = {
    "predict.c": r"( *\d+\.\d %  \w+\n){5}",
    "classify.cc": r"(photo\.jpg: \w+, \d+ %\n){2}",
    "load_memory.c": r"( *\d+\.\d %  class \d  \w+\n){5}",
    "predict_batch.c": r"(photo\.jpg: class \d, \w+, \d+ %\n){3}",
    "train_arrays.c": r"(epoch \d: loss \d\.\d{4}\n){5}",
}

PROJECT = """cmake_minimum_required(VERSION 3.25)
project(users C CXX)
set(CMAKE_CXX_STANDARD 17)
find_package(vgg REQUIRED)
foreach(example {examples})
  get_filename_component(name ${{example}} NAME_WE)
  foreach(library vgg shared)
    add_executable(${{name}}-${{library}} ${{example}})
    target_link_libraries(${{name}}-${{library}} PRIVATE vgg::${{library}})
  endforeach()
endforeach()
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


def pkg_config(prefix, *words):
    """Of what was installed there, untouched, and nothing else that is called vgg."""
    [file] = prefix.rglob("vgg.pc")
    environment = {**os.environ, "PKG_CONFIG_PATH": str(file.parent)}
    return run("pkg-config", *words, env=environment).split()


def files_below(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """A folder that the library was installed into, and that was moved since."""
    folder = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", BUILD, "--prefix", folder / "first")
    [found] = pkg_config(folder / "first", "--variable=prefix", "vgg")
    assert pathlib.Path(found).resolve() == folder / "first"
    shutil.move(folder / "first", folder / "moved")
    return folder / "moved"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files that the comments of the examples name."""
    folder = tmp_path_factory.mktemp("folder")
    run(BUILD / "vgg", "generate", folder / "photos", "--train", 2, "--validation", 1, "--size", 16)
    run(BUILD / "vgg", "train", folder / "photos", "-o", folder / "run", "--arch", "8,M/",
        "--epochs", 1)
    shutil.copy(folder / "run" / "best.safetensors", folder / "model.safetensors")
    shutil.copy(folder / "photos/validation/star/0000.png", folder / "photo.jpg")
    (folder / "pixels.rgb").write_bytes(bytes(range(256)) * 3)  # 16 x 16
    return folder


@pytest.fixture(scope="module")
def cmake_build(prefix, tmp_path_factory):
    """The examples in a project that uses the CMake package."""
    source = tmp_path_factory.mktemp("project")
    for example in EXAMPLES:
        shutil.copy(example, source)
    names = " ".join(example.name for example in EXAMPLES)
    (source / "CMakeLists.txt").write_text(PROJECT.format(examples=names))
    run("cmake", "-S", source, "-B", source / "build", "-G", "Ninja",
        f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", source / "build")
    return source / "build"


def commands(example):
    """The command that compiles an example and the one that runs it."""
    comment = example.read_text().partition("*/")[0].replace("\\\n", "")
    return re.findall(r"^ \*   (c(?:c|\+\+) .*|\./.*)$", comment, re.MULTILINE)


def check(example, program, folder, prefix):
    """Runs a program as its example says, wherever the shared library is."""
    words = commands(example)[1].split()[1:]
    library = next(prefix.rglob("libvgg.so")).parent
    out = run(program, *words, cwd=folder, env={**os.environ, "LD_LIBRARY_PATH": str(library)})
    assert re.fullmatch(PRINTS.get(example.name, r"(?s).*\S.*"), out), out


def test_headers_and_program(prefix):
    assert {p.name for p in (prefix / "include/vgg").iterdir()} == \
        {p.name for p in (ROOT / "include/vgg").iterdir()}
    assert run(prefix / "bin/vgg", "--version").startswith("vgg ")


def test_the_model_in_the_box(prefix, folder):
    """Is in the program, and in whatever asks for it."""
    out = run(prefix / "bin/vgg", "predict", "photo.jpg", cwd=folder)
    assert len(out.splitlines()) == 6
    [library] = prefix.rglob("libvgg.a")
    assert "vgg_builtin_begin" in run("nm", library)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.name)
def test_examples_are_short_and_say_how_to_use_them(example):
    assert len(example.read_text().splitlines()) < 80
    compile_it, run_it = commands(example)
    assert example.name in compile_it and run_it.split()[0] == f"./{example.stem}"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.name)
def test_pkg_config_shared(example, prefix, folder, tmp_path):
    shutil.copy(example, tmp_path)
    [file] = prefix.rglob("vgg.pc")
    run("sh", "-c", commands(example)[0], cwd=tmp_path,
        env={**os.environ, "PKG_CONFIG_PATH": str(file.parent)})
    check(example, tmp_path / example.stem, folder, prefix)


def linkable(compiler, flag):
    """Whether the linker finds the library that a flag names; true for other flags."""
    names = [f"lib{flag[2:]}{ending}" for ending in (".so", ".a")]
    return not flag.startswith("-l") or any(
        run(compiler, f"-print-file-name={name}").strip() != name for name in names)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.name)
def test_pkg_config_static(example, prefix, folder, tmp_path):
    """Our library static and those below it shared. These need no more then, so that what only they
    stand on may be left out where it is not installed for building; what we stand on may not."""
    compiler = STRICT[example.suffix]
    flags = pkg_config(prefix, "--static", "--cflags", "--libs", "vgg")
    below = pkg_config(prefix, "--print-requires-private", "vgg")
    needed = [*pkg_config(prefix, "--libs", *below), "-lm", "-pthread"]
    assert set(needed) <= set(flags)
    flags[flags.index("-lvgg")] = next(prefix.rglob("libvgg.a"))
    flags = [f for f in map(str, flags) if f in needed or linkable(compiler[0], f)]
    run(*compiler, *WARNINGS, example, "-o", tmp_path / "user", *flags)
    assert "libvgg" not in run("ldd", tmp_path / "user")
    # The model in the box comes along only where it is asked for.
    assert "vgg_builtin" not in run("nm", tmp_path / "user")
    check(example, tmp_path / "user", folder, prefix)


@pytest.mark.parametrize("library", ["vgg", "shared"])
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.name)
def test_cmake_package(example, library, cmake_build, prefix, folder):
    check(example, cmake_build / f"{example.stem}-{library}", folder, prefix)


@pytest.fixture(scope="module")
def configured(tmp_path_factory):
    """Configures a build, of which nothing is built, with some options more; its folder."""
    folder = tmp_path_factory.mktemp("configured")

    def configure(*options):
        run("cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", "-DVGG_BUILD_TESTS=OFF", *options)
        return folder

    return configure


@pytest.mark.parametrize("library", ["lib", "lib/x86_64-linux-gnu", "a/b/c/d", "/opt/libraries"])
def test_pkg_config_file_at_any_depth(library, configured, tmp_path):
    """A folder given with its whole path is that folder; from any other the prefix is found."""
    place = tmp_path / "prefix" / library.lstrip("/") / "pkgconfig"
    place.mkdir(parents=True)
    shutil.copy(configured(f"-DCMAKE_INSTALL_LIBDIR={library}", "-DCMAKE_INSTALL_PREFIX=/nowhere") / "vgg.pc", place)
    libraries, headers = (
        os.path.normpath(pkg_config(tmp_path / "prefix", f"--variable={name}", "vgg")[0])
        for name in ("libdir", "includedir"))
    if library.startswith("/"):
        assert (libraries, headers) == (library, "/nowhere/include")
    else:
        assert libraries == str(tmp_path / "prefix" / library)
        assert headers == str(tmp_path / "prefix" / "include")


def test_a_plugin_that_is_not_built_is_left_out(configured, tmp_path):
    if cache("VGG_WITH_CUDA") != "ON":
        pytest.skip("this build has no plugin for a GPU")
    script = configured("-DCMAKE_INSTALL_LIBDIR=lib", "-DVGG_WITH_CUDA=ON") / "src/cuda/cmake_install.cmake"
    run("cmake", f"-DCMAKE_INSTALL_PREFIX={tmp_path}/prefix", "-P", script)
    assert not files_below(tmp_path / "prefix")


@pytest.mark.parametrize("destination", ["", "staged"])
def test_make_install_and_uninstall(destination, tmp_path):
    """Of the build that is tested: -o keeps make from building another."""
    for name, place in (("build", BUILD), ("scripts", ROOT / "scripts")):
        (tmp_path / name).symlink_to(place)
    (tmp_path / "expected").mkdir()
    run("cmake", "--install", BUILD, "--prefix", tmp_path / "expected")
    below = tmp_path / destination if destination else ""
    prefix = pathlib.Path(f"{below}{tmp_path}/prefix")
    make = ["make", "-f", ROOT / "Makefile", "-C", tmp_path, "-o", "build",
            f"PREFIX={tmp_path}/prefix", f"DESTDIR={below}"]
    run(*make, "install")
    assert files_below(prefix) == files_below(tmp_path / "expected")
    (prefix / "include" / "other.h").write_text("")
    (prefix / "lib/cmake/vgg/mine.cmake").write_text("")
    run(*make, "uninstall")
    assert files_below(prefix) == {"include/other.h", "lib/cmake/vgg/mine.cmake"}
    assert not (prefix / "include/vgg").exists()
