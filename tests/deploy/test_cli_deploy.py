"""`bundle` and its parts as a user types them: exit codes, and what is said."""

from __future__ import annotations

import json
import sys

import pytest

from scunext_edge import cli


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["scunext-edge", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        return ended.value.code or 0, shown.out, shown.err

    return call


def options(asked):
    """The words of a command for these settings."""
    return ["--target", asked.target, "--out", asked.out, "--key", asked.key, "--run", asked.run,
            "--wheel", asked.wheel, "--wheels", asked.wheels]  # fmt: skip


def test_keys_are_made_and_named(run, tmp_path):
    pytest.importorskip("cryptography")
    code, out, _ = run("bundle", "keygen", "--out", "key")
    assert code == 0
    assert "key: private, keep it" in out
    assert (tmp_path / "key.pub").is_file()
    assert run("bundle", "keygen", "--out", "key")[0] == 4


def test_an_artifact_needs_no_subcommand(run, settings, tmp_path, keys):
    asked = settings(tmp_path / "out")
    code, out, _ = run("bundle", "scunext", *options(asked))
    assert code == 0
    assert "ladder: native-int8, native-fp32" in out
    code, out, _ = run("bundle", "verify", "out", "--key", f"{keys[0]}.pub", "--json")
    assert (code, json.loads(out)["findings"]) == (0, [])


def test_no_form_that_passed_is_code_1(run, settings, tmp_path, native_rows, make_row, write_run):
    from scunext_edge.weights.shipped import shipped

    failed = make_row("native", "int8", shipped("scunext", "native-int8"), gate="failed")
    asked = settings(tmp_path / "out", run=write_run(tmp_path / "run", [failed]))
    code, out, _ = run("bundle", "scunext", *options(asked))
    assert code == 1
    assert "refused: no form may go in: native-int8: its accuracy gate failed" in out
    assert not (tmp_path / "out").exists()


def test_an_altered_bundle_is_code_1_and_the_file_is_named(run, bundle, keys, planted):
    file = planted(keys[1])["one byte of a model"](bundle)
    code, out, _ = run("bundle", "verify", bundle, "--key", f"{keys[0]}.pub")
    assert (code, out) == (1, f"refused: {file}: was altered\n")


def test_what_is_no_bundle_and_no_key_is_code_2(run, bundle, keys, tmp_path):
    assert run("bundle", "verify", "absent", "--key", f"{keys[0]}.pub")[0] == 2
    assert run("bundle", "verify", bundle, "--key", "absent")[0] == 2
    assert run("bundle", "verify", bundle)[0] == 2  # without a key nothing is trusted
