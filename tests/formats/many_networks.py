"""Random VGG-like networks, what PyTorch computes with them, and their files: state dicts under the
names that people give, ONNX as PyTorch exports it, and Keras's files with h5py."""

import io
import json
import zipfile

import h5py
import numpy as np
import torch
from torch import nn

EPSILON = {"torch": 1e-5, "keras": 1e-3}


class Flat(nn.Module):
    """What views a picture as a row outside of any Sequential."""

    def forward(self, x):
        return x.flatten(1)


class Network:
    """layers: (kind, ...) in order, of which a dropout does nothing here."""

    def __init__(self, draw):
        self.draw = draw
        self.torch = torch.Generator().manual_seed(int(draw.integers(1 << 31)))
        self.channels = int(draw.choice([1, 3], p=[0.2, 0.8]))
        self.valid = draw.random() < 0.25
        self.norm = str(draw.choice(["none", "before", "behind"], p=[0.5, 0.35, 0.15]))
        self.average = draw.random() < 0.15
        self.dropouts = draw.random() < 0.3
        self.biased = draw.random() < 0.8
        self.head = str(draw.choice(["flatten", "seven", "global", "global-max"],
                                    p=[0.6, 0.15, 0.15, 0.1]))
        self.blocks = []
        self.build()

    def trunk(self):
        """Blocks of convolutions, each with what stands behind it."""
        draw, side = self.draw, self.side
        for _ in range(int(draw.integers(1, 4))):
            block = []
            for _ in range(int(draw.integers(1, 4))):
                kernel = 1 if draw.random() < 0.1 else 3
                if self.valid and kernel == 3:
                    side -= 2
                block.append((int(draw.integers(2, 7)), kernel))
            pooled = draw.random() < 0.85 and side >= 4
            side //= 2 if pooled else 1
            self.blocks.append((block, pooled))
        return side

    def build(self):
        while True:
            self.side = int(self.draw.integers(8, 33))
            self.blocks = []
            last = self.trunk()
            if last >= 1:
                break
        self.hidden = [int(w) for w in self.draw.integers(2, 9, int(self.draw.integers(0, 3)))]
        self.behind_hidden = str(self.draw.choice(
            ["relu-dropout", "dropout-relu", "relu", "nothing", "dropout", "norm-relu"],
            p=[0.4, 0.15, 0.2, 0.1, 0.05, 0.1]))
        self.classes = int(self.draw.choice([1, 2, 3, 5], p=[0.1, 0.2, 0.4, 0.3]))
        self.layers = []
        channels = self.channels
        for number, (block, pooled) in enumerate(self.blocks):
            for place, (width, kernel) in enumerate(block):
                norms = {"none": [], "before": ["norm"], "behind": []}[self.norm]
                self.layers.append(("conv", channels, width, kernel, number, place))
                self.layers += [(n, width) for n in norms] + [("relu",)]
                if self.norm == "behind":
                    self.layers.append(("norm", width))
                channels = width
                if self.dropouts and self.draw.random() < 0.3:
                    self.layers.append(("dropout",))
            if pooled:
                self.layers.append(("average" if self.average else "max",))
        side = last
        if self.head != "flatten":
            self.layers.append((self.head,))
            side = 7 if self.head == "seven" else 1
        self.layers.append(("flatten",))
        features = channels * side * side
        self.last = (channels, side)
        for width in self.hidden:
            self.layers.append(("linear", features, width))
            for word in {"relu-dropout": ["relu", "dropout"], "dropout-relu": ["dropout", "relu"],
                         "relu": ["relu"], "nothing": [], "dropout": ["dropout"],
                         "norm-relu": ["norm1", "relu"]}[self.behind_hidden]:
                self.layers.append((word, width) if word == "norm1" else (word,))
            features = width
        self.layers.append(("linear", features, self.classes))

    def arch(self):
        """All of it as a written architecture."""
        words, flat = [], []
        to = words
        for layer in self.layers[:-1]:
            kind = layer[0]
            if kind == "conv":
                to.append(f"c{'1x1:' if layer[3] == 1 else ''}{layer[2]}"
                          + ("v" if self.valid and layer[3] == 3 else ""))
            elif kind == "linear":
                to.append(f"f{layer[2]}")
            elif kind == "flatten":
                to = flat
            else:
                to.append({"norm": "B", "norm1": "B", "relu": "R", "dropout": "D0.5", "max": "M",
                           "average": "P"}.get(kind))
        return ",".join(w for w in words if w) + "/" + ",".join(flat)

    def told(self):
        layout = {"flatten": "paper", "seven": "torchvision"}.get(self.head, self.head)
        return ["--arch", self.arch(), "--layout", layout, "--input", str(self.side)]

    # ---- modules ----

    def random(self, *shape, scale=1.0):
        return torch.randn(*shape, generator=self.torch) * scale

    def module(self, layer, epsilon):
        kind = layer[0]
        if kind == "conv":
            _, inputs, outputs, kernel, *_ = layer
            made = nn.Conv2d(inputs, outputs, kernel, bias=self.biased,
                             padding=1 if kernel == 3 and not self.valid else 0)
            made.weight.data = self.random(*made.weight.shape, scale=(2 / inputs / kernel ** 2) ** 0.5)
        elif kind == "linear":
            made = nn.Linear(layer[1], layer[2])
            made.weight.data = self.random(*made.weight.shape, scale=(2 / layer[1]) ** 0.5)
        elif kind in ("norm", "norm1"):
            made = (nn.BatchNorm2d if kind == "norm" else nn.BatchNorm1d)(layer[1], eps=epsilon)
            made.weight.data = 0.5 + self.random(layer[1]).abs()
            made.running_mean = self.random(layer[1], scale=0.3)
            made.running_var = 0.5 + self.random(layer[1]).abs()
        else:
            return {"relu": nn.ReLU, "dropout": nn.Dropout, "flatten": nn.Flatten,
                    "max": lambda: nn.MaxPool2d(2), "average": lambda: nn.AvgPool2d(2),
                    "seven": lambda: nn.AdaptiveAvgPool2d(7),
                    "global": lambda: nn.AdaptiveAvgPool2d(1),
                    "global-max": lambda: nn.AdaptiveMaxPool2d(1)}[kind]()
        if made.bias is not None:
            made.bias.data = self.random(*made.bias.shape, scale=0.3)
        return made

    def modules(self, kind="torch"):
        self.torch.manual_seed(5)
        return nn.Sequential(*(self.module(layer, EPSILON[kind]) for layer in self.layers)).eval()

    def logits(self, modules, picture):
        """Of the cut-out of a picture whose short side is what a preset makes of it."""
        offset = round((picture.shape[0] - self.side) / 2)
        part = picture[offset:offset + self.side, offset:offset + self.side].astype(np.float32) / 255
        with torch.no_grad():
            rows = modules.double()(torch.tensor(part.transpose(2, 0, 1).copy())[None].double())[0]
        modules.float()
        found = [float(v) for v in rows]
        return [0.0, *found] if self.classes == 1 else found

    def picture(self):
        side = round(self.side * 256 / 224)
        return self.draw.integers(0, 256, (side, side, self.channels), dtype=np.uint8)


