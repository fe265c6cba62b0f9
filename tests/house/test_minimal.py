"""The library without any part that can be left out: it needs Jansson and nothing else, loads and
predicts, and refuses by name what it was built without."""
import gzip
import os
import pathlib
import re
import struct
import subprocess
import sys
import tarfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "faults"))

import caffe_files  # noqa: E402
import darknet_files  # noqa: E402
import onnx_bytes  # noqa: E402
import pth_files  # noqa: E402

MODEL = ROOT / "tests" / "versions" / "0.1.0" / "models" / "paper-f32.safetensors"
SYSTEM = {"libjansson.so.4", "libm.so.6", "libc.so.6", "libpthread.so.0"}
PARTS = re.findall(r"^option\((VGG_WITH_\w+)", (ROOT / "cmake" / "parts.cmake").read_text(), re.MULTILINE)


def run(*command, status=0, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False,
                          env={**os.environ, "LC_ALL": "C"}, **options)
    assert done.returncode == status, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout if status == 0 else done.stderr


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """With the portable kernels alone and not optimised, which is quick to compile."""
    folder = tmp_path_factory.mktemp("minimal")
    run("cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", "-DVGG_BUILD_TESTS=OFF", "-DVGG_PORTABLE=ON",
        "-DCMAKE_BUILD_TYPE=None", "-DCMAKE_C_FLAGS=-O0", "-DVGG_KERNEL_FLAGS=-O0", "-DVGG_WERROR=ON",
        *(f"-D{part}=OFF" for part in PARTS))
    run("cmake", "--build", folder)
    return folder


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("picture") / "noise.ppm"
    path.write_bytes(b"P6\n16 12\n255\n" + bytes(i * 37 % 251 for i in range(16 * 12 * 3)))
    return path


def needed(path):
    return set(re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", path)))


def test_needs_jansson_alone(build):
    for path in (build / "vgg", next(build.rglob("libvgg.so"))):
        assert "libjansson.so.4" in needed(path)
        assert needed(path) <= SYSTEM
    assert "\nRequires.private: jansson\n" in (build / "vgg.pc").read_text()
    assert (build / "vgg-config.cmake").read_text().count("pkg_check_modules") == 1


def test_finds_the_packages_of_each_part_alone(tmp_path):
    for part in PARTS:
        run("cmake", "-S", ROOT, "-B", tmp_path, "-G", "Ninja", "-DVGG_BUILD_TESTS=OFF",
            *(f"-D{other}={'ON' if other == part else 'OFF'}" for other in PARTS if other != "VGG_WITH_CUDA"))


def test_loads_from_memory_and_predicts(build, picture, tmp_path):
    program, pixels = tmp_path / "load_memory", tmp_path / "pixels.rgb"
    pixels.write_bytes(picture.read_bytes()[-16 * 12 * 3:])
    run("cc", "-std=c11", "-Wall", "-Wextra", "-Werror", ROOT / "examples" / "load_memory.c", "-o", program,
        f"-I{ROOT}/include", next(build.rglob("libvgg.a")), "-ljansson", "-lm", "-pthread")
    assert needed(program) <= SYSTEM
    answers = re.findall(r"([\d.]+) %  class \d+  (\S*)", run(program, MODEL, pixels, 16, 12))
    assert len(answers) == 5
    same = run(build / "vgg", "predict", "--model", MODEL, picture, "--top", 5)
    for percent, name in answers:
        assert re.search(rf"{re.escape(percent)} *%.*{name}|{name}.*{re.escape(percent)} *%", same)


def keras_archive():
    name = b"config.json"
    return (b"PK\x03\x04" + bytes(22) + struct.pack("<HH", len(name), 0) + name + bytes(64))


def plain():
    return caffe_files.Network(((2,), (3,)), (4,), 3, 4)


# Files by their first bytes: (the bytes, the format, the option).
MODELS = {
    "pth": (pth_files.zip_network, "pth", "VGG_WITH_PTH"),
    "legacy pth": (pth_files.legacy_network, "pth", "VGG_WITH_PTH"),
    "hdf5": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(100), "keras", "VGG_WITH_KERAS"),
    "keras": (keras_archive, "keras", "VGG_WITH_KERAS"),
    "onnx": (lambda: onnx_bytes.network([(n, s, d) for n, _, s, d in pth_files.network()]), "onnx", "VGG_WITH_ONNX"),
    "caffe": (lambda: caffe_files.caffe_model(caffe_files.caffe_layers(plain()), caffe_files.input_dims(4)),
              "caffe", "VGG_WITH_CAFFE"),
    "darknet": (lambda: darknet_files.weights(plain()), "darknet", "VGG_WITH_DARKNET"),
}
PICTURES = {
    "jpeg": (ROOT / "tests/golden/data/image/exif1.jpg", "VGG_WITH_JPEG"),
    "png": (ROOT / "tests/golden/data/image/exif6_png.png", "VGG_WITH_PNG"),
    "webp": (ROOT / "tests/golden/data/image/animated.webp", "VGG_WITH_WEBP"),
}


