#!/usr/bin/python3
"""Makes the goldens of test_torch_recipes from PyTorch in float64: 20 steps with each optimiser,
schedule and addition that vgg/train.h takes from it, and the rates of the schedules over longer runs.

    tests/golden/make_recipe_goldens.py

The files, networks and pictures are those of make_torch_goldens.py. The cases differ in their names,
by which RECIPES below and the test's table say what is used. Arrays of a training: "losses" of the
steps, "rates" and "momenta" (each as a float32 followed, in an array with "-rest" behind its name, by
what is missing to the float64), and "after", the losses on the pictures of each step, in evaluation,
with the weights after it, or their average. A case "run-NAME" has the rates and momenta only, of
RUN_EPOCHS times RUN_STEPS steps.
"""
import copy

import numpy as np
import torch

import make_torch_goldens as goldens

STEPS, RATE = 20, 0.004
ADAM_EPSILON = 1e-5 # the default would make whole steps of gradients that are rounding errors
RUN_EPOCHS, RUN_STEPS, WARMUP = 9, 7, 2
TOTAL = RUN_EPOCHS * RUN_STEPS
CLASS_WEIGHTS = [0.5, 1, 2, 1.5, 0.25]


def sgd(parameters, decay=5e-4, **more):
    return torch.optim.SGD(parameters, lr=RATE, momentum=0.9, weight_decay=decay, **more)


def nesterov(parameters):
    return sgd(parameters, nesterov=True)


def adamw(parameters):
    return torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.05, eps=ADAM_EPSILON)


def cosine(optimiser, total):
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, total, eta_min=RATE / 50)


def one_cycle(optimiser, total):
    return torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total)


def triangle(optimiser, total):
    points = ([0, int(0.23 * total), total], [0.2, 1, 0.07])
    return torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: np.interp(step, *points))


def plateau(optimiser, _):
    return torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.5, patience=1)


def warm(optimiser, total, per_epoch):
    """WARMUP epochs in equal steps, then the cosine over what is left."""
    first = WARMUP * per_epoch
    linear = torch.optim.lr_scheduler.LinearLR(optimiser, 1 / first, 1, first - 1)
    rest = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, total - first, eta_min=RATE / 50)
    return torch.optim.lr_scheduler.SequentialLR(optimiser, [linear, rest], [first])


# The test has the same table.
RECIPES = {
    "nesterov": {"optimiser": nesterov},
    "adamw": {"optimiser": adamw},
    "adamw-one-cycle": {"optimiser": adamw, "schedule": one_cycle},
    "smoothing": {"smoothing": 0.2},
    "weights": {"weights": CLASS_WEIGHTS, "smoothing": 0.1},
    "clip": {"clip": 0.5},
    "ema": {"ema": 0.8},
    "lookahead": {"lookahead": (5, 0.5), "after": True},
    "plateau": {"schedule": plateau},
    "cosine": {"schedule": cosine},
    "one-cycle": {"schedule": one_cycle},
    "triangle": {"schedule": triangle},
    "warmup": {"schedule": lambda optimiser, total: warm(optimiser, total, 1)},
    "no-decay": {"no_decay": True, "optimiser": lambda parameters: sgd(parameters, 0.5)},
    "bias-rate": {"bias_rate": 8},
    "fixed-scale": {"fix_scale": True},
    "logit-scale": {"logit_scale": 0.25},
    "norm-momentum": {"norm_momentum": 0.4, "after": True},
}
RUNS = {"cosine": cosine, "one-cycle": one_cycle, "triangle": triangle,
        "warmup": lambda optimiser, total: warm(optimiser, total, RUN_STEPS)}


def groups(network, recipe):
    """The parameters as the recipe groups them."""
    norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    biases = [m.bias for m in norms]
    if not norms:
        biases = [m.bias for m in network.modules() if getattr(m, "bias", None) is not None]
    if recipe.get("fix_scale"):
        for norm in norms:
            norm.weight.requires_grad_(False)
    if recipe.get("no_decay"):
        flat = [p for p in network.parameters() if p.dim() == 1]
        return [{"params": [p for p in network.parameters() if p.dim() > 1]},
                {"params": flat, "weight_decay": 0}]
    if "bias_rate" in recipe:
        factor = recipe["bias_rate"]
        others = [p for p in network.parameters() if not any(p is b for b in biases)]
        return [{"params": others},
                {"params": biases, "lr": RATE * factor, "weight_decay": 5e-4 / factor}]
    return [p for p in network.parameters() if p.requires_grad]


