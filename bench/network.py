"""The files of one network under out/bench: weights, and pictures with their labels."""
import pathlib
import re
import shutil
import subprocess

from vgglib import Library

ROOT = pathlib.Path(__file__).resolve().parents[1]
PICTURES = 40
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
        self.half = self.folder / "model-f16.safetensors"
        self.library = options.library
        library = Library(options.library)
        self.draw_pictures(options.vgg, library)
        model, self.layers, self.multiply_adds = library.create_model(
            row.arch, row.size, row.classes, row.size > 224, SEED)
        library.model_save(model, str(self.model).encode())
        library.model_free(model)
        self.convert(options.vgg)
        for stale in ("model.onnx", "network.param", "network.bin", "workers.log"):
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
        with open(self.inputs, "wb") as file:
            for picture in found:
                file.write(library.picture(picture, self.size))

    def convert(self, vgg):
        """Weights in 16 bits, when this vgg has `convert`."""
        self.half.unlink(missing_ok=True)
        subprocess.run([vgg, "convert", self.model, self.half, "--dtype", "f16"],
                       capture_output=True)

    def job(self, peer, variant, row):
        """An order for bench/worker.py."""
        model = self.half if (peer, variant) == ("vgg", "f16") else self.model
        job = {"peer": peer, "variant": variant, "library": str(self.library),
               "model": str(model), "folder": str(self.folder), "layers": self.layers,
               "size": self.size, "batch": row.batch, "threads": row.threads,
               "isa": "avx2" if row.held else "", "inputs": str(self.inputs)}
        if row.train:
            job["train"] = {"labels": self.labels, "last": row.last}
        return job
