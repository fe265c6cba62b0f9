"""The programs that bench/gpu compares, as those of peers.py and training.py, on the device that the
job names: cuda, or cpu to try the script where there is no GPU. A variant is a precision, f32, tf32,
bf16 or f16, and for PyTorch "compiled" behind it: torch.compile with CUDA graphs."""
import time

import numpy as np

from peers import PyTorch, Vgg, Weights
from training import DECAY, MOMENTUM, FORMATS, VggTraining, labels_of, rate_of

RUNS = 10  # that a figure of the GPU alone is the median of
PEAK_SIDE, PEAK_BYTES = 8192, 1 << 32


def median(values):
    return sorted(values)[len(values) // 2]


# ---- ours ----

class VggGpu(Vgg):
    def __init__(self, job):
        import vgglib
        self.library = vgglib.Library(job["library"])
        network = self.library.load_network(job["model"])
        self.plan = self.library.make_plan(network, job["batch"], job["threads"],
                                           precision=job["variant"], device=job["device"])
        self.classes = job["layers"][-1]["output"][0]
        self.version = self.library.version().decode()
        self.note = self.library.device_name(job["device"])

    def inside(self, x):
        """Milliseconds of the GPU for a run."""
        times = []
        for _ in range(RUNS):
            self.run(x)
            times.append(1e3 * self.library.op_seconds(self.plan))
        return median(times)


class VggGpuTraining(VggTraining):
    def make_plan(self, job):
        return self.library.make_plan(self.network, job["batch"], job["threads"], train=True,
                                      precision=job["variant"], device=job["device"])

    def __init__(self, job):
        super().__init__(job)
        self.note = self.library.device_name(job["device"])


# ---- PyTorch ----

def set_up(torch, job):
    """(element, whether it is compiled, what autocast makes of it)."""
    precision, _, compiled = job["variant"].partition(" ")
    for switch in (torch.backends.cuda.matmul, torch.backends.cudnn):
        switch.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.benchmark = True
    element = {"bf16": torch.bfloat16, "f16": torch.float16}.get(precision, torch.float32)
    return element, compiled == "compiled"


def compile_of(torch, module):
    return torch.compile(module, mode="reduce-overhead")


class OnGpu:
    """What both of PyTorch's share."""

    def wait(self):
        if self.device == "cuda":
            self.torch.cuda.synchronize()

    def seconds_of(self, work):
        """The median of the seconds between two moments of the queue."""
        cuda, times = self.torch.cuda, []
        for _ in range(RUNS):
            if self.device != "cuda":
                begun = time.perf_counter()
                work()
                times.append(time.perf_counter() - begun)
                continue
            begin, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
            begin.record()
            work()
            end.record()
            self.wait()
            times.append(begin.elapsed_time(end) / 1e3)
        return median(times)

    def machine(self, threads):
        """The most that a product of matrices reaches here, and a copy."""
        torch, found = self.torch, {}
        small = self.device != "cuda"
        side, count = (512, 1 << 22) if small else (PEAK_SIDE, PEAK_BYTES)
        for name, element in (("bf16", torch.bfloat16), ("f16", torch.float16),
                              ("tf32", torch.float32), ("f32", torch.float32)):
            if small and name == "f16":
                continue
            torch.backends.cuda.matmul.allow_tf32 = name == "tf32"
            a = torch.randn(side, side, device=self.device).to(element)
            b = torch.randn(side, side, device=self.device).to(element)
            out = torch.empty_like(a)
            torch.mm(a, b, out=out)
            found[name] = 2e-12 * side**3 / self.seconds_of(lambda: torch.mm(a, b, out=out))
        a = torch.empty(count, dtype=torch.uint8, device=self.device)
        b = torch.empty_like(a)
        found["copy"] = 2e-9 * count / self.seconds_of(lambda: b.copy_(a))
        return found


class PyTorchGpu(OnGpu, PyTorch):
    def __init__(self, job):
        import torch
        self.torch, self.device = torch, job["device"]
        torch.set_num_threads(job["threads"])
        self.element, self.compiled = set_up(torch, job)
        self.version = torch.__version__
        self.cuda = "CUDA " + torch.version.cuda if torch.version.cuda else "CPU build"
        self.module = self.build(job["layers"], Weights(job["model"])).eval()
        self.module = self.module.to(self.device, self.element)
        self.format = torch.channels_last
        if self.compiled:
            self.module = compile_of(torch, self.module.to(memory_format=self.format))
            self.note = f"{self.cuda}, torch.compile (reduce-overhead), channels_last"
        else:
            self.choose_format(job)

    def take(self, x):
        tensor = self.torch.from_numpy(x).to(self.device, self.element)
        return tensor.contiguous(memory_format=self.format)

    def run(self, x):
        with self.torch.inference_mode():
            return self.module(self.take(x)).float().cpu().numpy()

    def inside(self, x):
        with self.torch.inference_mode():
            inputs = self.take(x)
            return 1e3 * self.seconds_of(lambda: self.module(inputs))


class PyTorchGpuTraining(OnGpu, PyTorch):
    """Weights in float32; layers that multiply do so as autocast says. f16 scales its loss."""

    def __init__(self, job):
        import torch
        self.torch, self.device = torch, job["device"]
        self.element, self.compiled = set_up(torch, job)
        self.labels = torch.from_numpy(labels_of(job, np.int64)).to(self.device)
        self.version = torch.__version__
        scaled = self.device == "cuda" and self.element == torch.float16
        self.scaler = torch.cuda.amp.GradScaler(enabled=scaled)
        self.choice = job["train"].get("choice") or self.choose(job)
        self.prepare(job, self.choice)
        self.note = (f"{'torch.compile' if self.compiled else 'eager'}, {self.choice}, SGD's fused "
                     "update")

    def prepare(self, job, layout):
        torch = self.torch
        self.format = getattr(torch, layout)
        module = self.build(job["layers"], Weights(job["model"])).train()
        self.module = module.to(self.device, memory_format=self.format)
        fused = {"fused": True} if self.device == "cuda" else {"foreach": True}
        self.optimiser = torch.optim.SGD(self.module.parameters(), rate_of(job), MOMENTUM,
                                         weight_decay=DECAY, **fused)
        self.forward = compile_of(torch, self.module) if self.compiled else self.module

    def choose(self, job):
        """The faster layout; that for GPUs where it is compiled, which takes long."""
        if self.compiled:
            return "channels_last"
        x, seconds = np.zeros((job["batch"], 3, job["size"], job["size"]), np.float32), {}
        for name in FORMATS:
            self.prepare(job, name)
            times = []
            for _ in range(4):
                begun = time.perf_counter()
                self.run(x)
                times.append(time.perf_counter() - begun)
            seconds[name] = min(times)
        return min(seconds, key=seconds.get)

    def run(self, x):
        torch = self.torch
        inputs = torch.from_numpy(x).to(self.device).contiguous(memory_format=self.format)
        self.optimiser.zero_grad(set_to_none=True)
        narrow = self.element != torch.float32
        with torch.autocast(self.device, self.element if narrow else torch.bfloat16, enabled=narrow):
            logits = self.forward(inputs)
        loss = torch.nn.functional.cross_entropy(logits.float(), self.labels)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return np.array([loss.item()])


PEERS = {"vgg": VggGpu, "PyTorch": PyTorchGpu}
TRAINING = {"vgg": VggGpuTraining, "PyTorch": PyTorchGpuTraining}
