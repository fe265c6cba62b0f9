#!/usr/bin/env python3
"""What becomes of trained files that others published.

    tests/public/check_public_files.py FOLDER [--vgg build/vgg] [--fetch] [--markdown OUT.md]

files.json names each file with its repository, commit and SHA-256. FOLDER holds them as
FOLDER/<owner>+<name>/<file>; --fetch brings what is missing. None of them is part of this project.

Of a network that has an equivalent here files.json has the logits for a picture of noise, divided by 255, computed
by PyTorch or ONNX Runtime from the repository's own definition. vgg is asked first with nothing told, then with the
size, the layout and the padding, and last with the architecture; the first answer that holds numbers counts. A
network without an equivalent must be refused by a message that holds the word in files.json.
"""
import argparse
import collections
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

import numpy

HERE = pathlib.Path(__file__).parent


def picture_of_noise(folder, channels, height, width):
    """A PNM file of random bytes, the same at each call."""
    shape = (height, width, 3) if channels == 3 else (height, width)
    samples = numpy.random.RandomState(0).randint(0, 256, shape).astype(numpy.uint8)
    path = folder / f"noise-{channels}x{height}x{width}.pnm"
    path.write_bytes(b"P%d\n%d %d\n255\n" % (6 if channels == 3 else 5, width, height) + samples.tobytes())
    return path


def fetch(entry, path):
    address = "https://raw.githubusercontent.com/%s/%s/%s" % (
        entry["repository"], entry["commit"], urllib.parse.quote(entry["path"]))
    path.parent.mkdir(parents=True, exist_ok=True)
    with urllib.request.urlopen(address, timeout=60) as answer:
        path.write_bytes(answer.read())


class Checker:
    def __init__(self, vgg, pictures):
        self.vgg, self.pictures = vgg, pictures

    def predict(self, entry, path, picture, told):
        """The logits by number of class, or None and the message."""
        count = str(max(2, len(entry.get("logits", []))))
        done = subprocess.run(
            [self.vgg, "predict", "--model", path, "--preprocess", "unit", "--fit", "squash", *told, "--logits",
             "--exact", "--top", count, "--format", "json", picture],
            capture_output=True, text=True, timeout=300)
        if done.returncode < 0:
            return None, f"ended by signal {-done.returncode}"
        if done.returncode != 0:
            return None, done.stderr.strip().replace(str(path), "FILE").replace("\n", " ")
        found = sorted(json.loads(done.stdout)[0]["predictions"], key=lambda p: p["index"])
        return [p["logit"] for p in found], done.stderr

    @staticmethod
    def agree(found, entry):
        expected = entry["logits"]
        if len(expected) == 1 and len(found) == 2:  # a sigmoid is a softmax over zero and its logit
            found = [found[1] - found[0]]
        bound = 2e-4 * max(1, max(map(abs, expected)))
        return len(found) == len(expected) and all(abs(a - b) <= bound for a, b in zip(found, expected))

    def ways(self, entry):
        channels, height, width = entry["input"]
        size = str(height) if height == width else f"{height}x{width}"
        tell = entry.get("tell") or {}
        layout = tell.get("layout", "paper")
        padding = "valid" if "v" in tell.get("arch", "") else "same"
        yield "nothing told", []
        yield "--input", ["--input", size]
        yield "--input, --layout", ["--input", size, "--layout", layout]
        yield "--input, --layout, --padding", ["--input", size, "--layout", layout, "--padding", padding]
        if tell:
            yield "--arch", ["--input", size, "--layout", layout, "--arch", tell["arch"]]

    def check_network(self, entry, path):
        picture = picture_of_noise(self.pictures, *entry["input"])
        first = None
        for way, told in self.ways(entry):
            found, message = self.predict(entry, path, picture, told)
            first = first or message
            if found is not None:
                return ("right, " + way if self.agree(found, entry) else "WRONG, " + way), ""
        return "refused", first

    def check_stranger(self, entry, path):
        found, message = self.predict(entry, path, picture_of_noise(self.pictures, 1, 28, 28), [])
        if found is not None:
            return "OPENED", ""
        named = re.search(entry["must"], message, re.IGNORECASE)
        return ("no VGG network, refused by name" if named else "no VGG network, refused otherwise"), message

    def check(self, entry, path):
        if hashlib.sha256(path.read_bytes()).hexdigest() != entry["sha256"]:
            return "another file", ""
        return (self.check_network if "logits" in entry else self.check_stranger)(entry, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--vgg", default="build/vgg")
    parser.add_argument("--fetch", action="store_true")
    parser.add_argument("--markdown", type=pathlib.Path)
    arguments = parser.parse_args()
    rows, counts = [], collections.Counter()
    with tempfile.TemporaryDirectory() as pictures:
        checker = Checker(arguments.vgg, pathlib.Path(pictures))
        for entry in json.loads((HERE / "files.json").read_text()):
            path = arguments.folder / entry["repository"].replace("/", "+") / pathlib.Path(entry["path"]).name
            if arguments.fetch and not path.exists():
                fetch(entry, path)
            verdict, message = checker.check(entry, path) if path.exists() else ("not there", "")
            counts[verdict] += 1
            rows.append((entry["repository"], entry["path"], verdict, message[:160]))
            print("%-60s %-40s %s" % (entry["repository"][:60], verdict, message[:120]), flush=True)
    for verdict, count in sorted(counts.items()):
        print(f"{count:4} {verdict}")
    if arguments.markdown:
        with arguments.markdown.open("w") as out:
            out.write("| repository | file | what happened |\n|---|---|---|\n")
            for repository, path, verdict, message in rows:
                what = verdict + (": " + message.replace("vgg predict: ", "") if message else "")
                out.write("| %s | `%s` | %s |\n" % (repository, path, what.replace("|", "\\|")))
    sys.exit(any(verdict.startswith(("WRONG", "OPENED")) for verdict in counts))


if __name__ == "__main__":
    main()
