"""The server over real connections: limits, refusals, secrets, what it logs and how it ends."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from PIL import Image as PillowImage

from scunext_edge.errors import ConfigError
from scunext_edge.serve.run import bound
from scunext_edge.serve.settings import Settings

TOKEN = "0123456789abcdef-TOKEN"


def post(ask, server, body, **options):
    return ask.post(f"{server.url}/v1/segment", content=body, **options)


def problem(answer):
    """Its kind and status; every refusal has this one form."""
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert set(told) == {"type", "title", "status", "detail", "hint"}
    assert told["status"] == answer.status_code
    return told["type"].removeprefix("urn:scunext-edge:problem:"), answer.status_code


def raw(server, *parts, pause=0.0):
    """Send bytes with pauses between them; all that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)
        answer = b""
        try:
            while block := connection.recv(65536):
                answer += block
        except ConnectionResetError:
            pass
        return answer


def head(length=None, *more):
    lines = ["POST /v1/segment HTTP/1.1", "Host: localhost", *more]
    lines += [] if length is None else [f"Content-Length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode()


def test_a_picture_gets_its_mask(serve, ask, picture):
    with serve() as server:
        answer = post(ask, server, picture, params={"mm_per_pixel": 0.1})
        alone = post(ask, server, picture, headers={"accept": "image/png"})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["area_pixels"], told["area_mm2"]) == (200, pytest.approx(2))
    assert told["contour"] == [[[6, 4], [26, 4], [26, 14], [6, 14]]]
    assert told["picture_sha256"] == hashlib.sha256(picture).hexdigest()
    assert (told["logits"], told["picture"], told["quality"]) == (None, None, None)
    assert told["versions"]["engine"] == "fake"
    assert told["id"] == answer.headers["x-request-id"]
    assert set(told["time_ms"]) == {
        *("receive", "wait", "decode", "network", "measure", "encode", "total"),
    }
    assert alone.headers["content-type"] == "image/png"
    assert alone.content == base64.b64decode(told["mask"])
    mask = np.array(PillowImage.open(io.BytesIO(alone.content)))
    assert (mask.sum(), mask.shape) == (200 * 255, (32, 32))


def test_every_refusal_has_one_form(serve, ask, picture):
    with serve(max_body=100_000, max_pixels=2000) as server:
        url = server.url
        found = {
            "nothing": problem(ask.get(f"{url}/no/such/place")),
            "method": problem(ask.delete(f"{url}/v1/segment")),
            "parameter": problem(post(ask, server, picture, params={"mm_per_pixel": "-1"})),
            "infinite": problem(post(ask, server, picture, params={"mm_per_pixel": "inf"})),
            "form": problem(ask.post(f"{url}/v1/segment", files={"file": picture})),
            "empty": problem(post(ask, server, b"")),
            "garbage": problem(post(ask, server, b"garbage")),
            "bytes": problem(post(ask, server, bytes(100_001))),
            "chunked": problem(post(ask, server, iter(200 * [bytes(1000)]))),
            "bug": problem(post(ask, server, b"bug")),
            "lost": problem(post(ask, server, b"die")),
        }
        assert post(ask, server, picture).status_code == 200
    assert found == {
        "nothing": ("not-found", 404),
        "method": ("wrong-method", 405),
        "parameter": ("wrong-parameter", 422),
        "infinite": ("wrong-parameter", 422),
        "form": ("wrong-type", 415),
        "empty": ("no-picture", 422),
        "garbage": ("no-picture", 422),
        "bytes": ("too-many-bytes", 413),
        "chunked": ("too-many-bytes", 413),
        "bug": ("internal", 500),
        "lost": ("worker-lost", 503),
    }
    assert "Traceback" not in server.log.text


def test_too_many_bytes_are_refused_before_they_come(serve):
    with serve(max_body=1000) as server:
        answer = raw(server, head(10_000_000))
    assert b" 413 " in answer.split(b"\r\n")[0]
    assert b"connection: close" in answer


def test_what_is_no_http_is_refused_in_the_same_form(serve):
    with serve() as server:
        answer = raw(server, b"\x16\x03\x01 no http\r\n\r\n")
    assert b" 400 " in answer.split(b"\r\n")[0]
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == 400


def test_a_wrong_chunk_after_an_answer_has_begun_ends_the_connection(serve):
    with serve(max_body=1000) as server:
        chunk = b"7d0\r\n" + bytes(2000) + b"\r\n"
        answer = raw(server, head(None, "Transfer-Encoding: chunked"), chunk, b"zz\r\n", pause=0.3)
    assert b" 413 " in answer.split(b"\r\n")[0]
    assert not [it for it in server.log.records if it.name == "asyncio" and it.exc_info]


