"""libvgg through ctypes: what bench/compare needs of include/vgg/network.h, model.h, image.h
and train.h."""
import ctypes
from ctypes import (POINTER, Structure, byref, c_bool, c_char, c_char_p, c_double, c_float, c_int,
                    c_size_t, c_uint64, c_void_p, sizeof)

from rows import NETS

LAYER_TYPES = ("conv", "batch_norm", "relu", "max_pool", "lrn", "average_pool", "linear", "dropout",
               "average_pool_2x2", "global_average_pool", "global_max_pool")


class Architecture(Structure):
    _fields_ = [("name", c_char_p), ("common_name", c_char_p), ("convolutions", c_char_p)]


class Error(Structure):
    _fields_ = [("status", c_int), ("message", c_char * 1024)]


class NetworkOptions(Structure):
    _fields_ = [("struct_size", c_size_t), ("arch", c_char_p), ("layout", c_int),
                ("batch_norm", c_bool), ("classes", c_size_t), ("channels", c_size_t),
                ("height", c_size_t), ("width", c_size_t), ("dropout", c_double)]


class LayerInfo(Structure):
    _fields_ = [("struct_size", c_size_t), ("type", c_int), ("name", c_char * 32),
                ("kernel", c_size_t),
                ("dimensions", c_size_t), ("output", c_size_t * 3), ("parameters", c_size_t),
                ("multiply_adds", c_size_t), ("first_tensor", c_size_t), ("tensors", c_size_t)]


class TensorInfo(Structure):
    _fields_ = [("struct_size", c_size_t), ("name", c_char * 48), ("dimensions", c_size_t),
                ("shape", c_size_t * 4), ("count", c_size_t), ("learnable", c_bool)]


class PlanOptions(Structure):
    _fields_ = [("struct_size", c_size_t), ("batch", c_size_t), ("height", c_size_t),
                ("width", c_size_t), ("threads", c_size_t), ("mode", c_int), ("gradients", c_bool),
                ("exact", c_bool), ("input_gradient", c_bool), ("softmax", c_bool),
                ("micro_batches", c_size_t), ("defer_linear", c_bool),
                ("shared_threads", c_void_p), ("tuned_batch", c_size_t),
                ("norm_momentum", c_double), ("taps", c_void_p), ("tap_count", c_size_t),
                ("ends_at_taps", c_bool), ("average_pools", c_bool), ("guided", c_bool),
                ("dense", c_bool), ("precision", c_int), ("device", c_int)]


class OpInfo(Structure):
    _fields_ = [("struct_size", c_size_t), ("name", c_char * 32), ("algorithm", c_char_p),
                ("multiply_adds", c_size_t), ("weight_bytes", c_size_t), ("products", c_size_t),
                ("cost", c_double), ("bytes", c_size_t), ("seconds", c_double)]


class DeviceInfo(Structure):
    _fields_ = [("struct_size", c_size_t), ("kind", c_int), ("name", c_char * 64),
                ("precision", c_int), ("missing", c_char * 1024)]


class OptimiserOptions(Structure):
    _fields_ = [("struct_size", c_size_t), ("kind", c_int), ("momentum", c_double),
                ("weight_decay", c_double)]


class ModelOptions(Structure):
    _fields_ = [("struct_size", c_size_t), ("arch", c_char_p), ("layout", c_int),
                ("preprocess", c_char_p)]


class PredictorOptions(Structure):
    _fields_ = [("struct_size", c_size_t), ("threads", c_size_t), ("exact", c_bool),
                ("shared_threads", c_void_p), ("batch", c_size_t), ("protocol", c_int),
                ("tuned_batch", c_size_t), ("precision", c_int), ("scales", c_char_p)]


class Prediction(Structure):
    _fields_ = [("index", c_size_t), ("label", c_char_p), ("probability", c_double),
                ("logit", c_double)]


class Machine(Structure):
    _fields_ = [("struct_size", c_size_t), ("peak_gflops", c_double), ("read_gbps", c_double)]


