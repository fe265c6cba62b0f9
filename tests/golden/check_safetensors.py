#!/usr/bin/env python3
"""Checks a model file of libvgg from outside: Python's safetensors opens it and reads the values that
lie in it, and PyTorch's modules take them with load_state_dict(strict=True).

    check_safetensors.py MODEL

Exit status: 0 all that could be checked is right, 1 something is wrong, 77 the safetensors or numpy
package is missing. Without PyTorch the second half is left out, and the last line says so."""
import json
import struct
import sys

try:
    import numpy
    from safetensors import safe_open
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

ARCHITECTURES = {
    "A": "64,M,128,M,256,256,M,512,512,M,512,512,M",
    "A-LRN": "64,L,M,128,M,256,256,M,512,512,M,512,512,M",
    "B": "64,64,M,128,128,M,256,256,M,512,512,M,512,512,M",
    "C": "64,64,M,128,128,M,256,256,1x1:256,M,512,512,1x1:512,M,512,512,1x1:512,M",
    "D": "64,64,M,128,128,M,256,256,256,M,512,512,512,M,512,512,512,M",
    "E": "64,64,M,128,128,M,256,256,256,256,M,512,512,512,512,M,512,512,512,512,M",
}
TORCHVISION = {"A": "vgg11", "B": "vgg13", "D": "vgg16", "E": "vgg19"}
TYPES = {"F32": numpy.float32, "I64": numpy.int64}


def check(condition, message):
    if not condition:
        print(f"wrong: {message}")
        sys.exit(1)


def read_raw(path):
    """The file taken apart by hand: header length, metadata, and arrays by name."""
    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__")
    arrays = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = numpy.frombuffer(data[8 + length + begin : 8 + length + end], TYPES[entry["dtype"]])
        arrays[name] = values.reshape(entry["shape"])
    return length, metadata, arrays


def check_package(path, metadata, arrays):
    with safe_open(path, framework="numpy") as file:
        check(file.metadata() == metadata, "safetensors reads other metadata")
        check(set(file.keys()) == set(arrays), "safetensors lists other tensors")
        for name in file.keys():
            check(numpy.array_equal(file.get_tensor(name), arrays[name]), f"values of {name}")


def build_module(torch, metadata, classes):
    """The network in PyTorch, from its description alone, with torchvision's module names."""
    nn = torch.nn
    batch_norm = metadata["vgg.batch_norm"] == "true"
    channels, height, width = map(int, metadata["vgg.input"].split("x"))
    convolutions, _, hidden = metadata["vgg.arch"].partition("/")
    if convolutions in ARCHITECTURES:
        convolutions, hidden = ARCHITECTURES[convolutions], "4096,4096"
    features = []
    for token in convolutions.split(","):
        if token == "M":
            features.append(nn.MaxPool2d(2))
            height, width = height // 2, width // 2
        elif token == "L":
            features.append(nn.LocalResponseNorm(5))
        else:
            kernel = 1 if token.startswith("1x1:") else 3
            outputs = int(token.rpartition(":")[2])
            features.append(nn.Conv2d(channels, outputs, kernel, padding=kernel // 2))
            if batch_norm:
                features.append(nn.BatchNorm2d(outputs))
            features.append(nn.ReLU())
            channels = outputs
    if metadata["vgg.layout"] == "torchvision":
        height = width = 7
    inputs, classifier = channels * height * width, []
    for outputs in map(int, filter(None, hidden.split(","))):
        classifier += [nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout()]
        inputs = outputs
    classifier.append(nn.Linear(inputs, classes))
    module = nn.Module()
    module.features = nn.Sequential(*features)
    module.classifier = nn.Sequential(*classifier)
    return module


def check_torch(metadata, arrays):
    try:
        import torch
    except ImportError:
        return "PyTorch is missing: modules not checked"
    state = {name: torch.from_numpy(values.copy()) for name, values in arrays.items()}
    classes = list(arrays.values())[-1].shape[0]
    module = build_module(torch, metadata, classes)
    module.load_state_dict(state, strict=True)
    for name, values in module.state_dict().items():
        check(torch.equal(values, state[name]), f"values of {name} in PyTorch")
    if metadata["vgg.arch"] not in TORCHVISION or metadata["vgg.layout"] != "torchvision":
        return "PyTorch takes the tensors (no network of torchvision's has this architecture)"
    try:
        from torchvision.models import vgg
    except ImportError:
        return "PyTorch takes the tensors (torchvision is missing)"
    suffix = "_bn" if metadata["vgg.batch_norm"] == "true" else ""
    name = TORCHVISION[metadata["vgg.arch"]] + suffix
    getattr(vgg, name)(num_classes=classes, init_weights=False).load_state_dict(state, strict=True)
    return f"PyTorch and torchvision's {name} take the tensors"


def main():
    if len(sys.argv) != 2:
        print("usage: check_safetensors.py MODEL")
        return 2
    path = sys.argv[1]
    length, metadata, arrays = read_raw(path)
    check(length % 8 == 0, f"the header has {length} bytes, no multiple of 8")
    check(metadata["format"] == "pt", "metadata \"format\"")
    check_package(path, metadata, arrays)
    print(f"{path}: {len(arrays)} tensors are the same in safetensors; {check_torch(metadata, arrays)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
