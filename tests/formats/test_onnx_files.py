"""ONNX models of other programs give the scores that the same weights give in a safetensors file."""

import os

import pytest

np = pytest.importorskip("numpy", reason="needs numpy (python3-numpy)")
onnx = pytest.importorskip("onnx", reason="needs the Python package onnx (python3-onnx)")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

import onnx_files as files  # noqa: E402
from conftest import logits, logits_assumed, refused, vgg, write_safetensors  # noqa: E402

UNIT = ("--preprocess", "unit")
TOLD = ("--arch", ",M,".join(",".join(map(str, block)) for block in files.BLOCKS) + ",M/12",
        "--layout", "paper", "--input", files.SIDE)


def expected(values, tmp_path, noise):
    """The scores of the same weights in a safetensors file."""
    path = tmp_path / "expected.safetensors"
    write_safetensors(path, values)
    return logits(path, noise, *TOLD, *UNIT)


def check(graph, values, tmp_path, noise, **options):
    path = files.save(graph, tmp_path / "model.onnx", **options)
    found = logits(path, noise, *UNIT)
    assert len(found) == files.CLASSES and np.ptp(found) > 0.1
    np.testing.assert_allclose(found, expected(values, tmp_path, noise), rtol=0, atol=1e-5)


# ---- channels last -------------------------------------------------------------------------------


NHWC = ["N", files.SIDE, files.SIDE, 3]


def rows_last(values):
    """The first linear layer takes (row, column, channel)."""
    turned, side = dict(values), files.SIDE // 4
    weight = values["classifier.0.weight"]
    turned["classifier.0.weight"] = weight.reshape(len(weight), -1, side, side).transpose(0, 2, 3, 1).reshape(
        len(weight), -1)
    return turned


@pytest.mark.parametrize("kind", ["transposed", "plain", "matmul", "turned"])
@pytest.mark.parametrize("flattens", ["Flatten", "Reshape"])
def test_channels_last(kind, flattens, tmp_path, noise):
    """As tf2onnx exports Keras's networks."""
    values = files.weights()
    graph = files.Graph(rows_last(values))
    graph.add("Transpose", perm=[0, 3, 1, 2])
    graph.features()
    graph.add("Transpose", perm=[0, 2, 3, 1])
    graph.initializers.append(numpy_helper.from_array(np.array([-1, 144]), "shape"))
    graph.add(flattens, *["shape"][:flattens == "Reshape"])
    graph.classifier(kind, dropout=True)
    check(graph, values, tmp_path, noise, shape=NHWC)


def test_arithmetic_with_channels_last(tmp_path, noise):
    values = files.weights()
    found = []
    for last in (False, True):
        graph = files.Graph(rows_last(values) if last else values)
        for kind, numbers in (("Sub", [10, 20, 30]), ("Div", [50, 60, 70])):
            constant = np.array(numbers, np.float32)
            graph.initializers.append(numpy_helper.from_array(constant if last else constant.reshape(3, 1, 1), kind))
            graph.add(kind, kind)
        if last:
            graph.add("Transpose", perm=[0, 3, 1, 2])
        graph.features()
        if last:
            graph.add("Transpose", perm=[0, 2, 3, 1])
        graph.add("Flatten")
        graph.classifier()
        path = files.save(graph, tmp_path / "model.onnx", shape=NHWC if last else None)
        found.append(logits(path, noise))
    assert found[0] == pytest.approx(found[1], abs=1e-5)


