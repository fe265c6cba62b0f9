"""The paper's testing protocols in PyTorch, in double precision and as plainly as they are defined:
what vgg's are held against. Networks are Sequential modules in torchvision's names."""

import numpy
import torch
from PIL import Image

MEAN = torch.tensor([0.485, 0.456, 0.406], dtype=torch.float64).view(3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225], dtype=torch.float64).view(3, 1, 1)


class Network(torch.nn.Module):
    """words: channels, "M" or "1x1:N"; torchvision's layout has an average pool behind them."""

    def __init__(self, words, hidden, classes, side, batch_norm=False, torchvision=False, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.side, self.torchvision = side, torchvision
        layers, channels = [], 3
        for word in words:
            if word == "M":
                layers.append(torch.nn.MaxPool2d(2, 2))
                side //= 2
                continue
            kernel = 1 if str(word).startswith("1x1:") else 3
            width = int(str(word).split(":")[-1])
            layers.append(torch.nn.Conv2d(channels, width, kernel, padding=kernel // 2))
            layers += [torch.nn.BatchNorm2d(width)] if batch_norm else []
            layers.append(torch.nn.ReLU())
            channels = width
        self.features = torch.nn.Sequential(*layers)
        self.window = 7 if torchvision else side
        head, features = [], channels * self.window ** 2
        for width in hidden:
            head += [torch.nn.Linear(features, width), torch.nn.ReLU(), torch.nn.Dropout(0.5)]
            features = width
        self.classifier = torch.nn.Sequential(*head, torch.nn.Linear(features, classes))
        self.fill()

    def fill(self):
        """Values that give posteriors which are neither flat nor sure."""
        for module in self.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(module.weight, 0.6, 1.4)
                torch.nn.init.uniform_(module.bias, -0.3, 0.3)
                module.running_mean.uniform_(-0.5, 0.5)
                module.running_var.uniform_(0.5, 2)
            elif isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
                torch.nn.init.kaiming_normal_(module.weight)
                torch.nn.init.uniform_(module.bias, -0.2, 0.2)
        with torch.no_grad():
            self.classifier[-1].weight *= 2
        self.double().eval()

    def whole(self, inputs):
        """Logits of inputs that have the network's own size."""
        maps = self.features(inputs)
        if self.torchvision:
            maps = torch.nn.functional.adaptive_avg_pool2d(maps, 7)
        return self.classifier(torch.flatten(maps, 1))

    def dense(self, inputs):
        """Logits of inputs of any size: the first linear layer is a convolution of the size of the
        map, the others are of 1x1, and the scores are averaged over space."""
        maps, window = self.features(inputs), self.window
        for module in self.classifier:
            if isinstance(module, torch.nn.Linear):
                weight = module.weight.view(module.out_features, -1, window, window)
                maps = torch.nn.functional.conv2d(maps, weight, module.bias)
                window = 1
            else:
                maps = module(maps)
        return maps.mean(dim=(2, 3))


def scaled(picture, side):
    """The picture with this short side."""
    width, height = picture.size
    short = min(width, height)
    return picture.resize((side * width // short, side * height // short), Image.BILINEAR)


def tensor(picture):
    samples = torch.from_numpy(numpy.asarray(picture, dtype=numpy.float64)).permute(2, 0, 1)
    return (samples / 255 - MEAN) / DEVIATION


def with_flip(logits_of, inputs):
    both = torch.cat([inputs, inputs.flip(3)])
    return torch.softmax(logits_of(both), 1).mean(0)


def cut(picture, left, top, side):
    return picture.crop((left, top, left + side, top + side))


def middle(picture, side):
    return cut(picture, *(round((edge - side) / 2) for edge in picture.size), side)


def grid(picture, side):
    lefts, tops = ([round(i * (edge - side) / 4) for i in range(5)] for edge in picture.size)
    return torch.stack([tensor(cut(picture, left, top, side)) for top in tops for left in lefts])


def posterior(network, picture, protocol, sides):
    """The class posterior of a picture; sides: the scales."""
    if protocol == "dense+crops":
        return (posterior(network, picture, "dense", sides) +
                posterior(network, picture, "crops", sides)) / 2
    each = []
    for side in sides:
        image = scaled(picture, side)
        if protocol == "dense":
            each.append(with_flip(network.dense, tensor(image)[None]))
        elif protocol == "crops":
            each.append(with_flip(network.whole, grid(image, network.side)))
        elif protocol == "flip":
            each.append(with_flip(network.whole, tensor(middle(image, network.side))[None]))
        else:
            one = tensor(middle(image, network.side))[None]
            each.append(torch.softmax(network.whole(one), 1)[0])
    return torch.stack(each).mean(0)
