"""The binary interface of each minor version is kept in abi/, as libabigail sees it: what the headers
declare now is compared with it. Until a minor version is released, `make abi` writes its dump anew;
afterwards a change needs the next minor version."""
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEPT = ROOT / "tests/house/abi"
HEADER = (ROOT / "include/vgg/status.h").read_text()
MINOR = int(re.search(r"^#define VGG_VERSION_MINOR (\d+)$", HEADER, re.MULTILINE)[1])


def dump(include, soname, out):
    subprocess.run([ROOT / "scripts/abi.sh", include, soname, out], check=True)
    return out


def compare(old, new):
    """The exit status, 0 for no difference at all, and what abidiff says."""
    out = subprocess.run(["abidiff", "--harmless", old, new], capture_output=True, text=True)
    assert out.returncode & 3 == 0, out.stderr  # 1 and 2: it could not compare
    return out.returncode, out.stdout


def soname(path):
    return re.search(r"<abi-corpus [^>]*soname='([^']*)'", path.read_text())[1]


def test_every_minor_version_is_kept():
    assert {p.name for p in KEPT.iterdir()} == {f"0.{minor}.abi" for minor in range(1, MINOR + 1)}


def test_interface_is_the_one_that_is_kept(tmp_path):
    kept = KEPT / f"0.{MINOR}.abi"
    now = dump(ROOT / "include", f"libvgg.so.0.{MINOR}", tmp_path / "now.abi")
    status, report = compare(kept, now)
    assert status == 0, f"`make abi` if 0.{MINOR} is not released yet\n{report}"


def test_versions_that_differ_have_sonames_that_differ():
    for minor in range(1, MINOR):
        old, new = KEPT / f"0.{minor}.abi", KEPT / f"0.{minor + 1}.abi"
        assert compare(old, new)[0] != 0
        assert soname(old) != soname(new)


# What abidiff must find: a header, what it says, and what it says after a change.
CHANGES = {
    "a function gone": ("model.h", r"VGG_API bool vgg_model_softmax\([^;]*;", ""),
    "a new function": ("model.h", r"(?=typedef struct vgg_model vgg_model;)",
                       "VGG_API void vgg_new(void); "),
    "a parameter": ("model.h", r"vgg_model_free\(vgg_model \*model\)",
                    "vgg_model_free(vgg_model *model, int how)"),
    "a result": ("loss.h", r"VGG_API double vgg_cross_entropy\(",
                 "VGG_API float vgg_cross_entropy("),
    "a member's type": ("plan.h", r"size_t micro_batches;", "unsigned micro_batches;"),
    "a new member": ("train.h", r"(?=} vgg_train_result;)", "double more; "),
    "members changing places": ("predict.h", r"double probability;\s*double logit;",
                                "double logit; double probability;"),
    "a value": ("plan.h", r"VGG_MODE_TRAIN = 1", "VGG_MODE_TRAIN = 2"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changes_are_found(change, tmp_path):
    shutil.copytree(ROOT / "include", tmp_path / "include")
    name, pattern, text = CHANGES[change]
    header = tmp_path / "include/vgg" / name
    changed, count = re.subn(pattern, text, header.read_text())
    assert count == 1, "the header no longer has what this case changes"
    header.write_text(changed)
    name = f"libvgg.so.0.{MINOR}"
    before = dump(ROOT / "include", name, tmp_path / "before.abi")
    after = dump(tmp_path / "include", name, tmp_path / "after.abi")
    assert compare(before, after)[0] != 0
