"""An engine file that runs on one device alone: its bytes, or why they are not to be loaded here.

Knows no engine: what is here is given. A foreign or altered file may crash the process that
deserialises it, so whoever does takes the bytes from here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from scunext_edge.artifacts import Artifact
from scunext_edge.errors import ArtifactError, BackendUnavailable

ENGINE_SUFFIX = ".engine"


def engine_bytes(artifact: Artifact, here: Mapping[str, str]) -> bytes:
    """The engine file, built for what is ``here`` and unaltered since.

    ``built_for`` in the card says "gpu", "compute_capability" and "tensorrt", as ``here`` does.
    ``BackendUnavailable`` names what differs; other bytes than the card's are an ``ArtifactError``.
    """
    built_for = artifact.card.built_for
    wrong = [
        f"{key} {built_for.get(key, 'not stated')} (here: {value})"
        for key, value in here.items()
        if built_for.get(key) != value
    ]
    if wrong:
        raise BackendUnavailable(
            f"{artifact.directory} was built for another device: {', '.join(wrong)}",
            hint="build the engine here: scunext-edge export MODEL --to tensorrt",
        )
    file = artifact.file(ENGINE_SUFFIX)
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != artifact.digests[file.name]:
        raise ArtifactError(f"{file} was altered after export", hint="export it again")
    return content
