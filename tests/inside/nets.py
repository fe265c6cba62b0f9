"""Networks of the library, called by ctypes, and the same in PyTorch in float64."""
import ctypes
import os
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Packages of PyPI, which scripts/venv.sh installs.
sys.path.extend(str(path) for path in (ROOT / "build-peers").glob("lib/python3*/site-packages"))
BUILD = pathlib.Path(os.environ.get("VGG_BUILD", ROOT / "build"))
PLAIN = "VGG_SANITIZE:STRING=\n" in (BUILD / "CMakeCache.txt").read_text()
SANITIZED = "a sanitized library needs a sanitized program"

(CONVOLUTION, BATCH_NORM, RELU, MAX_POOL, LRN, AVERAGE_POOL, LINEAR, DROPOUT, AVERAGE_POOL_2X2,
 GLOBAL_AVERAGE, GLOBAL_MAX) = range(11)
SIZE, FLOATS = ctypes.c_size_t, ctypes.POINTER(ctypes.c_float)

D = "64,64,M,128,128,M,256,256,256,M,512,512,512,M,512,512,512,M/4096,4096"
SMALL_D = "9,9,M,17,17,M,33,33,33,M,40,40,40,M,48,48,48,M/65,33"


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("message", ctypes.c_char * 1024)]


class NetworkOptions(ctypes.Structure):
    _fields_ = [("struct_size", SIZE), ("arch", ctypes.c_char_p), ("layout", ctypes.c_int),
                ("batch_norm", ctypes.c_bool), ("classes", SIZE), ("channels", SIZE), ("height", SIZE),
                ("width", SIZE), ("dropout", ctypes.c_double), ("padding", ctypes.c_int)]


class PlanOptions(ctypes.Structure):
    _fields_ = [("struct_size", SIZE), ("batch", SIZE), ("height", SIZE), ("width", SIZE), ("threads", SIZE),
                ("mode", ctypes.c_int), ("gradients", ctypes.c_bool), ("exact", ctypes.c_bool),
                ("input_gradient", ctypes.c_bool), ("softmax", ctypes.c_bool), ("micro_batches", SIZE),
                ("defer_linear", ctypes.c_bool), ("shared_threads", ctypes.c_void_p), ("tuned_batch", SIZE),
                ("norm_momentum", ctypes.c_double), ("taps", ctypes.POINTER(SIZE)), ("tap_count", SIZE),
                ("ends_at_taps", ctypes.c_bool), ("average_pools", ctypes.c_bool), ("guided", ctypes.c_bool)]


class LayerInfo(ctypes.Structure):
    _fields_ = [("struct_size", SIZE), ("type", ctypes.c_int), ("name", ctypes.c_char * 32), ("kernel", SIZE),
                ("dimensions", SIZE), ("output", SIZE * 3), ("parameters", SIZE), ("multiply_adds", SIZE),
                ("first_tensor", SIZE), ("tensors", SIZE), ("padding", SIZE), ("dropout", ctypes.c_double),
                ("paper_name", ctypes.c_char * 32)]


class TensorInfo(ctypes.Structure):
    _fields_ = [("struct_size", SIZE), ("name", ctypes.c_char * 48), ("dimensions", SIZE), ("shape", SIZE * 4),
                ("count", SIZE), ("learnable", ctypes.c_bool)]


class TapInfo(ctypes.Structure):
    _fields_ = [("struct_size", SIZE), ("layer", SIZE), ("dimensions", SIZE), ("shape", SIZE * 3),
                ("values", SIZE)]


class OpInfo(ctypes.Structure):
    _fields_ = [("struct_size", SIZE), ("name", ctypes.c_char * 32), ("algorithm", ctypes.c_char_p),
                ("multiply_adds", SIZE), ("weight_bytes", SIZE), ("products", SIZE), ("cost", ctypes.c_double),
                ("bytes", SIZE), ("seconds", ctypes.c_double), ("backward_data", ctypes.c_char_p),
                ("backward_weights", ctypes.c_char_p), ("data_seconds", ctypes.c_double),
                ("weights_seconds", ctypes.c_double)]


