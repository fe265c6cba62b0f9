#!/usr/bin/python3
"""Makes the goldens of tests/golden from PyTorch in float64 (Debian: python3-torch, python3-numpy).

    tests/golden/make_torch_goldens.py [SET...]

The sets: logits, logits-full, gradients, gradients-full, steps. Run again it writes the same bytes;
logits-full takes about five minutes, gradients-full four, and both 4 GB of memory.

A set is two files in data/torch. SET.bin holds little-endian float32 values. SET.txt describes it,
a line per case, followed by a line per array of that case with the count of its values and the
number of the first one in SET.bin:

    case NAME seed=S arch=A layout=L batch_norm=0|1 classes=N input=CxHxW batch=N mode=train|eval
         gain=G steps=N rate=R                            (one line, all of them, in this order)
    array NAME COUNT FIRST

Weights and pictures are not stored: this script and golden.c make them from the same formula, in
float32 operations that have one possible result. The stream with key "S/WHAT" is

    u(i) = (mix(fnv1a64(key) + 0x9e3779b97f4a7c15 * (i + 1)) >> 40) / 2^23 - 1     in [-1, 1)

where mix is SplitMix64's finaliser. A tensor is named WHAT = its torchvision name and filled in
row-major order with (u(i + 1) - u(i) / 8) * sqrt(6 / fan in) (weights), u/8 (biases), 1 + u/4
(batch normalisation's weights), u/4 (running means) or 1 + u/2 (running variances). Neighbouring
weights have opposite signs a little more often than not because, with independent weights, what all
pictures have in common grows from layer to layer until the logits hardly depend on the picture; a
larger share than 1/8 makes them depend on it more, but rounding errors grow as well.

The class of picture n is (hash of stream "class" at n) >> 40 modulo the classes; its pixels are
gain * (u of "prototype" at class * pixels + i, plus u/2 of "noise" at n * pixels + i). Step s of a
training uses pictures s * batch and following. A gain other than 1 makes the activations large, so
that local response normalisation has something to do; the last linear layer's weights are divided
by it.

In gradients-full, where no seed would keep millions of activations away from every branch (see
Watch), the network is fitted to its pictures. The array "chosen/LAYER.bias" replaces that tensor.
"chosen/LAYER.weight" has a version v for each filter: filter k of a tensor of n values starts at
number v * n + k * fan in of the tensor's stream. What PyTorch computed is not stored whole but as
an array of digest() per tensor: its RMS, then PROJECTIONS sums of all its values, each with a sign,
which is minus where bit p of the stream "TENSOR/signs" at the value's number is set in sum p, then
SAMPLES values, the s-th of which is at number h(2s) * 2^24 + h(2s + 1) modulo the count; h is the
stream "TENSOR/samples", as integers of 24 bits.
"""
import collections
import math
import pathlib
import sys

import numpy as np
import torch

FOLDER = pathlib.Path(__file__).parent / "data" / "torch"
TABLE = {
    "A": "64,M,128,M,256,256,M,512,512,M,512,512,M",
    "A-LRN": "64,L,M,128,M,256,256,M,512,512,M,512,512,M",
    "B": "64,64,M,128,128,M,256,256,M,512,512,M,512,512,M",
    "C": "64,64,M,128,128,M,256,256,1x1:256,M,512,512,1x1:512,M,512,512,1x1:512,M",
    "D": "64,64,M,128,128,M,256,256,256,M,512,512,512,M,512,512,512,M",
    "E": "64,64,M,128,128,M,256,256,256,256,M,512,512,512,512,M,512,512,512,512,M",
}
VARIANTS = [(name, norm) for norm in (0, 1) for name in TABLE if not (norm and name == "A-LRN")]

FIELDS = ("name", "seed", "arch", "layout", "batch_norm", "classes", "input", "batch", "mode",
          "gain", "steps", "rate")
Case = collections.namedtuple("Case", FIELDS)


def case(name, arch, layout, batch_norm, classes, size, batch, mode, seed=None, gain=1, steps=0,
         rate=0):
    """A case; its values come from its own name unless a seed says otherwise."""
    return Case(name, seed or name, arch, layout, batch_norm, classes, size, batch, mode, gain,
                steps, rate)


