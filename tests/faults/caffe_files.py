"""Caffe models of small VGG networks, made by the standard library alone."""

import random
import struct

from onnx_bytes import field, fields, varint

V1_TYPES = {"Convolution": 4, "Data": 5, "Dropout": 6, "Flatten": 8, "InnerProduct": 14, "LRN": 15,
            "Pooling": 17, "ReLU": 18, "Softmax": 20, "SoftmaxWithLoss": 21, "Split": 22}
# Where the parameters of a type are: in V1 layers, in the newer ones.
PARAMETERS = {"Convolution": (10, 106), "InnerProduct": (17, 117), "LRN": (18, 118),
              "Pooling": (19, 121), "ReLU": (30, 123), "BatchNorm": (None, 139),
              "Scale": (None, 142), "Input": (None, 143)}


def floats(values):
    return struct.pack(f"<{len(values)}f", *values)


def rounded(values):
    """As float32 has them."""
    return list(struct.unpack(f"<{len(values)}f", floats(values)))


class Network:
    """The values of a network: `convolutions`, each (weight, bias, norm), where norm is None or (weight,
    bias, mean, variance); `pools`, whether a pool follows each; and `linears`."""

    def __init__(self, blocks, hidden, classes, side, batch_norm=False, seed=0, first=1 / 64):
        """`first` makes the first weights smaller, for inputs up to 255."""
        draw = random.Random(seed)
        self.side, channels = side, 3

        def normal(count, scale):
            return rounded([draw.gauss(0, scale) for _ in range(count)])

        self.convolutions, self.pools, self.linears = [], [], []
        for block in blocks:
            for i, width in enumerate(block):
                scale = 1 if self.convolutions else first
                weight = normal(width * channels * 9, scale * (2 / channels / 9) ** 0.5)
                norm = None
                if batch_norm:
                    norm = tuple(normal(width, 0.5) for _ in range(3))
                    norm += (rounded([draw.uniform(0.2, 2) for _ in range(width)]),)
                self.convolutions.append(((width, channels, 3, 3), weight, normal(width, 0.1), norm))
                self.pools.append(i == len(block) - 1)
                channels = width
        inputs = channels * (side >> len(blocks)) ** 2
        for width in (*hidden, classes):
            weight = normal(width * inputs, (2 / inputs) ** 0.5)
            self.linears.append(((width, inputs), weight, normal(width, 0.1)))
            inputs = width

    def arch(self):
        words = []
        for (shape, *_), pool in zip(self.convolutions, self.pools):
            words += [str(shape[0])] + ["M"] * pool
        return ",".join(words) + "/" + ",".join(str(shape[0]) for shape, *_ in self.linears[:-1])

    def tensors(self):
        """What model_files.lay_out takes, under torchvision's names."""
        index, made = 0, []

        def put(name, shape, values):
            made.append((name, "F32", list(shape), floats(values)))

        for (shape, weight, bias, norm), pool in zip(self.convolutions, self.pools):
            put(f"features.{index}.weight", shape, weight)
            put(f"features.{index}.bias", shape[:1], bias)
            if norm is not None:
                index += 1
                names = ("weight", "bias", "running_mean", "running_var")
                for name, values in zip(names, norm):
                    put(f"features.{index}.{name}", shape[:1], values)
            index += 2 + pool
        for i, (shape, weight, bias) in enumerate(self.linears):
            put(f"classifier.{3 * i}.weight", shape, weight)
            put(f"classifier.{3 * i}.bias", shape[:1], bias)
        return made


# ---- Caffe ---------------------------------------------------------------------------------------


def packed(number, values, kind="f"):
    return field(number, struct.pack(f"<{len(values)}{kind}", *values))


def unpacked(number, values, kind="f"):
    wire = {"f": 5, "d": 1}[kind]
    return b"".join(varint(number << 3 | wire) + struct.pack("<" + kind, v) for v in values)