# ---- names of a state dict ----

def sequential(network):
    """torchvision's: what stands between the two Sequentials is in neither."""
    names, index, where = [], 0, "features"
    for layer in network.layers:
        if layer[0] in ("flatten", "seven", "global", "global-max"):
            if where == "features":
                index, where = 0, "classifier"
            names.append(None)
            continue
        names.append(f"{where}.{index}")
        index += 1
    return names


def one_list(network):
    return [str(i) for i in range(len(network.layers))]


def attributes(network):
    counts, names = {}, []
    for layer in network.layers:
        kind = {"norm": "bn", "norm1": "bn", "linear": "fc"}.get(layer[0], layer[0])
        counts[kind] = counts.get(kind, 0) + 1
        names.append(f"{kind}{counts[kind]}")
    return names


def blocks(network):
    """A Sequential of each block, and one of the linear layers."""
    names, block, index, head = [], None, 0, False
    for layer in network.layers:
        if layer[0] in ("flatten", "seven", "global", "global-max"):
            index = index if head else 0
            head = True
            names.append(None)
            continue
        if layer[0] == "conv" and layer[4] != block and not head:
            block, index = layer[4], 0
        names.append(f"fc.{index}" if head else f"block{block + 1}.{index}")
        index += 1
    return names


def caffe(network):
    names, linear = [], 5
    for layer in network.layers:
        if layer[0] == "conv":
            last = f"conv{layer[4] + 1}_{layer[5] + 1}"
            names.append(last)
        elif layer[0] == "linear":
            linear += 1
            last = f"fc{linear}"
            names.append(last)
        else:
            names.append(f"bn_{last}" if layer[0].startswith("norm") else None)
    return names