def load():
    library = ctypes.CDLL(str(next(BUILD.rglob("libvgg.so"))))
    for name in ("vgg_network_layer_count", "vgg_network_tensor_count", "vgg_plan_op_count"):
        getattr(library, name).restype = SIZE
    return library


class Failed(Exception):
    pass


def call(function, *arguments):
    error = Error()
    if function(*arguments, ctypes.byref(error)) != 0:
        raise Failed(error.message.decode())


def floats(array):
    return None if array is None else array.ctypes.data_as(FLOATS)


def pointers(arrays):
    """Pointers to arrays, of which some may be None."""
    if arrays is None:
        return None
    return (FLOATS * len(arrays))(*[FLOATS() if a is None else floats(a) for a in arrays])


class Network:
    """A network with seeded weights that keep activations alive through all layers."""

    def __init__(self, arch, *, batch_norm=False, classes=10, size=(3, 32, 32), layout=1, seed=1):
        self.library = load()
        options = NetworkOptions()
        self.library.vgg_network_options_init(ctypes.byref(options), SIZE(ctypes.sizeof(options)))
        options.arch, options.layout, options.batch_norm = arch.encode(), layout, batch_norm
        options.classes, (options.channels, options.height, options.width) = classes, size
        self.handle = ctypes.c_void_p()
        call(self.library.vgg_network_create, ctypes.byref(options), ctypes.byref(self.handle))
        self.layers = [self.layer(i) for i in range(self.library.vgg_network_layer_count(self.handle))]
        self.fill(np.random.default_rng(seed))

    def __del__(self):
        self.library.vgg_network_free(self.handle)

    def layer(self, number):
        info = LayerInfo(struct_size=ctypes.sizeof(LayerInfo))
        call(self.library.vgg_network_layer, self.handle, SIZE(number), ctypes.byref(info))
        return info

    def fill(self, random):
        self.tensors = []
        for number in range(self.library.vgg_network_tensor_count(self.handle)):
            info = TensorInfo(struct_size=ctypes.sizeof(TensorInfo))
            call(self.library.vgg_network_tensor, self.handle, SIZE(number), ctypes.byref(info))
            shape, name = list(info.shape)[:info.dimensions], info.name.decode()
            values = random.standard_normal(shape, np.float32)
            if len(shape) > 1:
                values *= np.float32(np.sqrt(2 / np.prod(shape[1:])))
            elif name.endswith(("weight", "running_var")):
                values = 1 + 0.1 * np.abs(values)
            else:
                values *= 0.1
            values = np.ascontiguousarray(values, np.float32)
            call(self.library.vgg_network_set_values, self.handle, SIZE(number), floats(values),
                 SIZE(values.size))
            self.tensors.append(torch.from_numpy(values))

    def find(self, name):
        layer = SIZE()
        call(self.library.vgg_network_find_layer, self.handle, name.encode(), ctypes.byref(layer))
        return layer.value


