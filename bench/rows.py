"""What a row of bench/compare measures, read from how it is written."""
import re
from dataclasses import dataclass

PLACE = re.compile(r"(?P<arch>[^@:]*)(?:@(?P<size>[1-9]\d*)(?:to(?P<classes>[1-9]\d*))?)?")
RUN = re.compile(r"b(?P<batch>[1-9]\d*)(?:t(?P<threads>[1-9]\d*))?(?P<held>avx2)?(?P<last>last)?")
EXPECTED = ("process, b1, b8, b1t1, b1avx2, E:b1, @512:b1, D@32to10:b1, train:b8, train:A:b8last and "
            "the like")


@dataclass(frozen=True)
class Net:
    """A network that has a name here. frozen: how many of its first layers are not trained."""
    arch: str
    layout: str
    frozen: int
    words: str


# Those that people train: by the recipe of that name, and without any.
NETS = {"fast": Net("54,64,M,64,256,M,256,256,M,256-bn", "global-max", 1,
                    "the network of --recipe fast"),
        "photo": Net("32,M,64,M,128,128,M,256,256,M,256,256-bn", "global", 0,
                     "the default network for photographs")}


@dataclass(frozen=True)
class Row:
    text: str
    arch: str
    size: int
    classes: int
    batch: int
    threads: int
    held: bool     # every program to AVX2
    train: bool    # training steps in place of forward passes
    last: bool     # train: only the last block of convolutions and the linear layers
    process: bool  # whole processes


def parse_row(text, options):
    """options: arch, input and threads of rows that name none. None when it is no row."""
    train, rest = text.startswith("train:"), text.removeprefix("train:")
    place, _, run = rest.rpartition(":")
    where, how = PLACE.fullmatch(place), RUN.fullmatch(run)
    process = run == "process" and not train
    if where is None or not (how or process) or (how and how["last"] and not train):
        return None
    return Row(text=text, arch=where["arch"] or options.arch,
               size=int(where["size"] or options.input), classes=int(where["classes"] or 1000),
               batch=int(how["batch"]) if how else 1,
               threads=int(how["threads"] or options.threads) if how else options.threads,
               held=bool(how and how["held"]), train=train, last=bool(how and how["last"]),
               process=process)
