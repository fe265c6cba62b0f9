"""Every format is read from memory and through a function as it is from its file, and what stands in
files beside a model is refused there. Calls the shared library by ctypes."""
import ctypes
import os
import pathlib

import pytest

import caffe_files
import darknet_files
import model_files
import onnx_bytes
import pth_files

BUILD = pathlib.Path(os.environ.get("VGG_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build"))
pytestmark = pytest.mark.skipif("VGG_SANITIZE:STRING=\n" not in (BUILD / "CMakeCache.txt").read_text(),
                                reason="a sanitized library needs a sanitized program")

READ = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t)
WRITE = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
UNSUPPORTED = 6


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("message", ctypes.c_char * 1024)]


class Reader(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("name", ctypes.c_char_p), ("size", ctypes.c_size_t),
                ("read", READ), ("user", ctypes.c_void_p)]


@pytest.fixture(scope="module")
def library():
    return ctypes.CDLL(str(next(BUILD.rglob("libvgg.so"))))


class Options(ctypes.Structure):
    """As far as these tests set it; the library takes the rest for its defaults."""
    _fields_ = [("struct_size", ctypes.c_size_t), ("arch", ctypes.c_char_p), ("layout", ctypes.c_int),
                ("preprocess", ctypes.c_char_p), ("labels", ctypes.c_char_p),
                ("height", ctypes.c_size_t), ("width", ctypes.c_size_t)]


def safetensors():
    tensors = [(name, "F32", list(shape), data) for name, _, shape, data in pth_files.network()]
    return model_files.lay_out(tensors)


def plain():
    return caffe_files.Network(((2,), (3,)), (4,), 3, 4)


def keras_bytes(tmp_path, name):
    pytest.importorskip("h5py", reason="needs h5py (python3-h5py)")
    import keras_files
    net = keras_files.Net([2, "M"], [4], 3, 4)
    getattr(keras_files, name)(tmp_path / "made", net)
    return (tmp_path / "made").read_bytes()


def made(kind, tmp_path):
    if kind == "safetensors":
        model_files.write(tmp_path / "made", *safetensors())
        return (tmp_path / "made").read_bytes()
    if kind == "onnx":
        return onnx_bytes.network([(n, shape, data) for n, _, shape, data in pth_files.network()])
    if kind in ("write_old", "write_keras"):
        return keras_bytes(tmp_path, kind)
    return {"pth": pth_files.zip_network, "legacy": pth_files.legacy_network,
            "caffe": lambda: caffe_files.caffe_model(caffe_files.caffe_layers(plain()),
                                                     caffe_files.input_dims(4)),
            "darknet": lambda: darknet_files.weights(plain())}[kind]()


def told(kind):
    options = Options(struct_size=ctypes.sizeof(Options))
    if kind == "darknet":
        options.arch, options.height, options.width = b"2,M,3,M/4", 4, 4
    if kind in ("safetensors", "pth", "legacy"):
        options.arch, options.layout, options.height, options.width = b"2/4", 2, 14, 14
    if kind == "write_old":
        options.arch, options.height, options.width = b"2,M/4", 4, 4
    return options


def written(library, load, *source, options):
    """What the model becomes when it is written again as safetensors."""
    model, error, out = ctypes.c_void_p(), Error(), []

    @WRITE
    def take(_, data, size):
        out.append(ctypes.string_at(data, size))
        return True

    status = getattr(library, load)(*source, ctypes.byref(options), ctypes.byref(model), ctypes.byref(error))
    if status != 0:
        return status, error.message.decode()
    assert library.vgg_model_write(model, None, take, None, ctypes.byref(error)) == 0, error.message
    library.vgg_model_free(model)
    return 0, b"".join(out)


def reader_of(data):
    @READ
    def read(_, offset, buffer, size):
        ctypes.memmove(buffer, data[offset:offset + size], size)
        return True

    return Reader(ctypes.sizeof(Reader), b"elsewhere", len(data), read, None)


@pytest.mark.parametrize("kind", ["safetensors", "pth", "legacy", "onnx", "write_old", "write_keras",
                                  "caffe", "darknet"])
def test_the_same_from_everywhere(library, tmp_path, kind):
    data, options = made(kind, tmp_path), told(kind)
    (tmp_path / "file").write_bytes(data)
    expected = written(library, "vgg_model_load", bytes(tmp_path / "file"), options=options)
    assert expected[0] == 0, expected
    memory = ctypes.create_string_buffer(b"x" + data, len(data) + 1)
    at = ctypes.c_void_p(ctypes.addressof(memory) + 1)
    assert written(library, "vgg_model_load_memory", at, ctypes.c_size_t(len(data)), b"memory",
                   options=options) == expected
    assert written(library, "vgg_model_load_from", ctypes.byref(reader_of(data)), options=options) == expected


def test_values_in_other_files_are_refused(library):
    elsewhere = onnx_bytes.external("features.0.bias", (2,), location="values.bin", offset="0")
    data = onnx_bytes.model([], [elsewhere], "none")
    for load, source in (("vgg_model_load_memory", (data, ctypes.c_size_t(len(data)), b"net")),
                         ("vgg_model_load_from", (ctypes.byref(reader_of(data)),))):
        status, message = written(library, load, *source, options=told("onnx"))
        assert status == UNSUPPORTED
        assert message.startswith('tensor "features.0.bias" of ')
        assert 'its values are in the file "values.bin" beside the model\'s' in message