def test_one_channel_last(tmp_path, noise):
    """A Reshape does for one channel what a Transpose does for three."""
    values = files.weights()
    values["features.0.weight"] = values["features.0.weight"][:, :1]
    graph = files.Graph(rows_last(values))
    graph.initializers.append(numpy_helper.from_array(np.array([-1, 1, files.SIDE, files.SIDE]), "first"))
    graph.add("Reshape", "first")
    graph.features()
    graph.add("Transpose", perm=[0, 2, 3, 1])
    graph.add("Flatten")
    graph.classifier()
    check(graph, values, tmp_path, noise, shape=["N", files.SIDE, files.SIDE, 1])


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("ends", ["linear", "convolution"])
def test_average_behind_the_last_convolution(ends, last, tmp_path, noise):
    """A 1x1 convolution and an average over the picture are an average and a linear layer."""
    values, found = files.weights(), {}
    weight = values["classifier.0.weight"][:files.CLASSES, :16]
    for kind in ("linear", ends):
        graph = files.Graph(values)
        graph.features()
        if kind == "convolution":
            graph.add("Conv", graph.tensor("last", weight[:, :, None, None]))
        if last:
            graph.add("Transpose", perm=[0, 2, 3, 1])
            graph.add("ReduceMean", axes=[1, 2], keepdims=0)
        else:
            graph.add("GlobalAveragePool")
            graph.add("Flatten")
        if kind == "linear":
            graph.add("Gemm", graph.tensor("last", weight), transB=1)
        graph.add("Softmax", axis=1)
        path = files.save(graph, tmp_path / "model.onnx")
        found[kind] = logits(path, noise, *UNIT)
    assert len(found[ends]) == files.CLASSES
    assert found[ends] == pytest.approx(found["linear"], abs=1e-6)
    assert np.ptp(found[ends]) > 0.1


# ---- reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [files.keep, files.mxnet, files.caffe2, lambda n: f"x{hash(n)}"])
def test_names(name, tmp_path, noise):
    values = files.weights()
    check(files.plain(values, name), values, tmp_path, noise)


@pytest.mark.parametrize("store", [files.raw, files.float_data, files.double_data,
                                   files.raw_doubles, files.halves, files.halves_in_numbers,
                                   files.brain_floats])
def test_storage(store, tmp_path, noise):
    values = files.rounded(files.weights(), store)
    check(files.plain(values, store=store), values, tmp_path, noise)


@pytest.mark.parametrize("kind", ["transposed", "plain", "matmul", "turned"])
def test_linear_layers(kind, tmp_path, noise):
    values = files.weights()
    check(files.plain(values, kind=kind), values, tmp_path, noise)


def test_batch_normalisation(tmp_path, noise):
    values = files.weights(batch_norm=True)
    check(files.plain(values, batch_norm=True), values, tmp_path, noise)


def test_softmax_at_the_end(tmp_path, noise):
    """The scores are still the values before it."""
    values = files.weights()
    graph = files.plain(values)
    graph.add("Softmax", axis=1)
    graph.add("Identity")
    check(graph, values, tmp_path, noise)


def test_convolution_without_bias(tmp_path, noise):
    values = files.weights()
    for name in values:
        if name.startswith("features") and name.endswith("bias"):
            values[name] = np.zeros_like(values[name])
    graph = files.plain(values)
    for node in graph.nodes:
        if node.op_type == "Conv":
            del node.input[2]
    check(graph, values, tmp_path, noise)


