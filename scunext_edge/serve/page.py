"""The page."""

from __future__ import annotations

from fastapi import FastAPI


def add_page(app: FastAPI) -> None:
    """Later."""
