"""300 broken Darknet files of each kind: each is read, or refused in one line; nothing crashes, hangs or,
in a build with the sanitizers, leaks. What is broken among the values goes unseen."""

import caffe_files
import darknet_files
import mutate
import pytest
from conftest import run

KINDS = {"plain": (False, (0, 2, 0)), "bn": (True, (0, 2, 5)), "old": (False, (0, 1, 0))}


def whole(kind):
    batch_norm, version = KINDS[kind]
    network = caffe_files.Network(((3,), (4, 4)), (6,), 5, 8, batch_norm=batch_norm)
    return network, darknet_files.weights(network, version)


@pytest.mark.parametrize("kind", KINDS)
def test_mutations(kind, tmp_path):
    network, data = whole(kind)
    path = tmp_path / "broken.weights"
    told = ("--arch", network.arch(), "--input", network.side)
    path.write_bytes(data)
    assert run("summary", path, *told)[0] == 0
    # The header's numbers, and where the values of layers begin.
    boundaries = [0, 4, 8, 12, 16, 20, 32, 44, 368, 384, 512]
    mutate.check_mutations(path, data, boundaries, *told, refused=100)