def in_two(number, values, kind="f"):
    middle = len(values) // 2
    return packed(number, values[:middle], kind) + unpacked(number, values[middle:], kind)


def blob(shape, values, legacy=False, store=packed, double=False):
    stored = store(8, values, "d") if double else store(5, values)
    if legacy:
        sizes = (1,) * (4 - len(shape)) + tuple(shape)
        return fields(*zip((1, 2, 3, 4), sizes)) + stored
    return field(7, field(1, b"".join(varint(size) for size in shape))) + stored


def floating(number, value):
    return varint(number << 3 | 5) + struct.pack("<f", value)


class Layers:
    """A chain of layers, as V1 ("layers") or newer ones ("layer")."""

    def __init__(self, v1=False, **storage):
        self.v1, self.storage, self.made, self.at = v1, storage, [], "data"

    def add(self, kind, name, blobs=(), parameters=b"", top=None, bottoms=None, number=None):
        bottoms = [self.at] if bottoms is None else bottoms
        self.at = top or name
        stored = [blob(shape, values, **self.storage) for shape, values in blobs]
        if self.v1:
            head = fields(*((2, b) for b in bottoms), (3, self.at), (4, name),
                          (5, V1_TYPES[kind] if number is None else number),
                          *((6, b) for b in stored))
        else:
            head = fields((1, name), (2, kind), *((3, b) for b in bottoms), (4, self.at),
                          *((7, b) for b in stored))
        if parameters:
            head += field(PARAMETERS[kind][0 if self.v1 else 1], parameters)
        self.made.append(field(2 if self.v1 else 100, head))

    def layer_in_place(self, kind, name, blobs=(), parameters=b""):
        self.add(kind, name, blobs, parameters, top=self.at)


def caffe_convolution(layers, name, shape, weight, bias, pad=1, norm=None, eps=None, factor=1.0):
    parameters = fields((1, shape[0]), (3, pad), (4, shape[2]))
    layers.add("Convolution", name, [(shape, weight), (shape[:1], bias)], parameters)
    if norm is None:
        return
    gamma, beta, mean, variance = norm
    sums = [(shape[:1], [factor * v for v in mean]), (shape[:1], [factor * v for v in variance]),
            ((1,), [factor])]
    layers.layer_in_place("BatchNorm", name + "_bn", sums,
                          b"" if eps is None else floating(3, eps))
    layers.layer_in_place("Scale", name + "_scale", [(shape[:1], gamma), (shape[:1], beta)],
                          field(4, 1))


def add_linears(layers, network, bare=False):
    for i, (shape, weight, bias) in enumerate(network.linears):
        layers.add("InnerProduct", f"fc{6 + i}", [(shape, weight), (shape[:1], bias)],
                   field(1, shape[0]))
        if i < len(network.linears) - 1 and not bare:
            layers.layer_in_place("ReLU", f"relu{6 + i}")
            layers.layer_in_place("Dropout", f"drop{6 + i}")


POOL = fields((1, 0), (2, 2), (3, 2))


def caffe_layers(network, v1=False, softmax=True, bare=False, eps=None, factor=1.0, **storage):
    layers = Layers(v1, **storage)
    block, number = 1, 1
    for (shape, weight, bias, norm), pool in zip(network.convolutions, network.pools):
        name = f"{block}_{number}"
        caffe_convolution(layers, "conv" + name, shape, weight, bias, norm=norm, eps=eps,
                          factor=factor)
        if not bare:
            layers.layer_in_place("ReLU", "relu" + name)
        number += 1
        if pool:
            if not bare:
                layers.add("Pooling", f"pool{block}", parameters=POOL)
            block, number = block + 1, 1
    add_linears(layers, network, bare)
    if softmax and not bare:
        layers.add("Softmax", "prob")
    return layers


def input_dims(side):
    return field(3, "data") + b"".join(field(4, size) for size in (1, 3, side, side))


def caffe_model(layers, inputs=b""):
    return field(1, "VGG") + inputs + b"".join(layers.made)