ARGUMENTS = {
    "vgg_architecture_at": [c_size_t],
    "vgg_network_options_init": [c_void_p, c_size_t],
    "vgg_network_create": [c_void_p, c_void_p, c_void_p],
    "vgg_network_initialise": [c_void_p, c_char_p, c_uint64, c_void_p],
    "vgg_network_layer_count": [c_void_p],
    "vgg_network_layer": [c_void_p, c_size_t, c_void_p, c_void_p],
    "vgg_network_tensor": [c_void_p, c_size_t, c_void_p, c_void_p],
    "vgg_network_multiply_adds": [c_void_p],
    "vgg_network_freeze": [c_void_p, c_size_t, c_void_p],
    "vgg_network_set_trained": [c_void_p, c_size_t, c_bool, c_void_p],
    "vgg_model_create": [c_void_p, c_void_p, c_void_p, c_void_p, c_void_p],
    "vgg_model_save": [c_void_p, c_char_p, c_void_p],
    "vgg_model_load": [c_char_p, c_void_p, c_void_p, c_void_p],
    "vgg_model_mutable_network": [c_void_p],
    "vgg_model_free": [c_void_p],
    "vgg_plan_options_init": [c_void_p, c_size_t],
    "vgg_plan_create": [c_void_p, c_void_p, c_void_p, c_void_p],
    "vgg_plan_create_training": [c_void_p, c_void_p, c_void_p, c_void_p],
    "vgg_plan_forward": [c_void_p, c_void_p, c_size_t, c_void_p, c_void_p],
    "vgg_plan_backward": [c_void_p, c_void_p, c_void_p, c_void_p],
    "vgg_cross_entropy": [c_void_p, c_void_p, c_size_t, c_size_t, c_void_p],
    "vgg_optimiser_options_init": [c_void_p, c_size_t],
    "vgg_optimiser_create": [c_void_p, c_void_p, c_void_p, c_void_p, c_void_p],
    "vgg_optimiser_step": [c_void_p, c_double, c_void_p],
    "vgg_preprocess_init": [c_void_p, c_size_t],
    "vgg_preprocess_preset": [c_char_p, c_size_t, c_size_t, c_size_t, c_void_p, c_void_p],
    "vgg_preprocess_file": [c_void_p, c_char_p, c_void_p, c_void_p, c_void_p],
    "vgg_model_options_init": [c_void_p, c_size_t],
    "vgg_predictor_options_init": [c_void_p, c_size_t],
    "vgg_predictor_create": [c_void_p, c_void_p, c_void_p, c_void_p],
    "vgg_predict_file": [c_void_p, c_char_p, c_size_t, c_void_p, c_void_p, c_void_p],
    "vgg_machine_measure": [c_size_t, c_void_p, c_void_p],
    "vgg_cpu_tier": [],
    "vgg_device_find": [c_int, c_void_p, c_void_p],
    "vgg_device_named": [c_char_p],
    "vgg_plan_op_count": [c_void_p],
    "vgg_plan_op": [c_void_p, c_size_t, c_void_p, c_void_p],
    "vgg_precision_named": [c_char_p],
    "vgg_precision_is_native": [c_int],
    "vgg_version": [],
}
RESULTS = {
    "vgg_architecture_at": POINTER(Architecture),
    "vgg_cross_entropy": c_double,
    "vgg_network_layer_count": c_size_t,
    "vgg_network_multiply_adds": c_size_t,
    "vgg_model_mutable_network": c_void_p,
    "vgg_cpu_tier": c_char_p,
    "vgg_device_named": c_int,
    "vgg_plan_op_count": c_size_t,
    "vgg_precision_named": c_int,
    "vgg_precision_is_native": c_bool,
    "vgg_version": c_char_p,
}
NO_STATUS = {"vgg_network_options_init", "vgg_plan_options_init", "vgg_optimiser_options_init",
             "vgg_preprocess_init", "vgg_model_options_init", "vgg_predictor_options_init", "vgg_model_free"}
LAYOUTS = {"global": 3, "global-max": 4}


