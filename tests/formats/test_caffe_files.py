"""Caffe models in all their forms give the scores that the same weights give in a safetensors file."""

import json

import caffe_files as files
import model_files
import onnx_bytes
import pth_files
import pytest
from conftest import inspected, logits, logits_by_convention, refused, vgg

# D with few channels; the biggest power of 2 below which it leaves one value per channel is 32.
D = ((2, 3), (3, 4), (4, 4, 5), (5, 6, 6), (6, 6, 7))


def small(**options):
    return files.Network(((6,), (8, 9)), (12,), 5, 20, **options)


def by_convention(path, picture, *arguments):
    return logits_by_convention("caffe", path, picture, *arguments)


def close(found, expected):
    assert len(found) == len(expected) and max(expected) - min(expected) > 0.02
    assert max(abs(a - b) for a, b in zip(found, expected)) < 1e-5


def expected(network, tmp_path, picture, preset="caffe", tensors=None):
    path = tmp_path / "expected.safetensors"
    model_files.write(path, *model_files.lay_out(tensors or network.tensors()))
    return logits(path, picture, "--arch", network.arch(), "--layout", "paper", "--input", network.side,
                  "--preprocess", preset)


def check(network, layers, tmp_path, picture, inputs=b""):
    path = tmp_path / "net.caffemodel"
    path.write_bytes(files.caffe_model(layers, inputs))
    close(by_convention(path, picture), expected(network, tmp_path, picture))


# ---- reading -------------------------------------------------------------------------------------

STORAGE = {"new": {}, "legacy": {"legacy": True}, "unpacked": {"store": files.unpacked},
           "pieces": {"store": files.in_two, "legacy": True}, "doubles": {"double": True},
           "unpacked-doubles": {"double": True, "store": files.unpacked}}


@pytest.mark.parametrize("v1", [False, True], ids=["layer", "v1"])
@pytest.mark.parametrize("storage", STORAGE)
def test_storage(storage, v1, tmp_path, noise):
    network = small()
    layers = files.caffe_layers(network, v1, **STORAGE[storage])
    check(network, layers, tmp_path, noise, files.input_dims(network.side))


@pytest.mark.parametrize("v1", [False, True], ids=["layer", "v1"])
def test_shape_of_d(v1, tmp_path, noise):
    """As the published files are: V1 layers and blobs of four sizes; and as newer ones."""
    network = files.Network(D, (12, 11), 10, 32)
    layers = files.caffe_layers(network, v1, legacy=v1)
    check(network, layers, tmp_path, noise, files.input_dims(network.side))


@pytest.mark.parametrize("factor", [1.0, 999.982, 0.25])
@pytest.mark.parametrize("eps", [None, 1e-5, 1e-3, 1e-9])
def test_batch_normalisation(eps, factor, tmp_path, noise):
    """Mean and variance are stored as sums; any epsilon, with small variances among them."""
    network = small(batch_norm=True)
    gamma, beta, mean, variance = network.convolutions[1][3]
    variance = files.rounded([1e-7, 2e-6, 3e-5, *variance[3:]])
    network.convolutions[1] = (*network.convolutions[1][:3], (gamma, beta, mean, variance))
    layers = files.caffe_layers(network, eps=eps, factor=factor)
    path = tmp_path / "net.caffemodel"
    path.write_bytes(files.caffe_model(layers))
    for i, (shape, weight, bias, norm) in enumerate(network.convolutions):
        scale = [((v + 1e-5) / (v + (eps or 1e-5))) ** 0.5 for v in norm[3]]
        gamma = files.rounded([g * s for g, s in zip(norm[0], scale)])
        network.convolutions[i] = (shape, weight, bias, (gamma, *norm[1:]))
    want = expected(network, tmp_path, noise)
    found = by_convention(path, noise)
    most = max(abs(w) for w in want)
    close([f / most for f in found], [w / most for w in want])


def test_batch_normalisation_alone(tmp_path, noise):
    """Without a Scale: weights of one and no biases; and one that has never seen a picture."""
    network = small(batch_norm=True)
    for i, (shape, weight, bias, norm) in enumerate(network.convolutions):
        width = shape[0]
        norm = ([1.0] * width, [0.0] * width, *norm[2:])
        network.convolutions[i] = (shape, weight, bias, norm)
    layers = files.caffe_layers(network)
    layers.made = [layer for layer in layers.made if b"_scale" not in layer]
    check(network, layers, tmp_path, noise)
    never = files.caffe_layers(network, factor=0.0)
    for i, (shape, weight, bias, norm) in enumerate(network.convolutions):
        zeros = [0.0] * shape[0]
        network.convolutions[i] = (shape, [w / 300 for w in weight], bias, (*norm[:2], zeros, zeros))
    never = files.caffe_layers(network, factor=0.0)
    check(network, never, tmp_path, noise)


