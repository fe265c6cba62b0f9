"""What the numbers of a measured row amount to, for tables and chart."""
import statistics

from rows import NETS

COLOURS = {"vgg": "#c2410c", "vgg f16": "#ea8a4f", "vgg int8-linear": "#f5bd94",
           "vgg bf16": "#8c2f09", "vgg int8": "#5f1f05", "PyTorch": "#6d5bd0",
           "PyTorch autocast": "#a99de4", "ONNX Runtime": "#2f7ed8", "ONNX Runtime int8": "#86b6ea",
           "OpenVINO": "#2a9d8f", "OpenVINO bf16": "#7cc4bb", "OpenVINO int8": "#b5ddd8",
           "ncnn fp16": "#6b8e23", "ncnn fp32": "#a3b86c", "ncnn int8": "#cdd9ad"}
OURS = ("vgg", "vgg f16", "vgg int8-linear", "vgg bf16", "vgg int8")
# Of the largest logit, or of the loss, by what a program multiplies in.
TOLERANCES = {"float": 1e-3, "bf16": 0.05, "int8": 0.2}
# What those that ours are compared with multiply in, by what ours do.
RIVALS = {"float": ("float",), "bf16": ("float", "bf16"), "int8": ("int8",)}


def quartiles(values):
    """(lower, median, upper)."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
    return lower, median, upper


def per_image(row):
    """{program: (lower, median, upper) in ms for one image}."""
    return {name: tuple(value / row["batch"] for value in quartiles(result["ms"]))
            for name, result in row["results"].items()}


def network(row):
    """In words."""
    arch = row["arch"]
    if arch in NETS:
        arch = NETS[arch].words
    elif "/" in arch:
        name, _, rest = arch.partition("/")
        arch = name + rest + " with one linear layer" if rest in ("", "-bn") else arch
    classes = f", {row['classes']} classes" if row["classes"] != 1000 else ""
    return f"{arch}, {row['size']}x{row['size']}{classes}"


def heading(row):
    threads = f"{row['threads']} thread{'s' if row['threads'] > 1 else ''}"
    if row["process"]:
        return f"{network(row)}, whole process, one picture, {threads}"
    held = ", every program held to AVX2" if row["held"] else ""
    train = "training, " if row["train"] else ""
    last = ", last block and linear layers only" if row["last"] else ""
    return f"{train}{network(row)}, batch {row['batch']}{last}, {threads}{held}"


def arithmetic(name):
    """What a program multiplies in; ncnn's fp16 counts as float."""
    if name.endswith((" bf16", " autocast")):
        return "bf16"
    return "int8" if name.endswith(" int8") else "float"


def fastest_peer(row, ours="vgg"):
    """Of those that one of ours is compared with."""
    times = {name: t[1] for name, t in per_image(row).items()
             if name not in OURS and arithmetic(name) in RIVALS[arithmetic(ours)]}
    return min(times, key=times.get) if times else None


def agrees(name, result):
    return result["difference"] <= TOLERANCES[arithmetic(name)]


def markdown_table(header, lines):
    yield "| " + " | ".join(header) + " |"
    yield "|---|" + "---:|" * (len(header) - 1)
    for line in lines:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |"
