"""Files of the shapes that Keras saves, written by h5py from the values of a network as PyTorch has them."""

import io
import json
import zipfile

import h5py
import numpy as np

EPSILON = 1e-3  # Keras's own


class Net:
    """Layers in order, each a triple of its class in Keras, its name, and its tensors in PyTorch's
    layout, from which `state` is made."""

    def __init__(self, trunk, hidden, classes, side, *, batch_norm=False, names="vgg", seed=0,
                 channels=3):
        self.draw = np.random.RandomState(seed)
        self.side, self.channels, self.names = side, channels, names
        self.layers, self.state, self.feature = [], {}, 0
        self.block, self.member, self.used = 1, 0, {}
        self.size = side
        for word in trunk:
            if word == "M":
                self.pool()
            else:
                self.convolution(word, batch_norm)
        self.add("Flatten", "flatten")
        width = self.channels * self.size**2
        for i, outputs in enumerate([*hidden, classes]):
            last = i == len(hidden)
            name = "predictions" if last else f"fc{i + 1}"
            weight, bias = self.some(outputs, width, gain=2), self.some(outputs)
            self.add("Dense", name, weight=weight, bias=bias,
                     activation="softmax" if last else "relu")
            self.state |= {f"classifier.{3 * i}.weight": weight, f"classifier.{3 * i}.bias": bias}
            width = outputs

    def some(self, *shape, gain=1.0):
        scale = gain / np.sqrt(max(np.prod(shape[1:]), 1)) if len(shape) > 1 else 0.3
        return (self.draw.standard_normal(shape) * scale).astype("f4")

    def add(self, kind, name, **more):
        if self.names != "vgg":
            base = {"Conv2D": "conv2d", "MaxPooling2D": "max_pooling2d", "Flatten": "flatten",
                    "Dense": "dense", "BatchNormalization": "batch_normalization",
                    "Activation": "activation"}[kind]
            count = self.used.get(base, 0)
            self.used[base] = count + 1
            name = base if count == 0 else f"{base}_{count}"
        self.layers.append((kind, name, more))

    def pool(self):
        self.add("MaxPooling2D", f"block{self.block}_pool")
        self.block, self.member, self.size = self.block + 1, 0, self.size // 2
        self.feature += 1

    def convolution(self, width, batch_norm):
        self.member += 1
        name = f"block{self.block}_conv{self.member}"
        weight, bias = self.some(width, self.channels, 3, 3, gain=1.4), self.some(width)
        self.add("Conv2D", name, weight=weight, bias=bias,
                 activation="linear" if batch_norm else "relu")
        at = self.feature
        self.state |= {f"features.{at}.weight": weight, f"features.{at}.bias": bias}
        self.feature += 2
        if batch_norm:
            gamma, beta, mean = self.some(width) + 1, self.some(width), self.some(width)
            variance = np.abs(self.some(width)) + np.float32(0.01)
            self.add("BatchNormalization", f"{name}_bn", gamma=gamma, beta=beta, mean=mean,
                     variance=variance)
            self.add("Activation", f"{name}_relu", activation="relu")
            self.state |= {
                f"features.{at + 1}.weight": gamma, f"features.{at + 1}.bias": beta,
                f"features.{at + 1}.running_mean": mean,
                # PyTorch's epsilon is 1e-5.
                f"features.{at + 1}.running_var": variance + np.float32(EPSILON - 1e-5)}
            self.feature += 1
        self.channels = width


def keras_values(net, permute=True):
    """For each layer (class, name, [(Keras's name of the tensor, value)])."""
    made, trunk, size, flat = [], net.channels, net.size, False
    for kind, name, more in net.layers:
        values = []
        if kind == "Conv2D":
            values = [("kernel", more["weight"].transpose(2, 3, 1, 0)), ("bias", more["bias"])]
        elif kind == "Dense":
            weight = more["weight"]
            if not flat and permute:  # (channel, row, column) to (row, column, channel)
                weight = weight.reshape(-1, trunk, size, size).transpose(0, 2, 3, 1)
                weight = weight.reshape(len(weight), -1)
            values, flat = [("kernel", weight.T), ("bias", more["bias"])], True
        elif kind == "BatchNormalization":
            values = [("gamma", more["gamma"]), ("beta", more["beta"]),
                      ("moving_mean", more["mean"]), ("moving_variance", more["variance"])]
        made.append((kind, name, [(n, np.ascontiguousarray(v)) for n, v in values]))
    return made