NAMINGS = {"sequential": sequential, "one list": one_list, "attributes": attributes,
           "blocks": blocks, "caffe": caffe}
PREFIXES = ["", "", "module.", "model.", "net.", "_orig_mod.", "backbone.net."]


def state_dict(network, modules):
    draw = network.draw
    naming = str(draw.choice(list(NAMINGS)))
    names, prefix = NAMINGS[naming](network), str(draw.choice(PREFIXES))
    state = {}
    for name, module in zip(names, modules):
        for field, value in module.state_dict().items():
            state[f"{prefix}{name}.{field}"] = value
    return state


def without_meaning(state):
    return {f"p{i:03}": value for i, value in enumerate(state.values()) if value.dim() > 0}


def write_pth(network, path):
    modules = network.modules()
    state = state_dict(network, modules)
    if network.draw.random() < 0.1:
        state = without_meaning(state)
    wrapper = str(network.draw.choice(["", "state_dict", "model", "model_state_dict"]))
    torch.save({wrapper: state, "epoch": 3} if wrapper else state, path)
    return modules


def write_safetensors(network, path):
    """As its own program writes it: names in alphabetical order."""
    modules = network.modules()
    state = state_dict(network, modules)
    kinds = {torch.float32: "F32", torch.int64: "I64"}
    header, data = {}, b""
    for name in sorted(state, key=lambda n: (state[n].dtype != torch.int64, n)):
        value = state[name].numpy().tobytes()
        header[name] = {"dtype": kinds[state[name].dtype], "shape": list(state[name].shape),
                        "data_offsets": [len(data), len(data) + len(value)]}
        data += value
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return modules


def write_onnx(network, path):
    modules = network.modules()
    side, draw = network.side, network.draw
    kept = torch.onnx.TrainingMode.PRESERVE if draw.random() < 0.5 else torch.onnx.TrainingMode.EVAL
    ends = {0: [], 1: [nn.Softmax(1)], 2: [nn.LogSoftmax(1)]}[int(draw.integers(3))]
    if network.classes == 1:
        ends = [nn.Sigmoid()] if draw.random() < 0.5 else []
    torch.onnx.export(nn.Sequential(*modules, *ends).eval(), torch.zeros(1, network.channels, side, side),
                      str(path), opset_version=int(draw.integers(11, 17)), training=kept)
    return modules


# ---- Keras ----

