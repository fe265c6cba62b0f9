#!/usr/bin/python3
"""Makes the goldens of test_torch_style from PyTorch in float64: the losses of an optimisation of a picture for the
content of one picture and the style of two others, by torch.optim.LBFGS.

    tests/golden/make_style_goldens.py

The files and networks are those of make_torch_goldens.py. A case's name says what STARTS and CASES below say of it; the
test has the same table. Its input is the size of all pictures, whose bytes are

    b(c, y, x) = (3 * ramp + n) / 4, ramp = (KIND[0] y + KIND[1] x + KIND[2] c) modulo 256

with n the stream "NAME" of the seed, 8 bits at (c * height + y) * width + x. Pictures become inputs by torchvision's
figures. The array "losses" begins with that of the start, and "parts" has content, style and variation of the last.

L-BFGS carries rounding errors on, and with it ReLUs and pools that decide otherwise: the more so the longer it still gets
on. So each case is computed in float32, too, and one whose losses are then apart by more than CALM is refused: with such
it could not be told who is wrong. Another seed makes another case.
"""
import collections

import numpy as np
import torch

import make_torch_goldens as goldens

STEPS, SOURCES = 50, (1, 3)
KINDS = {"content": (5, 3, 40), "style0": (16, 1, 90), "style1": (1, 32, 150)}
CONTENT, STYLE, VARIATION, CALM = 5, 1, 1e-3, 0.01
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
UNIT = 255 * sum(DEVIATION) / 3
Case = collections.namedtuple("Case", ("content", "styles", "average", "seed"))
CASES = {
    "max": Case("relu3_2", ("relu1_1", "relu2_1", "relu3_1", "relu4_1"), False, 2),
    "average": Case("relu2_2", ("relu1_2", "relu3_1"), True, 3),
    "norms": Case("relu3_1", ("relu1_1", "relu2_1", "relu3_1"), False, 1),
}


def picture(c, name):
    """(1, C, H, W), of 0 to 1, on which scale the optimisation is."""
    channels, height, width = c.input
    places = np.indices(c.input)
    steps = KINDS[name]
    ramp = (steps[0] * places[1] + steps[1] * places[2] + steps[2] * places[0]) % 256
    noise = np.asarray(goldens.hashes(f"{c.seed}/{name}", 0, channels * height * width)).reshape(c.input) >> 16
    return torch.from_numpy((3 * ramp + noise.astype(np.int64)) // 4)[None].double() / 255


def layers(network):
    """By their names, of the features; a block ends at a pool."""
    block, number = 1, 0
    for layer in network.features:
        number += isinstance(layer, torch.nn.Conv2d)
        if isinstance(layer, torch.nn.ReLU):
            yield f"relu{block}_{number}", layer
        elif isinstance(layer, torch.nn.MaxPool2d):
            block, number = block + 1, 0
            yield "", layer
        else:
            yield "", layer


def given(network, average, x):
    """What the ReLUs give, on the scale of samples of 0 to 255."""
    mean, deviation = (torch.tensor(row, dtype=x.dtype).view(1, 3, 1, 1) for row in (MEAN, DEVIATION))
    x, found = (x - mean) / deviation, {}
    for name, layer in layers(network):
        pool = isinstance(layer, torch.nn.MaxPool2d)
        x = torch.nn.functional.avg_pool2d(x, 2) if pool and average else layer(x)
        found[name] = UNIT * x
    return found


def gram(x):
    rows = x[0].flatten(1)
    return rows @ rows.T / rows.numel()


def descend(c, dtype, weight=STYLE, away=0):
    """Content, style and variation after each iteration, from samples so far away from the content picture's, one up and
    the next down."""
    row = CASES[c.name]
    network = goldens.make_network(c).to(dtype)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    with torch.no_grad():
        wanted = given(network, row.average, picture(c, "content").to(dtype))[row.content]
        sources = [given(network, row.average, picture(c, f"style{i}").to(dtype)) for i in range(len(SOURCES))]
        grams = {name: sum(w * gram(s[name]) for w, s in zip(SOURCES, sources)) / sum(SOURCES) for name in row.styles}
    x = picture(c, "content").to(dtype)
    x.view(-1)[::2] += away
    x.view(-1)[1::2] -= away
    x.requires_grad_()
    optimiser = torch.optim.LBFGS([x], lr=1, max_iter=STEPS + 1, max_eval=2 * STEPS, history_size=100)
    found = []

    def closure():
        optimiser.zero_grad()
        seen = given(network, row.average, x)
        parts = (CONTENT * ((seen[row.content] - wanted) ** 2).mean(),
                 weight * sum(((gram(seen[name]) - grams[name]) ** 2).mean() for name in row.styles),
                 VARIATION / 2 * 255 ** 2 * sum((x.diff(dim=d) ** 2).sum() for d in (2, 3)))
        sum(parts).backward()
        found.append([part.item() for part in parts])
        return sum(parts)

    optimiser.step(closure)
    return torch.tensor(found, dtype=torch.float64)


def arrays(c):
    found, rough = descend(c, torch.float64), descend(c, torch.float32)
    losses = found.sum(1)
    apart = (rough.sum(1) / losses - 1).abs().max().item()
    print(f"{c.name:10} float32 apart by {apart:.1e};", *(f"{loss:.4g}" for loss in losses), flush=True)
    if apart > CALM:
        raise SystemExit(f"{c.name}: float32 is not near enough, take another seed")
    yield "losses", losses
    yield "parts", found[-1]


def case(name, seed):
    return goldens.case(name, "8,8,M,16,16,M,24,24,M,24/", "torchvision", int(name == "norms"), 5, (3, 44, 52), 1, "eval",
                        seed=str(seed), steps=STEPS)


def cases():
    for name, row in CASES.items():
        yield case(name, row.seed)


if __name__ == "__main__":
    torch.set_num_threads(1)
    goldens.SETS["style"] = (cases, arrays)
    goldens.write("style")
