"""The version is said in one place, and everything else agrees with it."""
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("VGG_BUILD", ROOT / "build"))
MACRO = re.compile(r"^#define VGG_VERSION_(MAJOR|MINOR|PATCH) (\d+)$", re.MULTILINE)


def version():
    numbers = dict(MACRO.findall((ROOT / "include/vgg/status.h").read_text()))
    return tuple(int(numbers[part]) for part in ("MAJOR", "MINOR", "PATCH"))


def text():
    return ".".join(map(str, version()))


def test_macros_make_a_number(tmp_path):
    program = tmp_path / "number.c"
    program.write_text('#include <vgg/vgg.h>\nint number = VGG_VERSION_NUMBER;\n')
    out = subprocess.run(["cc", "-E", "-P", f"-I{ROOT}/include", program], capture_output=True,
                         text=True, check=True).stdout
    [expression] = re.findall(r"int number = (.*);", out)
    major, minor, patch = version()
    assert eval(expression) == 10000 * major + 100 * minor + patch
    assert max(minor, patch) < 100


def test_program_and_packages():
    out = subprocess.run([BUILD / "vgg", "--version"], capture_output=True, text=True, check=True)
    assert out.stdout.split()[:2] == ["vgg", text()]
    assert re.findall(r"^Version: (.*)", (BUILD / "vgg.pc").read_text(), re.MULTILINE) == [text()]
    assert f'set(PACKAGE_VERSION "{text()}")' in (BUILD / "vgg-config-version.cmake").read_text()


def test_each_minor_version_has_a_soname():
    library = next(BUILD.rglob("libvgg.so"))
    out = subprocess.run(["readelf", "-d", library], capture_output=True, text=True,
                         check=True).stdout
    [soname] = re.findall(r"\(SONAME\).*\[(.*)\]", out)
    major, minor, _ = version()
    assert soname == "libvgg.so." + (f"0.{minor}" if major == 0 else str(major))
    assert library.resolve().name == f"libvgg.so.{text()}"


def test_changelog_begins_with_it():
    headings = re.findall(r"^## (.*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == text()
    numbers = [tuple(map(int, heading.split("."))) for heading in headings]
    assert numbers == sorted(set(numbers), reverse=True)
