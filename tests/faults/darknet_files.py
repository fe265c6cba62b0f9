"""Darknet weights of the networks of caffe_files, made by the standard library alone."""

import math
import struct

from caffe_files import floats


def weights(network, version=(0, 2, 0)):
    wide = 10 * version[0] + version[1] >= 2
    data = struct.pack("<3i", *version) + struct.pack("<q" if wide else "<i", 32000)
    for _, weight, bias, norm in network.convolutions:
        if norm is None:
            data += floats(bias)
        else:
            gamma, beta, mean, variance = norm
            data += floats(beta) + floats(gamma) + floats(mean) + floats(variance)
        data += floats(weight)
    for _, weight, bias in network.linears:
        data += floats(bias) + floats(weight)
    return data


def as_torch(network):
    """The same network where batch normalisation divides by sqrt(variance + 1e-5): Darknet divides by
    sqrt(variance) + 1e-6 and has no bias before it. The difference is put into the weight, in double."""
    for i, (shape, weight, bias, norm) in enumerate(network.convolutions):
        gamma, beta, mean, variance = norm
        gamma = [g * math.sqrt(v + 1e-5) / (math.sqrt(v) + 1e-6) for g, v in zip(gamma, variance)]
        network.convolutions[i] = (shape, weight, [0.0] * len(bias), (gamma, beta, mean, variance))
    return network
