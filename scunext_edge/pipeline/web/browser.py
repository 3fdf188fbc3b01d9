"""Chromium without a window, driven by its DevTools protocol over a pipe: no package, no port."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scunext_edge.errors import BackendUnavailable, EngineError

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = (
    *("--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-extensions"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--mute-audio", "--hide-scrollbars", "--disable-gpu"),
)
_TIMEOUT_S = 60.0


def find_chromium() -> str | None:
    """The path of a Chromium or Chrome, if there is one; SCUNEXT_CHROMIUM names another."""
    named = os.environ.get("SCUNEXT_CHROMIUM")
    return named or next((path for name in _NAMES if (path := shutil.which(name))), None)


@contextlib.contextmanager
def open_browser(flags: Sequence[str] = ()) -> Iterator[Browser]:
    """A browser with an empty profile; it ends with the block, and its profile with it."""
    program = find_chromium()
    if program is None:
        raise BackendUnavailable(
            "there is no Chromium here", hint="apt-get install chromium, or set SCUNEXT_CHROMIUM"
        )
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        flags = (*flags, "--no-sandbox")  # Chromium's sandbox refuses the super-user
    with tempfile.TemporaryDirectory(prefix="scunext-edge-", ignore_cleanup_errors=True) as profile:
        command = [program, *_FLAGS, *flags, f"--user-data-dir={profile}", "about:blank"]
        process, read_end, write_end = _started(command)
        browser = Browser(read_end, write_end)
        try:
            yield browser
        finally:
            with contextlib.suppress(EngineError):
                browser.call("Browser.close")
            os.close(write_end)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()
            os.close(read_end)


def _started(command: Sequence[str]) -> tuple[subprocess.Popen[bytes], int, int]:
    """The process, and the ends of the pipes to read its answers from and to write to."""
    asked, ask = os.pipe()
    answers, answer = os.pipe()

    def as_3_and_4() -> None:  # where Chromium looks for them
        spare = [os.dup(asked), os.dup(answer)]
        while min(spare) <= 4:
            spare = [os.dup(it) for it in spare]
        os.dup2(spare[0], 3)
        os.dup2(spare[1], 4)

    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        command, preexec_fn=as_3_and_4, pass_fds=(3, 4), stdout=quiet, stderr=quiet
    )
    os.close(asked)
    os.close(answer)
    return process, answers, ask


class Browser:
    """Calls of the protocol, one at a time; ``events`` holds what else was said, in order."""

    def __init__(self, read_end: int, write_end: int) -> None:
        self._read, self._write = read_end, write_end
        self._buffer = b""
        self._last = 0
        self.events: list[dict[str, Any]] = []

    def call(
        self, method: str, params: Mapping[str, Any] | None = None, *, session: str | None = None
    ) -> dict[str, Any]:
        """The result of a method; what the browser refuses is an ``EngineError``."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": params or {}}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data) :]
        limit = time.monotonic() + _TIMEOUT_S
        while True:
            answer = self._message(limit, method)
            if answer.get("id") != self._last:
                self.events.append(answer)
            elif "error" in answer:
                raise EngineError(f"Chromium refuses {method}: {answer['error']['message']}")
            else:
                return dict(answer["result"])

    def open_page(self, url: str, *, width: int = 1280, height: int = 800) -> Page:
        """A new tab of this size at ``url``; the page may not be loaded yet."""
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        found = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})
        page = Page(self, found["sessionId"], target)
        for domain in ("Page", "Runtime", "Network", "Log"):
            page.call(f"{domain}.enable")
        page.resize(width, height)
        page.call("Page.navigate", {"url": url})
        return page

    def _message(self, limit: float, method: str) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            left = limit - time.monotonic()
            if left <= 0 or not select.select([self._read], [], [], left)[0]:
                raise EngineError(f"Chromium has not answered {method} in {_TIMEOUT_S:g} s")
            block = os.read(self._read, 1 << 20)
            if not block:
                raise EngineError(f"Chromium ended during {method}")
            self._buffer += block
        message, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found


class Page:
    """One tab."""

    def __init__(self, browser: Browser, session: str, target: str) -> None:
        self._browser, self._session, self._target = browser, session, target

    def call(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """A method of the protocol on this tab."""
        return self._browser.call(method, params, session=self._session)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression, awaited, as JSON; what it throws is an ``EngineError``."""
        done = self.call(
            "Runtime.evaluate",
            {
                "expression": expression,
                "awaitPromise": True,
                "returnByValue": True,
                "userGesture": True,
            },
        )
        if thrown := done.get("exceptionDetails"):
            raise EngineError(thrown.get("exception", {}).get("description") or thrown["text"])
        return done["result"].get("value")

    def wait_for(self, expression: str, *, timeout_s: float = 20) -> Any:
        """Ask until the expression is true; its value. ``EngineError`` after ``timeout_s``."""
        limit = time.monotonic() + timeout_s
        while not (value := self._tried(expression)):
            if time.monotonic() > limit:
                raise EngineError(f"after {timeout_s:g} s still not true: {expression}")
            time.sleep(0.02)
        return value

    def _tried(self, expression: str) -> Any:
        try:
            return self.evaluate(expression)
        except EngineError:  # between two documents
            return None

    def resize(self, width: int, height: int, *, mobile: bool = False) -> None:
        """The size of the window in CSS pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        self.call("Emulation.setDeviceMetricsOverride", size)

    def said(self) -> list[str]:
        """Errors that the page logged or did not catch, in order."""
        found = []
        for event in self._of_this_tab():
            params = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                found.append(str(params["exceptionDetails"]["text"]))
            elif event["method"] == "Log.entryAdded" and params["entry"]["level"] == "error":
                found.append(str(params["entry"]["text"]))
        return found

    def requested(self) -> list[str]:
        """Every address that the page asked for."""
        of = "Network.requestWillBeSent"
        mine = (it["params"]["request"]["url"] for it in self._of_this_tab() if it["method"] == of)
        return list(mine)

    def close(self) -> None:
        """End the tab."""
        self._browser.call("Target.closeTarget", {"targetId": self._target})

    def _of_this_tab(self) -> Iterator[dict[str, Any]]:
        self.evaluate("0")  # takes in what has been said up to now
        return (it for it in self._browser.events if it.get("sessionId") == self._session)


def choose_file(page: Page, selector: str, path: Path) -> None:
    """Put a file into a file input, as its user does."""
    root = page.call("DOM.getDocument")["root"]["nodeId"]
    node = page.call("DOM.querySelector", {"nodeId": root, "selector": selector})["nodeId"]
    page.call("DOM.setFileInputFiles", {"files": [str(path)], "nodeId": node})
