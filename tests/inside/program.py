"""The program, a model of narrow layers in PyTorch's file, and pictures."""
import os
import sys

import numpy as np
import torch
import torch.nn as nn
from PIL import Image

from nets import ROOT

sys.path.insert(0, str(ROOT / "tests" / "support"))

import forks  # noqa: E402

PROGRAM = os.path.abspath(os.environ.get("VGG", ROOT / "build" / "vgg"))
# What says the structure of the models below.
STRUCTURE = ("--arch", "5,5,M,10,10,M,21,21,21,M,42,42,42,M,42,42,42,M/40,30", "--layout", "torchvision")
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def vgg(*arguments, status=0, stdin=b"", cwd=None):
    done = forks.run(arguments, input=stdin, cwd=cwd, env={**os.environ, "LC_ALL": "C"}, timeout=60)
    assert done.returncode == status, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout.decode(), done.stderr.decode()


class Vgg(nn.Module):
    """torchvision's VGG-16, with or without batch normalisation, and a twelfth of its channels."""

    def __init__(self, batch_norm=False, classes=7, scale=12):
        super().__init__()
        layers, channels = [], 3
        for word in "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M".split():
            if word == "M":
                layers.append(nn.MaxPool2d(2))
                continue
            width = int(word) // scale
            layers.append(nn.Conv2d(channels, width, 3, padding=1))
            layers += [nn.BatchNorm2d(width)] * batch_norm
            layers.append(nn.ReLU())
            channels = width
        self.features, self.avgpool = nn.Sequential(*layers), nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(nn.Linear(channels * 49, 40), nn.ReLU(), nn.Dropout(),
                                        nn.Linear(40, 30), nn.ReLU(), nn.Dropout(), nn.Linear(30, classes))

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def make_model(path, seed=3, **options):
    """A seeded model whose activations stay alive, saved; and the same in float64."""
    torch.manual_seed(seed)
    model = Vgg(**options)
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, mode="fan_in")
            nn.init.normal_(module.bias, std=0.1)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.8, 1.2)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.uniform_(module.running_var, 0.8, 1.2)
    torch.save(model.state_dict(), path)
    return model.double().eval()


def draw(path, seed, size=(80, 64)):
    """A smooth picture with some noise, as photographs have it."""
    random = np.random.default_rng(seed)
    small = Image.fromarray(random.integers(0, 256, (6, 5, 3), np.uint8))
    values = np.asarray(small.resize(size, Image.BICUBIC), np.int64) + random.integers(-9, 10, (size[1], size[0], 3))
    Image.fromarray(np.clip(values, 0, 255).astype(np.uint8)).save(path)
    return path


def photographs(folder, count, **options):
    folder.mkdir(exist_ok=True)
    return [draw(folder / f"{i:02}.png", i, **options) for i in range(count)]


def normalised(image):
    """(1, 3, H, W) in float64, as torchvision's preset makes it."""
    values = (np.asarray(image, np.float64) / 255 - MEAN) / DEVIATION
    return torch.from_numpy(values.transpose(2, 0, 1)[None])


def prepared(path, size):
    """Resized by the short side, and the centre cut out."""
    image = Image.open(path).convert("RGB")
    short = min(image.size)
    image = image.resize([size * side // short for side in image.size], Image.BILINEAR)
    left, top = (round((side - size) / 2) for side in image.size)
    return normalised(image.crop((left, top, left + size, top + size)))