def test_a_slow_client_is_left_and_others_are_served_meanwhile(serve, ask, picture):
    with serve(body_timeout_s=1.0) as server:
        answers = {}
        slow = {
            "body": (head(5000), bytes(10)),
            "head": (b"POST /v1/seg",),
            "nothing": (),
        }
        threads = [
            threading.Thread(target=lambda name=name, parts=parts: answers.update(
                {name: raw(server, *parts)}))
            for name, parts in slow.items()
        ]  # fmt: skip
        for thread in threads:
            thread.start()
        assert post(ask, server, picture).status_code == 200
        for thread in threads:
            thread.join()
    assert b" 408 " in answers["body"].split(b"\r\n")[0]
    assert (answers["head"], answers["nothing"]) == (b"", b"")


def test_a_client_that_leaves_is_counted_and_harms_nobody(serve, ask, picture):
    with serve() as server:
        for parts in ((head(5000), bytes(10)), (head(9), b"sleep 0.1")):
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                for part in parts:
                    connection.sendall(part)
        assert post(ask, server, picture).status_code == 200
        left = [it for it in server.log.messages if " 499 " in it]
    assert left


def test_a_full_queue_is_429_and_nothing_before_it_is_lost(serve, ask):
    httpx = pytest.importorskip("httpx")
    with serve(queue=1) as server:
        statuses = []

        def one():
            with httpx.Client(trust_env=False, timeout=60) as client:
                statuses.append(post(client, server, b"sleep 0.5"))

        threads = [threading.Thread(target=one) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    refused = [it for it in statuses if it.status_code == 429]
    assert len(refused) >= 1
    assert {it.headers["retry-after"] for it in refused} == {"1"}
    assert len(statuses) == 5


def test_bodies_share_a_budget(serve, ask, picture):
    with serve(max_body=100_000, queue=0) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as holder:
            holder.sendall(head(100_000) + bytes(90_000))
            while (answer := post(ask, server, bytes(50_000))).status_code != 429:
                time.sleep(0.01)
            assert problem(answer)[0] == "busy"
        while post(ask, server, picture).status_code == 429:
            time.sleep(0.01)
        assert post(ask, server, picture).status_code == 200


def test_a_token_is_wanted_where_pictures_and_numbers_are(serve, ask, picture):
    right = {"authorization": f"Bearer {TOKEN}"}
    with serve(token=TOKEN) as server:
        for given in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN}"}):
            answer = post(ask, server, picture, headers=given)
            assert problem(answer) == ("no-token", 401)
            assert answer.headers["www-authenticate"] == "Bearer"
            assert problem(ask.get(f"{server.url}/metrics", headers=given)) == ("no-token", 401)
            assert ask.get(f"{server.url}/v1/terms", headers=given).json()["admitted"] is False
        assert post(ask, server, picture, headers=right).status_code == 200
        assert ask.get(f"{server.url}/metrics", headers=right).status_code == 200
        assert ask.get(f"{server.url}/v1/terms", headers=right).json()["admitted"] is True
        for path in ("healthz", "readyz", "v1/terms", "openapi.json", ""):
            assert ask.get(f"{server.url}/{path}").status_code == 200
    assert TOKEN not in server.log.text


def test_pages_of_other_sites_are_refused_where_there_is_no_token(serve, ask, picture):
    with serve() as server:
        own = {"origin": server.url}
        assert post(ask, server, picture, headers=own).status_code == 200
        other = {"origin": "https://elsewhere.example"}
        assert problem(post(ask, server, picture, headers=other)) == ("wrong-origin", 403)
        renamed = {"host": f"elsewhere.example:{server.port}"}
        assert problem(post(ask, server, picture, headers=renamed)) == ("wrong-host", 421)
        broken = {"origin": "http://[::1"}
        assert problem(post(ask, server, picture, headers=broken)) == ("wrong-origin", 403)
        answer = raw(server, b"GET / HTTP/1.1\r\nHost: [::1\r\nConnection: close\r\n\r\n")
        assert b" 421 " in answer.split(b"\r\n")[0]


