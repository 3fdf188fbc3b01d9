"""Messages come out as they went in, and a pipe that ends within one is noticed."""

from __future__ import annotations

import asyncio
import io

import pytest

from scunext_edge.serve import frames
from scunext_edge.serve.frames import Frame

FRAME = Frame(header={"a": [1, None, "ä"]}, blobs=[b"", b"\x00" * 70_000])


def test_a_message_comes_out_as_it_went_in():
    stream = io.BytesIO()
    frames.write(stream, FRAME)
    frames.write(stream, Frame(header={}))
    stream.seek(0)
    first, second = frames.read(stream), frames.read(stream)
    assert (first.header, first.blobs) == (FRAME.header, FRAME.blobs)
    assert (second.header, list(second.blobs)) == ({}, [])
    assert frames.read(stream) is None


@pytest.mark.parametrize("kept", [0, 5, 40, -1])
def test_an_end_within_a_message_is_an_error(kept):
    async def hear():
        stream = asyncio.StreamReader()
        stream.feed_data(b"".join(FRAME.parts())[:kept])
        stream.feed_eof()
        return await frames.receive(stream)

    with pytest.raises(asyncio.IncompleteReadError):
        asyncio.run(hear())
