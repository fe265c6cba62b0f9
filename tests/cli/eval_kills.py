#!/usr/bin/python3
"""An evaluation of 10,000 pictures that is killed again and again, and resumed each time, must end in the bytes of
one that was not: its report in every format and the scores that it keeps (`make eval-kills`).

    VGG=build/vgg tests/cli/eval_kills.py [--kills N] [--seed K] [DATA]

DATA is what vgg train and vgg eval take; without it pictograms are drawn. A small network is trained on it for an
epoch first.
"""
import argparse
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.path.abspath(os.environ.get("VGG", ROOT / "build" / "vgg"))
TIMEOUT = 600
NETWORK = ("--recipe", "none", "--arch", "8,M,16,M/16", "--input", "32", "--batch-norm", "--epochs", "1", "--no-report")


def vgg(*words):
    done = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, timeout=TIMEOUT, check=False)
    if done.returncode != 0:
        sys.exit(f"vgg {' '.join(map(str, words))}: status {done.returncode}: {done.stderr.decode()}")
    return done.stdout


def size(path):
    return path.stat().st_size if path.exists() else 0


def kill(command, part, bytes_wanted):
    """Starts it, and kills it when so much is done; whether it was killed."""
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + TIMEOUT
        while process.poll() is None and time.monotonic() < until and size(part) < bytes_wanted:
            time.sleep(0.0002)
        process.send_signal(signal.SIGKILL)
    return process.returncode == -signal.SIGKILL


def whole_record(command, out, part):
    """Bytes that a picture takes in what is written meanwhile, from one that is killed and not gone on from."""
    while not kill(command, part, 1 << 14) or not part.exists():
        out.unlink(missing_ok=True)
    record = size(part) / max(part.read_bytes().count(b"scrd"), 1)
    part.unlink()
    return record


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=pathlib.Path)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        data = options.data
        if data is None:
            data = folder / "pictograms"
            vgg("generate", data, "--train", 60, "--validation", 1000, "--size", 32)
        run = folder / "run"
        vgg("train", data, "-o", run, *NETWORK)
        failed = 0
        for ending in ("csv", "npz"):
            whole, out = folder / f"whole.{ending}", folder / f"out.{ending}"
            part = folder / f"out.{ending}.part"
            expected = vgg("eval", "--model", run, data, "--predictions", whole)
            command = [PROGRAM, "eval", "--model", run, data, "--predictions", out, "--resume"]
            pictures = int(expected.splitlines()[0].split()[1].replace(b",", b""))
            record = whole_record(command, out, part)
            done = sorted(0.9 * chance.random() for _ in range(options.kills))
            kills = sum(kill(command, part, share * pictures * record) for share in done)
            again = vgg(*command[1:])
            same = again == expected and out.read_bytes() == whole.read_bytes() and not part.exists()
            for form in ("json", "csv"):
                same &= (vgg("score", out, "--hardest", 20, "--format", form)
                         == vgg("score", whole, "--hardest", 20, "--format", form))
            print(f"{ending}: {pictures:,} pictures, killed {kills} times at shares "
                  f"{' '.join(f'{share:.2f}' for share in done)}: {'the same bytes' if same else 'OTHER BYTES'}", flush=True)
            failed += not same or kills < options.kills
    return failed


if __name__ == "__main__":
    sys.exit(main())