def narrow(name):
    """A row of the table with an eighth of the channels, plus one: no multiple of any vector."""
    def item(text):
        kernel, _, width = text.rpartition(":")
        return text if text in "ML" else f"{kernel}{':' if kernel else ''}{int(width) // 8 + 1}"
    return ",".join(map(item, TABLE[name].split(","))) + "/65,33"


def variant(name, norm):
    return name + ("-bn" if norm else "")


def small_cases():
    for row, (name, norm) in enumerate(VARIANTS):
        yield case(f"small-{variant(name, norm)}", narrow(name), ("paper", "torchvision")[row % 2],
                   norm, 10, (3, 32, 32), 3, "eval")
    yield case("small-table-A-LRN", "A-LRN", "paper", 0, 10, (3, 32, 32), 2, "eval")
    yield case("small-strong-lrn", narrow("A-LRN"), "torchvision", 0, 7, (1, 75, 53), 3, "eval",
               gain=64)


def full_cases():
    for row, (name, norm) in enumerate(VARIANTS):
        layout = ("paper", "torchvision")[row % 2]
        layouts = ("paper", "torchvision") if (name, norm) == ("D", 0) else (layout,)
        for layout in layouts:
            seed = variant(name, norm)
            yield case(f"{seed}-{layout}", name, layout, norm, 1000, (3, 224, 224), 2, "eval",
                       seed=seed)


def gradient_cases():
    mixed, size, odd = "8,L,M,12,12,M,1x1:10,M/20,16", (3, 16, 16), "24,M,40,M/20"
    yield case("mixed-train", mixed, "paper", 0, 10, size, 3, "train")
    yield case("mixed-eval", mixed, "paper", 0, 10, size, 3, "eval")
    yield case("mixed-bn-train", mixed, "paper", 1, 10, size, 3, "train")
    yield case("mixed-bn-eval", mixed, "paper", 1, 10, size, 3, "eval")
    yield case("odd-bn-train", odd, "torchvision", 1, 5, (3, 19, 13), 3, "train")
    yield case("odd-bn-eval", odd, "torchvision", 1, 5, (3, 19, 13), 3, "eval",
               seed="odd-bn-eval-2")
    yield case("odd", "24,M,40,1x1:24,M/33", "paper", 0, 7, (1, 19, 13), 3, "train",
               seed="odd-2")
    yield case("pool-down", "10,M,17/18", "torchvision", 0, 6, (3, 39, 30), 3, "train",
               seed="pool-down-2")
    yield case("pool-equal", "6,M,5/", "torchvision", 1, 4, (1, 14, 15), 3, "train")
    yield case("no-hidden", "17,L,33,M", "paper", 0, 3, (1, 9, 11), 3, "eval")
    yield case("strong-lrn", "19,L,M,21,L,M/12", "paper", 0, 8, (3, 13, 12), 3, "train", gain=64)
    yield case("deep", "16,16,M,24,24,24,M,32,1x1:40,M/48,32", "paper", 1, 10, (3, 17, 18), 3,
               "train")
    yield from structure_cases()


def structure_cases():
    rich, size = "c8v,R,B,P,D{0},12v,c1x1:9,R,P/f14,B,R,D{0},f11,7", (3, 20, 17)
    yield case("rich-train", rich.format("0"), "paper", 0, 5, size, 4, "train")
    yield case("rich-eval", rich.format("0.25"), "paper", 0, 5, size, 3, "eval")
    yield case("valid", "16v,24v,M,20v,M/16", "paper", 0, 6, (3, 21, 19), 3, "train")
    yield case("valid-bn", "16v,24v,M,20v,P/16", "torchvision", 1, 6, (3, 21, 19), 3, "train",
               seed="valid-bn-2")
    yield case("global", "16,c20v,B,R,P,24,M/18", "global", 0, 6, (3, 22, 18), 4, "train",
               seed="global-2")
    yield case("global-eval", "16,c20,B,R,M,c24,M,R/", "global", 0, 6, (3, 17, 18), 3, "eval")
    yield case("global-max", "18,M,c17,B,c20,R/B,f12,R,9", "global-max", 0, 5, (1, 15, 14), 4,
               "train", seed="global-max-2")
    yield case("global-max-plain", "18,M,c40/f12,R", "global-max", 1, 5, (3, 15, 14), 3, "train",
               seed="global-max-plain-3")
    yield case("linears", "8,M/f12,f10,R,D0,f9,D0,R", "paper", 0, 5, (3, 10, 10), 3, "train")
    yield case("first-norm", "B,8,M/B,6", "paper", 0, 4, (3, 9, 10), 4, "train")
    yield case("first-pool", "P,R,c16,M,R/D0,6", "torchvision", 0, 4, (3, 19, 18), 3, "train")
    yield case("rows", "/R,6,B", "paper", 0, 4, (3, 5, 4), 4, "train")