def config(net, batch_shape="batch_shape"):
    """The description of a Sequential model."""
    layers = [{"class_name": "InputLayer",
               "config": {"name": "input_1", batch_shape: [None, net.side, net.side, 3]}}]
    for kind, name, more in net.layers:
        inner = {"name": name, "trainable": True}
        if kind == "Conv2D":
            inner |= {"filters": len(more["bias"]), "kernel_size": [3, 3], "strides": [1, 1],
                      "padding": "same", "data_format": "channels_last", "dilation_rate": [1, 1],
                      "groups": 1, "activation": more["activation"], "use_bias": True}
        elif kind == "MaxPooling2D":
            inner |= {"pool_size": [2, 2], "strides": [2, 2], "padding": "valid"}
        elif kind == "BatchNormalization":
            inner |= {"axis": [3], "momentum": 0.99, "epsilon": EPSILON}
        elif kind in ("Dense", "Activation"):
            inner |= {"activation": more["activation"]}
        layers.append({"class_name": kind, "config": inner})
    return {"class_name": "Sequential", "config": {"name": "sequential", "layers": layers}}


def texts(names):
    return [n.encode() for n in names]


def write_groups(group, values, name_of):
    """What Keras 1 and 2 write: the attributes say the order."""
    group.attrs["layer_names"] = texts(name for _, name, _ in values)
    group.attrs["backend"] = b"tensorflow"
    group.attrs["keras_version"] = b"2.2.4"
    for _, name, tensors in values:
        inner = group.create_group(name)
        names = [name_of(name, tensor) for tensor, _ in tensors]
        inner.attrs["weight_names"] = texts(names)
        for full, (_, value) in zip(names, tensors):
            inner.create_dataset(full, data=value)


def old_name(layer, tensor):
    return f"{layer}_{ {'kernel': 'W', 'bias': 'b'}.get(tensor, tensor) }_1:0".replace(" ", "")


def new_name(layer, tensor):
    return f"{layer}/{tensor}:0"


def write_old(path, net, **options):
    with h5py.File(path, "w", libver=options.pop("libver", None)) as file:
        write_groups(file, keras_values(net, **options), old_name)


def write_new(path, net, **options):
    with h5py.File(path, "w", libver=options.pop("libver", None)) as file:
        write_groups(file, keras_values(net, **options), new_name)


def write_whole(path, net, libver=None, described=None):
    with h5py.File(path, "w", libver=libver) as file:
        file.attrs["model_config"] = json.dumps(described or config(net, "batch_input_shape")).encode()
        file.attrs["keras_version"] = b"2.15.0"
        write_groups(file.create_group("model_weights"), keras_values(net), new_name)
        inner = file.create_group("optimizer_weights/SGD")
        inner.create_dataset("iter:0", data=np.int64(7))


SNAKE = {"Conv2D": "conv2d", "MaxPooling2D": "max_pooling2d", "Flatten": "flatten",
         "Dense": "dense", "BatchNormalization": "batch_normalization", "Activation": "activation"}


def write_vars(file, net, container="layers", named=True):
    """What Keras 3 writes: groups are numbered by class, tensors within them by their order."""
    used = {}
    for kind, name, tensors in keras_values(net):
        count = used.get(kind, 0)
        used[kind] = count + 1
        group = SNAKE[kind] if count == 0 else f"{SNAKE[kind]}_{count}"
        inner = file.create_group(f"{container}/{group}").create_group("vars")
        if named:
            inner.attrs["name"] = name
        for i, (_, value) in enumerate(tensors):
            inner.create_dataset(str(i), data=value)
    file.create_group("vars")
    seeds = file.create_group(f"{container}/dropout/seed_generator/vars")
    seeds.create_dataset("0", data=np.zeros(2, "u4"))
    file.create_group("optimizer/vars").create_dataset("0", data=np.int64(3))


def write_weights_3(path, net, libver=None, **options):
    with h5py.File(path, "w", libver=libver) as file:
        write_vars(file, net, **options)


def write_keras(path, net, described=None, method=zipfile.ZIP_STORED, **options):
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        write_vars(file, net, **options)
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.5.0"}))
        archive.writestr("config.json", json.dumps(described or config(net)))
        archive.writestr("model.weights.h5", weights.getvalue())