def test_the_log_and_the_metrics_name_nobody(serve, ask, picture):
    with serve() as server:
        post(ask, server, picture, params={"patient": "Doe^Jane"})
        ask.get(f"{server.url}/Doe/Jane.jpg")
        ask.request("JANE", f"{server.url}/v1/segment")
        metrics = ask.get(f"{server.url}/metrics").text
        logged = [it.getMessage() for it in server.log.records if it.name != "httpx"]
    lines = [it for it in logged if " ms, " in it]
    assert "Doe" not in "".join([metrics, *logged])
    assert "JANE" not in metrics
    assert re.search(r"^[0-9a-f]{32} POST /v1/segment 200 \d+ ms, \d+ bytes in$", lines[0])
    assert "GET (unknown) 404" in lines[1]
    counted = 'scunext_requests_total{method="POST",route="/v1/segment",status="200"} 1.0'
    assert counted in metrics
    assert 'method="other"' in metrics
    assert 'scunext_stage_seconds_count{stage="network"} 1.0' in metrics
    assert 'scunext_refused_total{problem="not-found"} 1.0' in metrics


def test_it_is_not_ready_before_its_workers_are(serve, ask, picture, fake_worker):
    with serve(worker=(*fake_worker, "the acceptance does not hold"), ready=False) as server:
        while "starting" in (answer := ask.get(f"{server.url}/readyz")).text:
            time.sleep(0.01)
        assert problem(answer) == ("not-ready", 503)
        assert "the acceptance does not hold" in answer.text
        assert problem(post(ask, server, picture)) == ("not-ready", 503)
        assert ask.get(f"{server.url}/healthz").json() == {"alive": True}


def test_nothing_is_stored_unless_asked_and_then_all_of_it(serve, ask, picture, tmp_path):
    kept = tmp_path / "kept"
    with serve(keep=kept) as server:
        told = post(ask, server, picture).json()
        problem(post(ask, server, b"garbage"))
    folder = kept / told["id"]
    assert [it.name for it in kept.iterdir()] == [told["id"]]
    assert (folder / "picture").read_bytes() == picture
    assert (folder / "mask.png").read_bytes() == base64.b64decode(told["mask"])
    assert json.loads((folder / "answer.json").read_text())["area_pixels"] == 200


def test_what_cannot_be_stored_is_no_success(serve, ask, picture, tmp_path):
    (tmp_path / "file").touch()
    with serve(keep=tmp_path / "file" / "below") as server:
        assert problem(post(ask, server, picture)) == ("not-kept", 507)


def test_what_is_in_flight_is_finished_when_it_ends(serve):
    with (
        serve() as server,
        socket.create_connection(("127.0.0.1", server.port)) as begun,
    ):
        begun.sendall(head(7))
        time.sleep(0.2)
        server.server.should_exit = True
        time.sleep(0.3)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port))
        begun.sendall(b"garbage")
        assert b" 422 " in begun.recv(65536).split(b"\r\n")[0]


def test_what_does_not_finish_in_time_is_told_so(serve):
    with (
        serve(grace_s=1) as server,
        socket.create_connection(("127.0.0.1", server.port)) as begun,
    ):
        begun.sendall(head(7))
        time.sleep(0.2)
        server.server.should_exit = True
        assert b" 503 " in begun.recv(65536).split(b"\r\n")[0]


def test_a_port_that_is_taken_is_said_so():
    listening, settings = bound(Settings(state=None, port=0))
    with listening, pytest.raises(ConfigError, match="cannot be used"):
        bound(settings)


# A process of its own: nothing that another test left in this one can meet the signal.
EARLY_SIGNAL = """
import signal, sys, uvicorn
from scunext_edge.serve.run import _signals_end_well, bound
from scunext_edge.serve.settings import Settings

listening, _ = bound(Settings(state=None, port=0))

async def app(scope, receive, send):
    raise AssertionError("never asked")

server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
with _signals_end_well(server):
    signal.raise_signal(int(sys.argv[1]))
    assert server.should_exit
    server.run(sockets=[listening])
print("ended")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_comes_before_the_server_runs_ends_it(number):
    pytest.importorskip("uvicorn")
    words = [sys.executable, "-c", EARLY_SIGNAL, str(int(number))]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr


def test_the_document_names_every_problem(serve, ask):
    with serve() as server:
        document = ask.get(f"{server.url}/openapi.json").json()
    answers = document["paths"]["/v1/segment"]["post"]["responses"]
    assert set(answers) == {
        *("200", "401", "403", "408", "413", "415", "421", "422", "429", "500", "503", "507"),
    }
    assert set(answers["200"]["content"]) == {"application/json", "image/png"}
    assert "ProblemDocument" in document["components"]["schemas"]
