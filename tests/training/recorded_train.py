"""The command line, with what each process meets written down; DDP starts this file again."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from scunext_edge import cli
from scunext_edge.training import passes


def digest(*tensors):
    total = hashlib.sha256()
    for tensor in tensors:
        total.update(tensor.detach().numpy().tobytes())
    return total.hexdigest()


def main(folder):
    take, seen = passes.take_step, []

    def recorded(learner, images, truth, *, number, total):
        loss = take(learner, images, truth, number=number, total=total)
        seen.append([digest(images), digest(*learner.network.parameters())])
        rank = learner.fabric.global_rank
        Path(folder, f"rank{rank}.json").write_text(json.dumps(seen))
        return loss

    passes.take_step = recorded
    cli.main()


if __name__ == "__main__":
    main(os.environ["RECORD_TO"])
