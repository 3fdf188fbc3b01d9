"""How large a JPEG, JPEG-LS or JPEG 2000 codestream says its picture is, without decoding it."""

from __future__ import annotations

_SOC_SIZ = b"\xff\x4f\xff\x51"
# Start of frame: all of JPEG's but DHT (C4), JPG (C8) and DAC (CC), and that of JPEG-LS (F7).
_STARTS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
_BARE = {0x01, *range(0xD0, 0xD9)}  # markers without a length


def coded_size(codestream: bytes) -> tuple[int, int] | None:
    """(height, width) by the codestream's own header; None where there is none to be read."""
    at = codestream.find(_SOC_SIZ, 0, 4096)
    if at >= 0:
        return _jpeg_2000(codestream[at + 4 : at + 24])
    return _jpeg(codestream) if codestream.startswith(b"\xff\xd8") else None


def _jpeg_2000(siz: bytes) -> tuple[int, int] | None:
    if len(siz) < 20:
        return None
    right, bottom, left, top = (int.from_bytes(siz[n : n + 4], "big") for n in (4, 8, 12, 16))
    return bottom - top, right - left


def _jpeg(codestream: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(codestream) and codestream[at] == 0xFF:
        marker = codestream[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in _BARE:
            at += 2
        elif marker in _STARTS:
            height, width = (int.from_bytes(codestream[n : n + 2], "big") for n in (at + 5, at + 7))
            return height, width
        else:
            at += 2 + int.from_bytes(codestream[at + 2 : at + 4], "big")
    return None
