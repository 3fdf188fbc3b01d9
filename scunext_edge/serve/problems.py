"""What a client is told when it gets no mask: one form for all, that of RFC 9457."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

MEDIA_TYPE = "application/problem+json"
_PREFIX = "urn:scunext-edge:problem:"

STATUS = {
    "bad-request": 400,
    "no-token": 401,
    "wrong-origin": 403,
    "not-found": 404,
    "wrong-method": 405,
    "too-slow": 408,
    "too-many-bytes": 413,
    "too-many-pixels": 413,
    "wrong-type": 415,
    "wrong-host": 421,
    "no-picture": 422,
    "wrong-parameter": 422,
    "busy": 429,
    "internal": 500,
    "not-ready": 503,
    "worker-lost": 503,
    "worker-late": 503,
    "not-kept": 507,
}


class Problem(Exception):
    """``kind`` is a key of ``STATUS``; no text of it may come from a picture or a path."""

    def __init__(
        self,
        kind: str,
        detail: str,
        hint: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.hint = hint
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        """Of the response."""
        return STATUS[self.kind]

    def body(self) -> bytes:
        """The JSON document."""
        return json.dumps(document(self.kind, self.status, self.detail, self.hint)).encode()


class Gone(Exception):
    """The client went away: there is nobody to answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemDocument:
    """Why there is no answer, by RFC 9457; ``hint`` says what to do about it."""

    type: str
    title: str
    status: int
    detail: str
    hint: str | None


def document(kind: str, status: int, detail: str, hint: str | None) -> dict[str, Any]:
    """The fields of a ``ProblemDocument``."""
    title = HTTPStatus(status).phrase
    return {
        "type": _PREFIX + kind,
        "title": title,
        "status": status,
        "detail": detail,
        "hint": hint,
    }


def of_status(status: int) -> Problem:
    """For what the framework refuses by itself."""
    if status == 404:
        return Problem("not-found", "there is nothing at this address", "see /openapi.json")
    if status == 405:
        return Problem("wrong-method", "this address does not take this method")
    return Problem("bad-request", "the request cannot be understood")
