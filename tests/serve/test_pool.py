"""Workers that die, hang or refuse, and what becomes of the pictures."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import time

import pytest

from scunext_edge.serve.pool import Pool
from scunext_edge.serve.problems import Gone, Problem


async def _stays():
    return False


@pytest.fixture
def tried(fake_worker):
    """``tried(test)``: run ``test(pool, ask)`` with workers that are ready; how many were lost."""
    return lambda test, **options: _tried(test, fake_worker, **options)


def _tried(check, worker, *, size=1, queue=4, timeout_s=30.0):
    losses = []

    async def run():
        pool = Pool(
            worker,
            size=size,
            queue=queue,
            timeout_s=timeout_s,
            on_loss=lambda: losses.append(1),
        )
        pool.start()
        try:
            while pool.counts["ready"] < size:
                await asyncio.sleep(0.01)
            await check(
                pool,
                lambda body, gone=_stays: pool.run({"asked": {"max_pixels": 100}}, body, gone=gone),
            )
        finally:
            await pool.close()

    asyncio.run(run())
    return len(losses)


def test_a_picture_whose_worker_dies_is_done_by_another(tried, tmp_path):
    marker = tmp_path / "marker"
    marker.touch()

    async def check(pool, ask):
        answer = await ask(b"once " + str(marker).encode())
        assert answer.header == {"survived": True}

    assert tried(check) == 1


def test_a_picture_that_ends_two_workers_is_given_up_and_the_next_one_is_done(tried):
    async def check(pool, ask):
        with pytest.raises(Problem) as given_up:
            await ask(b"die")
        assert (given_up.value.kind, given_up.value.status) == ("worker-lost", 503)
        assert (await ask(b"sleep 0")).header == {"slept": True}

    assert tried(check) == 2


def test_a_worker_that_died_while_idle_costs_no_attempt(tried):
    async def check(pool, ask):
        killed = list(pool._idle)
        for worker in killed:
            os.kill(worker.pid, signal.SIGKILL)
        while any(worker.alive for worker in killed):
            time.sleep(0.001)  # the pool hears nothing meanwhile
        assert (await ask(b"sleep 0")).header == {"slept": True}

    tried(check, size=2)


def test_a_worker_that_takes_too_long_is_replaced(tried):
    async def check(pool, ask):
        with pytest.raises(Problem) as late:
            await ask(b"sleep 60")
        assert late.value.kind == "worker-late"
        assert pool.problem is not None
        while pool.problem:
            await asyncio.sleep(0.01)
        assert (await ask(b"sleep 0")).header == {"slept": True}

    tried(check, timeout_s=2.0)


def test_a_full_queue_refuses_and_those_before_are_done(tried):
    async def check(pool, ask):
        first = [asyncio.create_task(ask(b"sleep 0.2")) for _ in range(3)]
        await asyncio.sleep(0.05)
        with pytest.raises(Problem) as busy:
            await ask(b"sleep 0")
        assert (busy.value.status, busy.value.headers) == (429, {"Retry-After": "1"})
        assert [(await it).header for it in first] == 3 * [{"slept": True}]
        assert pool.counts == {"ready": 1, "idle": 1, "waiting": 0}

    tried(check, queue=2)


def test_nobody_works_for_a_client_that_left(tried):
    async def left():
        return True

    async def check(pool, ask):
        with pytest.raises(Gone):
            await ask(b"die", gone=left)
        assert pool.counts["idle"] == 1

    assert tried(check) == 0


def test_a_client_that_leaves_during_the_work_costs_its_worker_and_nothing_else(tried):
    async def check(pool, ask):
        task = asyncio.create_task(ask(b"sleep 60"))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await ask(b"sleep 0")).header == {"slept": True}

    assert tried(check) == 1


def test_a_worker_that_is_given_up_within_its_answer_is_replaced(tried):
    async def check(pool, ask):
        task = asyncio.create_task(ask(b"flood"))
        (worker,) = pool._all
        while len(worker._process.stdout._buffer) < 1 << 18:
            await asyncio.sleep(0.001)
        task.cancel()
        time.sleep(0.1)  # the pipe fills
        with pytest.raises(asyncio.CancelledError):
            await task
        answer = await asyncio.wait_for(ask(b"sleep 0"), 20)
        assert answer.header == {"slept": True}

    assert tried(check) == 1


def test_a_worker_that_refuses_says_why(fake_worker):
    async def run():
        pool = Pool((*fake_worker, "the bundle was altered"), size=1, queue=1, timeout_s=1.0)
        pool.start()
        while pool.problem == "the workers are starting":
            await asyncio.sleep(0.01)
        assert (pool.problem, pool.ready) == ("the bundle was altered", False)
        await pool.close()

    asyncio.run(run())


def test_a_worker_that_cannot_be_started_is_tried_again(fake_worker, monkeypatch):
    start, failures = asyncio.create_subprocess_exec, [errno.EAGAIN, errno.ENOMEM]

    async def scarce(*words, **options):
        if failures:
            number = failures.pop()
            raise OSError(number, os.strerror(number))
        return await start(*words, **options)

    async def run():
        pool = Pool(fake_worker, size=1, queue=1, timeout_s=30.0)
        pool.start()
        while failures:
            assert not pool._keepers[0].done(), "nobody fills the place any more"
            await asyncio.sleep(0.001)
        assert (pool.problem, pool.refusal) == 2 * (
            f"a worker cannot be started: {os.strerror(errno.EAGAIN)}",
        )
        while pool.problem:
            await asyncio.sleep(0.01)
        await pool.close()

    monkeypatch.setattr(asyncio, "create_subprocess_exec", scarce)
    monkeypatch.setattr("scunext_edge.serve.pool._PAUSES_S", (0.01,))
    asyncio.run(run())
