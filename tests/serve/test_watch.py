"""The watch over what was accepted goes on, whatever it meets."""

from __future__ import annotations

import asyncio
import errno

import pytest

from scunext_edge.serve import watch
from scunext_edge.serve.watch import Watch


@pytest.mark.parametrize(
    ("error", "words"),
    [(OSError(errno.EIO, "Input/output error"), "Input/output error"), (KeyError("x"), "KeyError")],
)
def test_a_check_that_fails_is_a_problem_and_is_made_again(monkeypatch, tmp_path, error, words):
    looks = []

    def fails(state):
        looks.append(state)
        raise error

    async def run():
        watched = Watch(tmp_path, served=("b", "fake"))
        task = asyncio.create_task(watched.run(recheck_s=0))
        while len(looks) < 3:
            assert not task.done(), "the watch has ended"
            await asyncio.sleep(0.001)
        task.cancel()
        return watched.problem

    monkeypatch.setattr(watch, "find_accepted", fails)
    monkeypatch.setattr(watch, "_LOOK_S", 0.001)
    assert words in asyncio.run(run())