def test_bias_added_to_a_convolution(tmp_path, noise):
    """In shape (K, 1, 1), before or behind what it is added to."""
    values = files.weights()
    graph = files.Graph(values)
    index = 0
    for block in files.BLOCKS:
        for _ in block:
            graph.add("Conv", graph.tensor(f"features.{index}.weight"), auto_pad="SAME_UPPER")
            name = f"features.{index}.bias"
            graph.add("Add", graph.tensor(name, values[name].reshape(-1, 1, 1)))
            if index > 0:
                node = graph.nodes[-1]
                node.input.reverse()
            graph.add("Relu")
            index += 2
        graph.add("MaxPool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=int(index == 2))
        index += 1
    graph.add("Flatten")
    graph.classifier()
    check(graph, values, tmp_path, noise)


def test_reshape_with_a_computed_shape(tmp_path, noise):
    """x.view(x.size(0), -1), as older exports write it."""
    values = files.weights()
    graph = files.Graph(values)
    graph.features()
    zero = numpy_helper.from_array(np.array(0), "zero")
    rest = numpy_helper.from_array(np.array([-1]), "rest")
    axes = numpy_helper.from_array(np.array([0]), "axes")
    graph.initializers += [zero, rest, axes]
    graph.nodes += [helper.make_node("Shape", [graph.at], ["shape"]),
                    helper.make_node("Gather", ["shape", "zero"], ["batch"]),
                    helper.make_node("Unsqueeze", ["batch", "axes"], ["batches"]),
                    helper.make_node("Concat", ["batches", "rest"], ["flat"], axis=0)]
    graph.add("Reshape", "flat")
    graph.classifier()
    check(graph, values, tmp_path, noise)


def test_constants_and_shared_weights(tmp_path, noise):
    """Weights as Constant nodes, and behind Identity."""
    values = files.weights()
    graph = files.plain(values)
    first, second, *others = graph.initializers
    graph.initializers = others
    shared = helper.make_node("Identity", ["behind"], [second.name])
    second.name = "behind"
    graph.initializers.append(second)
    graph.nodes[:0] = [helper.make_node("Constant", [], [first.name], value=first), shared]
    check(graph, values, tmp_path, noise)


def test_linear_layers_as_convolutions(tmp_path, noise):
    values = files.weights()
    graph = files.Graph(values)
    graph.features()
    side = files.SIDE // 4
    for number, shape in enumerate(((files.HIDDEN[0], 16, side, side),
                                    (files.CLASSES, files.HIDDEN[0], 1, 1))):
        name = f"classifier.{3 * number}"
        weight = graph.tensor(f"{name}.weight", values[f"{name}.weight"].reshape(shape))
        graph.add("Conv", weight, graph.tensor(f"{name}.bias"))
        if number == 0:
            graph.add("Relu")
    graph.add("GlobalAveragePool")
    graph.add("Flatten")
    check(graph, values, tmp_path, noise)


def test_inputs_that_are_initialisers(tmp_path, noise):
    """IR version 3 lists every initialiser among the inputs."""
    values = files.weights()
    model = files.plain(values).model()
    model.ir_version = 3
    for tensor in model.graph.initializer:
        model.graph.input.insert(0, helper.make_tensor_value_info(
            tensor.name, tensor.data_type, tensor.dims))
    path = tmp_path / "model.onnx"
    onnx.save(model, str(path))
    np.testing.assert_allclose(logits(path, noise, *UNIT), expected(values, tmp_path, noise),
                               rtol=0, atol=1e-5)


def test_local_response_normalisation(tmp_path):
    values = files.weights()
    graph = files.Graph(values)
    graph.features()
    at = next(i for i, node in enumerate(graph.nodes) if node.op_type == "Relu")
    lrn = helper.make_node("LRN", [graph.nodes[at].output[0]], ["lrn"], size=5, alpha=5e-4,
                           beta=0.75, bias=2.0)
    graph.nodes[at + 1].input[0] = "lrn"
    graph.nodes.insert(at + 1, lrn)
    graph.add("Flatten")
    graph.classifier()
    path = files.save(graph, tmp_path / "model.onnx")
    assert "LocalResponseNorm" in vgg("summary", path)
    lrn.attribute[1].f = 1e-4
    path = files.save(graph, tmp_path / "other.onnx")
    assert "alpha" in refused("summary", path)


# ---- files without nodes -------------------------------------------------------------------------


def names_of_d(style):
    """The tensors of architecture D with a tiny input, under other names; biases in place of most
    values."""
    widths = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
    blocks = (1, 1, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5)
    channels, seen = 3, {}
    for i, (width, block) in enumerate(zip(widths, blocks)):
        seen[block] = seen.get(block, 0) + 1
        name = {"mxnet": f"vgg3_conv{i}_%s", "caffe2": f"conv{block}_{seen[block]}_%s_0"}[style]
        fields = {"mxnet": ("weight", "bias"), "caffe2": ("w", "b")}[style]
        yield name % fields[0], np.zeros((width, channels, 3, 3), np.float16)
        yield name % fields[1], np.full(width, i, np.float16)
        channels = width
    inputs = 512
    for i, width in enumerate((16, 10)):
        name = {"mxnet": f"vgg3_dense{i}_%s", "caffe2": f"fc{6 + i}_%s_0"}[style]
        yield name % fields[0], np.zeros((width, inputs), np.float16)
        yield name % fields[1], np.arange(width, dtype=np.float16)
        inputs = width


@pytest.mark.parametrize("style", ["mxnet", "caffe2"])
def test_names_alone(style, tmp_path, noise):
    tensors = [numpy_helper.from_array(values, name) for name, values in names_of_d(style)]
    model = helper.make_model(helper.make_graph([], "net", [], [], tensors[::-1]))
    path = tmp_path / "model.onnx"
    onnx.save(model, str(path))
    told = ("--layout", "paper", "--input", 32, "--arch", files.D + "/16")
    table = vgg("summary", path, *told)
    assert table.count("Conv2d") == 13 and table.count("MaxPool2d") == 5
    found = logits(path, noise, *told, *UNIT)
    np.testing.assert_array_equal(found, np.arange(10))


def test_torch_names_alone(tmp_path, noise):
    values = files.weights()
    tensors = [numpy_helper.from_array(v, n) for n, v in reversed(list(values.items()))]
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(helper.make_graph([], "net", [], [], tensors)), str(path))
    found = logits(path, noise, *TOLD, *UNIT)
    np.testing.assert_allclose(found, expected(values, tmp_path, noise), rtol=0, atol=1e-5)


