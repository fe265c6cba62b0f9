"""The rows of training in the page of bench/compare."""
from figures import TOLERANCE, agrees, fastest_peer, heading, markdown_table, per_image, quartiles

HEADER = ["program", "images/s", "ms/step", "quartiles", "vgg / it", "losses differ by", "peak MB"]
NOTE = ("A step is forward pass, cross-entropy, backward pass and an update by SGD with momentum 0.9 "
        "and weight decay 5e-4, again and again on one batch, without dropout. \"vgg / it\" compares "
        "images per second: more than 1 means that vgg is faster. \"losses differ by\" is the largest "
        "relative difference from vgg's losses of the first three steps, which begin from the same "
        f"weights; one beyond {TOLERANCE:g} is marked with an exclamation mark. PyTorch runs with the "
        "faster of two memory layouts and the fastest of the updates that its SGD has; layers below "
        "the last block, where that alone is trained, under no_grad. \"peak MB\" is the most resident "
        "memory of the process, with Python and NumPy in it.")


def images_per_s(row):
    """{program: the median}."""
    return {name: 1000 / times[1] for name, times in per_image(row).items()}


def cells(row):
    """The lines of a table under HEADER."""
    rates, lines = images_per_s(row), []
    for name, result in sorted(row["results"].items(), key=lambda item: -rates[item[0]]):
        lower, median, upper = quartiles(result["ms"])
        ratio = difference = ""
        if name != "vgg":
            ratio = f"{rates['vgg'] / rates[name]:.2f}"
            difference = f"{result['difference']:.1e}" + ("" if agrees(name, result) else " !")
        lines.append([name, f"{rates[name]:.1f}", f"{median:.1f}", f"{lower:.1f} - {upper:.1f}",
                      ratio, difference, f"{result['rss_mb']:.0f}"])
    for name, why in row["missing"].items():
        lines.append([name, "missing: " + why, "", "", "", "", ""])
    return lines


def summary_lines(rows):
    for row in rows:
        rates, peer, results = images_per_s(row), fastest_peer(row), row["results"]
        theirs = ["", "", "", ""]
        if peer:
            theirs = [peer, f"{rates[peer]:.1f}", f"{rates['vgg'] / rates[peer]:.2f}",
                      f"{results['vgg']['rss_mb']:.0f} / {results[peer]['rss_mb']:.0f}"]
        yield [heading(row), f"{rates['vgg']:.1f}", *theirs]


def summary(rows):
    yield from markdown_table(["", "vgg, images/s", "peer", "its images/s", "vgg / peer",
                               "peak MB, vgg / peer"], summary_lines(rows))


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
