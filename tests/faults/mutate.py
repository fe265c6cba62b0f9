"""Broken copies of a file: what a disk, a download or an enemy makes of it."""

import random

from conftest import complaints, run

HTML = b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head></html>\n"

# What a length, a count or an offset may claim.
HUGE = [0xFF, 0x7F, 0x80, 0x00]


def _fixed():
    yield "empty", b""
    yield "one-byte", b"\0"
    yield "html", HTML
    yield "zeros", bytes(4096)
    yield "ones", b"\xff" * 4096


def _truncated(data, boundaries):
    """Ends at, just before and just behind every boundary."""
    for boundary in boundaries:
        for end in (boundary - 1, boundary, boundary + 1):
            if 0 < end < len(data):
                yield f"truncated-{end}", data[:end]


def _appended(data, draw):
    for length in (1, 7, 4096):
        yield f"appended-{length}", data + draw.randbytes(length)
    yield "doubled", data + data
    yield "appended-html", data + HTML
    yield "prepended", b"\0" + data


def _place(data, boundaries, draw):
    """Mostly near a boundary, where lengths and tags lie; elsewhere now and then."""
    if boundaries and draw.random() < 0.7:
        return min(max(draw.choice(boundaries) + draw.randrange(-8, 24), 0), len(data) - 1)
    return draw.randrange(len(data))


def _flipped(data, boundaries, draw):
    at, bit = _place(data, boundaries, draw), draw.randrange(8)
    return f"flipped-{at}.{bit}", data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1:]


def _huge(data, boundaries, draw):
    at, width, fill = _place(data, boundaries, draw), draw.choice([1, 2, 4, 8]), draw.choice(HUGE)
    value = bytes([fill]) * width
    return f"filled-{at}-{width}x{fill:02x}", data[:at] + value + data[at + width:]


def _swapped(data, boundaries, draw):
    """Two numbers of the same width change places, which leaves every byte a likely one."""
    width = draw.choice([1, 2, 4, 8])
    a, b = sorted(_place(data, boundaries, draw) for _ in range(2))
    if b + width > len(data) or a + width > b:
        return _flipped(data, boundaries, draw)
    first, second = data[a:a + width], data[b:b + width]
    return (f"swapped-{a}-{b}-{width}",
            data[:a] + second + data[a + width:b] + first + data[b + width:])


def _removed(data, boundaries, draw):
    at, width = _place(data, boundaries, draw), draw.choice([1, 2, 4, 8, 64])
    return f"removed-{at}-{width}", data[:at] + data[at + width:]


def _inserted(data, boundaries, draw):
    at, width = _place(data, boundaries, draw), draw.choice([1, 2, 4, 8, 64])
    return f"inserted-{at}-{width}", data[:at] + draw.randbytes(width) + data[at:]


def check_mutations(path, data, boundaries, *told, refused, seed=0):
    """Has the program read 300 broken copies of the file, written to `path`, with what it is told on the
    command line: it reads each, or refuses it in one line that names the file, and refuses more than
    `refused` of them. It never crashes, hangs or, built with the sanitizers, leaks."""
    count = 0
    for name, broken in mutations(data, boundaries, seed=seed):
        path.write_bytes(broken)
        arguments = ("summary", path, *told)
        outcome = run(*arguments)
        status, _, err = outcome
        if status == 0:
            assert err == "", name
        else:
            assert status == 1, (name, outcome)
            complaints(arguments, outcome, says=[path])
            count += 1
    assert count > refused


def mutations(data, boundaries, count=300, seed=0):
    """Yields `count` pairs of a name and a broken copy of `data`. `boundaries` are the offsets at
    which parts of the file begin or end: truncations lie there and other damage lies near. The
    fixed kinds and an even choice of the truncations take at most half of the count."""
    draw = random.Random(seed)
    boundaries = sorted(set(boundaries))
    fixed = [*_fixed(), *_appended(data, draw)]
    cut = list(_truncated(data, boundaries))
    room = max(count // 2 - len(fixed), 0)
    if len(cut) > room:
        cut = [cut[i * len(cut) // room] for i in range(room)]
    made = (fixed + cut)[:count]
    yield from made
    kinds = [_flipped, _flipped, _huge, _huge, _swapped, _removed, _inserted]
    for number in range(len(made), count):
        name, broken = kinds[number % len(kinds)](data, boundaries, draw)
        yield f"{number}-{name}", broken