# ---- values in other files -----------------------------------------------------------------------


@pytest.mark.parametrize("together", [True, False])
def test_external_data(together, tmp_path, noise):
    values = files.weights()
    path = tmp_path / "model.onnx"
    onnx.save_model(files.plain(values).model(), str(path), save_as_external_data=True,
                    all_tensors_to_one_file=together, location="values.bin" if together else None,
                    size_threshold=0)
    assert path.stat().st_size < 8000
    np.testing.assert_allclose(logits(path, noise, *UNIT), expected(values, tmp_path, noise),
                               rtol=0, atol=1e-5)


def external_model(path, **entries):
    """A model whose first tensor lies elsewhere."""
    model = files.plain(files.weights()).model()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=str(value))
    onnx.save(model, str(path))
    return path


BYTES = 8 * 3 * 3 * 3 * 4


def test_external_data_stays_in_the_folder(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    outside = tmp_path / "values.bin"
    outside.write_bytes(bytes(BYTES))
    (folder / "link.bin").symlink_to(outside)
    (folder / "up").symlink_to(tmp_path)
    (folder / "inside.bin").write_bytes(bytes(BYTES))
    (folder / "inside-link.bin").symlink_to("inside.bin")
    path = folder / "model.onnx"
    for location in (str(outside), "../values.bin", "up/../values.bin", "a/../../values.bin", "..",
                     ""):
        line = refused("summary", external_model(path, location=location))
        assert "expected a file in the model's folder" in line
    for location in ("link.bin", "up/values.bin"):
        line = refused("summary", external_model(path, location=location))
        assert "is a link that leaves the model's folder" in line
    for location in ("inside.bin", "inside-link.bin", "./inside.bin"):
        assert "Conv2d" in vgg("summary", external_model(path, location=location))
    (folder / "below").mkdir()
    line = refused("summary", external_model(path, location="below"))
    assert "features.0.weight" in line and "is a folder, expected a file" in line
    line = refused("summary", external_model(path, location="absent.bin"))
    assert "features.0.weight" in line and "absent.bin" in line and "No such file" in line
    line = refused("summary", external_model(path))
    assert "features.0.weight" in line


@pytest.mark.parametrize("entries, says", [
    ({"offset": 1}, "do not fit"),
    ({"offset": 2**60}, "do not fit"),
    ({"offset": -4}, "no whole number"),
    ({"offset": "1e3"}, "no whole number"),
    ({"offset": "9" * 40}, "no whole number"),
    ({"length": BYTES - 4}, f"has {BYTES - 4} bytes"),
    ({"length": "many"}, "no whole number"),
])
def test_external_data_out_of_bounds(entries, says, tmp_path):
    (tmp_path / "values.bin").write_bytes(bytes(BYTES))
    path = external_model(tmp_path / "model.onnx", location="values.bin", **entries)
    assert says in refused("summary", path)


# ---- graphs that are no VGG network --------------------------------------------------------------


def change_attribute(kind, name, value):
    def change(graph):
        node = next(node for node in graph.nodes if node.op_type == kind)
        for attribute in list(node.attribute):
            if attribute.name == name:
                node.attribute.remove(attribute)
        node.attribute.append(helper.make_attribute(name, value))
    return change


def drop(kind):
    def change(graph):
        at = next(i for i, node in enumerate(graph.nodes) if node.op_type == kind)
        graph.nodes[at + 1].input[0] = graph.nodes[at].input[0]
        del graph.nodes[at]
    return change


def insert(before, kind, **attributes):
    def change(graph):
        at = next(i for i, node in enumerate(graph.nodes) if node.op_type == before)
        node = helper.make_node(kind, [graph.nodes[at].input[0]], ["new"], "strange", **attributes)
        graph.nodes[at].input[0] = "new"
        graph.nodes.insert(at, node)
    return change


def lose_weight(graph):
    del graph.initializers[0]


def dangle(graph):
    graph.nodes[3].input[0] = "nowhere"


def circle(graph):
    graph.nodes[0].input[0] = graph.nodes[-1].output[0]


def three_sizes(graph):
    graph.initializers[0].dims[:] = [8, 3, 9]


def other_domain(graph):
    graph.nodes[1].domain = "com.example"


def wrong_vector(graph):
    graph.initializers[1].dims[:] = [4]
    graph.initializers[1].raw_data = bytes(16)


def short_values(graph):
    graph.initializers[0].raw_data = graph.initializers[0].raw_data[4:]


def numbers(graph):
    graph.initializers[0].data_type = TensorProto.INT32


@pytest.mark.parametrize("change, says", [
    (change_attribute("Conv", "strides", [2, 2]), "(Conv) has a kernel of 3x3 with "),
    (change_attribute("Conv", "strides", [2, 2]), "strides=2,2"),
    (change_attribute("Conv", "group", 3), "auto_pad NOTSET, group 3 and a Pad of 0 before it, expected 3x3 with pads of 1 or 0"),
    (change_attribute("Conv", "dilations", [2, 2]), "dilations=2,2"),
    (change_attribute("Conv", "pads", [2, 2, 2, 2]), "pads=2,2,2,2"),
    (insert("Conv", "Pad"), "\"strange\" (Pad) is no border of one zero"),
    (change_attribute("MaxPool", "kernel_shape", [3, 3]), "kernel_shape=3,3"),
    (change_attribute("MaxPool", "strides", [1, 1]), "expected one of 2x2 with stride 2"),
    (change_attribute("Gemm", "alpha", 2.0), "(Gemm) has alpha 2, beta 1 and transA 0"),
    (change_attribute("Gemm", "beta", 0.5), "(Gemm) has alpha 1, beta 0.5 and transA 0"),
    (change_attribute("Gemm", "transA", 1), "and transA 1, expected 1, 1 and 0"),
    (change_attribute("Gemm", "transB", 0), "(Gemm) has a weight of shape 12x144"),
    (change_attribute("Flatten", "axis", 2), "(Flatten) has axis 2, expected 1"),
    (drop("Flatten"), "without a Flatten"),
    (insert("Conv", "Transpose", perm=[0, 3, 1, 2]), "(Conv) takes 3 channels of an input of 14"),
    (insert("Conv", "Transpose", perm=[0, 1, 3, 2]), "\"strange\" (Transpose) changes the order of the axes other than"),
    (insert("Relu", "Transpose", perm=[0, 2, 3, 1]), "(MaxPool) takes what has its channels last, expected (N, C, H, W)"),
    (insert("Conv", "Reshape"), "\"strange\" (Reshape) changes the shape of the input, expected pictures"),
    (insert("Conv", "Mul"), "\"strange\" (Mul) takes \"\", which is no stored tensor"),
    (insert("Conv", "LeakyRelu"), "\"strange\" (LeakyRelu) is no layer of a VGG network"),
    (insert("Flatten", "AveragePool", kernel_shape=[3, 2]), "\"strange\" (AveragePool) is a pool with kernel_shape=3,2"),
    (insert("Flatten", "GlobalAveragePool"), "shape 12x144, expected two sizes, one of them 16"),
    (insert("Relu", "Softmax"), "\"strange\" (Softmax) is not over"),
    (insert("Conv", "Cast", to=TensorProto.INT64), "\"strange\" (Cast) does not give"),
    (other_domain, "(Relu) is an operator of \"com.example\""),
    (lose_weight, "takes \"features.0.weight\", which is no stored tensor"),
    (dangle, "\"nowhere\" is neither an input nor the output of a node"),
    (circle, "goes round in a circle"),
    (three_sizes, "shape 8x3x9, expected four sizes"),
    (wrong_vector, "of shape 4, expected 8 values"),
    (short_values, "raw_data has 860 bytes, expected 216 values of 4 bytes"),
    (numbers, "has data_type 6, expected 1 (float)"),
])
def test_refused_by_name(change, says, tmp_path):
    graph = files.plain(files.weights())
    change(graph)
    path = files.save(graph, tmp_path / "model.onnx")
    assert says in refused("summary", path)


def test_ceil_mode_at_an_odd_size(tmp_path):
    """Rounds another way than here: 7 becomes 4 and not 3."""
    graph = files.plain(files.weights())
    pools = [node for node in graph.nodes if node.op_type == "MaxPool"]
    pools[1].attribute.append(helper.make_attribute("ceil_mode", 1))
    path = files.save(graph, tmp_path / "model.onnx")
    assert "rounds the size of its output up" in refused("summary", path)


def test_two_outputs(tmp_path):
    model = files.plain(files.weights()).model()
    model.graph.output.append(model.graph.output[0])
    path = tmp_path / "model.onnx"
    onnx.save(model, str(path))
    assert "has 2 outputs, expected one" in refused("summary", path)


# ---- torch.onnx.export ---------------------------------------------------------------------------


def exported(tmp_path, batch_norm, side, **options):
    """A network of PyTorch's modules, exported, and its weights."""
    torch = pytest.importorskip("torch", reason="needs PyTorch (python3-torch)")
    from torch import nn

    def convolution(inputs, outputs):
        yield nn.Conv2d(inputs, outputs, 3, padding=1)
        if batch_norm:
            norm = nn.BatchNorm2d(outputs)
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
            yield norm
        yield nn.ReLU()

    torch.manual_seed(1)
    network = nn.Sequential()
    network.features = nn.Sequential(*convolution(3, 8), nn.MaxPool2d(2, 2), *convolution(8, 16),
                                     *convolution(16, 16), nn.MaxPool2d(2, 2))
    network.avgpool = nn.AdaptiveAvgPool2d(7)
    network.flatten = nn.Flatten()
    network.classifier = nn.Sequential(nn.Linear(16 * 49, 24), nn.ReLU(), nn.Dropout(),
                                       nn.Linear(24, 6))
    path = tmp_path / "exported.onnx"
    torch.onnx.export(network.eval(), torch.zeros(1, 3, side, side), str(path), **options)
    values = {n: v.numpy() for n, v in network.state_dict().items() if "num_batches" not in n}
    return path, values


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("side", [28, 56])
@pytest.mark.parametrize("fold", [False, True])
@pytest.mark.filterwarnings("ignore")
def test_torch_export(batch_norm, side, fold, tmp_path, noise):
    """With the adaptive pool doing nothing and halving; with and without batch normalisation that is
    folded into the convolutions."""
    options = {} if fold else {"do_constant_folding": False}
    if batch_norm and not fold:
        options["training"] = __import__("torch").onnx.TrainingMode.PRESERVE
    path, values = exported(tmp_path, batch_norm, side, **options)
    assert (b"BatchNormalization" in path.read_bytes()) == (batch_norm and not fold)
    same = tmp_path / "same.safetensors"
    write_safetensors(same, values)
    np.testing.assert_allclose(logits(path, noise, *UNIT),
                               logits(same, noise, "--arch", "8,M,16,16,M/24", "--layout", "torchvision",
                                      "--input", side, *UNIT), rtol=0, atol=1e-5)


@pytest.mark.skipif("VGG_TEST_QUICK" in os.environ, reason="VGG_TEST_QUICK: D at full size is slow")
@pytest.mark.filterwarnings("ignore")
def test_torchvision_at_full_size(tmp_path, noise):
    torch = pytest.importorskip("torch", reason="needs PyTorch (python3-torch)")
    models = pytest.importorskip("torchvision.models", reason="needs python3-torchvision")
    torch.manual_seed(2)
    network = models.vgg16().eval()
    path, same = tmp_path / "d.onnx", tmp_path / "d.safetensors"
    torch.onnx.export(network, torch.zeros(1, 3, 224, 224), str(path))
    write_safetensors(same, {n: v.numpy() for n, v in network.state_dict().items()})
    preset = ("--preprocess", "torchvision")
    found = logits(path, noise, *preset)
    assert len(found) == 1000
    np.testing.assert_allclose(found, logits_assumed(same, noise, *preset), rtol=0, atol=1e-5)
