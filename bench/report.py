"""The tables and the chart of bench/compare."""
import os
import platform
import re
import statistics
import time
from xml.sax.saxutils import escape

COLOURS = {"vgg": "#c2410c", "vgg f16": "#ea8a4f", "PyTorch": "#6d5bd0", "ONNX Runtime": "#2f7ed8",
           "OpenVINO": "#2a9d8f", "ncnn fp16": "#6b8e23", "ncnn fp32": "#a3b86c"}
OURS = ("vgg", "vgg f16")
TOLERANCE = 1e-3  # of the largest logit
BUSY = 0.5  # load average above which the machine has other work
DISTURBED = ("**Disturbed: the machine was busy with other work. That slows two threads that wait "
             "for each other more than one alone; measure again on a quiet machine.**")


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


def heading(row):
    network = f"{row['arch']}, {row['size']}x{row['size']}"
    threads = f"{row['threads']} thread{'s' if row['threads'] > 1 else ''}"
    if row["row"] == "process":
        return f"{network}, whole process, one picture, {threads}"
    held = ", every program held to AVX2" if row["held"] else ""
    return f"{network}, batch {row['batch']}, {threads}{held}"


def fastest_peer(row):
    times = {name: t[1] for name, t in per_image(row).items() if name not in OURS}
    return min(times, key=times.get) if times else None


def agrees(result):
    return result["difference"] <= TOLERANCE


def cells(row):
    """The lines of a table under HEADER."""
    times = per_image(row)
    lines = []
    for name, result in sorted(row["results"].items(), key=lambda item: times[item[0]][1]):
        lower, median, upper = times[name]
        ratios = [f"{times[our][1] / median:.2f}" if our in times and name not in OURS else ""
                  for our in OURS]
        difference = "" if name == "vgg" else f"{result['difference']:.1e}"
        mark = "" if agrees(result) else " !"
        memory = f"{result['rss_mb']:.0f}" if "rss_mb" in result else ""
        lines.append([name, f"{median:.1f}", f"{lower:.1f} - {upper:.1f}", *ratios,
                      difference + mark, memory])
    for name, why in row["missing"].items():
        lines.append([name, "missing: " + why, "", "", "", "", ""])
    return lines


HEADER = ["program", "ms/image", "quartiles", "vgg / it", "vgg f16 / it", "max diff", "peak MB"]


def row_text(row):
    table = [HEADER, *cells(row)]
    widths = [max(len(line[i]) for line in table if not line[1].startswith("missing") or i == 0)
              for i in range(len(HEADER))]
    text = [heading(row)]
    for line in table:
        padded = [cell.ljust(width) for cell, width in zip(line, widths)]
        text.append(("  " + "  ".join(padded)).rstrip())
    return "\n".join(text)


def markdown_table(header, lines):
    yield "| " + " | ".join(header) + " |"
    yield "|---|" + "---:|" * (len(header) - 1)
    for line in lines:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |"


def summary_lines(rows):
    for row in rows:
        times = per_image(row)
        fastest = fastest_peer(row)
        ratio = [f"{times[our][1] / times[fastest][1]:.2f}" if fastest and our in times else ""
                 for our in OURS]
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


def memory_gib():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def system():
    with open("/etc/os-release") as file:
        found = re.search(r'PRETTY_NAME="?([^"\n]*)', file.read())
    return f"{found[1] if found else platform.system()}, Linux {platform.release().split('-')[0]}"


def machine_lines(rows, facts):
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
    before, after = facts["load"]
    yield (f"- Load average of the last minute before the run {before[0]:.1f}, at its end "
           f"{after[0]:.1f} (the run itself makes about as much as it has threads).")
    if before[0] > BUSY:
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


def document(rows, facts):
    day = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(facts["begun"]))
    yield "# Benchmarks"
    yield ""
    yield (f"Measured on {day} by `{facts['command']}`, which writes this page, in "
           f"{(facts['ended'] - facts['begun']) / 60:.1f} minutes.")
    yield ""
    yield ("All programs get the same random weights, the same pictures and the same number of "
           "threads, each in a process of its own that stands still while another is measured. A "
           f"round lets each run in turn, starting with another one; there were {facts['rounds']} "
           "rounds (fewer for large batches). Times are medians for one "
           "image, without loading, decoding or preprocessing, except for the whole process. "
           "Machines differ and are noisy: compare the numbers of one table only.")
    yield ""
    yield "![Time for one image, for every row and program](bench-chart.svg)"
    yield ""
    yield from markdown_table(["", "vgg, ms/image", "fastest peer", "its ms/image", "vgg / peer",
                               "vgg f16 / peer"], summary_lines(rows))
    yield ""
    yield "## The machine"
    yield ""
    yield from machine_lines(rows, facts)
    yield ""
    yield "## The programs"
    yield ""
    yield from program_lines(rows)
    yield ""
    yield "## Every row"
    yield ""
    yield (f"\"max diff\" is max|difference| / max|logit| against vgg with float32 weights; "
           f"one beyond {TOLERANCE:g} is marked with an exclamation mark. \"peak MB\" is the most "
           "resident memory of the process, with Python, NumPy and the mapped weights in it.")
    for row in rows:
        rate = 2e-6 * row["multiply_adds"] / per_image(row)["vgg"][1]
        yield ""
        yield f"### {heading(row)}"
        yield ""
        yield from markdown_table(HEADER, cells(row))
        yield ""
        if row["row"] != "process":
            yield (f"vgg's effective rate (operations of the direct convolution, over its time): "
                   f"{rate:.0f} GFLOP/s.")
        else:
            yield ("`vgg predict` against a Python script with Pillow and ONNX Runtime "
                   "(`bench/classify_onnx.py`), from start to exit, the files in the page cache.")


def chart(rows):
    """Bars of ms per image, a group for each row. Every group has its own scale."""
    left, bar, gap, width, most = 130, 18, 44, 860, 600
    parts, y = [], 64
    for row in rows:
        times = {name: t for name, t in per_image(row).items()}
        scale = most / max(t[1] for t in times.values())
        parts.append(f'<text x="16" y="{y}" class="h">{escape(heading(row))}</text>')
        y += 10
        for name in sorted(times, key=list(COLOURS).index):
            median = times[name][1]
            mark = "" if agrees(row["results"][name]) else ", outputs differ"
            parts.append(
                f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>'
                f'<rect x="{left}" y="{y}" width="{max(1, median * scale):.1f}" height="{bar - 3}" '
                f'fill="{COLOURS[name]}"/>'
                f'<text x="{left + median * scale + 6:.1f}" y="{y + 13}">{median:.1f} ms{mark}'
                f'</text>')
            y += bar
        y += gap - 14
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" width="{width}" '
            f'height="{y}" role="img" aria-label="Time for one image by program">'
            '<style>text{font:13px sans-serif;fill:#222}.h{font-weight:bold}'
            '.t{font:bold 17px sans-serif}</style>'
            f'<rect width="{width}" height="{y}" fill="#fff"/>'
            '<text x="16" y="26" class="t">Time for one image, ms (shorter is better)</text>'
            '<text x="16" y="44">Each group has its own scale.</text>')
    return head + "\n" + "\n".join(parts) + "\n</svg>\n"


def write(folder, rows, facts):
    (folder / "benchmarks.md").write_text("\n".join(document(rows, facts)) + "\n")
    (folder / "bench-chart.svg").write_text(chart(rows))
