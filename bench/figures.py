"""What the numbers of a measured row amount to, for tables and chart."""
import statistics

COLOURS = {"vgg": "#c2410c", "vgg f16": "#ea8a4f", "vgg int8": "#f5bd94",
           "vgg bf16": "#8c2f09", "PyTorch": "#6d5bd0",
           "ONNX Runtime": "#2f7ed8", "OpenVINO": "#2a9d8f", "OpenVINO bf16": "#7cc4bb",
           "ncnn fp16": "#6b8e23", "ncnn fp32": "#a3b86c"}
OURS = ("vgg", "vgg f16", "vgg int8", "vgg bf16")
TOLERANCE = 1e-3  # of the largest logit, or of the loss
BF16_TOLERANCE = 0.05  # of the largest logit, for programs that multiply in bfloat16


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
    if "/" in arch:
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


def is_rounded(name):
    """Whether a program multiplies in bfloat16."""
    return name.endswith(" bf16")


def fastest_peer(row, rounded=False):
    """Of those that multiply in bfloat16, too, when `rounded`: what they are is another answer."""
    times = {name: t[1] for name, t in per_image(row).items()
             if name not in OURS and (rounded or not is_rounded(name))}
    return min(times, key=times.get) if times else None


def agrees(name, result):
    return result["difference"] <= (BF16_TOLERANCE if is_rounded(name) else TOLERANCE)


def markdown_table(header, lines):
    yield "| " + " | ".join(header) + " |"
    yield "|---|" + "---:|" * (len(header) - 1)
    for line in lines:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |"