def full_gradient_cases():
    yield case("D-gradients", "D", "paper", 0, 1000, (3, 224, 224), 2, "train")
    yield case("D-bn-gradients", "D", "torchvision", 1, 1000, (3, 224, 224), 2, "train")


def step_cases():
    for norm, name, layout in ((0, "plain", "paper"), (1, "bn", "torchvision")):
        yield case(name, "12,M,20,20,M/32", layout, norm, 5, (3, 16, 16), 8, "train", steps=20,
                   rate=0.004)
    rich = "c12v,R,B,P,D0,20,P/f16,B,R,D0,24"
    for name, arch, layout, count, rate in (
            ("rich", rich, "paper", 20, 0.01),
            ("global", "12,P,20,M,c32,B,R/32", "global", 20, 0.03),
            ("linears", "12,M,20,P/f24,f16,R", "global-max", 40, 0.02)):
        yield case(name, arch, layout, 0, 5, (3, 16, 16), 8, "train", steps=count, rate=rate)


# ---- values -------------------------------------------------------------------------------------

def hashes(key, first, count):
    state = 0xCBF29CE484222325
    for byte in key.encode():
        state = (state ^ byte) * 0x100000001B3 % 2**64
    x = np.arange(first + 1, first + count + 1, dtype=np.uint64)
    x = np.uint64(state) + np.uint64(0x9E3779B97F4A7C15) * x
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (x ^ (x >> np.uint64(31))) >> np.uint64(40)


def uniform(key, first, count, chunk=1 << 20):
    values = np.empty(count, np.float32)
    for start in range(0, count, chunk):
        part = hashes(key, first + start, min(chunk, count - start))
        values[start:start + len(part)] = (part.astype(np.float32) * np.float32(2**-23)
                                           - np.float32(1))
    return values


def weight_values(key, name, first, count, fan_in):
    u = uniform(f"{key}/{name}", first, count + 1)
    return (u[1:] - np.float32(0.125) * u[:-1]) * np.float32(math.sqrt(6 / fan_in))


def tensor_values(key, name, shape):
    count = math.prod(shape)
    if len(shape) > 1:
        return weight_values(key, name, 0, count, math.prod(shape[1:]))
    u = uniform(f"{key}/{name}", 0, count)
    kind = name.rpartition(".")[2]
    if kind == "running_var" or kind == "weight":
        return np.float32(1) + u * np.float32(0.5 if kind == "running_var" else 0.25)
    return u * np.float32(0.25 if kind == "running_mean" else 0.125)


def pictures(c, step=0):
    """(batch, C, H, W) pixels and (batch) classes."""
    pixels = math.prod(c.input)
    order = range(step * c.batch, (step + 1) * c.batch)
    classes = [int(hashes(f"{c.seed}/class", n, 1)[0]) % c.classes for n in order]
    rows = []
    for n, label in zip(order, classes):
        prototype = uniform(f"{c.seed}/prototype", label * pixels, pixels)
        noise = uniform(f"{c.seed}/noise", n * pixels, pixels)
        rows.append(np.float32(c.gain) * (prototype + np.float32(0.5) * noise))
    shaped = np.stack(rows).reshape((c.batch,) + c.input)
    return torch.from_numpy(shaped).double(), torch.tensor(classes)


# ---- networks -----------------------------------------------------------------------------------

def anywhere(word, channels, norm):
    """The module of a word that may stand on both sides of the slash, else None."""
    if word == "B":
        return norm(channels)
    if word == "R":
        return torch.nn.ReLU()
    return torch.nn.Dropout(float(word[1:])) if word.startswith("D") else None


