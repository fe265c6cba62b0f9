"""The programs that bench/compare compares. Each class takes a job (see worker.py) and has
run(x) -> logits for x: (batch, 3, size, size) float32, a version, and a note on its settings."""
import json
import mmap
import pathlib
import struct
import sys
import time

import numpy as np

LRN_SIZE, LRN_ALPHA, LRN_BETA, LRN_K = 5, 5e-4, 0.75, 2.0  # the peers divide alpha by the size
BATCH_NORM_EPSILON = 1e-5


def executed(layers):
    return [layer for layer in layers if layer["type"] != "dropout"]


class Weights:
    """The float32 tensors of a safetensors file, mapped."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        (length,) = struct.unpack_from("<Q", self.bytes)
        self.start = 8 + length
        self.header = json.loads(self.bytes[8:self.start])

    def place(self, name):
        begin, end = self.header[name]["data_offsets"]
        return self.start + begin, end - begin

    def shape(self, name):
        return self.header[name]["shape"]

    def __getitem__(self, name):
        offset, size = self.place(name)
        return np.frombuffer(self.bytes, np.float32, size // 4, offset).reshape(self.shape(name))


class Vgg:
    def __init__(self, job):
        import vgglib
        self.library = vgglib.Library(job["library"])
        network = self.library.load_network(job["model"])
        precision = "bf16" if job["variant"] == "bf16" else "f32"
        if not self.library.precision_is_native(self.library.precision_named(precision.encode())):
            raise RuntimeError(f"no instructions for {precision} here")
        self.plan = self.library.make_plan(network, job["batch"], job["threads"],
                                           precision=precision)
        self.classes = job["layers"][-1]["output"][0]
        self.version = self.library.version().decode()
        self.note = f"{self.library.cpu_tier().decode()} tier"

    def run(self, x):
        logits = np.empty((len(x), self.classes), np.float32)
        self.library.plan_forward(self.plan, x.ctypes.data, len(x), logits.ctypes.data)
        return logits

    def machine(self, threads):
        return self.library.machine(threads)


class PyTorch:
    def __init__(self, job):
        import torch
        self.torch = torch
        torch.set_num_threads(job["threads"])
        self.version = torch.__version__
        self.cuda = "built with CUDA" if torch.version.cuda else "CPU build"
        self.module = self.build(job["layers"], Weights(job["model"])).eval()
        self.format = torch.contiguous_format
        self.choose_format(job)

    def build(self, layers, weights):
        nn = self.torch.nn
        modules, channels, flat = [], 3, False
        for layer in executed(layers):
            kind, out = layer["type"], layer["output"]
            if kind == "conv":
                module = nn.Conv2d(channels, out[0], layer["kernel"], padding=layer["kernel"] // 2)
                channels = out[0]
            elif kind == "linear":
                if not flat:
                    modules.append(nn.Flatten())
                    flat = True
                shape = weights.shape(layer["tensors"][0])
                module = nn.Linear(shape[1], shape[0])
            else:
                module = {"batch_norm": lambda: nn.BatchNorm2d(out[0], eps=BATCH_NORM_EPSILON),
                          "relu": lambda: nn.ReLU(inplace=True),
                          "max_pool": lambda: nn.MaxPool2d(2),
                          "lrn": lambda: nn.LocalResponseNorm(LRN_SIZE, LRN_ALPHA, LRN_BETA, LRN_K),
                          "average_pool": lambda: nn.AdaptiveAvgPool2d(out[1:]),
                          "global_average_pool": lambda: nn.AdaptiveAvgPool2d(1),
                          "global_max_pool": lambda: nn.AdaptiveMaxPool2d(1)}[kind]()
            for name in layer["tensors"]:
                tensor = getattr(module, name.rpartition(".")[2])
                tensor.data.copy_(self.torch.from_numpy(weights[name].copy()))
            modules.append(module)
        return nn.Sequential(*modules)

    def choose_format(self, job):
        """Plain or channels-last, whichever is faster here."""
        x = np.zeros((job["batch"], 3, job["size"], job["size"]), np.float32)
        seconds = {}
        for name in ("contiguous_format", "channels_last"):
            self.format = getattr(self.torch, name)
            self.module = self.module.to(memory_format=self.format)
            self.run(x)
            times = []
            for _ in range(3):
                begun = time.perf_counter()
                self.run(x)
                times.append(time.perf_counter() - begun)
            seconds[name] = min(times)
        best = min(seconds, key=seconds.get)
        self.format = getattr(self.torch, best)
        self.module = self.module.to(memory_format=self.format)
        self.note = f"{self.cuda}, eager, inference_mode, {best} (the faster of two layouts)"

    def run(self, x):
        with self.torch.inference_mode():
            tensor = self.torch.from_numpy(x).contiguous(memory_format=self.format)
            return self.module(tensor).numpy()


def average_matrix(size, out):
    """(out, size): the windows of adaptive average pooling."""
    matrix = np.zeros((out, size), np.float32)
    for row in range(out):
        begin, end = row * size // out, -(-(row + 1) * size // out)
        matrix[row, begin:end] = 1 / (end - begin)
    return matrix


def onnx_layer(layer, at, made, constants, previous):
    """The nodes of one layer, and the name of their output."""
    from onnx import helper, numpy_helper
    kind, y, tensors = layer["type"], f"y{made}", layer["tensors"]
    if kind == "conv":
        half = layer["kernel"] // 2
        node = helper.make_node("Conv", [at, *tensors], [y], pads=[half] * 4)
    elif kind == "batch_norm":
        node = helper.make_node("BatchNormalization", [at, *tensors[:4]], [y],
                                epsilon=BATCH_NORM_EPSILON)
    elif kind == "relu":
        node = helper.make_node("Relu", [at], [y])
    elif kind == "max_pool":
        node = helper.make_node("MaxPool", [at], [y], kernel_shape=[2, 2], strides=[2, 2])
    elif kind == "lrn":
        node = helper.make_node("LRN", [at], [y], size=LRN_SIZE, alpha=LRN_ALPHA, beta=LRN_BETA,
                                bias=LRN_K)
    elif kind == "average_pool":
        rows = average_matrix(previous[1], layer["output"][1])
        columns = average_matrix(previous[2], layer["output"][2]).T.copy()
        constants += [numpy_helper.from_array(rows, "average.rows"),
                      numpy_helper.from_array(columns, "average.columns")]
        return [helper.make_node("MatMul", ["average.rows", at], [y + "r"]),
                helper.make_node("MatMul", [y + "r", "average.columns"], [y])], y
    else:
        node = helper.make_node("Gemm", [at, *tensors], [y], transB=1)
    return [node], y


def onnx_initialiser(name, weights, location):
    """A tensor whose values lie in the safetensors file, which both peers map."""
    from onnx import TensorProto
    offset, size = weights.place(name)
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=weights.shape(name),
                         data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", offset), ("length", size)):
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def write_onnx(job):
    """model.onnx beside the safetensors file. The batch is a free dimension."""
    path = pathlib.Path(job["folder"]) / "model.onnx"
    if path.exists():
        return path
    import onnx
    from onnx import TensorProto, helper
    weights = Weights(job["model"])
    nodes, constants, at, flat = [], [], "x", False
    previous = [3, job["size"], job["size"]]
    for number, layer in enumerate(executed(job["layers"])):
        if layer["type"] == "linear" and not flat:
            nodes.append(helper.make_node("Flatten", [at], ["flat"]))
            at, flat = "flat", True
        made, at = onnx_layer(layer, at, number, constants, previous)
        nodes += made
        previous = layer["output"]
    location = pathlib.Path(job["model"]).name
    used = {name for node in nodes for name in node.input}
    constants += [onnx_initialiser(name, weights, location)
                  for name in weights.header if name in used]
    shape = ["batch", 3, job["size"], job["size"]]
    graph = helper.make_graph(
        nodes, "vgg", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(at, TensorProto.FLOAT, ["batch", previous[0]])], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return path


class OnnxRuntime:
    settings = "all graph optimisations, CPU provider"

    def model(self, job):
        return write_onnx(job)

    def __init__(self, job):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = job["threads"]
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(str(self.model(job)), options,
                                                    providers=["CPUExecutionProvider"])
        self.version = onnxruntime.__version__
        self.note = self.settings

    def run(self, x):
        return self.session.run(None, {"x": x})[0]


class OpenVino:
    """compiled.get_runtime_model names the kernels that it chose: that shows whether the limit on
    instructions was obeyed."""

    def model(self, core, job):
        return core.read_model(write_onnx(job))

    def demand(self, job, usual):
        """(the precision to ask for, what to say of it)."""
        if job["variant"] == "bf16" and usual != "bf16":
            raise RuntimeError(f"no instructions for bf16 here: its default is {usual}")
        demanded = "bfloat16" if job["variant"] == "bf16" else "float32"
        return job["variant"] or "f32", f"{demanded} demanded (its default here: {usual})"

    def __init__(self, job):
        import openvino
        core = openvino.Core()
        usual = core.get_property("CPU", "INFERENCE_PRECISION_HINT").to_string()
        model = self.model(core, job)
        precision, said = self.demand(job, usual)
        model.reshape([job["batch"], 3, job["size"], job["size"]])
        compiled = core.compile_model(model, "CPU", {
            "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": job["threads"],
            "INFERENCE_PRECISION_HINT": precision})
        self.request = compiled.create_infer_request()
        kernels = {str(node.get_rt_info()["primitiveType"].value)
                   for node in compiled.get_runtime_model().get_ops()
                   if "primitiveType" in node.get_rt_info()}
        if job["isa"] == "avx2" and any("avx512" in kernel for kernel in kernels):
            raise RuntimeError("takes no notice of ONEDNN_MAX_CPU_ISA=AVX2")
        self.version = openvino.__version__.partition("-")[0]
        self.note = f"LATENCY, {said}"

    def run(self, x):
        results = self.request.infer({0: x}, share_inputs=True)
        return results[0]


def folded(layers, weights):
    """[kind, layer, weight, bias] of each: batch normalisation goes into the convolution before it
    and ReLU into what it follows, as ncnnoptimize would do it."""
    rows = []
    for layer in executed(layers):
        if layer["type"] == "batch_norm":
            gain, bias, mean, variance = (weights[name].astype(np.float64)
                                          for name in layer["tensors"][:4])
            scale = gain / np.sqrt(variance + BATCH_NORM_EPSILON)
            rows[-1][2] = (rows[-1][2] * scale[:, None, None, None]).astype(np.float32)
            rows[-1][3] = ((rows[-1][3] - mean) * scale + bias).astype(np.float32)
        elif layer["type"] == "relu":
            rows[-1][0] += " relu"
        else:
            rows.append([layer["type"], layer, *([weights[name] for name in layer["tensors"]]
                                                 or [None, None])])
    return rows


def ncnn_scales(weight, most):
    """What int8 numbers are times: those of each output's weights, and those of the input, whose
    greatest value is `most`."""
    largest = np.abs(weight.reshape(len(weight), -1)).max(axis=1)
    return (127 / np.maximum([*largest, most], 1e-12)).astype(np.float32).tobytes()


def write_ncnn(job, param, values, most=None):
    """The files param and values. ncnn's layers are described in its docs/developer-guide/
    operators.md; a weight in the .bin is a 32-bit tag (0: float32) and values, a bias values alone.
    With most, {blob: its greatest value}, layers multiply in int8: their scales are behind the
    bias, and ncnn rounds the weights while it loads them."""
    size = job["size"]
    lines = [f"Input x 0 1 x 0={size} 1={size} 2=3"]
    at = "x"
    with open(values, "wb") as file:
        for number, (kind, layer, weight, bias) in enumerate(
                folded(job["layers"], Weights(job["model"]))):
            kind, _, relu = kind.partition(" ")
            y, out = f"y{number}", layer["output"]
            active = (" 9=1" if relu else "") + (" 8=2" if most else "")
            name = {
                "conv": lambda: ("Convolution", f"0={out[0]} 1={layer['kernel']} "
                                 f"4={layer['kernel'] // 2} 5=1 6={weight.size}{active}"),
                "linear": lambda: ("InnerProduct", f"0={out[0]} 1=1 2={weight.size}{active}"),
                "max_pool": lambda: ("Pooling", "0=0 1=2 2=2 5=1"),
                "average_pool": lambda: ("Pooling", f"0=1 7=1 8={out[2]} 18={out[1]}"),
                "lrn": lambda: ("LRN", f"0=0 1={LRN_SIZE} 2={LRN_ALPHA} 3={LRN_BETA} 4={LRN_K}"),
            }[kind]()
            if relu and kind not in ("conv", "linear"):
                raise RuntimeError(f"ncnn: no ReLU after {kind}")
            lines.append(f"{name[0]} {y} 1 1 {at} {y} {name[1]}")
            if weight is not None:
                file.write(struct.pack("<I", 0) + weight.tobytes() + bias.tobytes())
            if weight is not None and most:
                file.write(ncnn_scales(weight, most[at]))
            at = y
    param.write_text(f"7767517\n{len(lines)} {len(lines)}\n" + "\n".join(lines) + "\n")


class Ncnn:
    note = None

    def files(self, job):
        param, values = (pathlib.Path(job["folder"]) / f"network.{end}" for end in ("param", "bin"))
        if not param.exists():
            write_ncnn(job, param, values)
        return param, values

    def __init__(self, job):
        import ncnn
        if job["isa"] == "avx2":
            raise RuntimeError("ncnn has no switch for the instruction set")
        self.ncnn = ncnn
        self.net = ncnn.Net()
        half = job["variant"] != "fp32"
        self.net.opt.num_threads = job["threads"]
        for name in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"):
            setattr(self.net.opt, name, half)
        param, values = self.files(job)
        if self.net.load_param(str(param)) or self.net.load_model(str(values)):
            raise RuntimeError("cannot load its own files")
        self.blobs = [line.split()[1] for line in param.read_text().split("\n")[3:-1]]
        self.version = ncnn.__version__
        self.note = self.note or ("fp16 storage, packing and arithmetic, its default" if half
                                  else "the fp16 options off")

    def run(self, x):
        rows = []
        for image in x:
            extractor = self.net.create_extractor()
            extractor.input("x", self.ncnn.Mat(image))
            status, out = extractor.extract(self.blobs[-1])
            if status:
                raise RuntimeError(f"ncnn: extract returned {status}")
            rows.append(np.array(out))
        return np.stack(rows)


PEERS = {"vgg": Vgg, "PyTorch": PyTorch, "ONNX Runtime": OnnxRuntime, "OpenVINO": OpenVino,
         "ncnn": Ncnn}


if __name__ == "__main__":
    write_onnx(json.load(sys.stdin))
