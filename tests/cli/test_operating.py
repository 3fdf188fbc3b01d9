"""``operating-point``: tables on stdout, files in a folder, errors in words."""

from __future__ import annotations

import json

from scunext_edge.pipeline.operating import study


def test_it_prints_what_it_writes(run, tmp_path, monkeypatch):
    asked = []

    def measured(settings, *, advance):
        asked.append(settings)
        return {"networks": []}

    monkeypatch.setattr(study, "operating_point", measured)
    arguments = ("operating-point", "scunext", "unext", "-p", "int8", "-d", "data", "-o", "out")
    code, out, _ = run(*arguments, "--choose-on", "train", "--json")
    assert (code, json.loads(out)) == (0, {"networks": []})
    (settings,) = asked
    assert [it.artifact.card.model for it in settings.sides] == ["scunext", "unext"]
    assert {(it.artifact.card.precision, it.backend) for it in settings.sides} == {
        ("int8", "native")
    }
    assert (settings.choose_on, settings.part, str(settings.out)) == ("train", "test", "out")


def test_a_folder_without_parts_is_refused(run, pictures, said):
    code, out, err = run("operating-point", "scunext", "--data", pictures, "--out", "o")
    assert (code, out) == (2, "")
    assert "split" in said(err)
