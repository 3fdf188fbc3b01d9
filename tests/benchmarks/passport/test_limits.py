"""Control groups of both versions, nested or not."""

from __future__ import annotations

import pytest

from scunext_edge.benchmarks.passport import limits

GROUPS = "sys/fs/cgroup"


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({f"{GROUPS}/cpu.max": "150000 100000\n"}, 1.5),
        ({f"{GROUPS}/cpu.max": "max 100000\n"}, "unlimited"),
        (
            {
                f"{GROUPS}/cpu/cpu.cfs_quota_us": "200000\n",
                f"{GROUPS}/cpu/cpu.cfs_period_us": "100000\n",
            },
            2.0,
        ),
        (
            {
                f"{GROUPS}/cpu/cpu.cfs_quota_us": "-1\n",
                f"{GROUPS}/cpu/cpu.cfs_period_us": "100000\n",
            },
            "unlimited",
        ),
        (
            {
                "proc/self/cgroup": "0::/system.slice/bench.service\n",
                f"{GROUPS}/system.slice/bench.service/cpu.max": "max 100000\n",
                f"{GROUPS}/system.slice/cpu.max": "50000 100000\n",
                f"{GROUPS}/cpu.max": "200000 100000\n",
            },
            0.5,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/\n3:cpu,cpuacct:/jobs/one\n0::/\n",
                f"{GROUPS}/cpu/jobs/one/cpu.cfs_quota_us": "300000\n",
                f"{GROUPS}/cpu/jobs/one/cpu.cfs_period_us": "100000\n",
                f"{GROUPS}/cpu/cpu.cfs_quota_us": "-1\n",
                f"{GROUPS}/cpu/cpu.cfs_period_us": "100000\n",
            },
            3.0,
        ),
        (
            {  # in a container the path is the host's, and the mount begins at the container
                "proc/self/cgroup": "3:cpu:/docker/4f1c\n",
                f"{GROUPS}/cpu/cpu.cfs_quota_us": "50000\n",
                f"{GROUPS}/cpu/cpu.cfs_period_us": "100000\n",
            },
            0.5,
        ),
        ({f"{GROUPS}/cpu.max": "soon 100000\n"}, None),
        ({f"{GROUPS}/cpu.max": "100000 0\n"}, None),
        ({f"{GROUPS}/cpu.max": "max\n", "proc/self/cgroup": "nonsense"}, None),
        (
            {  # a path that leaves the mount is none of ours
                "proc/self/cgroup": "0::/../../other\n",
                "sys/other/cpu.max": "1000 100000\n",
                f"{GROUPS}/cpu.max": "100000 100000\n",
            },
            1.0,
        ),
        ({}, None),
    ],
)
def test_the_share_of_the_cpus_is_read(write, files, limit):
    assert limits.identity(write(files))["cpu_limit_cores"] == limit


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({f"{GROUPS}/memory.max": "2147483648\n"}, 2 << 30),
        ({f"{GROUPS}/memory.max": "max\n"}, "unlimited"),
        ({f"{GROUPS}/memory/memory.limit_in_bytes": "9223372036854771712\n"}, "unlimited"),
        (
            {
                "proc/self/cgroup": "4:memory:/inner\n",
                f"{GROUPS}/memory/inner/memory.limit_in_bytes": "1048576\n",
                f"{GROUPS}/memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            1 << 20,
        ),
        ({f"{GROUPS}/memory.max": "plenty\n"}, None),
        ({}, None),
    ],
)
def test_the_share_of_the_memory_is_read(write, files, limit):
    assert limits.identity(write(files))["memory_limit_bytes"] == limit


@pytest.mark.parametrize(
    ("files", "throttles", "us"),
    [
        (
            {
                f"{GROUPS}/cpu.stat": "usage_usec 9\nuser_usec 5\nsystem_usec 4\nnr_periods 20\n"
                "nr_throttled 7\nthrottled_usec 350000\n"
            },
            7,
            350_000,
        ),
        (
            {f"{GROUPS}/cpu/cpu.stat": "nr_periods 20\nnr_throttled 3\nthrottled_time 2500000\n"},
            3,
            2_500,
        ),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                f"{GROUPS}/a/b/cpu.stat": "nr_throttled 1\nthrottled_usec 10\n",
                f"{GROUPS}/a/cpu.stat": "nr_throttled 2\nthrottled_usec 20\n",
                f"{GROUPS}/cpu.stat": "usage_usec 9\n",
            },
            3,
            30,
        ),
        ({f"{GROUPS}/cpu.stat": "nr_throttled\nthrottled_usec much\n"}, None, None),
        ({}, None, None),
    ],
)
def test_how_often_the_limit_was_hit_is_read(write, files, throttles, us):
    found = limits.state(write(files))
    assert found == {"cpu_limit_throttles": throttles, "cpu_limit_throttled_us": us}
