"""No source files that call each other in a circle, as their objects show."""
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("VGG_BUILD", ROOT / "build"))


def objects():
    """Objects of the library by the sources that they are made of."""
    found = {}
    for path in (BUILD / "src").rglob("*.c.o"):
        room, _, source = str(path.relative_to(BUILD / "src")).partition("/CMakeFiles/")
        name = source.partition(".dir/")[2].removesuffix(".o")
        if (ROOT / "src" / room / name).exists():
            found.setdefault(f"{room}/{name}", []).append(path)
    return found


def symbols(paths, flag):
    out = subprocess.run(["nm", flag, *paths], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r" [A-TV-Z] (vgg_\w+)$|^ +U (vgg_\w+)$", out, re.MULTILINE))


def names(paths, flag):
    return {one or other for one, other in symbols(paths, flag)}


def calls():
    """For each source the others whose functions or data it uses."""
    sources = objects()
    home = {name: source for source, paths in sources.items() for name in names(paths, "--defined-only")}
    return {source: {home[n] for n in names(paths, "--undefined-only") if n in home} - {source}
            for source, paths in sources.items()}


def circles(graph):
    """The sets of files that can all be reached from each other (Tarjan's algorithm)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return sorted(found)


def test_a_circle_is_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}) == [["b", "c"]]


def test_no_circles():
    graph = calls()
    assert len(graph) > 100 and "base/notes.c" in graph["model/model.c"]
    assert circles(graph) == []
