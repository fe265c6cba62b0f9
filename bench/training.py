"""Training in the programs that can: SGD on the cross-entropy of one batch. Each class takes a job
(see worker.py) and has run(x) -> the loss of a step as an array, before its update."""
import time

import numpy as np

from peers import PyTorch, Weights

MOMENTUM, DECAY = 0.9, 5e-4
FORMATS = ("contiguous_format", "channels_last")
CHOICE_BATCH = 128  # pictures of the steps that choose a layout and an update, at most
UPDATES = {"foreach": {"foreach": True}, "fused": {"fused": True}, "plain": {"foreach": False}}


def rate_of(job):
    """Batch normalisation over few values makes much of small differences: at ten times this rate
    PyTorch's two memory layouts differ by a hundredth in the third loss."""
    normalised = any(layer["type"] == "batch_norm" for layer in job["layers"])
    return 0.0005 if normalised else 0.005


def labels_of(job, kind):
    return np.resize(np.array(job["train"]["labels"], kind), job["batch"])


def frozen_blocks(job):
    """When only the last block is trained, all before the last pool but one."""
    pools = sum(layer["type"] == "max_pool" for layer in job["layers"])
    return max(0, pools - 1) if job["train"]["last"] else 0


class VggTraining:
    def __init__(self, job):
        import vgglib
        self.library = vgglib.Library(job["library"])
        self.network = self.library.load_network(job["model"])
        self.library.network_freeze(self.network, frozen_blocks(job))
        for layer in range(job["train"]["frozen"]):
            self.library.network_set_trained(self.network, layer, False)
        self.plan = self.make_plan(job)
        self.optimiser = self.library.make_optimiser(self.network, self.plan, MOMENTUM, DECAY)
        self.rate = rate_of(job)
        self.classes = job["layers"][-1]["output"][0]
        self.labels = labels_of(job, np.uintp)
        self.logits = np.empty((job["batch"], self.classes), np.float32)
        self.gradient = np.empty_like(self.logits)
        self.version = self.library.version().decode()
        self.note = f"{self.library.cpu_tier().decode()} tier"

    def make_plan(self, job):
        return self.library.make_plan(self.network, job["batch"], job["threads"], train=True,
                                      precision=job["variant"] or "f32")

    def run(self, x):
        logits, gradient = self.logits.ctypes.data, self.gradient.ctypes.data
        self.library.plan_forward(self.plan, x.ctypes.data, len(x), logits)
        loss = self.library.cross_entropy(logits, self.labels.ctypes.data, len(x), self.classes,
                                          gradient)
        self.library.plan_backward(self.plan, gradient, None)
        self.library.optimiser_step(self.optimiser, self.rate)
        return np.array([loss])

    def machine(self, threads):
        return self.library.machine(threads)


class PyTorchTraining(PyTorch):
    """job["train"]["choice"] is what choose() found in another process, whose memory is its own. As
    "autocast" layers that multiply do so in bfloat16; as "float64" all is in float64."""

    def __init__(self, job):
        import torch
        self.torch = torch
        torch.set_num_threads(job["threads"])
        self.labels = torch.from_numpy(labels_of(job, np.int64))
        self.version = torch.__version__
        self.autocast = job["variant"] == "autocast"
        self.type = torch.float64 if job["variant"] == "float64" else torch.float32
        self.choice = job["train"].get("choice") or self.choose(job)
        self.prepare(job, *self.choice)
        build = "built with CUDA" if torch.version.cuda else "CPU build"
        self.note = (f"{build}, eager, {self.choice[0]} and SGD's {self.choice[1]} update "
                     "(the fastest of those there are)" +
                     (", autocast to bfloat16" if self.autocast else ""))

    def prepare(self, job, layout, update):
        self.format = getattr(self.torch, layout)
        self.module = self.build(job["layers"], Weights(job["model"])).train()
        self.module = self.module.to(dtype=self.type, memory_format=self.format)
        begin = self.first_trained(frozen_blocks(job)) or job["train"]["frozen"]
        self.frozen, self.trained = self.module[:begin], self.module[begin:]
        self.frozen.requires_grad_(False).eval()
        self.optimiser = self.torch.optim.SGD(self.trained.parameters(), rate_of(job), MOMENTUM,
                                              weight_decay=DECAY, **UPDATES[update])

    def first_trained(self, blocks):
        """The number of the module behind so many pools."""
        pools = [number for number, module in enumerate(self.module)
                 if isinstance(module, self.torch.nn.MaxPool2d)]
        return pools[blocks - 1] + 1 if blocks else 0

    def choose(self, job):
        """The fastest layout, and then the fastest update with it."""
        x = np.zeros((min(job["batch"], CHOICE_BATCH), 3, job["size"], job["size"]), np.float32)
        layouts = {name: self.time_step(job, x, name, "foreach") for name in FORMATS}
        layout = min(layouts, key=layouts.get)
        updates = {"foreach": layouts[layout]}
        for name in ("fused", "plain"):
            try:
                updates[name] = self.time_step(job, x, layout, name)
            except (TypeError, RuntimeError):
                pass  # older versions cannot fuse on a CPU
        return [layout, min(updates, key=updates.get)]

    def time_step(self, job, x, layout, update):
        self.prepare(job, layout, update)
        times = []
        for _ in range(4):  # the first two are slower: memory is taken
            begun = time.perf_counter()
            self.run(x)
            times.append(time.perf_counter() - begun)
        return min(times)

    def run(self, x):
        inputs = self.torch.from_numpy(x).to(self.type).contiguous(memory_format=self.format)
        self.optimiser.zero_grad(set_to_none=True)
        with self.torch.autocast("cpu", self.torch.bfloat16, enabled=self.autocast):
            with self.torch.no_grad():
                inputs = self.frozen(inputs)
            logits = self.trained(inputs)
            loss = self.torch.nn.functional.cross_entropy(logits, self.labels[:len(x)])
        loss.backward()
        self.optimiser.step()
        return np.array([loss.item()])


TRAINING = {"vgg": VggTraining, "PyTorch": PyTorchTraining}
