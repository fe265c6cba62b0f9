"""What the libraries export: names that begin with vgg_, and from the shared one the public API alone."""
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("VGG_BUILD", ROOT / "build"))


def symbols(library, *flags):
    out = subprocess.run(["nm", "--defined-only", *flags, library], capture_output=True, text=True,
                         check=True).stdout
    # "address TYPE name"; capital types are global.
    return {fields[2] for line in out.splitlines()
            if len(fields := line.split()) == 3 and fields[1].isupper()}


def declared():
    """Names behind VGG_API in the public headers."""
    text = "\n".join(p.read_text() for p in (ROOT / "include" / "vgg").glob("*.h"))
    return set(re.findall(r"VGG_API[^;{]*?\b(vgg_\w+)\(", text))


def sanitizer(name):
    return name.startswith(("__asan", "__ubsan", "__odr_asan", "_", "asan."))


def test_shared_library_exports_the_api():
    exported = {n for n in symbols(next(BUILD.rglob("libvgg.so")), "-D") if not sanitizer(n)}
    assert exported == declared()


def test_static_library_has_only_our_prefix():
    strange = {n for n in symbols(next(BUILD.rglob("libvgg.a")))
               if not n.startswith("vgg_") and not sanitizer(n)}
    assert not strange


def test_library_never_prints_exits_or_aborts():
    out = subprocess.run(["nm", "--undefined-only", next(BUILD.rglob("libvgg.a"))],
                         capture_output=True, text=True, check=True).stdout
    used = set(re.findall(r" U (\w+)", out))
    forbidden = {"printf", "puts", "putchar", "perror", "exit", "_exit", "abort", "__assert_fail",
                 "stdout", "stderr", "vprintf", "__printf_chk"}
    assert not used & forbidden
