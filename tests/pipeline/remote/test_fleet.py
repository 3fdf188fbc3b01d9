"""Many at a time, each for itself."""

from __future__ import annotations

import threading
import time

import pytest

from scunext_edge.errors import MeasurementError
from scunext_edge.pipeline.remote.fleet import on_all
from scunext_edge.pipeline.remote.hosts import hosts

DOZEN = hosts([f"pi-{number}" for number in range(12)])


class Crowd:
    """Counts how many are at work together, of all and of each machine."""

    def __init__(self, machines, at_once):
        self.machines, self.lock = machines, threading.Lock()
        self.working, self.most, self.met = [], 0, False
        self.full = threading.Barrier(at_once)

    def work(self, host):
        machine = self.machines[host]
        with self.lock:
            self.met |= machine in self.working
            self.working.append(machine)
            self.most = max(self.most, len(self.working))
        self.full.wait(timeout=20)  # a round is complete before anyone leaves
        time.sleep(0.005)  # time to meet another one who should not be here
        with self.lock:
            self.working.remove(machine)
        return host.name


def test_so_many_at_a_time_and_all_in_the_end():
    crowd = Crowd({host: host.name for host in DOZEN}, at_once=3)
    answers = on_all(DOZEN, crowd.work, jobs=3, stop=threading.Event())
    assert answers == {host: host.name for host in DOZEN}
    assert crowd.most == 3


def test_two_names_of_one_machine_take_turns():
    machines = dict.fromkeys(DOZEN, "one")
    crowd = Crowd(machines, at_once=1)
    on_all(DOZEN, crowd.work, jobs=4, stop=threading.Event(), machines=machines)
    assert (crowd.most, crowd.met) == (1, False)


def test_one_that_fails_costs_the_others_nothing():
    def work(host):
        if host.name == "pi-3":
            raise MeasurementError("gone")
        return host.name

    answers = on_all(DOZEN, work, jobs=4, stop=threading.Event())
    wrong = {host.name for host, answer in answers.items() if answer != host.name}
    assert wrong == {"pi-3"}
    assert str(answers[DOZEN[3]]) == "gone"


def test_ctrl_c_stops_those_at_work_and_starts_no_other():
    stop, started = threading.Event(), []

    def work(host):
        started.append(host)
        if len(started) == 1:
            raise KeyboardInterrupt
        assert stop.wait(20)

    with pytest.raises(KeyboardInterrupt):
        on_all(DOZEN, work, jobs=2, stop=stop)
    assert stop.is_set()
    assert len(started) <= 4
