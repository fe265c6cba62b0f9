#!/usr/bin/python3
"""Writes small good files for each reader, of pictures and data sets too, into FOLDER/<reader>/,
from which the fuzzers start."""

import bz2
import gzip
import io
import json
import lzma
import math
import pathlib
import struct
import sys
import tarfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "faults"))

import caffe_files  # noqa: E402
import darknet_files  # noqa: E402
import keras_files  # noqa: E402
import model_files  # noqa: E402
import onnx_bytes  # noqa: E402
import pth_files  # noqa: E402


def safetensors(folder):
    tensors = [(name, "F32", list(shape), data)
               for name, _, shape, data in pth_files.network()]
    model_files.write(folder / "plain", *model_files.lay_out(tensors))
    described = {"format": "pt", "vgg.format_version": "1", "vgg.arch": "2,M/4",
                 "vgg.layout": "torchvision", "vgg.batch_norm": "false", "vgg.dropout": "0.5",
                 "vgg.input": "3x224x224", "vgg.classes": '["a","b","c"]'}
    model_files.write(folder / "described", *model_files.lay_out(tensors, described))
    for points in (36, 16, 1):
        int8_convolutions(folder / f"int8-{points}", points)


def int8_convolutions(path, points):
    """A network of two convolutions, the second with scales of so many points for int8."""
    shapes = {"features.0.weight": [16, 3, 3, 3], "features.0.bias": [16],
              "features.2.weight": [16, 16, 3, 3], "features.2.bias": [16],
              "classifier.0.weight": [2, 784], "classifier.0.bias": [2]}
    scales = {"features.2.int8_input_scale": [points], "features.2.int8_weight_scale": [16, points],
              "features.2.int8_figures": [2]}
    tensors = [(name, "F32", shape, struct.pack("<f", 0.25) * math.prod(shape))
               for name, shape in (shapes | scales).items()]
    told = {"vgg.format_version": "2", "vgg.arch": "16,16,M/", "vgg.layout": "torchvision", "vgg.batch_norm": "false",
            "vgg.dropout": "0.5", "vgg.input": "3x4x4", "vgg.classes": '["a","b"]',
            "vgg.int8_convolutions": "per-point"}
    model_files.write(path, *model_files.lay_out(tensors, told))


def pth(folder):
    def wrapped(opcodes):
        return (b"}(" + pth_files.text("state_dict") + opcodes + pth_files.text("epoch") + b"K\3"
                + pth_files.text("lr") + b"G" + bytes(8) + b"u")

    notes = [("byteorder", b"little"), ("extra/vgg.json", b'{"vgg.note":"x"}')]
    (folder / "zip").write_bytes(pth_files.zip_network())
    (folder / "deflated").write_bytes(pth_files.zip_network(zipfile.ZIP_DEFLATED, wrapped, notes))
    (folder / "legacy").write_bytes(pth_files.legacy_network())
    (folder / "whole").write_bytes(pth_files.whole_network())
    floats = pth_files.storage("FloatStorage", "0", 54, legacy=True)
    turned = (b"}" + pth_files.text("features.0.weight")
              + pth_files.tensor(floats, (2, 3, 3, 3), 0, (1, 2, 6, 18)) + b"s")
    (folder / "turned").write_bytes(pth_files.legacy(pth_files.pickled(turned), [(54, bytes(216))]))