def test_layers_with_weights_only(tmp_path, noise):
    """The names say where the pools are."""
    network = files.Network(D, (12, 11), 10, 32)
    check(network, files.caffe_layers(network, True, bare=True), tmp_path, noise)


def test_linear_layers_as_convolutions(tmp_path, noise):
    network = small()
    layers = files.caffe_layers(network)
    del layers.made[-5:]  # fc6 with ReLU and Dropout, fc7, Softmax
    layers.at = "pool2"
    for i, (shape, weight, bias) in enumerate(network.linears):
        kernel = 5 if i == 0 else 1
        shape = (shape[0], shape[1] // kernel ** 2, kernel, kernel)
        files.caffe_convolution(layers, f"fc{6 + i}", shape, weight, bias, pad=0)
        if i == 0:
            layers.layer_in_place("ReLU", "relu6")
    check(network, layers, tmp_path, noise)


def test_no_biases(tmp_path, noise):
    """Other names, a Flatten, and linear layers whose biases are all there is."""
    network = small()
    network.convolutions = [(s, w, [0.0] * len(b), n) for s, w, b, n in network.convolutions]
    layers = files.Layers()
    for i, (shape, weight, _, _) in enumerate(network.convolutions):
        layers.add("Convolution", f"c{i}", [(shape, weight)],
                   onnx_bytes.fields((1, shape[0]), (2, 0), (3, 1), (4, 3)))
        layers.layer_in_place("ReLU", f"r{i}")
        if network.pools[i]:
            layers.add("Pooling", f"p{i}", parameters=files.POOL)
    layers.add("Flatten", "flat")
    files.add_linears(layers, network)
    check(network, layers, tmp_path, noise)


@pytest.mark.parametrize("v1", [False, True], ids=["layer", "v1"])
def test_local_response_normalisation(v1, tmp_path, noise):
    """VGG's own, behind the first ReLU: Caffe's alpha is that of all five channels together."""
    network = small()
    layers, norm = files.caffe_layers(network, v1), files.Layers(v1)
    norm.at = "conv1_1"
    norm.layer_in_place("LRN", "norm1", parameters=onnx_bytes.field(1, 5) + files.floating(2, 5e-4)
                        + files.floating(3, 0.75) + files.floating(5, 2))
    layers.made[2:2] = norm.made
    path, same = tmp_path / "net.caffemodel", tmp_path / "same.safetensors"
    path.write_bytes(files.caffe_model(layers))
    tensors = [(name.replace("features.3", "features.4").replace("features.5", "features.6"), *rest)
               for name, *rest in network.tensors()]
    model_files.write(same, *model_files.lay_out(tensors))
    want = logits(same, noise, "--arch", "6,L,M,8,9,M/12", "--layout", "paper", "--input", network.side,
                  "--preprocess", "caffe")
    close(by_convention(path, noise), want)


def test_training_net(tmp_path, noise):
    """What a solver saves: data layers, a Split of the outputs, a loss."""
    network = small()
    layers = files.caffe_layers(network, True, softmax=False)
    layers.add("Split", "twice", top="fc7_0")
    layers.add("SoftmaxWithLoss", "loss", bottoms=["fc7_0", "label"])
    data = files.Layers(True)
    data.add("Data", "data", bottoms=[])
    layers.made.insert(0, data.made[0])
    check(network, layers, tmp_path, noise)


def test_input_layer(tmp_path, noise):
    network = small()
    layers = files.caffe_layers(network)
    shape = b"".join(onnx_bytes.varint(size) for size in (1, 3, 20, 20))
    first = files.Layers()
    first.add("Input", "data", parameters=onnx_bytes.field(1, onnx_bytes.field(1, shape)), bottoms=[])
    layers.made.insert(0, first.made[0])
    check(network, layers, tmp_path, noise)


# ---- pictures ------------------------------------------------------------------------------------


def test_first_convolution_takes_bgr(tmp_path, noise):
    """The scores are those of RGB with the means in that order and the input's channels turned."""
    network = small()
    path = tmp_path / "net.caffemodel"
    path.write_bytes(files.caffe_model(files.caffe_layers(network)))
    shape, weight, bias, norm = network.convolutions[0]
    turned = [weight[27 * k + 9 * (2 - c) + i] for k in range(shape[0]) for c in range(3)
              for i in range(9)]
    straight = expected(network, tmp_path, noise, "paper")
    network.convolutions[0] = (shape, turned, bias, norm)
    found = by_convention(path, noise)
    close(found, expected(network, tmp_path, noise, "paper"))
    assert max(abs(a - b) for a, b in zip(found, straight)) > 0.01


def test_conversion_says_the_preprocessing(tmp_path):
    path, out = tmp_path / "net.caffemodel", tmp_path / "net.safetensors"
    path.write_bytes(files.caffe_model(files.caffe_layers(small(), True)))
    said = vgg("convert", path, out)
    assert f"{path} (caffe) -> " in said and "3x20x20, 5 classes" in said
    assert "network   6,M,8,9,M/12, paper layout" in said and "pictures  caffe" in said
    stored = json.loads(model_files.read(out)[0]["__metadata__"]["vgg.preprocess"])
    assert (stored["bgr"], stored["scale"]) == (True, 1)
    assert stored["mean"] == [103.939, 116.779, 123.68]
    assert stored["deviation"] == [1, 1, 1]


# ---- inspected ------------------------------------------------------------------------------------


def shapes(found):
    return [(t["stored_name"], t["name"], t["shape"]) for t in found["tensors"]]


@pytest.mark.parametrize("v1", [False, True], ids=["layer", "v1"])
def test_inspected(v1, tmp_path):
    network = small()
    path = tmp_path / "net.caffemodel"
    path.write_bytes(files.caffe_model(files.caffe_layers(network, v1, legacy=v1)))
    found = inspected(path)
    assert found["format"] == "caffe" and found["graph"] and found["softmax"]
    assert found["network"] == {"arch": "6,M,8,9,M/12", "layout": "paper", "batch_norm": False,
                                "padding": "same",
                                "classes": 5, "input": [3, 20, 20]}
    assert (found["network_origin"], found["preprocess_origin"]) == ("graph", "convention")
    assert found["preprocess"]["name"] == "caffe"
    assert shapes(found) == [(name, name, shape) for name, _, shape, _ in network.tensors()]
    bias = network.convolutions[0][2]
    assert (found["tensors"][1]["min"], found["tensors"][1]["max"]) == pytest.approx((min(bias), max(bias)))


def test_inspected_without_a_network(tmp_path):
    """The blobs of layers that are no VGG network's are listed as they lie; what is wrong with a blob
    itself is an error."""
    network = small(batch_norm=True)
    network.convolutions[0][2][3] = float("nan")
    layers = files.caffe_layers(network)
    insert("Eltwise")(network, layers)
    path = tmp_path / "net.caffemodel"
    path.write_bytes(files.caffe_model(layers))
    found = inspected(path, status=4)
    assert found["network"] is None and "\"strange\" (Eltwise) is no layer" in found["network_reason"]
    assert shapes(found)[:6] == [
        ("conv1_1[0]", None, [6, 3, 3, 3]), ("conv1_1[1]", None, [6]), ("conv1_1_bn[0]", None, [6]),
        ("conv1_1_bn[1]", None, [6]), ("conv1_1_bn[2]", None, [1]), ("conv1_1_scale[0]", None, [6])]
    assert len(found["tensors"]) == 3 * 7 + 2 * 2
    assert [(p["kind"], p["tensor"]) for p in found["problems"]] == [
        ("network", None), ("not-finite", "conv1_1[1]")]
    path.write_bytes(broken(with_blob(0, [files.blob((6, 3, 3, 3), [0.0] * 161)])))
    assert "has a blob 0 of 644 bytes of values at byte 60" in refused("inspect", path)


# ---- told from ONNX ------------------------------------------------------------------------------


def onnx_model():
    return onnx_bytes.network([(n, s, data) for n, _, s, data in pth_files.network()])


def test_both_are_protocol_buffers(tmp_path):
    path = tmp_path / "any.bin"
    network = small()
    for kind, data in (
            ("onnx", onnx_model()),
            ("caffe", files.caffe_model(files.caffe_layers(network))),
            ("caffe", files.caffe_model(files.caffe_layers(network, True))),
            ("caffe", b"".join(files.caffe_layers(network).made)),
            ("caffe", b"".join(files.caffe_layers(network, True).made)),
            ("caffe", files.caffe_model(files.caffe_layers(network), files.input_dims(20)))):
        path.write_bytes(data)
        preset = ("--preprocess", "unit") if kind == "onnx" else ()
        assert f"({kind}) -> " in vgg("convert", path, tmp_path / "o.pth", "--overwrite", *preset)


@pytest.mark.parametrize("data", [
    onnx_bytes.fields((2, "pytorch"), (1, 7)) + onnx_model(),
    onnx_bytes.field(1, "name") + onnx_model(),
    onnx_bytes.fields((1, "a page\nof text"), (2, "x")),
    onnx_bytes.fields((1, "name"), (100, "no layer")),
    onnx_bytes.fields((1, "name"), (2, "no layer")),
    onnx_bytes.fields((1, "a name"), (9, 7), (9, 7)),
    b"\n\x05hello\n\x05world",
    b"\n\nsome text that begins with empty lines",
])
def test_neither(data, tmp_path):
    path = tmp_path / "neither"
    path.write_bytes(data)
    assert "is not a weight file of a known format" in refused("summary", path)


# ---- refused -------------------------------------------------------------------------------------


def broken(change, v1=False):
    network = small()
    layers = files.caffe_layers(network, v1)
    return files.caffe_model(change(network, layers) or layers)


def parameters(kind, index, value):
    """Puts a parameter into the index-th layer of a kind, behind its others."""
    number = files.PARAMETERS[kind][1]

    def change(_, layers):
        marked = [i for i, made in enumerate(layers.made) if kind.encode() in made]
        at = marked[index]
        layers.made[at] = onnx_bytes.field(100, inner(layers.made[at]) + onnx_bytes.field(number, value))
    return change


def inner(made):
    """The message in a field with a key of two bytes."""
    at = 2
    while made[at] >= 0x80:
        at += 1
    return made[at + 1:]


def number(field, value):
    return onnx_bytes.field(field, value)


def drop(kind, index=0):
    def change(_, layers):
        found = [i for i, made in enumerate(layers.made) if b"\x12" + bytes([len(kind)])
                 + kind.encode() in made]
        at = found[index]
        del layers.made[at]
    return change


def insert(kind, **options):
    def change(_, layers):
        added = files.Layers()
        added.at = "conv1_1"
        added.add(kind, "strange", top="conv1_1", **options)
        layers.made.insert(2, added.made[0])
    return change


def with_blob(index, made):
    """The index-th blob of conv1_1 is another one."""
    def change(network, layers):
        shape, weight, bias, _ = network.convolutions[0]
        blobs = [files.blob(shape, weight), files.blob(shape[:1], bias)]
        blobs[index:index + 1] = made
        head = onnx_bytes.fields((1, "conv1_1"), (2, "Convolution"), (3, "data"), (4, "conv1_1"),
                                 *((7, b) for b in blobs), (106, number(3, 1)))
        layers.made[0] = onnx_bytes.field(100, head)
    return change


@pytest.mark.parametrize("change, says", [
    (parameters("Convolution", 0, number(6, 2)), "\"conv1_1\" (Convolution) has a kernel of 3x3, pad 1, stride 2, "),
    (parameters("Convolution", 0, number(5, 3)), "dilation 1 and group 3, expected 3x3 with pad 1"),
    (parameters("Convolution", 0, number(18, 2)), "stride 1, dilation 2 and group 1, expected"),
    (parameters("Convolution", 0, number(3, 0)), "(Convolution) has a kernel of 3x3, pad 1x0, stride 1"),
    (parameters("Convolution", 0, number(9, 0)), "(Convolution) has a kernel of 3x3, pad 0x0, stride 1"),
    (parameters("Convolution", 0, number(14, 2)), "(Convolution) has a kernel of 3x3, pad 1, stride 0x2"),
    (parameters("Pooling", 0, number(1, 2)), "\"pool1\" (Pooling) is a pool of 2x2 with stride 2x2, pad 0x0 and "
                                          "method STOCHASTIC, expected 2x2"),
    (parameters("Pooling", 0, number(2, 3)), "(Pooling) is a pool of 3x3"),
    (parameters("Pooling", 0, number(3, 1)), "is a pool of 2x2 with stride 1x1"),
    (parameters("Pooling", 0, number(4, 1)), "stride 2x2, pad 1x1 and method MAX, expected"),
    (parameters("InnerProduct", 0, number(6, 1)), "\"fc6\" (InnerProduct) is transposed"),
    (parameters("InnerProduct", 0, number(5, 2)), "or has axis 2, expected"),
    (parameters("ReLU", 0, files.floating(1, 0.1)), "\"relu1_1\" (ReLU) has a negative_slope of 0.1"),
    (drop("Convolution"), "takes 6 channels, expected 1 or 3"),
    (drop("Pooling"), "\"conv2_1\" (Convolution) takes 1 inputs, the first of them \"pool1\""),
    (insert("Eltwise"), "\"strange\" (Eltwise) is no layer of a VGG network"),
    (insert("LRN"), "\"strange\" (LRN) has local_size 5, alpha 1, beta 0.75 and k 1, expected 5, "
                    "0.0005, 0.75 and 2"),
    (insert("Softmax"), "\"strange\" (Softmax) is not over the outputs"),
    (insert("Scale"), "\"strange\" (Scale) does not follow a BatchNorm"),
    (insert("BatchNorm"), "\"strange\" (BatchNorm) has 0 blobs"),
    (insert("Concat", bottoms=["conv1_1", "data"]), "\"strange\" (Concat) is no layer"),
    (insert("Dropout", bottoms=["conv1_1", "data"]), "takes 2 inputs"),
    (with_blob(0, []), "(Convolution) has a weight of shape 6, expected four sizes"),
    (with_blob(0, [files.blob((6, 3, 3), [0.0] * 54)]), "has a weight of shape 6x3x3"),
    (with_blob(0, [files.blob((6, 3, 3, 3), [0.0] * 161)]),
     "has a blob 0 of 644 bytes of values at byte 60, expected 162 values of 4 bytes for its shape "
     "6x3x3x3"),
    (with_blob(0, [files.blob((6, 3, 5, 5), [0.0] * 450)]), "has a kernel of 5x5"),
    (with_blob(0, [files.blob((6, 3, 3, 0), [])]), "a blob 0 whose size 3 is 0"),
    (with_blob(0, [files.blob((1 << 33,) * 4, [0.0])]), "a blob 0 whose size 1 is 8589934592"),
    (with_blob(0, [files.blob((1,) * 9, [0.0])]), "a blob 0 of 9 dimensions, expected at most 8"),
    (with_blob(0, [files.blob((6, 3, 3, 3), [])]), "a blob 0 of 0 bytes"),
    (with_blob(0, [number(7, number(1, 6))]), "a blob 0 without values, expected 6"),
    (with_blob(1, [files.blob((5,), [0.0] * 5)]), "a blob 1 of shape 5, expected 6 values"),
    (with_blob(1, [files.blob((6,), [0.0] * 6)] * 2), "has 3 blobs, expected 2"),
    (with_blob(1, [number(7, number(1, 6)) + files.unpacked(5, [0.0] * 6, "d")]),
     "with numbers of 8 bytes at byte"),
])
def test_refused_by_name(change, says, tmp_path):
    path = tmp_path / "net.caffemodel"
    path.write_bytes(broken(change))
    line = refused("summary", path)
    assert str(path) in line and says in line


def test_odd_size(tmp_path):
    """Caffe's pools round up: 21 becomes 11, and not 10."""
    path = tmp_path / "net.caffemodel"
    network = small()
    path.write_bytes(files.caffe_model(files.caffe_layers(network), files.input_dims(21)))
    assert "\"pool1\" (Pooling) rounds the size of its output up" in refused("summary", path)


def test_oldest_layers(tmp_path):
    path = tmp_path / "net.caffemodel"
    layer = onnx_bytes.field(2, onnx_bytes.fields((1, onnx_bytes.fields((1, "conv"), (2, "conv")))))
    path.write_bytes(onnx_bytes.field(1, "old") + layer)
    assert "layer 0 is of the oldest kind (V0)" in refused("summary", path)


def test_both_kinds_of_layers(tmp_path):
    path = tmp_path / "net.caffemodel"
    network = small()
    layers = files.caffe_layers(network)
    layers.made += files.caffe_layers(network, True).made
    path.write_bytes(files.caffe_model(layers))
    assert "V1 layers (\"layers\") and" in refused("summary", path)


def test_wrong_variance(tmp_path):
    network = small(batch_norm=True)
    network.convolutions[0][3][3][2] = -0.5
    path = tmp_path / "net.caffemodel"
    path.write_bytes(files.caffe_model(files.caffe_layers(network, factor=2.0)))
    line = refused("summary", path)
    assert "the variance of channel 2 of conv1_1_bn is -0.5, expected a finite number" in line


def test_not_written(tmp_path):
    path = tmp_path / "net.caffemodel"
    path.write_bytes(files.caffe_model(files.caffe_layers(small())))
    assert "models cannot be written as \"caffe\"" in refused("convert", path,
                                                             tmp_path / "out.caffemodel")
