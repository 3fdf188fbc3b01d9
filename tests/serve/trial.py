"""The server under load, under made-up requests and under faults, as a process of its own.

``python trial.py --out RECORD``: makes a bundle from the weights that ship, serves it, and writes
what came of it. Ends with 1 where anything is not as promised. Needs the extras ``serve``, ``dev``
and ``serve-trial``; the full disk is a small file system in memory, which only root can mount.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import cache
from importlib.metadata import version
from pathlib import Path
from statistics import median

import httpx
import pydicom
from PIL import Image

from scunext_edge import provenance
from scunext_edge.benchmarks.passport import machine
from scunext_edge.data.synthetic import draw
from scunext_edge.storage import write_json

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
TARGETS = {"x86_64": "x86-cpu", "aarch64": "arm64"}
PACKAGES = ("fastapi", "uvicorn", "starlette", "h11", "numpy", "pillow", "locust", "schemathesis")
WORKERS, QUEUE, USERS, CROWD = 2, 8, 4, 40
MOST_GROWTH = 0.05  # of resident memory from the second to the last quarter of the load
DISK = "2m"

checks = []


def main():
    """All parts in order; the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "serve.json")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "serve-trial")
    parser.add_argument("--seconds", type=int, default=120, help="of the load")
    parser.add_argument("--examples", type=int, default=200, help="of each address, made up")
    asked = parser.parse_args()
    work = asked.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    bundle, key = bundled(work)
    shutil.rmtree(work / "state", ignore_errors=True)
    record = {
        "schema": 1,
        "kind": "serve-trial",
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "tool": provenance.tool(),
        "machine": machine(),
        "versions": {"python": platform.python_version()} | {it: version(it) for it in PACKAGES},
        "settings": {"workers": WORKERS, "queue": QUEUE, "users": USERS, "crowd": CROWD},
    }
    with served(bundle, key, work) as server:
        record["start_s"] = server.start_s
        record["served"] = httpx.get(f"{server.url}/readyz").json()["versions"]
        record["fuzz"] = fuzzed(server, asked.examples, work)
        record["load"] = loaded(server, asked.seconds, work)
        record["killed"] = killed(server, max(15, asked.seconds // 4), work)
        record["crowded"] = crowded(server, max(10, asked.seconds // 8), work)
        bad_pictures(server)
        slow_clients(server)
        ended(server)
    full_disk(bundle, key, work)
    record["checks"] = checks
    write_json(asked.out, record)
    failures = [it["name"] for it in checks if it["passed"] is False]
    say("everything is as promised" if not failures else f"FAILED: {', '.join(failures)}")
    return 1 if failures else 0


# --- the server ---


def bundled(work):
    """A bundle of the shipped networks and the key that it is checked with; made once."""
    key, bundle = work / "keys" / "ours", work / "bundle"
    if not bundle.is_dir():
        shutil.rmtree(work / "keys", ignore_errors=True)
        ours("bundle", "keygen", "--out", key)
        ours("bench", "scunext", "-b", "native", "-p", "fp32", "-p", "int8", "--images", "24",
             "--out", work / "run")  # fmt: skip
        ours("bundle", "scunext", "--target", TARGETS[platform.machine()], "--run", work / "run",
             "--key", key, "--online", "--out", bundle)  # fmt: skip
    return bundle, f"{key}.pub"


class Server:
    """A process that serves."""

    def __init__(self, process, url, log, start_s):
        self.process, self.url, self.log, self.start_s = process, url, log, start_s
        self.port = int(url.rpartition(":")[2])

    def post(self, body, **options):
        return httpx.post(f"{self.url}/v1/segment", content=body, timeout=60, **options)

    def workers(self):
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(it) for it in children.read_text().split()]

    def counted(self):
        """Answers of /v1/segment by status, as the server's metrics have them."""
        found = re.findall(
            r'scunext_requests_total\{method="POST",route="/v1/segment",status="(\d+)"\} (\S+)',
            self.metrics(),
        )
        return {int(status): int(float(count)) for status, count in found}

    def metrics(self):
        return httpx.get(f"{self.url}/metrics", timeout=60).text


@contextmanager
def served(bundle, key, work, *options, name="server"):
    """``scunext-edge serve`` until the block ends."""
    log = work / f"{name}.log"
    began = time.perf_counter()
    command = [sys.executable, "-m", "scunext_edge", "serve", bundle, "--key", key, "--state",
               work / "state", "--port", "0", "--workers", WORKERS, "--queue", QUEUE,
               *options]  # fmt: skip
    with log.open("w") as told:
        process = subprocess.Popen(
            [str(word) for word in command], stdout=subprocess.PIPE, stderr=told, text=True
        )
    try:
        line = process.stdout.readline()
        if not line:
            sys.exit(f"the server did not start:\n{log.read_text()}")
        server = Server(process, json.loads(line)["serving"], log, None)
        while httpx.get(f"{server.url}/readyz", timeout=60).status_code != 200:
            time.sleep(0.02)
        server.start_s = time.perf_counter() - began
        yield server
    finally:
        process.kill()
        process.wait()
    text = log.read_text()
    check(f"{name}: no traceback in the log", "Traceback" not in text, f"{len(text)} bytes of log")


# --- made-up requests and load ---


def fuzzed(server, examples, work):
    """schemathesis, all checks but that any bytes are a picture."""
    done = run([BIN / "st", "run", f"{server.url}/openapi.json", "--max-examples", examples,
                "--seed", "1", "--checks", "all", "--exclude-checks", "positive_data_acceptance",
                "--no-color"], cwd=work)  # fmt: skip
    (work / "schemathesis.txt").write_text(done.stdout)
    cases = re.search(r"(\d+) generated", done.stdout)
    count = int(cases[1]) if cases else 0
    check("requests made up by schemathesis", done.returncode == 0, f"{count} requests")
    return {"cases": count, "examples_per_address": examples, "exit_code": done.returncode}


def loaded(server, seconds, work):
    """A steady load: nothing lost, memory flat."""
    area = server.post(photo()).json()["area_pixels"]
    (work / "photo.jpg").write_bytes(photo())
    before = server.counted()
    memory = Memory(server)
    with memory:
        found = locust(server, USERS, seconds, work, area=area)
    answered = server.counted().get(200, 0) - before.get(200, 0)
    lost = found["requests"] - answered
    check("a steady load: no request fails", found["failures"] == 0, f"{found['requests']} sent")
    # One request of each user may be on its way when locust stops.
    check("a steady load: nothing is lost", abs(lost) <= USERS, f"{answered} answered")
    samples = memory.samples
    quarter = max(1, len(samples) // 4)
    early, late = median(samples[quarter : 2 * quarter]), median(samples[-quarter:])
    growth = late / early - 1
    check("a steady load: memory is flat", growth <= MOST_GROWTH, f"{growth:+.1%}")
    return {
        **found,
        "answered": answered,
        "memory_bytes": samples,
        "memory_early_bytes": early,
        "memory_late_bytes": late,
        "picture_bytes": len(photo()),
    }


def killed(server, seconds, work):
    """The same load while a worker is killed every two seconds."""
    losses, stop = [], threading.Event()

    def kill():
        while not stop.wait(2.0):
            workers = server.workers()
            if len(workers) == WORKERS:
                os.kill(workers[len(losses) % WORKERS], signal.SIGKILL)
                losses.append(1)

    killer = threading.Thread(target=kill)
    killer.start()
    found = locust(server, USERS, seconds, work)
    stop.set()
    killer.join()
    told = f"{len(losses)} workers killed, {found['requests']} requests"
    check("workers killed under load: no request fails", losses and not found["failures"], told)
    return {**found, "workers_killed": len(losses)}


def crowded(server, seconds, work):
    """More clients than workers and queue: what is not done is refused, and said so."""
    before = server.counted()
    found = locust(server, CROWD, seconds, work, statuses="200,429")
    now = server.counted()
    statuses = {it: now[it] - before.get(it, 0) for it in now if now[it] > before.get(it, 0)}
    told = ", ".join(f"{count} times {status}" for status, count in sorted(statuses.items()))
    fine = found["failures"] == 0 and {200, 429} == set(statuses)
    check("a crowd: 200 or 429 and nothing else", fine, told)
    return {**found, "statuses": {str(it): count for it, count in statuses.items()}}


def locust(server, users, seconds, work, *, statuses="200", area=""):
    """Numbers of a run, its histogram included."""
    done = run([BIN / "locust", "-f", HERE / "load.py", "--headless", "--only-summary", "--json",
                "--users", users, "--spawn-rate", users, "--run-time", f"{seconds}s",
                "--stop-timeout", "20", "--host", server.url], cwd=work,
               env={"SERVE_PHOTO": str(work / "photo.jpg"), "SERVE_STATUSES": statuses,
                    "SERVE_AREA": str(area)})  # fmt: skip
    (work / "locust.txt").write_text(done.stdout + done.stderr)
    (entry,) = json.loads(done.stdout)
    times = {int(float(ms)): count for ms, count in entry["response_times"].items()}
    spent = entry["last_request_timestamp"] - entry["start_time"]
    return {
        "users": users,
        "seconds": spent,
        "requests": entry["num_requests"],
        "failures": entry["num_failures"],
        "per_s": entry["num_requests"] / spent,
        "p50_ms": quantile(times, 0.5),
        "p99_ms": quantile(times, 0.99),
        "most_ms": entry["max_response_time"],
        "times_ms": {str(ms): times[ms] for ms in sorted(times)},
    }


def quantile(counts, share):
    """The smallest time that this share of requests did not exceed, in ms."""
    left = share * sum(counts.values())
    for ms in sorted(counts):
        left -= counts[ms]
        if left <= 0:
            return ms
    return None


class Memory:
    """Resident bytes of the server and its workers, every half second."""

    def __init__(self, server):
        self.samples, self._server, self._stop = [], server, threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _look(self):
        while not self._stop.wait(0.5):
            pids = [self._server.process.pid, *self._server.workers()]
            self.samples.append(sum(map(resident, pids)))


def resident(pid):
    """In bytes; 0 of a process that has just ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


# --- faults ---


def bad_pictures(server):
    """Each is refused in words, and its worker lives on."""
    workers = server.workers()
    whole = dicom()
    answer = server.post(whole)
    check("a DICOM file", answer.status_code == 200, f"{answer.status_code}")
    for name, body, statuses in (
        ("a PNG of 200 megapixels", declared(20_000, 10_000), {413}),
        ("a PNG of 4 gigapixels", declared(65_000, 65_000), {413}),
        ("a DICOM file that is cut off", whole[: len(whole) * 2 // 3], {422}),
        ("a DICOM file without its data set", whole[:300], {422}),
        ("a JPEG that is cut off", photo()[:5000], {422}),
        ("garbage", os.urandom(100_000), {422}),
        ("a body that is too large", bytes(20_000_001), {413}),
    ):
        answer = server.post(body)
        fine = answer.status_code in statuses and "Traceback" not in answer.text
        fine = fine and answer.headers["content-type"] == "application/problem+json"
        told = f"{answer.status_code}: {answer.json()['detail']}"
        check(name, fine and server.workers() == workers, told)


def dicom():
    """A dermoscopic photograph of a drawn lesion, uncompressed."""
    pixels = draw(3, 4, (600, 800))[0]
    dataset = pydicom.Dataset()
    dataset.SOPClassUID = pydicom.uid.DermoscopicPhotographyImageStorage
    dataset.SOPInstanceUID = pydicom.uid.generate_uid()
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel, dataset.PlanarConfiguration = 3, 0
    dataset.PhotometricInterpretation = "RGB"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelRepresentation = 0
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OB"
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def slow_clients(server):
    """Forty that send a byte now and then; another one gets its mask all the same."""
    head = b"POST /v1/segment HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
    slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(40)]
    for number, connection in enumerate(slow):
        connection.sendall(head if number % 2 else head[:30])
    began = time.perf_counter()
    for _ in range(10):
        for connection in slow:
            connection.sendall(b"x")
        answer = server.post(photo())
        if answer.status_code != 200:
            break
    for connection in slow:
        connection.close()
    told = f"10 masks in {time.perf_counter() - began:.1f} s beside 40 slow clients"
    check("slow clients", answer.status_code == 200, told)


def ended(server):
    """SIGTERM while pictures are in work: all are answered, and the exit code is 0."""
    answers = []
    body = photo()
    threads = [
        threading.Thread(target=lambda: answers.append(server.post(body).status_code))
        for _ in range(WORKERS + QUEUE)
    ]
    for worker in server.workers():
        os.kill(worker, signal.SIGSTOP)  # so that they are in work, whatever the machine
    for thread in threads:
        thread.start()
    until = time.monotonic() + 30
    while f"scunext_pictures_waiting {QUEUE}.0" not in server.metrics():
        if time.monotonic() > until:
            break
        time.sleep(0.05)
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    for worker in server.workers():
        os.kill(worker, signal.SIGCONT)
    for thread in threads:
        thread.join()
    code = server.process.wait(60)
    fine = code == 0 and answers == len(threads) * [200]
    check("SIGTERM with pictures in work", fine, f"{len(answers)} answered, exit code {code}")


def full_disk(bundle, key, work):
    """``--keep`` on a file system that fills up: told, nothing half written, and well again."""
    name = "a full disk"
    if os.geteuid() != 0:
        check(name, None, "skipped: only root can mount a small file system")
        return
    disk = work / "disk"
    disk.mkdir(exist_ok=True)
    if run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", disk]).returncode:
        check(name, None, "skipped: a small file system cannot be mounted here")
        return
    try:
        with served(bundle, key, work, "--keep", disk / "kept", name="keeping") as server:
            body = photo()
            statuses = []
            while 507 not in statuses and len(statuses) < 1000:
                statuses.append(server.post(body).status_code)
            folders = list((disk / "kept").iterdir())
            whole = all(len(list(it.iterdir())) == 3 for it in folders)
            kept = len(folders) == statuses.count(200) and whole
            shutil.rmtree(folders[0])
            again = server.post(body).status_code
            told = f"{len(folders)} kept whole, then {statuses[-1]}; with room again {again}"
            check(name, kept and statuses[-1] == 507 and again == 200, told)
    finally:
        run(["umount", disk])


@cache
def photo():
    """The picture of the load."""
    stream = io.BytesIO()
    Image.fromarray(draw(3, 4, (600, 800))[0]).save(stream, format="JPEG", quality=90)
    return stream.getvalue()


def declared(width, height):
    """A PNG that says it is so large, and holds one row."""

    def chunk(name, data):
        crc = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(3 * width + 1))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


# --- words ---


def ours(*arguments):
    """A command of the package; its failure ends the trial."""
    done = run([sys.executable, "-m", "scunext_edge", *arguments])
    if done.returncode:
        sys.exit(f"{arguments} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def run(command, cwd=ROOT, env=None):
    """To its end."""
    return subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **(env or {})},
    )


def check(name, passed, told):
    """Note it, say it, go on. None: not tried."""
    passed = None if passed is None else bool(passed)
    checks.append({"name": name, "passed": passed, "told": told})
    say(f"{ {True: 'ok', False: 'FAILED', None: '-'}[passed]:6} {name}: {told}")


def say(text):
    """At once, for those who watch."""
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    raise SystemExit(main())
