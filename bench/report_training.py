"""The rows of training in the page of bench/compare."""
from figures import TOLERANCES, agrees, heading, markdown_table, per_image, quartiles

TRAINED = ("vgg", "vgg bf16")
HEADER = ["program", "images/s", "ms/step", "quartiles", *(f"{our} / it" for our in TRAINED),
          "losses differ by", "peak MB"]
NOTE = ("A step is forward pass, cross-entropy, backward pass and an update by SGD with momentum 0.9 "
        "and weight decay 5e-4, again and again on one batch, without dropout. \"vgg / it\" compares "
        "images per second: more than 1 means that vgg is faster. \"losses differ by\" is the largest "
        "relative difference from vgg's losses of the first three steps, which begin from the same "
        f"weights; one beyond {TOLERANCES['float']:g}, or {TOLERANCES['bf16']:g} in bfloat16, is marked "
        "with an exclamation mark. vgg bf16 and PyTorch's autocast multiply in bfloat16 and keep "
        "float32 weights. PyTorch runs with the faster of two memory layouts and the fastest of the "
        "updates that its SGD has; layers below the last block, where that alone is trained, under "
        "no_grad. \"peak MB\" is the most resident memory of the process, with Python and NumPy in it.")


def images_per_s(row):
    """{program: the median}."""
    return {name: 1000 / times[1] for name, times in per_image(row).items()}


def cells(row):
    """The lines of a table under HEADER."""
    rates, lines = images_per_s(row), []
    for name, result in sorted(row["results"].items(), key=lambda item: -rates[item[0]]):
        lower, median, upper = quartiles(result["ms"])
        ratios, difference = ["" for _ in TRAINED], ""
        if name != "vgg":
            ratios = [f"{rates[our] / rates[name]:.2f}" if our in rates and name != our else ""
                      for our in TRAINED]
            difference = f"{result['difference']:.1e}" + ("" if agrees(name, result) else " !")
        lines.append([name, f"{rates[name]:.1f}", f"{median:.1f}", f"{lower:.1f} - {upper:.1f}",
                      *ratios, difference, f"{result['rss_mb']:.0f}"])
    for name, why in row["missing"].items():
        lines.append([name, "missing: " + why, *[""] * (len(HEADER) - 2)])
    return lines


def summary_lines(rows):
    """A line for each of ours; "theirs" is PyTorch's float32, and for bfloat16 also its autocast."""
    for row in rows:
        rates, results = images_per_s(row), row["results"]
        for our in TRAINED:
            if our not in rates:
                continue
            ratios = [f"{rates[our] / rates[peer]:.2f}" if peer in rates else ""
                      for peer in ("PyTorch", "PyTorch autocast")]
            memory = f"{results['PyTorch']['rss_mb']:.0f}" if "PyTorch" in results else ""
            yield [f"{heading(row)}: {our}", f"{rates[our]:.1f}",
                   ratios[0], ratios[1] if our != "vgg" else "",
                   f"{results[our]['rss_mb']:.0f} / {memory}"]


def summary(rows):
    yield from markdown_table(["", "images/s", "times PyTorch's", "times its autocast's",
                               "peak MB, it / PyTorch"], summary_lines(rows))


def section(rows):
    yield "## Every row of training"
    yield ""
    yield NOTE
    for row in rows:
        losses = ", ".join(f"{loss:.4f}" for loss in row["results"]["vgg"]["losses"])
        yield ""
        yield f"### {heading(row)}"
        yield ""
        yield from markdown_table(HEADER, cells(row))
        yield ""
        yield f"vgg's first losses: {losses}."
