"""The page of bench/compare, and a row of it as text."""
import os
import platform
import re
import time

import chart
import report_training
from figures import (COLOURS, OURS, TOLERANCES, agrees, fastest_peer, heading,
                     markdown_table, per_image)

BUSY = 0.5  # load average above which the machine has other work
DISTURBED = ("**Disturbed: the machine was busy with other work. That slows two threads that wait "
             "for each other more than one alone; measure again on a quiet machine.**")


def cells(row):
    """The lines of a table under HEADER."""
    times = per_image(row)
    lines = []
    for name, result in sorted(row["results"].items(), key=lambda item: times[item[0]][1]):
        lower, median, upper = times[name]
        ratios = [f"{times[our][1] / median:.2f}" if our in times and name not in OURS else ""
                  for our in OURS]
        difference = "" if name == "vgg" else f"{result['difference']:.1e}"
        mark = "" if agrees(name, result) else " !"
        memory = f"{result['rss_mb']:.0f}" if "rss_mb" in result else ""
        lines.append([name, f"{median:.1f}", f"{lower:.1f} - {upper:.1f}", *ratios,
                      difference + mark, memory])
    for name, why in row["missing"].items():
        lines.append([name, "missing: " + why, *[""] * (len(HEADER) - 2)])
    return lines


HEADER = ["program", "ms/image", "quartiles", *(f"{our} / it" for our in OURS), "max diff",
          "peak MB"]


def row_text(row):
    header, lines = ((report_training.HEADER, report_training.cells(row)) if row["train"]
                     else (HEADER, cells(row)))
    table = [header, *lines]
    widths = [max(len(line[i]) for line in table if not line[1].startswith("missing") or i == 0)
              for i in range(len(header))]
    text = [heading(row)]
    for line in table:
        padded = [cell.ljust(width) for cell, width in zip(line, widths)]
        text.append(("  " + "  ".join(padded)).rstrip())
    return "\n".join(text)


def summary_lines(rows):
    for row in rows:
        times = per_image(row)
        fastest = fastest_peer(row)
        peers = {our: fastest_peer(row, our) for our in OURS}
        ratio = [f"{times[our][1] / times[peer][1]:.2f}" if peer and our in times else ""
                 for our, peer in peers.items()]
        ours = f"{times['vgg'][1]:.1f}"
        yield [heading(row), ours, fastest or "none", f"{times[fastest][1]:.1f}" if fastest else "",
               *ratio]


def processor():
    with open("/proc/cpuinfo") as file:
        text = file.read()
    name = re.search(r"model name\s*: (.*)", text)
    flags = re.search(r"flags\s*: (.*)", text)
    wanted = ("avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile")
    present = [flag for flag in wanted if flags and flag in flags[1].split()]
    return (name[1] if name else platform.machine()), present


def machine():
    """What rows must share to stand in one page."""
    name, flags = processor()
    return f"{name}, {len(os.sched_getaffinity(0))} cores; {', '.join(flags)}"


def memory_gib():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def system():
    with open("/etc/os-release") as file:
        found = re.search(r'PRETTY_NAME="?([^"\n]*)', file.read())
    return f"{found[1] if found else platform.system()}, Linux {platform.release().split('-')[0]}"


def machine_lines(rows):
    name, flags = processor()
    yield f"- Processor: {name}, {len(os.sched_getaffinity(0))} cores of it; {', '.join(flags)}."
    yield f"- Memory: {memory_gib():.0f} GiB. System: {system()}."
    for row in rows:
        if "peak_gflops" in row.get("machine", {}):
            machine = row["machine"]
            yield (f"- Measured in the same run with {row['threads']} "
                   f"thread{'s' if row['threads'] > 1 else ''}"
                   f"{' and AVX2' if row['held'] else ''} ({row['row']}): "
                   f"{machine['peak_gflops']:.0f} GFLOP/s of float32 multiply-adds, reading memory "
                   f"at {machine['read_gbps']:.1f} GB/s.")
    load = max(row["load"] for row in rows)
    yield f"- Load average of the last minute before a run of `bench/compare`: {load:.1f} at most."
    if load > BUSY:
        yield f"- {DISTURBED}"


def program_lines(rows):
    seen = {}
    for row in rows:
        for name, result in row["results"].items():
            if "version" in result:
                seen.setdefault(name, []).append(f"{result['version']}: {result['note']}")
        for name, why in row["missing"].items():
            if not any(name in other["results"] for other in rows):
                seen.setdefault(name, []).append("missing: " + why)
    for name in sorted(seen, key=list(COLOURS).index):
        yield f"- **{name}** {'; '.join(dict.fromkeys(seen[name]))}."


