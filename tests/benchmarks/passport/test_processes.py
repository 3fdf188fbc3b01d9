"""Who else was busy: names and seconds, and nothing else about them."""

from __future__ import annotations

import os

from scunext_edge.benchmarks.passport import processes

TICK = os.sysconf("SC_CLK_TCK")


def stat(pid, name, *, parent=1, cpu_s=0.0, began=50):
    user, system = int(cpu_s * TICK), 0
    fields = f"S {parent} 1 1 0 -1 4194560 9 9 9 9 {user} {system} 77 77 20 0 1 0 {began} 1 2 3"
    return {f"proc/{pid}/stat": f"{pid} ({name}) {fields}\n"}


def busiest(write, before, after, own=10):
    one = processes.snapshot(write(before))
    return processes.busiest(one, processes.snapshot(write(after)), own=own)


def test_the_busiest_others_are_told_by_name(write):
    before = {
        **stat(10, "python", cpu_s=5),
        **stat(20, "chrome", cpu_s=100),
        **stat(21, "chrome", cpu_s=1),
        **stat(30, "idle thing", cpu_s=9),
    }
    after = {
        **stat(10, "python", cpu_s=15),
        **stat(20, "chrome", cpu_s=101),
        **stat(21, "chrome", cpu_s=1.5),
        **stat(30, "idle thing", cpu_s=9),
        **stat(40, "make (all) it", cpu_s=3, began=900),
    }
    assert busiest(write, before, after) == [
        {"name": "make (all) it", "cpu_s": 3.0},
        {"name": "chrome", "cpu_s": 1.5},
    ]


def test_our_own_children_and_theirs_are_ours(write):
    before = stat(10, "python")
    after = {
        **stat(10, "python", cpu_s=1),
        **stat(11, "worker", parent=10, cpu_s=1),
        **stat(12, "compiler", parent=11, cpu_s=1),
        **stat(13, "other", cpu_s=1),
    }
    assert busiest(write, before, after) == [{"name": "other", "cpu_s": 1.0}]


def test_a_number_that_is_used_again_is_another_process(write):
    before = stat(20, "old", cpu_s=50, began=5)
    after = stat(20, "new", cpu_s=2, began=60)
    assert busiest(write, before, after) == [{"name": "new", "cpu_s": 2.0}]


def test_threads_of_the_kernel_are_not_numbered(write):
    after = {**stat(5, "kworker/0:1", cpu_s=1), **stat(6, "kworker/u8:2-events", cpu_s=1)}
    assert busiest(write, {}, after) == [{"name": "kworker", "cpu_s": 2.0}]


def test_no_name_of_a_person_is_shown(write, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    after = stat(5, "ada-backup.sh", cpu_s=1)
    assert busiest(write, {}, after) == [{"name": "(not shown)", "cpu_s": 1.0}]


def test_a_handful_is_enough(write):
    after = {}
    for pid in range(20, 40):
        after |= stat(pid, f"p{pid}", cpu_s=pid)
    assert [it["name"] for it in busiest(write, {}, after)] == ["p39", "p38", "p37", "p36", "p35"]


def test_what_makes_no_sense_is_left_out(write):
    root = write({"proc/7/stat": "7 (x) S\n", "proc/8/stat": "", "proc/9/other": ""})
    write({"proc/11/stat": "11 (y) S 1 1 1 0 -1 0 0 0 0 0 a b 0 0 20 0 1 0 c 1 2 3\n"})
    assert processes.snapshot(root) == {}
