"""Small VGG networks as ONNX models, in the ways in which exporters write them."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 14
CLASSES = 5
# Convolutions by block, with 1x1 among them; a pool follows each block.
BLOCKS = ((8,), (8, 16))
HIDDEN = (12,)
D = "64,64,M,128,128,M,256,256,256,M,512,512,512,M,512,512,512,M"


def weights(batch_norm=False, seed=0):
    """torchvision's names and seeded values of the network, in order."""
    draw = np.random.default_rng(seed)
    made = {}

    def put(name, *shape, scale=None):
        values = draw.standard_normal(shape) * (scale or (2 / np.prod(shape[1:])) ** 0.5)
        made[name] = values.astype(np.float32)

    index, channels = 0, 3
    for block in BLOCKS:
        for width in block:
            put(f"features.{index}.weight", width, channels, 3, 3)
            put(f"features.{index}.bias", width, scale=0.1)
            if batch_norm:
                index += 1
                for field in ("weight", "bias", "running_mean"):
                    put(f"features.{index}.{field}", width, scale=0.5)
                variance = draw.uniform(0.5, 2, width)
                made[f"features.{index}.running_var"] = variance.astype(np.float32)
            index += 2
            channels = width
        index += 1
    inputs = channels * (SIDE // 2 ** len(BLOCKS)) ** 2
    for number, width in enumerate((*HIDDEN, CLASSES)):
        put(f"classifier.{3 * number}.weight", width, inputs)
        put(f"classifier.{3 * number}.bias", width, scale=0.1)
        inputs = width
    return made


def keep(name):
    return name


def mxnet(name):
    """What the model zoo's files call it."""
    module, index, field = name.split(".")
    if module == "classifier":
        return f"vgg0_dense{int(index) // 3}_{field}"
    features = sorted({int(n.split(".")[1]) for n in weights() if n.startswith("features")})
    return f"vgg0_conv{features.index(int(index))}_{field}"


def caffe2(name):
    module, index, field = name.split(".")
    if module == "classifier":
        return f"fc{6 + int(index) // 3}_{field[0]}_0"
    places = [f"conv{b + 1}_{i + 1}" for b, block in enumerate(BLOCKS) for i in range(len(block))]
    features = sorted({int(n.split(".")[1]) for n in weights() if n.startswith("features")})
    return f"{places[features.index(int(index))]}_{field[0]}_0"


# ---- how values are stored -----------------------------------------------------------------------


def raw(name, array):
    return numpy_helper.from_array(array, name)


def float_data(name, array):
    return helper.make_tensor(name, TensorProto.FLOAT, array.shape, array.ravel().tolist())


def double_data(name, array):
    return helper.make_tensor(name, TensorProto.DOUBLE, array.shape, array.ravel().tolist())


def raw_doubles(name, array):
    return numpy_helper.from_array(array.astype(np.float64), name)


def halves(name, array):
    return numpy_helper.from_array(array.astype(np.float16), name)


def halves_in_numbers(name, array):
    tensor = TensorProto(name=name, dims=array.shape, data_type=TensorProto.FLOAT16)
    tensor.int32_data.extend(array.astype(np.float16).view(np.uint16).ravel().tolist())
    return tensor


def brain_floats(name, array):
    tensor = TensorProto(name=name, dims=array.shape, data_type=TensorProto.BFLOAT16)
    tensor.raw_data = (array.view(np.uint32) >> 16).astype(np.uint16).tobytes()
    return tensor


def rounded(values, store):
    """What is left of the values when they have been stored."""
    if store in (halves, halves_in_numbers):
        return {n: v.astype(np.float16).astype(np.float32) for n, v in values.items()}
    if store is brain_floats:
        return {n: (v.view(np.uint32) & 0xFFFF0000).view(np.float32) for n, v in values.items()}
    return values


# ---- graphs --------------------------------------------------------------------------------------


class Graph:
    """Nodes in a chain, each taking what the one before gave."""

    def __init__(self, values, name=keep, store=raw):
        self.values, self.name, self.store = values, name, store
        self.nodes, self.initializers, self.at = [], [], "data"

    def add(self, kind, *inputs, **attributes):
        output = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, [self.at, *inputs], [output], output, **attributes))
        self.at = output

    def tensor(self, name, array=None):
        array = self.values[name] if array is None else array
        self.initializers.append(self.store(self.name(name), np.ascontiguousarray(array)))
        return self.name(name)

    def features(self, batch_norm=False, **convolution):
        index = 0
        for block in BLOCKS:
            for _ in block:
                both = (self.tensor(f"features.{index}.weight"),
                        self.tensor(f"features.{index}.bias"))
                self.add("Conv", *both, **{"kernel_shape": [3, 3], "pads": [1, 1, 1, 1],
                                           **convolution})
                if batch_norm:
                    index += 1
                    fields = ("weight", "bias", "running_mean", "running_var")
                    names = [self.tensor(f"features.{index}.{field}") for field in fields]
                    self.add("BatchNormalization", *names, epsilon=1e-5)
                self.add("Relu")
                index += 2
            self.add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
            index += 1

    def linear(self, number, kind="transposed"):
        weight, bias = f"classifier.{3 * number}.weight", f"classifier.{3 * number}.bias"
        turned = self.values[weight].T
        if kind == "transposed":
            self.add("Gemm", self.tensor(weight), self.tensor(bias), transB=1)
        elif kind == "plain":
            self.add("Gemm", self.tensor(weight, turned), self.tensor(bias))
        elif kind == "matmul":
            self.add("MatMul", self.tensor(weight, turned))
            self.add("Add", self.tensor(bias))
        elif kind == "turned":
            name = self.tensor(weight)
            node = helper.make_node("Transpose", [name], [f"{name}_turned"], perm=[1, 0])
            self.nodes.insert(0, node)
            self.add("MatMul", f"{name}_turned")
            self.add("Add", self.tensor(bias))
        else:
            raise ValueError(kind)

    def classifier(self, kind="transposed", dropout=False):
        for number in range(len(HIDDEN) + 1):
            self.linear(number, kind)
            if number < len(HIDDEN):
                self.add("Relu")
                if dropout:
                    self.add("Dropout")

    def model(self, side=SIDE, metadata=None, shape=None):
        shape = shape or ["N", 3, side, side]
        inputs = [helper.make_tensor_value_info("data", TensorProto.FLOAT, shape)]
        outputs = [helper.make_tensor_value_info(self.at, TensorProto.FLOAT, ["N", CLASSES])]
        graph = helper.make_graph(self.nodes, "net", inputs, outputs, self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
        helper.set_model_props(model, metadata or {})
        return model


def plain(values, name=keep, store=raw, kind="transposed", batch_norm=False):
    """A usual network, ready to be saved."""
    graph = Graph(values, name, store)
    graph.features(batch_norm)
    graph.add("Flatten")
    graph.classifier(kind, dropout=True)
    return graph


def save(graph, path, **options):
    onnx.save(graph.model(**options), str(path))
    return path
