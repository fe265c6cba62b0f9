"""What earlier versions wrote opens: their models say the same of the same pictures, to the last bit, and
their runs go on to the very bytes that the version itself came to."""
import hashlib
import json
import os
import pathlib
import shutil

import pytest
from make_fixtures import HERE, Program, pictures_digest

REPOSITORY = HERE.parents[1]
VGG = pathlib.Path(os.environ.get("VGG", REPOSITORY / "build" / "vgg")).resolve()
EXPECTED = {path.parent.name: json.loads(path.read_text())
            for path in sorted(HERE.glob("*/expected.json"))}
RUNS = [(version, name) for version in EXPECTED for name in EXPECTED[version]["runs"]]
MODELS = [(version, name) for version in EXPECTED for name in EXPECTED[version]["models"]]


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """For each version this program, in a folder with the pictures that the version drew."""
    made = {}
    for version, expected in EXPECTED.items():
        made[version] = Program(VGG, tmp_path_factory.mktemp(version))
        made[version].run("generate", "data", *expected["generate"])
    return made


@pytest.mark.parametrize("version", EXPECTED)
def test_everything_that_is_there_is_expected(version):
    for kind in ("runs", "models"):
        assert {path.name for path in (HERE / version / kind).iterdir()} == set(EXPECTED[version][kind])


@pytest.mark.parametrize("version", EXPECTED)
def test_pictures(version, programs):
    """Where this fails the rest must: README.md says what to do when pictures are drawn another way."""
    assert pictures_digest(programs[version].folder / "data") == EXPECTED[version]["pictures"]


@pytest.mark.parametrize("version,name", MODELS)
def test_model(version, name, programs):
    path, program = HERE / version / "models" / name, programs[version]
    assert program.predictions(path) == EXPECTED[version]["models"][name]
    assert program.run("summary", path)
    assert program.run("inspect", path)


@pytest.mark.parametrize("version,name", RUNS)
def test_run(version, name, programs):
    program, expected = programs[version], EXPECTED[version]["runs"][name]
    run = pathlib.Path(shutil.copytree(HERE / version / "runs" / name, program.folder / name))
    program.run("train", "data", "-o", name, "--resume", *expected["resume"])
    for model in ("best.safetensors", "last.safetensors"):
        assert hashlib.sha256((run / model).read_bytes()).hexdigest() == expected[model], model
    # The log goes on where it ended: no step is missing, none is there twice.
    steps = [(line["epoch"], line["step"]) for line in map(json.loads, open(run / "log.jsonl"))
             if line["type"] == "step"]
    per_epoch = max(step for _, step in steps)
    assert steps == [(epoch, step) for epoch in range(1, steps[-1][0] + 1)
                     for step in range(1, per_epoch + 1)]


@pytest.mark.parametrize("version", ["0.1.0"])
def test_run_that_was_killed_between_its_two_files(version, programs):
    """That version renamed the state first and the model then; where it was killed between the two, the model
    waited under another name."""
    program, expected = programs[version], EXPECTED[version]["runs"]["complete"]
    run = pathlib.Path(shutil.copytree(HERE / version / "runs" / "complete", program.folder / "between"))
    (run / "last.safetensors").rename(run / "last.safetensors.new")
    shutil.copy(HERE / version / "runs" / "stopped" / "last.safetensors", run / "last.safetensors")
    program.run("train", "data", "-o", "between", "--resume", *expected["resume"])
    for model in ("best.safetensors", "last.safetensors"):
        assert hashlib.sha256((run / model).read_bytes()).hexdigest() == expected[model], model
    assert not list(run.glob("*.new"))
