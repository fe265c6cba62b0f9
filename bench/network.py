"""The files of one network under out/bench: weights, and pictures with their labels."""
import pathlib
import re
import shutil
import subprocess

from rows import NETS
from vgglib import Library

ROOT = pathlib.Path(__file__).resolve().parents[1]
PICTURES = 40
NARROW = ("f16", "int8-linear", "int8")  # what vgg's variants are converted to
SEED = 1


class Network:
    """One architecture, input size and number of classes. Nothing drops out, so that training takes
    the same course in every program."""

    def __init__(self, options, row):
        self.arch, self.size, self.classes = row.arch, row.size, row.classes
        name = re.sub(r"[^\w-]+", "_", f"{row.arch}-{row.size}-{row.classes}")
        self.folder = ROOT / "out/bench" / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.model, self.inputs = self.folder / "model.safetensors", self.folder / "inputs.f32"
        self.calibration = self.folder / "calibration.f32"
        self.narrow = {dtype: self.folder / f"model-{dtype}.safetensors" for dtype in NARROW}
        self.library = options.library
        library = Library(options.library)
        self.draw_pictures(options.vgg, library)
        model, self.layers, self.multiply_adds = library.create_model(
            row.arch, row.size, row.classes, row.size > 224, SEED)
        library.model_save(model, str(self.model).encode())
        library.model_free(model)
        self.convert(options.vgg)
        for stale in ("model.onnx", "network.param", "network.bin", "workers.log",
                      "model-int8.onnx", "model-int8.onnx.data", "model-int8.xml", "model-int8.bin",
                      "network-int8.param", "network-int8.bin"):
            (self.folder / stale).unlink(missing_ok=True)

    def draw_pictures(self, vgg, library):
        pictures = self.folder / "pictures"
        shutil.rmtree(pictures, ignore_errors=True)
        subprocess.run([vgg, "generate", pictures, "--train", str(PICTURES // 10), "--validation",
                        "1", "--size", "480", "--seed", str(SEED)], check=True, capture_output=True)
        found = sorted((pictures / "train").rglob("*.png"))
        kinds = sorted({picture.parent.name for picture in found})
        self.picture = found[0]
        self.labels = [kinds.index(picture.parent.name) for picture in found]
        self.draw(library, found, self.inputs)
        self.unseen = pictures / "validation"
        self.draw(library, sorted(self.unseen.rglob("*.png")), self.calibration)

    def draw(self, library, pictures, path):
        with open(path, "wb") as file:
            for picture in pictures:
                file.write(library.picture(picture, self.size))

    def convert(self, vgg):
        """Fewer bits, as far as this vgg can: of the weights of linear layers, and in int8 of all
        that multiplies."""
        ways = {"int8": [["int8", "--calibrate", self.unseen, "--preprocess", "torchvision",
                          "--max-drop", "1"]],
                "int8-linear": [["int8-linear"], ["int8"]]}  # as earlier versions call it
        for dtype, path in self.narrow.items():
            path.unlink(missing_ok=True)
            for way in ways.get(dtype, [[dtype]]):
                if subprocess.run([vgg, "convert", self.model, path, "--dtype", *way],
                                  capture_output=True).returncode == 0:
                    break

    def model_of(self, peer, variant):
        """The file of weights."""
        return self.narrow[variant] if peer == "vgg" and variant in NARROW else self.model

    def job(self, peer, variant, row):
        """An order for bench/worker.py."""
        job = {"peer": peer, "variant": variant, "library": str(self.library),
               "model": str(self.model_of(peer, variant)), "folder": str(self.folder),
               "layers": self.layers, "size": self.size, "batch": row.batch,
               "threads": row.threads, "isa": "avx2" if row.held else "",
               "inputs": str(self.inputs), "calibration": str(self.calibration)}
        if row.train:
            frozen = NETS[row.arch].frozen if row.arch in NETS else 0
            job["train"] = {"labels": self.labels, "last": row.last, "frozen": frozen}
        return job