class Lookahead:
    def __init__(self, network, steps, keep):
        self.network, self.steps, self.keep, self.count = network, steps, keep, 0
        self.slow = [t.detach().clone() for t in self.tensors()]

    def tensors(self):
        return [t for t in self.network.state_dict().values() if t.is_floating_point()]

    def step(self):
        self.count += 1
        if self.count % self.steps:
            return
        for slow, value in zip(self.slow, self.tensors()):
            slow.mul_(self.keep).add_(value, alpha=1 - self.keep)
            value.copy_(slow)


def update_average(average, network, keep):
    """timm's ModelEmaV2."""
    with torch.no_grad():
        for mean, value in zip(average.state_dict().values(), network.state_dict().values()):
            mean.copy_(keep * mean + (1 - keep) * value)


def momentum_of(optimiser):
    group = optimiser.param_groups[0]
    return group["momentum"] if "momentum" in group else group["betas"][0]


def loss_after(c, network, step):
    network.eval()
    x, classes = goldens.pictures(c, step)
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(network(x), classes).item()
    network.train()
    return loss


def train(c, recipe):
    network = goldens.make_network(c)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = recipe.get("norm_momentum", 0.1)
    optimiser = recipe.get("optimiser", sgd)(groups(network, recipe))
    make = recipe.get("schedule")
    schedule = make(optimiser, STEPS) if make else None
    average = copy.deepcopy(network)
    lookahead = Lookahead(network, *recipe["lookahead"]) if "lookahead" in recipe else None
    weights = torch.tensor(recipe["weights"], dtype=torch.float64) if "weights" in recipe else None
    losses, rates, momenta, after = [], [], [], []
    for step in range(STEPS):
        x, classes = goldens.pictures(c, step)
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(
            network(x) * recipe.get("logit_scale", 1), classes, weight=weights,
            label_smoothing=recipe.get("smoothing", 0))
        loss.backward()
        if "clip" in recipe:
            torch.nn.utils.clip_grad_norm_(network.parameters(), recipe["clip"])
        rates.append(optimiser.param_groups[0]["lr"])
        momenta.append(momentum_of(optimiser))
        optimiser.step()
        losses.append(loss.item())
        if lookahead:
            lookahead.step()
        if "ema" in recipe:
            update_average(average, network, recipe["ema"])
        if "ema" in recipe or "after" in recipe:
            after.append(loss_after(c, average if "ema" in recipe else network, step))
        if make is plateau:
            schedule.step(losses[-1])
        elif schedule:
            schedule.step()
    return losses, rates, momenta, after


def doubles(name, values):
    whole = np.array(values, np.float64)
    first = whole.astype(np.float32)
    yield name, torch.from_numpy(first)
    yield f"{name}-rest", torch.from_numpy((whole - first).astype(np.float32))


def training_arrays(c):
    losses, rates, momenta, after = train(c, RECIPES[c.name.partition("/")[0]])
    print(f"{c.name:24} losses", *(f"{loss:.3f}" for loss in losses), flush=True)
    yield "losses", torch.tensor(losses, dtype=torch.float64)
    yield from doubles("rates", rates)
    yield from doubles("momenta", momenta)
    if after:
        yield "after", torch.tensor(after, dtype=torch.float64)


def run_arrays(c):
    optimiser = sgd([torch.nn.Parameter(torch.zeros(1))])
    schedule = RUNS[c.name.partition("-")[2]](optimiser, TOTAL)
    rates, momenta = [], []
    for _ in range(TOTAL):
        rates.append(optimiser.param_groups[0]["lr"])
        momenta.append(momentum_of(optimiser))
        optimiser.step()
        schedule.step()
    yield from doubles("rates", rates)
    yield from doubles("momenta", momenta)


def cases():
    for name in RECIPES:
        for norm, layout in ((0, "paper"), (1, "torchvision")):
            yield goldens.case(f"{name}/{'bn' if norm else 'plain'}", "12,M,20,20,M/32", layout,
                               norm, 5, (3, 16, 16), 8, "train", seed="bn" if norm else "plain",
                               steps=STEPS, rate=RATE)
    for name in RUNS:
        yield goldens.case(f"run-{name}", "4,M/", "paper", 0, 5, (3, 16, 16), 8, "train",
                           steps=TOTAL, rate=RATE)


def arrays(c):
    return run_arrays(c) if c.name.startswith("run-") else training_arrays(c)


if __name__ == "__main__":
    torch.set_num_threads(1)
    goldens.SETS["recipes"] = (cases, arrays)
    goldens.write("recipes")
