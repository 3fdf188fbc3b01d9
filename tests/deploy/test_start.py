"""On the device: what passes is used, what does not falls down the ladder, and nothing else."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as PillowImage

from scunext_edge.data.images import read_mask, write_mask
from scunext_edge.deploy import __main__ as command
from scunext_edge.deploy import acceptance, start
from scunext_edge.deploy.acceptance import Trial, fastest
from scunext_edge.deploy.accepted import Refusal, open_accepted
from scunext_edge.errors import ArtifactError
from scunext_edge.storage import read_json, write_json


@pytest.fixture(scope="module")
def begun(made, keys, tmp_path_factory):
    """The state of a device on which the bundle was started; not to be changed."""
    from scunext_edge.deploy.signing import public_key

    state = tmp_path_factory.mktemp("device") / "state"
    found = start.start(made, state, public_key(keys[0].with_name("ours.pub")))
    assert found.exit_code == 0, found
    return state


@pytest.fixture
def state(begun, bundle, tmp_path):
    """A copy of that state that belongs to the copy of the bundle."""
    copy = tmp_path / "state"
    shutil.copytree(begun, copy)
    record = acceptance.load(copy)
    acceptance.save(copy, replace(record, bundle=str(bundle)))
    return copy


def spoil_mask(bundle, rung):
    """As if the engine drew another outline here."""
    path = sorted((bundle / "golden/masks" / rung).iterdir())[0]
    write_mask(path, ~read_mask(path))


def reason(state):
    found = open_accepted(state)
    assert isinstance(found, Refusal)
    return found.reason


def test_a_first_start_tries_every_form_and_records_what_it_saw(begun, made):
    record = acceptance.load(begun)
    assert [(it.name, it.outcome) for it in record.trials] == [
        ("native-int8", "passed"),
        ("native-fp32", "passed"),
    ]
    for trial in record.trials:
        names = [check["name"] for check in trial.checks]
        assert names[0] == "golden masks"
        assert {"duplicate rows", "time of an image"} <= set(names)
        assert set(trial.times_ms) == {"compute", "transfer", "end_to_end"}
        assert (trial.claim_ms, trial.version is not None) == (2.0, True)
    assert record.activated == fastest(record.trials)
    assert record.bundle == str(made.resolve())
    assert record.versions["numpy"] == np.__version__
    assert record.machine["architecture"] == record.identity["architecture"]


def test_the_accepted_form_segments(state, tmp_path, capsys, bundle):
    image = next((bundle / "golden/images").iterdir())
    arguments = ["segment", str(image), "--state", str(state), "--out", str(tmp_path / "o")]
    assert command.main(arguments) == 0
    told = json.loads(capsys.readouterr().out)
    form = acceptance.load(state).activated
    assert (told["status"], told["form"]) == ("ok", form)
    assert set(told["quality"]) == {"usable", "flags", "values"}
    expected = read_mask(bundle / "golden/masks" / form / image.name)
    assert np.mean(read_mask(tmp_path / "o" / f"{image.stem}.mask.png") != expected) <= 2e-4


def test_what_cannot_be_segmented_is_code_1(state, tmp_path, capsys):
    PillowImage.new("RGB", (50, 40)).save(tmp_path / "black.png")
    images = [str(tmp_path / "black.png"), str(tmp_path / "absent.png")]
    arguments = ["segment", *images, "--state", str(state), "--out", str(tmp_path / "o")]
    assert command.main(arguments) == 1
    lines = [json.loads(line)["status"] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["ok", "failed"]


def test_before_the_first_start_nothing_is_segmented(tmp_path, capsys):
    arguments = ["segment", "a.png", "--state", str(tmp_path / "s"), "--out", str(tmp_path / "o")]
    assert command.main(arguments) == 1
    assert "nothing was accepted on this device yet" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_a_form_that_draws_another_mask_falls_down_the_ladder(
    bundle, tmp_path, key, sign_again, capsys
):
    spoil_mask(bundle, "native-int8")
    sign_again(bundle)
    found = start.start(bundle, tmp_path / "state", key)
    int8 = found.acceptance.trial("native-int8")
    assert int8.outcome == "failed"
    assert "golden masks: 100.0000% of the pixels of drawn-" in int8.reason
    assert (found.acceptance.activated, found.exit_code) == ("native-fp32", 0)


def test_where_no_form_passes_nothing_is_used(bundle, tmp_path, key, keys, sign_again, capsys):
    description = read_json(bundle / "bundle.json")
    write_json(bundle / "bundle.json", {**description, "limit_ms": 0.001})
    sign_again(bundle)
    state = tmp_path / "state"
    arguments = ["start", str(bundle), "--state", str(state), "--key", f"{keys[0]}.pub"]
    assert command.main(arguments) == 1
    out = capsys.readouterr().out
    assert "native-int8: failed" in out
    assert "time of an image" in out
    assert "refused: no form passed on this device" in out
    assert "no form passed on this device: native-int8: time of an image" in reason(state)


def test_an_engine_that_crashes_takes_its_own_form_down_and_nothing_else(
    bundle, tmp_path, key, monkeypatch
):
    shutil.copy(__file__.replace("test_start.py", "crashing.py"), tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(start, "WORKER", "crashing")
    found = start.start(bundle, tmp_path / "state", key)
    crashed = found.acceptance.trial("native-int8")
    assert crashed.outcome == "failed"
    assert "killed by SIGSEGV" in crashed.reason
    assert found.acceptance.activated == "native-fp32"


def test_an_engine_that_is_not_here_is_unavailable(bundle, tmp_path, key, sign_again):
    pytest.importorskip("onnxruntime")
    description = read_json(bundle / "bundle.json")
    description["rungs"][0] |= {"backend": "native", "device": "cpu-none"}
    write_json(bundle / "bundle.json", description)
    sign_again(bundle)
    found = start.start(bundle, tmp_path / "state", key)
    trial = found.acceptance.trial("native-int8")
    assert trial.outcome == "unavailable"
    assert "cpu-none" in trial.reason


def test_a_bundle_that_was_altered_is_not_started(bundle, tmp_path, keys, planted, capsys):
    file = planted(keys[1])["one byte of a model"](bundle)
    arguments = ["start", str(bundle), "--state", str(tmp_path / "s"), "--key", f"{keys[0]}.pub"]
    assert command.main(arguments) == 1
    assert f"refused: {file}: was altered" in capsys.readouterr().out
    assert not (tmp_path / "s").exists()


def test_a_wrong_key_is_code_2(bundle, tmp_path, keys, capsys):
    arguments = ["start", str(bundle), "--state", str(tmp_path / "s"), "--key", str(keys[0])]
    assert command.main(arguments) == 2
    assert "is no public Ed25519 key" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["a file was added", "one byte of a model", "the model card was edited"]
)
def test_what_was_altered_after_its_acceptance_is_not_used(state, bundle, keys, planted, name):
    file = planted(keys[1])[name](bundle)
    assert file in reason(state)


def test_an_acceptance_is_of_one_bundle_machine_and_version(state, bundle, sign_again, monkeypatch):
    known, identity = acceptance.this_machine()
    with monkeypatch.context() as patch:
        patch.setattr(acceptance, "this_machine", lambda: (known, {**identity, "board": "other"}))
        assert "another machine: board was" in reason(state)
    versions = acceptance.these_versions()
    with monkeypatch.context() as patch:
        patch.setattr(acceptance, "these_versions", lambda: {**versions, "pillow": "0"})
        assert "another version: pillow was" in reason(state)
    (bundle / "added").touch()
    sign_again(bundle)
    assert "holds another bundle" in reason(state)
    shutil.rmtree(bundle)
    assert "there is no bundle in" in reason(state)


def test_another_engine_than_the_accepted_one_is_not_used(state):
    record = acceptance.load(state)
    trials = tuple(replace(it, version="0.0.1") for it in record.trials)
    acceptance.save(state, replace(record, trials=trials))
    assert "is another file or engine now" in reason(state)


def test_the_fastest_that_passed_is_used_and_the_higher_one_of_equals():
    def trial(name, ms, outcome="passed"):
        return Trial(name=name, outcome=outcome, times_ms={"transfer": ms})

    assert fastest((trial("a", 2.0), trial("b", 1.0), trial("c", 0.1, "failed"))) == "b"
    assert fastest((trial("a", 1.0), trial("b", 1.0))) == "a"
    assert fastest((trial("a", 1.0, "failed"), Trial(name="b", outcome="unavailable"))) is None


def test_a_record_that_is_incomplete_is_refused(state):
    content = read_json(state / "acceptance.json")
    del content["identity"]
    write_json(state / "acceptance.json", content)
    with pytest.raises(ArtifactError, match="is no complete acceptance"):
        acceptance.load(state)