class Network(torch.nn.Module):
    POOLS = {"M": lambda: torch.nn.MaxPool2d(2, 2), "P": lambda: torch.nn.AvgPool2d(2, 2)}
    HEADS = {"paper": torch.nn.Identity, "torchvision": lambda: torch.nn.AdaptiveAvgPool2d(7),
             "global": lambda: torch.nn.AdaptiveAvgPool2d(1),
             "global-max": lambda: torch.nn.AdaptiveMaxPool2d(1)}

    def __init__(self, c):
        super().__init__()
        convolutions, _, hidden = c.arch.partition("/")
        if c.arch in TABLE:
            convolutions, hidden = TABLE[c.arch], "4096,4096"
        channels, height, width = c.input
        rows = []
        for item in filter(None, convolutions.split(",")):
            module = anywhere(item, channels, torch.nn.BatchNorm2d)
            if module:
                rows.append(module)
            elif item in self.POOLS:
                rows.append(self.POOLS[item]())
                height, width = height // 2, width // 2
            elif item == "L":
                # The paper's alpha of 1e-4 goes with the sum over five, PyTorch's with the mean.
                rows.append(torch.nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2))
            else:
                kernel, _, filters = item.lstrip("c").rstrip("v").rpartition("x1:")
                kernel = int(kernel or 3)
                padding = 0 if item.endswith("v") else kernel // 2
                rows.append(torch.nn.Conv2d(channels, int(filters), kernel, padding=padding))
                channels = int(filters)
                height, width = (side + 1 - kernel + 2 * padding for side in (height, width))
                if c.batch_norm and not item.startswith("c"):
                    rows.append(torch.nn.BatchNorm2d(channels))
                if not item.startswith("c"):
                    rows.append(torch.nn.ReLU())
        self.features = torch.nn.Sequential(*rows)
        self.pool = self.HEADS[c.layout]()
        features = channels * {"paper": height * width, "torchvision": 49}.get(c.layout, 1)
        rows = []
        for item in filter(None, hidden.split(",")):
            module = anywhere(item, features, torch.nn.BatchNorm1d)
            if module:
                rows.append(module)
                continue
            after = [torch.nn.Dropout(0), torch.nn.ReLU()]
            after = after if c.layout == "paper" else after[::-1]
            outputs = int(item.lstrip("f"))
            rows += [torch.nn.Linear(features, outputs)]
            rows += [] if item.startswith("f") else after
            features = outputs
        self.classifier = torch.nn.Sequential(*rows, torch.nn.Linear(features, c.classes))

    def forward(self, x):
        return self.classifier(torch.flatten(self.pool(self.features(x)), 1))


def make_network(c):
    network = Network(c).double()
    last = f"classifier.{len(network.classifier) - 1}.weight"
    for name, tensor in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        values = tensor_values(c.seed, name, tuple(tensor.shape))
        if name == last:
            values = values / np.float32(c.gain)
        tensor.copy_(torch.from_numpy(values).reshape(tensor.shape))
    return network.train(c.mode == "train")


class Watch:
    """Looks on while a network runs: how many ReLUs are alive, and how near any ReLU is to zero or
    any pool to a tie, relative to the layer's largest value. A nearer miss than float32 resolves
    would let the two sides disagree on a branch, and so on a gradient, with neither being wrong."""

    def __init__(self, network):
        self.alive, self.margin = [], math.inf
        for module in network.modules():
            if isinstance(module, torch.nn.ReLU):
                module.register_forward_hook(self.relu)
            elif isinstance(module, torch.nn.MaxPool2d):
                module.register_forward_hook(self.pool)
            elif isinstance(module, torch.nn.AdaptiveMaxPool2d):
                module.register_forward_hook(self.global_max)

    def relu(self, _, inputs, __):
        x = inputs[0].detach()
        self.alive.append((x > 0).float().mean().item())
        self.margin = min(self.margin, (x.abs().min() / x.abs().max()).item())

    def pool(self, _, inputs, __):
        x = inputs[0].detach()
        windows = torch.nn.functional.unfold(x.flatten(0, 1)[:, None], 2, stride=2)
        best = windows.topk(2, dim=1).values
        gaps = (best[:, 0] - best[:, 1])[best[:, 0] > 0]
        self.margin = min(self.margin, (gaps.min() / x.max()).item())

    def global_max(self, _, inputs, __):
        x = inputs[0].detach()
        best = x.flatten(2).topk(2, dim=2).values
        gaps = (best[..., 0] - best[..., 1])[best[..., 0] != 0]
        self.margin = min(self.margin, (gaps.min() / x.abs().max()).item())


