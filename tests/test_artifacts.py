"""An artifact is its bytes; a card that lies, or is not whole, is refused."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest

from scunext_edge.artifacts import CARD, Card, load, new_artifact
from scunext_edge.errors import ArtifactError
from scunext_edge.spec import ModelSpec

FIELDS = {"model": "tiny", "format": "onnx", "precision": "fp32", "spec": ModelSpec(size=32)}


def make(directory, files=None, **changes):
    with new_artifact(directory, Card(**{**FIELDS, **changes})) as folder:
        for name, content in (files or {"model.onnx": b"bytes"}).items():
            (folder / name).write_bytes(content)
    return load(directory)


@pytest.fixture
def artifact(tmp_path):
    return make(tmp_path / "a")


def rewrite(artifact, change):
    path = artifact.directory / CARD
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def test_a_card_comes_back_as_it_was_written(tmp_path):
    written = Card(
        **FIELDS,
        options={"skip": True},
        quantizer="qdq",
        parent="0123456789abcdef",
        built_for={"gpu": "Orin"},
        details={"training": {"epoch": 3}},
    )
    with new_artifact(tmp_path / "a", written) as folder:
        (folder / "model.onnx").write_bytes(b"bytes")
    found = load(tmp_path / "a")
    assert found.card == written
    assert found.spec == written.spec
    assert (found.size_bytes, found.file(".onnx").read_bytes()) == (5, b"bytes")


def test_the_id_depends_on_the_bytes_alone(tmp_path, artifact):
    twin = make(tmp_path / "b", model="other", precision="int8", details={"anything": 1})
    assert twin.id == artifact.id
    assert make(tmp_path / "c", {"model.onnx": b"Bytes"}).id != artifact.id
    assert make(tmp_path / "d", {"other.onnx": b"bytes"}).id != artifact.id


def test_the_id_does_not_depend_on_the_order_of_files(tmp_path):
    first = make(tmp_path / "a", {"x.xml": b"1", "x.bin": b"2"})
    rewrite(first, lambda card: card.update(digests=dict(reversed(card["digests"].items()))))
    assert load(first.directory).id == first.id


def test_an_id_is_the_same_forever(artifact):
    content = json.dumps([["model.onnx", hashlib.sha256(b"bytes").hexdigest()]])
    assert artifact.id == hashlib.sha256(content.encode()).hexdigest()[:16] == "0f0fa150ab1f3d12"


def test_an_artifact_may_be_named_by_a_file_inside_it(artifact):
    assert load(artifact.file(".onnx")).id == load(artifact.directory / CARD).id == artifact.id


def test_one_byte_changed_is_noticed(artifact):
    artifact.file(".onnx").write_bytes(b"bytez")
    with pytest.raises(ArtifactError, match=r"model\.onnx was altered after export") as caught:
        load(artifact.directory)
    assert caught.value.hint == "export it again"


def test_a_missing_file_is_noticed(artifact):
    artifact.file(".onnx").unlink()
    with pytest.raises(ArtifactError, match=r"model\.onnx is missing"):
        load(artifact.directory)


def test_a_directory_in_the_place_of_a_file_is_noticed(artifact):
    artifact.file(".onnx").unlink()
    (artifact.directory / "model.onnx").mkdir()
    with pytest.raises(ArtifactError, match=r"model\.onnx is missing"):
        load(artifact.directory)


@pytest.mark.parametrize("schema", [0, 2, "1", None])
def test_an_unknown_schema_is_refused_by_its_number(artifact, schema):
    rewrite(artifact, lambda card: card.update(schema=schema))
    with pytest.raises(ArtifactError, match=f"has schema {schema!r}; this version reads 1"):
        load(artifact.directory)


@pytest.mark.parametrize("content", ["[]", "1", '"card"', "null"])
def test_json_that_is_no_card_is_refused(artifact, content):
    (artifact.directory / CARD).write_text(content)
    with pytest.raises(ArtifactError, match="has schema None"):
        load(artifact.directory)


def test_a_card_cut_in_half_is_refused(artifact):
    path = artifact.directory / CARD
    path.write_text(path.read_text()[: path.stat().st_size // 2])
    with pytest.raises(ArtifactError, match=r"card\.json cannot be read"):
        load(artifact.directory)


@pytest.mark.parametrize("name", ["../b/model.onnx", "/etc/hostname", "x/y", "..", ".", "", "a/"])
def test_a_card_cannot_point_outside_its_directory(artifact, name):
    rewrite(artifact, lambda card: card["digests"].update({name: "0" * 64}))
    with pytest.raises(ArtifactError, match="is no plain file name"):
        load(artifact.directory)


@pytest.mark.parametrize(
    "field",
    ["model", "options", "format", "precision", "spec", "quantizer", "parent", "built_for",
     "details", "digests"],
)  # fmt: skip
def test_a_card_without_one_of_its_fields_is_refused(artifact, field):
    rewrite(artifact, lambda card: card.pop(field))
    with pytest.raises(ArtifactError, match=f"not a complete card.*{field}"):
        load(artifact.directory)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", "pickle"),
        ("precision", "int4"),
        ("options", 3),
        ("digests", ["model.onnx"]),
        ("digests", None),
        ("built_for", "all"),
    ],
)
def test_a_card_with_a_value_that_means_nothing_is_refused(artifact, field, value):
    rewrite(artifact, lambda card: card.update({field: value}))
    with pytest.raises(ArtifactError, match="not a complete card"):
        load(artifact.directory)


@pytest.mark.parametrize("size", [33, 0, -32, "wide", None])
def test_a_card_whose_size_no_network_takes_is_refused(artifact, size):
    rewrite(artifact, lambda card: card["spec"].update(size=size))
    with pytest.raises(ArtifactError, match="spec cannot be read"):
        load(artifact.directory)


def test_a_card_that_names_no_file_is_refused(artifact):
    rewrite(artifact, lambda card: card.update(digests={}))
    with pytest.raises(ArtifactError, match="names no model file"):
        load(artifact.directory)


def test_a_folder_that_is_no_artifact_says_what_one_is(tmp_path):
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(
            ArtifactError, match=r"is no artifact: there is no card\.json"
        ) as caught:
            load(path)
        assert "scunext-edge export" in caught.value.hint


def test_a_path_that_does_not_exist_is_not_taken_for_the_artifact_around_it(artifact):
    with pytest.raises(ArtifactError, match="is no artifact"):
        load(artifact.directory / "misspelled.onnx")


def test_the_one_file_of_a_kind_must_be_one(tmp_path, artifact):
    with pytest.raises(ArtifactError, match=r"holds 0 \.xml files, not one") as caught:
        artifact.file(".xml")
    assert caught.value.hint == "its format is onnx, its files: model.onnx"
    two = make(tmp_path / "b", {"x.bin": b"1", "y.bin": b"2"})
    with pytest.raises(ArtifactError, match=r"holds 2 \.bin files"):
        two.file(".bin")


def test_an_artifact_that_is_not_finished_does_not_appear(tmp_path):
    def interrupted():
        with new_artifact(tmp_path / "a", Card(**FIELDS)) as folder:
            (folder / "model.onnx").write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_an_artifact_may_be_moved_and_copied(tmp_path, artifact):
    shutil.copytree(artifact.directory, tmp_path / "copy")
    assert load(tmp_path / "copy").id == artifact.id
