"""Which commit made a file, marked where its code was changed; what counts of code."""

from __future__ import annotations

import subprocess

import pytest

from scunext_edge import __version__, provenance
from scunext_edge.provenance import digest_of

SOURCE = '''
def half(value: float) -> float:
    """The half."""
    return value / 2  # not a third
'''


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository with one commit, and provenance looking for itself in it."""
    code = tmp_path / "scunext_edge"
    code.mkdir()
    (code / "provenance.py").write_text("first\n")
    (tmp_path / "notes").write_text("first\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    monkeypatch.setattr(provenance, "__file__", str(code / "provenance.py"))
    provenance.commit.cache_clear()
    yield tmp_path
    provenance.commit.cache_clear()


def git(folder, *arguments):
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", "-C", str(folder), *who, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_clean_checkout_is_named_by_its_commit(checkout):
    head = git(checkout, "rev-parse", "HEAD")
    assert provenance.commit() == head
    assert provenance.tool() == {"name": "scunext-edge", "version": __version__, "commit": head}


def test_changed_code_is_marked(checkout):
    (checkout / "scunext_edge" / "provenance.py").write_text("second\n")
    assert provenance.commit() == git(checkout, "rev-parse", "HEAD") + "-dirty"


def test_what_is_not_code_does_not_count_as_a_change(checkout):
    (checkout / "notes").write_text("second\n")
    (checkout / "scunext_edge" / "scratch").touch()
    assert provenance.commit() == git(checkout, "rev-parse", "HEAD")


def test_an_installed_package_has_no_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "scunext_edge" / "provenance.py"))
    provenance.commit.cache_clear()
    assert provenance.commit() is None
    provenance.commit.cache_clear()


def test_without_git_there_is_no_commit(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert provenance.commit() is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("The half.", "One of two."),
        ("  # not a third", ""),
        ("value: float", "value"),
        ('    """The half."""\n', ""),
    ],
)
def test_words_and_types_do_not_count(before, after):
    assert before in SOURCE
    assert digest_of([SOURCE.replace(before, after)]) == digest_of([SOURCE])


@pytest.mark.parametrize(("before", "after"), [("/ 2", "/ 3"), ("value / 2", "2 / value")])
def test_what_is_computed_does(before, after):
    assert digest_of([SOURCE.replace(before, after)]) != digest_of([SOURCE])