def pool_gaps(z):
    """z: (N, C, H, W). Per channel the least difference of the two largest values of a window."""
    n, channels, height, width = z.shape
    windows = z.reshape(n, channels, height // 2, 2, width // 2, 2).transpose(3, 4)
    best = windows.reshape(n, channels, -1, 4).topk(2, dim=3).values
    return (best[..., 0] - best[..., 1]).amin((0, 2)), n * best.shape[2]


def widest_gap(values, reach):
    """The middle of the widest gap between values within reach of zero."""
    near = torch.cat((values[values.abs() < reach], torch.tensor([-reach, reach]))).sort().values
    gap = near.diff().argmax()
    return (near[gap] + near[gap + 1]).item() / 2


class Fit:
    """Moves a network away from its branches for one batch, layer by layer: takes another version
    of filters whose pools tie, and biases that put zero into the widest gap of a ReLU's inputs."""

    def __init__(self, c, network):
        self.c, self.chosen = c, {}
        modules = [(name, module) for name, module in network.named_modules()
                   if not list(module.children())]
        x, _ = pictures(c)
        with torch.no_grad():
            for at, (name, module) in enumerate(modules):
                follow = [type(after) for _, after in modules[at + 1:at + 4]]
                if isinstance(module, torch.nn.Conv2d):
                    last = modules[at + 1] if c.batch_norm else (name, module)
                    if torch.nn.MaxPool2d in follow[:2 + c.batch_norm]:
                        self.part_pools(name, module, last[1], x)
                    x = self.part_relu(*last, self.filtered(module, last[1], x, slice(None)))
                elif isinstance(module, torch.nn.Linear) and torch.nn.ReLU in follow:
                    x = self.part_relu(name, module, x @ module.weight.T)
                elif isinstance(module, torch.nn.MaxPool2d):
                    x = module(x)
                    if x.shape[2] == 7:
                        x = x.flatten(1)

    def filtered(self, convolution, last, x, rows):
        """Some channels of a convolution, and of the batch normalisation after it if `last` is one,
        before the bias that part_relu chooses."""
        z = torch.nn.functional.conv2d(x, convolution.weight[rows], padding=1)
        if last is convolution:
            return z
        return torch.nn.functional.batch_norm(z, None, None, last.weight[rows], training=True)

    def part_pools(self, name, convolution, last, x):
        weight = convolution.weight
        versions, rows = torch.zeros(len(weight)), torch.arange(len(weight))
        while len(rows):
            z = self.filtered(convolution, last, x, rows)
            gaps, windows = pool_gaps(z)
            rows = rows[gaps * windows < z.std((0, 2, 3))]
            versions[rows] += 1
            for k in rows.tolist():
                fan_in = weight[k].numel()
                first = int(versions[k]) * weight.numel() + k * fan_in
                values = weight_values(self.c.seed, f"{name}.weight", first, fan_in, fan_in)
                weight[k] = torch.from_numpy(values).reshape(weight[k].shape)
        self.chosen[f"chosen/{name}.weight"] = versions

    def part_relu(self, name, module, z):
        """z: (N, C, ...). Sets the bias and returns what is behind the ReLU."""
        reach = z.std().item() / 4
        for k in range(z.shape[1]):
            module.bias[k] = float(np.float32(-widest_gap(z[:, k].flatten(), reach)))
        self.chosen[f"chosen/{name}.bias"] = module.bias.detach().clone()
        return (z + module.bias.reshape([-1] + [1] * (z.dim() - 2))).relu()


# ---- goldens ------------------------------------------------------------------------------------

def logits(c):
    network = make_network(c)
    watch = Watch(network)
    x, _ = pictures(c)
    with torch.no_grad():
        y = network(x)
    apart = y.std(0).mean() / y.std(1).mean()
    print(f"{c.name:24} max {y.abs().max():8.3f}  images apart {apart:.3f}  ReLUs alive "
          f"{min(watch.alive):.2f}..{max(watch.alive):.2f}", flush=True)
    assert apart > 0.05 and min(watch.alive) > 0.2 and max(watch.alive) < 0.8, c
    yield "logits", y


def gradients(c):
    yield from network_gradients(c, make_network(c))


def network_gradients(c, network):
    watch = Watch(network)
    x, classes = pictures(c)
    x.requires_grad_()
    y = network(x)
    loss = torch.nn.functional.cross_entropy(y, classes)
    loss.backward()
    print(f"{c.name:24} loss {loss.item():8.4f}  margin {watch.margin:.1e}  ReLUs alive "
          f"{min(watch.alive):.2f}..{max(watch.alive):.2f}", flush=True)
    assert watch.margin > 5e-6, f"{c.name}: a branch hangs on a hair, choose another seed"
    yield "logits", y
    yield "loss", loss
    yield "input", x.grad
    for name, tensor in network.named_parameters():
        yield name, tensor.grad
    for name, tensor in network.named_buffers():
        if not name.endswith("num_batches_tracked"):
            yield name, tensor


PROJECTIONS, SAMPLES = 16, 256


def digest(key, name, tensor):
    values = tensor.detach().numpy().ravel()
    bins = np.zeros(1 << PROJECTIONS) # sums of the values with the same signs
    for start in range(0, values.size, 1 << 20):
        part = values[start:start + (1 << 20)]
        bits = hashes(f"{key}/{name}/signs", start, part.size) % np.uint64(bins.size)
        bins += np.bincount(bits.astype(np.int64), weights=part, minlength=bins.size)
    order = np.arange(bins.size)
    sums = [(bins * (1 - 2 * (order >> p & 1))).sum() for p in range(PROJECTIONS)]
    bits = hashes(f"{key}/{name}/samples", 0, 2 * SAMPLES)
    places = (bits[::2] * np.uint64(2**24) + bits[1::2]) % np.uint64(values.size)
    rms = math.sqrt(np.square(values).mean())
    return torch.from_numpy(np.concatenate(([rms], sums, values[places.astype(np.int64)])))


def full_gradients(c):
    network = make_network(c)
    yield from Fit(c, network).chosen.items()
    for name, tensor in network_gradients(c, network):
        whole = name in ("logits", "loss")
        yield name, tensor if whole else digest(c.seed, name, tensor)


def steps(c):
    network = make_network(c)
    optimiser = torch.optim.SGD(network.parameters(), lr=c.rate, momentum=0.9, weight_decay=5e-4)
    losses = []
    for step in range(c.steps):
        x, classes = pictures(c, step)
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(x), classes)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    print(f"{c.name:24} losses", *(f"{loss:.3f}" for loss in losses), flush=True)
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5]), c
    yield "losses", torch.tensor(losses, dtype=torch.float64)


SETS = {
    "logits": (small_cases, logits),
    "logits-full": (full_cases, logits),
    "gradients": (gradient_cases, gradients),
    "gradients-full": (full_gradient_cases, full_gradients),
    "steps": (step_cases, steps),
}


def write(name):
    cases, make = SETS[name]
    first, lines, parts = 0, [], []
    for c in cases():
        words = [f"{field}={'x'.join(map(str, value)) if field == 'input' else value}"
                 for field, value in zip(FIELDS[1:], c[1:])]
        lines.append(" ".join(["case", c.name] + words))
        for array, tensor in make(c):
            values = tensor.detach().numpy().astype("<f4").ravel()
            lines.append(f"array {array} {values.size} {first}")
            first += values.size
            parts.append(values.tobytes())
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.bin").write_bytes(b"".join(parts))
    (FOLDER / f"{name}.txt").write_text("\n".join(lines) + "\n")


def main():
    torch.set_num_threads(1)
    for name in sys.argv[1:] or SETS:
        if name not in SETS:
            sys.exit(f"{sys.argv[0]}: no set {name!r}, expected one of: {', '.join(SETS)}")
        write(name)


if __name__ == "__main__":
    main()