def keras_layers(network, modules):
    """(class, name, config, arrays), with activations inside of layers or by themselves."""
    draw, made, counts = network.draw, [], {}

    def name(base):
        counts[base] = counts.get(base, -1) + 1
        return base if counts[base] == 0 else f"{base}_{counts[base]}"

    inside = draw.random() < 0.5
    made.append(("InputLayer", name("input_layer"),
                 {"batch_shape": [None, network.side, network.side, network.channels]}, {}))
    if draw.random() < 0.2:
        made.append(("RandomFlip", name("random_flip"), {}, {}))
    layers, first = network.layers, True
    for at, (layer, module) in enumerate(zip(layers, modules)):
        kind = layer[0]
        if kind == "conv":
            arrays = {"kernel": module.weight.detach().numpy().transpose(2, 3, 1, 0)}
            if module.bias is not None:
                arrays["bias"] = module.bias.detach().numpy()
            relu = inside and layers[at + 1][0] == "relu"
            padding = "valid" if network.valid else "same"
            if not network.valid and layer[3] == 3 and draw.random() < 0.15:
                made.append(("ZeroPadding2D", name("zero_padding2d"),
                             {"padding": [[1, 1], [1, 1]]}, {}))
                padding = "valid"
            made.append(("Conv2D", name("conv2d"),
                         {"filters": layer[2], "kernel_size": [layer[3]] * 2, "strides": [1, 1],
                          "padding": padding, "activation": "relu" if relu else "linear",
                          "use_bias": module.bias is not None}, arrays))
        elif kind == "linear":
            weight = module.weight.detach().numpy()
            if first:
                channels, side = network.last
                weight = weight.reshape(-1, channels, side, side).transpose(0, 2, 3, 1)
                weight, first = weight.reshape(weight.shape[0], -1), False
            last = at + 1 == len(layers)
            ending = "sigmoid" if network.classes == 1 else draw.choice(["softmax", "linear"])
            relu = inside and not last and layers[at + 1][0] == "relu"
            made.append(("Dense", name("dense"),
                         {"units": layer[2],
                          "activation": str(ending) if last else "relu" if relu else "linear"},
                         {"kernel": weight.T, "bias": module.bias.detach().numpy()}))
        elif kind in ("norm", "norm1"):
            made.append(("BatchNormalization", name("batch_normalization"), {"axis": [-1], "epsilon": 1e-3},
                         {"gamma": module.weight.detach().numpy(), "beta": module.bias.detach().numpy(),
                          "moving_mean": module.running_mean.numpy(),
                          "moving_variance": module.running_var.numpy()}))
        elif kind == "relu":
            if not (inside and layers[at - 1][0] in ("conv", "linear")):
                made.append(("Activation", name("activation"), {"activation": "relu"}, {}))
        elif kind == "flatten":
            if network.head not in ("global", "global-max"):
                made.append(("Flatten", name("flatten"), {}, {}))
        else:
            types = {"max": ("MaxPooling2D", "max_pooling2d", {"pool_size": [2, 2], "strides": [2, 2]}),
                     "average": ("AveragePooling2D", "average_pooling2d", {"pool_size": [2, 2]}),
                     "dropout": ("Dropout", "dropout", {"rate": 0.5}),
                     "global": ("GlobalAveragePooling2D", "global_average_pooling2d", {}),
                     "global-max": ("GlobalMaxPooling2D", "global_max_pooling2d", {})}
            made.append((types[kind][0], name(types[kind][1]), types[kind][2], {}))
    return made


def keras_config(layers):
    described = [{"class_name": kind, "config": {"name": name, **config}}
                 for kind, name, config, _ in layers]
    return json.dumps({"class_name": "Sequential", "config": {"name": "net", "layers": described}})


def write_listed(layers, group):
    """Keras 2's layout: a group for each layer, and lists of names."""
    group.attrs["layer_names"] = np.array([name.encode() for _, name, _, _ in layers])
    for _, name, _, arrays in layers:
        own = group.create_group(name)
        own.attrs["weight_names"] = np.array([f"{name}/{k}:0".encode() for k in arrays], dtype="S64")
        for key, value in arrays.items():
            own[f"{name}/{key}:0"] = value.astype("<f4")


def write_numbered(layers, file):
    """Keras 3's: numbers for tensors, and groups for layers without."""
    for _, name, _, arrays in layers:
        own = file.create_group(f"layers/{name}/vars")
        for i, value in enumerate(arrays.values()):
            own[str(i)] = value.astype("<f4")


def write_keras(network, path):
    modules = network.modules("keras")
    layers = keras_layers(network, modules)
    if path.suffix == ".keras":
        weights = io.BytesIO()
        with h5py.File(weights, "w") as file:
            write_numbered(layers, file)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", keras_config(layers))
            archive.writestr("model.weights.h5", weights.getvalue())
        return modules
    with h5py.File(path, "w") as file:
        if path.name.endswith(".weights.h5"):
            write_numbered(layers, file)
        elif path.name.endswith("weights-only.h5"):
            write_listed(layers, file)
        else:
            file.attrs["model_config"] = keras_config(layers)
            write_listed(layers, file.create_group("model_weights"))
    return modules


WRITERS = {"net.pth": write_pth, "net.safetensors": write_safetensors, "net.onnx": write_onnx,
           "net.h5": write_keras, "net.keras": write_keras, "net.weights.h5": write_keras,
           "net-weights-only.h5": write_keras}


def can_hold(network, name):
    """What the programs themselves have no layer for, or no way to write."""
    if network.head == "seven":
        side = network.side
        for block, pooled in network.blocks:
            side -= 2 * sum(kernel == 3 for _, kernel in block) if network.valid else 0
            side //= 2 if pooled else 1
        return name in ("net.pth", "net.safetensors") or (name == "net.onnx" and side % 7 == 0)
    return True