@pytest.mark.parametrize("kind", MODELS)
def test_refuses_models(build, tmp_path, kind):
    data, name, option = MODELS[kind]
    path = tmp_path / "model"
    path.write_bytes(data())
    assert f"{path}: looks like a file of format {name}; this libvgg was built without {option}\n" in \
        run(build / "vgg", "inspect", path, status=1)


@pytest.mark.parametrize("ending,option", [("pth", "VGG_WITH_PTH"), ("onnx", "VGG_WITH_ONNX")])
def test_refuses_to_write(build, tmp_path, ending, option):
    out = tmp_path / f"model.{ending}"
    assert f'as "{ending}": this libvgg was built without {option}' in \
        run(build / "vgg", "convert", MODEL, out, status=1)
    assert not out.exists()


def test_has_no_model_in_the_box(build, picture):
    assert "builtin: this libvgg was built without VGG_WITH_BUILTIN\n" in \
        run(build / "vgg", "predict", "--model", "builtin", picture, status=1)
    assert "built without VGG_WITH_BUILTIN\n" in run(build / "vgg", "inspect", "builtin", status=1)
    assert "--model FILE is missing" in run(build / "vgg", "predict", picture, status=2)


@pytest.mark.parametrize("kind", PICTURES)
def test_refuses_pictures(build, kind):
    path, option = PICTURES[kind]
    assert f"this libvgg was built without {option}" in \
        run(build / "vgg", "predict", "--model", MODEL, path, status=1)


def idx(folder, part, count, opener=open, ending=""):
    with opener(folder / f"{part}-images-idx3-ubyte{ending}", "wb") as file:
        file.write(struct.pack(">4I", 0x803, count, 8, 8) + bytes(i * 31 % 256 for i in range(64 * count)))
    with opener(folder / f"{part}-labels-idx1-ubyte{ending}", "wb") as file:
        file.write(struct.pack(">2I", 0x801, count) + bytes(i % 2 for i in range(count)))


def test_data_sets(build, picture, tmp_path):
    for name, opener, ending in (("plain", open, ""), ("packed", gzip.open, ".gz")):
        (tmp_path / name).mkdir()
        idx(tmp_path / name, "train", 8, opener, ending)
        idx(tmp_path / name, "t10k", 4, opener, ending)
    train = (build / "vgg", "train", "-o", tmp_path / "run", "--arch", "2,M/4", "--epochs", 1, "--threads", 1)
    run(*train, tmp_path / "plain")
    assert "is gzipped; this libvgg was built without VGG_WITH_ARCHIVE" in \
        run(*train, "--overwrite", tmp_path / "packed", status=1)
    with tarfile.open(tmp_path / "data.tar", "w") as archive:
        archive.add(picture, "train/a/1.ppm")
    assert "is a tar archive; this libvgg was built without VGG_WITH_ARCHIVE" in \
        run(*train, "--overwrite", tmp_path / "data.tar", status=1)
    (tmp_path / "data.tar.gz").write_bytes(gzip.compress((tmp_path / "data.tar").read_bytes()))
    assert "is compressed with gzip; this libvgg was built without VGG_WITH_ARCHIVE" in \
        run(*train, "--overwrite", tmp_path / "data.tar.gz", status=1)