class Plan:
    def __init__(self, network, taps, **options):
        self.network, self.library = network, network.library
        made = PlanOptions()
        self.library.vgg_plan_options_init(ctypes.byref(made), SIZE(ctypes.sizeof(made)))
        made.threads = 2
        for name, value in options.items():
            setattr(made, name, value)
        if taps is not None:
            made.taps, made.tap_count = (SIZE * len(taps))(*taps), len(taps)
        self.ends, self.input_gradient = made.ends_at_taps, made.input_gradient
        self.handle = ctypes.c_void_p()
        create = self.library.vgg_plan_create_training if made.mode else self.library.vgg_plan_create
        call(create, network.handle, ctypes.byref(made), ctypes.byref(self.handle))
        self.taps = [self.tap(t) for t in range(made.tap_count)]

    def __del__(self):
        self.library.vgg_plan_free(self.handle)

    def tap(self, number):
        info = TapInfo(struct_size=ctypes.sizeof(TapInfo))
        call(self.library.vgg_plan_tap, self.handle, SIZE(number), ctypes.byref(info))
        return info

    def algorithms(self):
        found = []
        for number in range(self.library.vgg_plan_op_count(self.handle)):
            info = OpInfo(struct_size=ctypes.sizeof(OpInfo))
            call(self.library.vgg_plan_op, self.handle, SIZE(number), ctypes.byref(info))
            found.append((info.name.decode(), info.algorithm.decode()))
        return found

    def room(self, tap, count):
        return np.full([count, *list(tap.shape)[:tap.dimensions]], np.nan, np.float32)

    def forward(self, inputs):
        """The values of each tap, and the logits or None."""
        self.inputs = np.ascontiguousarray(inputs, np.float32)
        values = [self.room(tap, len(inputs)) for tap in self.taps]
        logits = None
        if not self.ends:
            logits = np.zeros([len(inputs), self.network.layers[-1].output[0]], np.float32)
        call(self.library.vgg_plan_forward_taps, self.handle, floats(self.inputs), SIZE(len(inputs)),
             pointers(values), floats(logits))
        return values, logits

    def backward(self, given, logits_gradient=None, wanted=(), to_input=True):
        """From gradients by number of tap to those of the wanted taps, and that of the input."""
        start = [None] * len(self.taps)
        for tap, values in given.items():
            start[tap] = np.ascontiguousarray(values, np.float32)
        found = [self.room(tap, len(self.inputs)) if t in wanted else None for t, tap in enumerate(self.taps)]
        to = np.full_like(self.inputs, np.nan) if to_input else None
        if logits_gradient is not None:
            logits_gradient = np.ascontiguousarray(logits_gradient, np.float32)
        call(self.library.vgg_plan_backward_taps, self.handle, floats(logits_gradient), pointers(start),
             pointers(found), floats(to))
        return [found[t] for t in wanted], to


def apply(network, layer, x, average_pools=False):
    """One layer in PyTorch, in eval."""
    kind, first = layer.type, layer.first_tensor
    at = [tensor.double() for tensor in network.tensors[first:first + layer.tensors]]
    if kind in (LINEAR, DROPOUT, RELU, BATCH_NORM) and layer.dimensions == 1:
        x = x.flatten(1)
    if kind == CONVOLUTION:
        return F.conv2d(x, at[0], at[1], padding=layer.padding)
    if kind == BATCH_NORM:
        return F.batch_norm(x, at[2], at[3], at[0], at[1])
    if kind == RELU:
        return F.relu(x)
    if kind == AVERAGE_POOL_2X2 or (kind == MAX_POOL and average_pools):
        return F.avg_pool2d(x, 2)
    if kind == MAX_POOL:
        return F.max_pool2d(x, 2)
    if kind == LRN:
        return F.local_response_norm(x, 5, 5e-4, 0.75, 2)
    if kind == AVERAGE_POOL:
        return F.adaptive_avg_pool2d(x, 7)
    if kind == GLOBAL_AVERAGE:
        return F.adaptive_avg_pool2d(x, 1)
    if kind == GLOBAL_MAX:
        return F.adaptive_max_pool2d(x, 1)
    if kind == LINEAR:
        return F.linear(x, at[0], at[1])
    assert kind == DROPOUT
    return x * 1


def run(network, x, average_pools=False, layers=None):
    """What each layer gives, each with a gradient to come."""
    outputs = []
    for layer in network.layers[:layers]:
        x = apply(network, layer, x, average_pools)
        if x.requires_grad:
            x.retain_grad()
        outputs.append(x)
    return outputs


class Guided(torch.autograd.Function):
    """A ReLU whose gradient goes through only where it is above 0, which is guided backpropagation."""

    @staticmethod
    def forward(context, x):
        context.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(context, gradient):
        (x,) = context.saved_tensors
        return gradient.clamp(min=0) * (x > 0)


def apart(found, expected):
    """The largest difference as a share of the largest value."""
    expected = np.asarray(expected)
    found = np.asarray(found, np.float64)
    assert found.shape == expected.shape
    if expected.size == 0 or not np.isfinite(found).all():
        return np.inf
    return np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-300)
