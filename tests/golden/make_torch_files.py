#!/usr/bin/python3
"""Writes data/torch_files/: small files of torch.save, whose values test_pth.c computes again. Value j
of tensor i is ((31 i + 7 j) mod 64 - 32) / 16, which every type of number holds exactly."""
import collections
import pathlib

import torch

FOLDER = pathlib.Path(__file__).parent / "data" / "torch_files"


def values(number, *shape):
    count = torch.Size(shape).numel()
    return torch.tensor([((31 * number + 7 * j) % 64 - 32) / 16 for j in range(count)]).view(shape)


def main():
    FOLDER.mkdir(exist_ok=True)
    both = values(5, 10)
    state = collections.OrderedDict([
        ("float", values(0, 2, 3, 3, 3)),
        ("half", values(1, 5).half()),
        ("bfloat", values(2, 2, 2).bfloat16()),
        ("double", values(3, 3).double()),
        ("turned", values(4, 2, 3, 4).permute(2, 0, 1).contiguous().permute(1, 2, 0)),
        ("first", both[:4]),
        ("second", both[4:].view(2, 3)),
        ("count", torch.tensor(77)),
    ])
    torch.save(state, FOLDER / "state.pth")
    torch.save({"epoch": 3, "best": 0.5, "names": ["a", "b"], "scheduler": {"last": -1},
                "model": state}, FOLDER / "wrapped.pth", pickle_protocol=4)


if __name__ == "__main__":
    main()