def sentence_of(rows):
    """When rows were measured, which may be of several runs, and how long that took."""
    first, last = (time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(choose(row["begun"] for row in rows)))
                   for choose in (min, max))
    minutes = sum(row["ended"] - row["begun"] for row in rows) / 60
    commands = " and ".join(dict.fromkeys(f"`{row['command']}`" for row in rows))
    return (f"Measured {f'on {first}' if first == last else f'from {first} to {last}'} by {commands}, which "
            f"writes this page, in {minutes:.1f} minutes.")


def document(rows):
    inference = [row for row in rows if not row["train"]]
    training = [row for row in rows if row["train"]]
    rounds = " or ".join(map(str, sorted({row["rounds"] for row in rows})))
    yield "# Benchmarks"
    yield ""
    yield sentence_of(rows)
    yield ""
    yield ("All programs get the same random weights, the same pictures and the same number of "
           "threads, each in a process of its own that stands still while another is measured. A "
           f"round lets each run in turn, starting with another one; there were {rounds} "
           "rounds (fewer for large batches). Times are medians for one "
           "image, without loading, decoding or preprocessing, except for the whole process. "
           "Machines differ and are noisy: compare the numbers of one table only.")
    yield ""
    yield "![Time for one image, for every row and program](bench-chart.svg)"
    yield ""
    if inference:
        yield from markdown_table(["", "vgg, ms/image", "fastest peer", "its ms/image",
                                   *(f"{our} / peer" for our in OURS)],
                                  summary_lines(inference))
        yield ""
        yield variants_text(inference)
        yield ("The fastest peer is one that multiplies in floats; vgg bf16 is compared with the "
               "fastest that does so or in bfloat16, and vgg int8 with the fastest that multiplies "
               "in int8.")
        yield ""
    if training:
        yield from report_training.summary(training)
        yield ""
    yield "## The machine"
    yield ""
    yield from machine_lines(rows)
    yield ""
    yield "## The programs"
    yield ""
    yield from program_lines(rows)
    yield ""
    if inference:
        yield from inference_section(inference)
        yield ""
    if training:
        yield from report_training.section(training)


VARIANTS = {"vgg f16": "stores the weights of linear layers in 16 bits",
            "vgg int8-linear": "stores the weights of linear layers in 8 bits",
            "vgg bf16": "multiplies in bfloat16", "vgg int8": "multiplies in int8"}


def variants_text(rows):
    """What our variants are, and cost."""
    sentences = []
    for name, what in VARIANTS.items():
        differ = [row["results"][name]["difference"] for row in rows if name in row["results"]]
        if differ:
            sentences.append(f"{name} {what}: its outputs differ from vgg's by {max(differ):.1e} of "
                             "the largest logit at most.")
    return " ".join(sentences)


def inference_section(rows):
    yield "## Every row of inference"
    yield ""
    yield (f"\"max diff\" is max|difference| / max|logit| against vgg with float32 weights; "
           f"one beyond {TOLERANCES['float']:g}, {TOLERANCES['bf16']:g} where a program multiplies "
           f"in bfloat16, or {TOLERANCES['int8']:g} in int8, is marked with an exclamation mark. "
           "\"peak MB\" is the most resident memory of the process, with Python, NumPy and the mapped "
           "weights in it.")
    for row in rows:
        rate = 2e-6 * row["multiply_adds"] / per_image(row)["vgg"][1]
        yield ""
        yield f"### {heading(row)}"
        yield ""
        yield from markdown_table(HEADER, cells(row))
        yield ""
        if not row["process"]:
            yield (f"vgg's effective rate (operations of the direct convolution, over its time): "
                   f"{rate:.0f} GFLOP/s.")
        else:
            yield ("`vgg predict` against a Python script with Pillow and ONNX Runtime "
                   "(`bench/classify_onnx.py`), from start to exit, the files in the page cache.")


# What bench/serve and bench/distance write, at the end of the page.
OTHERS = ("Serving", "LPIPS")


def section_of(text, heading):
    """The section of the page, with its heading; "" when it has none."""
    found = re.search(rf"^## {heading}\n.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return found[0].rstrip() + "\n" if found else ""


def replace_section(page, heading, lines):
    text = page.read_text()
    rest = text.replace(section_of(text, heading), "").rstrip()
    page.write_text(rest + "\n\n" + "\n".join([f"## {heading}", "", *lines]).rstrip() + "\n")


def write(folder, rows):
    page = folder / "benchmarks.md"
    before = page.read_text() if page.exists() else ""
    kept = [section for heading in OTHERS if (section := section_of(before, heading))]
    page.write_text("\n".join([*document(rows), *[""] * bool(kept), *kept]).rstrip() + "\n")
    (folder / "bench-chart.svg").write_text(chart.draw(rows))