class Library:
    """lib.name(...) calls vgg_name(...) and turns a failing status into an exception."""

    def __init__(self, path):
        self._library = ctypes.CDLL(str(path))

    def __getattr__(self, name):
        symbol = "vgg_" + name
        function = getattr(self._library, symbol)
        function.argtypes = ARGUMENTS[symbol]
        if symbol in RESULTS:
            function.restype = RESULTS[symbol]
            return function
        function.restype = None if symbol in NO_STATUS else c_int
        if symbol in NO_STATUS:
            return function

        def checked(*arguments):
            error = Error()
            if function(*arguments, byref(error)):
                raise RuntimeError(error.message.decode())
        return checked

    def written(self, arch):
        """"D/" is written out: the convolutions of D without hidden linear layers."""
        name, slash, hidden = arch.partition("/")
        row = 0
        while slash and (found := self.architecture_at(row)):
            if found.contents.name.decode() == name:
                return f"{found.contents.convolutions.decode()}/{hidden}"
            row += 1
        return arch

    def create_model(self, arch, size, classes, torchvision_layout, seed):
        """A model with random weights, its layers, and the multiply-adds of one image. An arch that
        ends in -bn has batch normalisation; rows.NETS has others."""
        net = NETS.get(arch)
        arch = net.arch if net else arch
        options = NetworkOptions()
        self.network_options_init(byref(options), sizeof(options))
        options.arch = self.written(arch.removesuffix("-bn")).encode()
        options.batch_norm = arch.endswith("-bn")
        options.classes = classes
        options.dropout = 0
        options.height = options.width = size
        options.layout = LAYOUTS[net.layout] if net else 2 if torchvision_layout else 1
        network, model = c_void_p(), c_void_p()
        self.network_create(byref(options), byref(network))
        self.network_initialise(network, b"kaiming", seed)
        self.model_create(network, None, None, byref(model))
        return model, self.layers(network), self.network_multiply_adds(network)

    def layers(self, network):
        """What the peers are built from: type, kernel, output shape and names of the tensors."""
        rows = []
        for index in range(self.network_layer_count(network)):
            layer = LayerInfo(struct_size=sizeof(LayerInfo))
            self.network_layer(network, index, byref(layer))
            tensors = []
            for number in range(layer.first_tensor, layer.first_tensor + layer.tensors):
                tensor = TensorInfo(struct_size=sizeof(TensorInfo))
                self.network_tensor(network, number, byref(tensor))
                tensors.append(tensor.name.decode())
            rows.append({"type": LAYER_TYPES[layer.type], "name": layer.name.decode(),
                         "kernel": layer.kernel, "tensors": tensors,
                         "output": list(layer.output[:layer.dimensions])})
        return rows

    def picture(self, path, size):
        """The picture as an input, 3 x size x size floats, preprocessed as torchvision has it."""
        preprocess = ctypes.create_string_buffer(4096)  # more than the struct has
        self.preprocess_init(preprocess, sizeof(preprocess))
        values = (c_float * (3 * size * size))()
        self.preprocess_preset(b"torchvision", 3, size, size, preprocess)
        self.preprocess_file(preprocess, str(path).encode(), None, values)
        return values

    def load_network(self, path):
        """It lives as long as the process."""
        model = c_void_p()
        self.model_load(str(path).encode(), None, byref(model))
        return self.model_mutable_network(model)

    def make_plan(self, network, batch, threads, train=False, precision="f32", device="cpu"):
        options, plan = PlanOptions(), c_void_p()
        self.plan_options_init(byref(options), sizeof(options))
        options.batch = batch
        options.threads = threads
        options.defer_linear = train
        options.precision = self.precision_named(precision.encode())
        if device != "cpu":
            options.device = self.device_named(device.encode())
        create = self.plan_create_training if train else self.plan_create
        create(network, byref(options), byref(plan))
        return plan

    def make_optimiser(self, network, plan, momentum, decay):
        options, optimiser = OptimiserOptions(), c_void_p()
        self.optimiser_options_init(byref(options), sizeof(options))
        options.momentum = momentum
        options.weight_decay = decay
        self.optimiser_create(network, plan, byref(options), byref(optimiser))
        return optimiser

    def op_seconds(self, plan):
        """Of all ops of the last forward pass."""
        seconds = 0.0
        for op in range(self.plan_op_count(plan)):
            info = OpInfo(struct_size=sizeof(OpInfo))
            self.plan_op(plan, op, byref(info))
            seconds += info.seconds
        return seconds

    def device_name(self, device):
        info = DeviceInfo(struct_size=sizeof(DeviceInfo))
        self.device_find(self.device_named(device.encode()), byref(info))
        return info.name.decode()

    def machine(self, threads):
        machine = Machine(struct_size=sizeof(Machine))
        self.machine_measure(threads, byref(machine))
        return {"peak_gflops": machine.peak_gflops, "read_gbps": machine.read_gbps}