def numpy(folder):
    def array(shape, data, kind="<f4", fortran=False):
        header = str({"descr": kind, "fortran_order": fortran, "shape": shape}).encode()
        header += b" " * (-(len(header) + 11) % 64) + b"\n"
        return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + data

    def zipped(arrays, method=zipfile.ZIP_STORED):
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w", method) as archive:
            for name, data in arrays:
                archive.writestr(zipfile.ZipInfo(f"{name}.npy"), data)
        return made.getvalue()

    (folder / "named").write_bytes(zipped(
        [(name, array(tuple(shape), data)) for name, _, shape, data in pth_files.network()]))
    last = [("conv1_1_W", array((3, 3, 3, 2), bytes(216))), ("conv1_1_b", array((2,), bytes(8))),
            ("fc6_W", array((98, 4), bytes(1568), fortran=True)), ("fc6_b", array((4,), bytes(16)))]
    (folder / "last").write_bytes(zipped(last, zipfile.ZIP_DEFLATED))
    text = pth_files.text

    def pickled_array(shape, data, kind):
        return (b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\0\x85U\1btR(K\1("
                + b"".join(b"M" + struct.pack("<H", n) for n in shape) + b"tcnumpy\ndtype\n("
                + text(kind) + b"K\0K\1tR(K\3" + text("<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
                + b"K\0tb\x89" + data + b"tb")

    weight = pickled_array((3, 3, 3, 2), b"T" + struct.pack("<I", 216) + bytes(216), "f4")
    bias = pickled_array((2,), b"T" + struct.pack("<I", 8) + bytes(8), "f4")
    entries = b"}(" + text("conv1_1") + b"](" + weight + bias + b"eu"
    whole = pickled_array((), b"](" + entries + b"e", "O8")
    (folder / "pickled").write_bytes(array((), pth_files.pickled(whole), "|O"))


def onnx(folder):
    tensors = [(name, shape, data) for name, _, shape, data in pth_files.network()]
    (folder / "raw").write_bytes(onnx_bytes.network(tensors))
    (folder / "floats").write_bytes(onnx_bytes.network(tensors, values=4))
    (folder / "halves").write_bytes(onnx_bytes.network(
        [(name, shape, b"\x80\x78" * (len(data) // 4)) for name, shape, data in tensors],
        values=5, kind=10))
    (folder / "softmax").write_bytes(onnx_bytes.network(tensors, [("Softmax", "", {"axis": 1})]))
    packed = [onnx_bytes.tensor(*each) for each in tensors]
    (folder / "names").write_bytes(onnx_bytes.model([], packed, "none", {"note": "x"}))
    elsewhere = onnx_bytes.external("features.0.bias", (2,), location="values.bin", offset="0")
    (folder / "external").write_bytes(onnx_bytes.model([], [elsewhere], "none"))


def keras(folder):
    net = keras_files.Net([2, "M"], [4], 3, 4)
    norm = keras_files.Net([2, "M"], [4], 3, 4, batch_norm=True, names="generic")
    many = keras_files.Net([2] * 60 + ["M"], [4], 3, 4)
    keras_files.write_old(folder / "old", net)
    keras_files.write_new(folder / "new", norm, libver="v108")
    keras_files.write_new(folder / "heap", many, libver="latest")
    keras_files.write_whole(folder / "whole", norm)
    keras_files.write_weights_3(folder / "weights-3", net, libver="latest")
    keras_files.write_keras(folder / "keras", norm)


def caffe(folder):
    def model(name, inputs=b"", batch_norm=False, **options):
        network = caffe_files.Network(((2,), (3,)), (4,), 3, 4, batch_norm=batch_norm)
        layers = caffe_files.caffe_layers(network, **options)
        (folder / name).write_bytes(caffe_files.caffe_model(layers, inputs))

    model("v1", caffe_files.input_dims(4), v1=True, legacy=True)
    model("layer", batch_norm=True, eps=1e-3, factor=3.0)
    model("pieces", store=caffe_files.in_two, double=True)
    model("bare", v1=True, bare=True)


def darknet(folder):
    """Of the network that fuzz_darknet is told."""
    for name, version, batch_norm in (("wide", (0, 2, 0), False), ("narrow", (0, 1, 0), False),
                                      ("bn", (0, 2, 5), True)):
        network = caffe_files.Network(((2,), (3,)), (4,), 3, 4, batch_norm=batch_norm)
        (folder / name).write_bytes(darknet_files.weights(network, version))


def image(folder):
    golden = ROOT / "tests" / "golden" / "data" / "image"
    for path in golden.iterdir():
        if path.suffix in (".jpg", ".png", ".webp", ".bmp", ".gif", ".tif") or path.name.startswith("convert"):
            (folder / path.name).write_bytes(path.read_bytes())
    (folder / "plain.ppm").write_bytes(b"P3 2 1 255 1 2 3 4 5 6\n")
    (folder / "bits.pbm").write_bytes(b"P1\n# bits\n2 2 10 01\n")
    (folder / "raw.pbm").write_bytes(b"P4 9 2\nabcd")


def tar(form, parts):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for part in parts:
            for name in ("cat", "dog"):
                for i in range(2):
                    data = b"P2 2 1 9 1 %d" % i
                    entry = tarfile.TarInfo(f"{part}{name}/{i}{'n' * 60 * i}.pgm")
                    entry.size = len(data)
                    archive.addfile(entry, io.BytesIO(data))
        link = tarfile.TarInfo(f"{parts[0]}cat/link.pgm")
        link.type, link.linkname = tarfile.LNKTYPE, f"{parts[0]}cat/0.pgm"
        archive.addfile(link)
    return stream.getvalue()


def dataset(folder):
    """The first byte says what follows: see fuzz_dataset.c."""
    forms = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
    for name, form in forms.items():
        (folder / name).write_bytes(b"\0" + tar(form, ["train/", "val/"]))
    for name, compress in (("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)):
        (folder / name).write_bytes(b"\0" + compress(tar(tarfile.PAX_FORMAT, ["top/"])))

    for name, method in (("zip", zipfile.ZIP_STORED), ("packed.zip", zipfile.ZIP_DEFLATED)):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", method) as archive:
            for path in ("Train/cat/1.pgm", "Train/dog/1.pgm", "test_set/dog/2.pgm", "Train/.x", "extra/y.txt"):
                archive.writestr(path, b"P2 2 1 9 1 2")
            archive.writestr("labels.csv", "1.pgm,cat")
        (folder / name).write_bytes(b"\0" + stream.getvalue())
    (folder / "csv").write_bytes(b'\4image,label,split\n"1.pgm",cat,train\r\n2.pgm,"d""og",val\n')
    (folder / "plain.csv").write_bytes(b"\4a/1.pgm,cat\n2,dog\n3.pgm,cat;dog\n")
    (folder / "annotations").write_bytes(b"\5" + b"1.pgm\tcat\t0\t0\n2.pgm\tdog\n")

    def pair(kind, first, second):
        return bytes([kind]) + struct.pack(">H", len(first)) + first + second

    pictures = struct.pack(">4I", 0x803, 6, 3, 2) + bytes(range(36))
    labels = struct.pack(">2I", 0x801, 6) + bytes([0, 1, 2] * 2)
    (folder / "mnist").write_bytes(pair(1, pictures, labels))
    (folder / "packed").write_bytes(pair(2, gzip.compress(pictures), gzip.compress(labels)))
    names = b"a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n"
    (folder / "cifar").write_bytes(pair(3, (b"\1" + bytes(3072)) * 3, names))


def scores(folder):
    """CSV, and arrays of NumPy."""
    (folder / "csv").write_bytes(b'name,truth,predicted,confidence,logit:cat,"logit:d,og"\n'
                                 b'1.png,cat,cat,0.9,2.5,-1\n"2""x.png",1,cat,0.6,1e-3,0\n3.png,cat,,,,\n')
    (folder / "plain.csv").write_bytes(b"label,cat,dog\ncat,0.25,0.75\r\n1,1,0\n")
    (folder / "classes.csv").write_bytes(b"y_true,y_pred\n0,1\n3,3\n")

    def array(kind, shape, data):
        head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
        return b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head + data

    texts = "".join(t.ljust(2, "\0") for t in ("a", "\u00e9b")).encode("utf-32-le")
    arrays = {"names": array("<U2", "(2,)", texts), "classes": array("|S3", "(2,)", b"catdog"),
              "labels": array("<i8", "(2,)", struct.pack("<2q", 0, 1)),
              "logits": array("<f4", "(2, 2)", struct.pack("<4f", 1, 2, 3, 4)),
              "unreadable": array("<U2", "(1,)", texts[:8]),
              "unreadable_labels": array("<i8", "(1,)", bytes(8)),
              "unreadable_before": array("<i8", "(1,)", bytes(8))}
    for name, method in (("npz", zipfile.ZIP_STORED), ("packed.npz", zipfile.ZIP_DEFLATED)):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", method) as archive:
            for key, data in arrays.items():
                archive.writestr(f"{key}.npy", data)
        (folder / name).write_bytes(stream.getvalue())


def index(folder):
    """Of the model of fuzz_index.c, which puts sizes, sums and the model right."""
    def write(name, names, features, facts):
        text = f"model {0:016x}\n{facts}".encode()
        listed = b"".join(n.encode() + b"\0" for n in names)
        samples = 48 * 48
        head = b"vgg index 1\n".ljust(24, b"\0") + struct.pack(
            "<8Q", 0, len(names), features, samples, len(text), len(listed), 0, 0)
        greys = b"".join(bytes((i * (n + 3)) % 251 for i in range(samples)) for n in range(len(names) // 2 + 1))
        rows = struct.pack(f"<{features}f", *[features ** -0.5] * features) * len(names)
        (folder / name).write_bytes(head + text + listed + bytes(32 * len(names))
                                    + (greys * 2)[:samples * len(names)] + rows)

    write("usual", ["a.png", "b/\u00e9.png", "c.png"], 2, "layers relu1_1\npool gem\nprotocol center\n")
    write("scales", ["a.png", "b.png"], 4,
          "layers relu1_1,pool1\npool avg\nprotocol flip\nscales 4,8\n")
    write("maps", ["a.png"], 8, "layers pool1\npool none\nprotocol center\n")
    write("empty", [], 2, "layers relu1_1\npool max\nprotocol center\n")


def text(folder):
    """The first byte says what follows: see fuzz_text.c."""
    preprocess = {"name": "unit", "channels": 3, "width": 8, "height": 8, "resize": 8, "filter": "bilinear",
                  "bgr": False, "scale": 1 / 255, "mean": [0.0, 0.5, 1e-3], "deviation": [1, 1, 1]}
    metadata = {"vgg.format_version": "1", "vgg.arch": "2,M/4", "vgg.layout": "torchvision",
                "vgg.batch_norm": "false", "vgg.dropout": "0.5", "vgg.input": "3x8x8",
                "vgg.int8": "per-output", "vgg.classes": '["a","\\u00e9"]',
                "vgg.preprocess": json.dumps(preprocess)}
    lines = "\n".join(f"{key}={value}" for key, value in metadata.items())
    layers = [("Conv2D", {"name": "conv", "kernel_size": [3, 3], "padding": "same", "strides": [1, 1],
                          "activation": "linear", "batch_input_shape": [None, 8, 8, 3]}),
              ("BatchNormalization", {"name": "norm", "axis": [3], "epsilon": 0.001}),
              ("ReLU", {"name": "relu", "max_value": None}),
              ("MaxPooling2D", {"name": "pool", "pool_size": [2, 2], "strides": [2, 2]}),
              ("Flatten", {"name": "flatten", "data_format": "channels_last"}),
              ("Dense", {"name": "dense", "activation": "relu"}), ("Dropout", {"rate": 0.5}),
              ("Dense", {"name": "last", "activation": "softmax"})]
    model = {"class_name": "Sequential", "config": {"name": "m", "layers": [
        {"class_name": kind, "config": config} for kind, config in layers]}}
    for name, kind, seed in (("json", 0, json.dumps([preprocess, -1.5e-7, None, "\u00e9\n\U0001f600"])),
                             ("labels", 1, "\3cat\ndog\r\n\u00e9\n\n"), ("arch", 2, "D"),
                             ("list", 2, "32, 1x1:16,L,M/256,64"), ("metadata", 3, lines),
                             ("keras", 4, json.dumps(model))):
        (folder / name).write_bytes(bytes([kind]) + seed.encode())


def request(folder):
    """The first byte says what follows: see fuzz_request.c."""
    form = ('multipart/form-data; boundary="ab"\n--ab\r\nContent-Disposition: form-data; name="image"; '
            'filename="a\\"b.png"\r\n\r\npicture\r\n--ab\r\nContent-Disposition: form-data; name=x\r\n\r\n\r\n--ab--')
    tensors = {"id": "x", "inputs": [{"name": "input", "shape": [1, 2], "data": [[1.5, -2e3], [0, 4]]},
                                     {"data": ['a"b']}, {"data": []}], "outputs": []}
    for name, kind, seed in (("form", 0, form), ("json", 1, json.dumps(tensors)), ("base64", 2, "aGVsbG8gd29ybGQ=")):
        (folder / name).write_bytes(bytes([kind]) + seed.encode())


def main():
    for make in (safetensors, pth, onnx, keras, caffe, darknet, numpy, image, dataset, scores, index, text, request):
        folder = pathlib.Path(sys.argv[1]) / make.__name__
        folder.mkdir(parents=True, exist_ok=True)
        make(folder)


if __name__ == "__main__":
    main()
