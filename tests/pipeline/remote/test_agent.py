"""What is sent as text: work folders, unpacking, and the process that measures."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import threading

import pytest

from scunext_edge.pipeline.remote import agent


@pytest.fixture
def there(tmp_path, monkeypatch):
    """The one place where a work folder may be."""
    monkeypatch.setattr(agent, "parents", lambda: [tmp_path])
    return tmp_path


def archive_of(**files):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def push(monkeypatch, content, *, digest=None, size=None):
    class Stdin:
        buffer = io.BytesIO(content)

    monkeypatch.setattr(agent.sys, "stdin", Stdin)
    digest = digest or hashlib.sha256(content).hexdigest()
    agent.push("token", str(len(content) if size is None else size), digest)


def answers(capsys):
    lines = capsys.readouterr().out.splitlines()
    return [json.loads(line.removeprefix(agent.MARK)) for line in lines]


def test_an_archive_is_unpacked_and_found_again(there, monkeypatch, capsys):
    content = archive_of(**{"job.json": b"{}", "a/b": b"1"})
    push(monkeypatch, content)
    agent.find("token")
    pushed, found = answers(capsys)
    folder = there / f"{agent.PREFIX}token"
    assert pushed["folder"] == found["folder"] == str(folder)
    assert found["digest"] == hashlib.sha256(content).hexdigest()
    assert (folder / "a" / "b").read_bytes() == b"1"
    assert folder.stat().st_mode & 0o777 == 0o700
    agent.find("other")
    assert answers(capsys) == [{"folder": None, "digest": None}]
    agent.remove(str(folder))
    assert list(there.iterdir()) == []


@pytest.mark.parametrize("spoil", ["cut", "digest", "outside", "full"])
def test_an_archive_is_unpacked_whole_or_not_at_all(there, monkeypatch, spoil):
    name = "../outside" if spoil == "outside" else "inside"
    content = archive_of(**{"first": b"1", name: b"2"})
    if spoil == "full":
        monkeypatch.setattr(agent.shutil, "copyfileobj", no_space)
    arrived = content[:700] if spoil == "cut" else content
    digest = "0" * 64 if spoil == "digest" else hashlib.sha256(content).hexdigest()
    with pytest.raises(agent.Refusal) as caught:
        push(monkeypatch, arrived, digest=digest, size=len(content))
    assert caught.value.kind == "StorageError"
    assert list(there.iterdir()) == []


def no_space(source, target):
    raise OSError(28, "No space left on device")


def test_a_folder_without_room_is_passed_over(tmp_path, monkeypatch, capsys):
    small, large = tmp_path / "small", tmp_path / "large"
    small.mkdir()
    large.mkdir()
    monkeypatch.setattr(agent, "parents", lambda: [tmp_path / "missing", small, large])
    real = os.statvfs

    def statvfs(path):
        if path != small:
            return real(path)
        return os.statvfs_result((4096, 4096, 9, 9, 9, 9, 9, 9, 0, 255))

    monkeypatch.setattr(agent.os, "statvfs", statvfs)
    push(monkeypatch, archive_of(a=b"1"))
    assert answers(capsys) == [{"folder": str(large / f"{agent.PREFIX}token")}]
    monkeypatch.setattr(agent, "parents", lambda: [tmp_path / "missing", small])
    with pytest.raises(agent.Refusal, match="MiB too little space") as caught:
        push(monkeypatch, archive_of(a=b"1"))
    assert "No such file" in str(caught.value)
    assert list(small.iterdir()) == []


def test_folders_of_others_and_links_are_not_ours(tmp_path):
    mine = tmp_path / f"{agent.PREFIX}a"
    mine.mkdir()
    assert agent.is_ours(mine)
    (tmp_path / f"{agent.PREFIX}link").symlink_to(mine)
    assert not agent.is_ours(tmp_path / f"{agent.PREFIX}link")
    (tmp_path / "home").mkdir()
    assert not agent.is_ours(tmp_path / "home")
    agent.remove(str(tmp_path / "home"))
    assert (tmp_path / "home").is_dir()


def test_running_is_holding_the_lock(tmp_path):
    assert not agent.is_running(tmp_path)
    with (tmp_path / agent.LOCK).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert agent.is_running(tmp_path)
    assert not agent.is_running(tmp_path)


def test_what_still_works_in_a_folder_ends_with_it(tmp_path):
    """As the child of a process that was killed."""
    folder = tmp_path / f"{agent.PREFIX}a"
    folder.mkdir()
    orphan = subprocess.Popen(["sleep", "60"], cwd=folder)
    other = subprocess.Popen(["sleep", "60"], cwd=tmp_path)
    threading.Thread(target=orphan.wait).start()
    agent.remove(str(folder))
    assert orphan.wait(10) == -9
    assert other.poll() is None
    other.kill()
    other.wait()
    assert not folder.exists()


def test_a_start_ends_what_a_killed_process_left_at_work(tmp_path, monkeypatch, capsys):
    """Two that measure would disturb each other."""
    orphan = subprocess.Popen(["sleep", "60"], cwd=tmp_path)
    threading.Thread(target=orphan.wait).start()

    class Stdin:
        buffer = io.BytesIO(b'{"a.measurement.json": "kept"}')

    monkeypatch.setattr(agent.sys, "stdin", Stdin)
    monkeypatch.setattr(agent, "RUNNER", "this")  # says something and ends
    agent.start(str(tmp_path), sys.executable, sys.executable)
    assert orphan.wait(10) == -9
    assert (tmp_path / agent.RECORDS / "a.measurement.json").read_text() == "kept"
    assert "Zen" in (tmp_path / agent.LOG).read_text()
    assert answers(capsys) == [{"started": True}]


def test_a_process_that_ended_without_a_word_is_told_with_its_last_words(
    tmp_path, monkeypatch, capsys
):
    folder = tmp_path / f"{agent.PREFIX}a"
    (folder / agent.RECORDS).mkdir(parents=True)
    (folder / agent.STATUS).write_text('{"pid": 1, "state": "running"}')
    (folder / agent.LOG).write_text("a\n\nMemoryError\n")
    for name in ("known", "new"):
        (folder / agent.RECORDS / f"{name}.measurement.json").write_text(name)
    (folder / agent.RECORDS / ".half.measurement.json").write_text("half")

    known = {"known.measurement.json": hashlib.sha256(b"known").hexdigest()}

    class Stdin:
        buffer = io.BytesIO(json.dumps(known).encode())

    monkeypatch.setattr(agent.sys, "stdin", Stdin)
    agent.follow(str(folder))
    assert answers(capsys) == [
        {"status": {"pid": 1, "state": "running"}},
        {"file": "new.measurement.json", "text": "new"},
        {"end": "died", "log": "a | MemoryError", "disk_is_full": False},
    ]
