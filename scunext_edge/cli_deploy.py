"""``bundle`` and what belongs to it: parse, call one function, print."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from scunext_edge.cli_options import JsonOption, OutOption

_PYTHON = ".".join(platform.python_version_tuple()[:2])


class _WithDefault(TyperGroup):
    """``bundle ARTIFACT`` is ``bundle make ARTIFACT``."""

    default = "make"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, "--help"}:
            args = [self.default, *args]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed


app = typer.Typer(
    cls=_WithDefault,
    help="A signed folder that a device can check, install without a network, and run.",
    no_args_is_help=True,
)


@app.command()
def make(
    artifact: Annotated[str, typer.Argument(help="A network that ships, or an artifact's folder.")],
    target: Annotated[str, typer.Option("--target", "-t", help="x86-cpu, arm64, jetson or web.")],
    out: OutOption,
    key: Annotated[Path, typer.Option(help="Private key to sign with; see `bundle keygen`.")],
    run: Annotated[
        Path | None, typer.Option(help="Folder that `bench` wrote: gates, scores and times.")
    ] = None,
    verified: Annotated[
        Path | None, typer.Option(help="Folder that `verify` wrote: scores by size of lesion.")
    ] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option("--backend", "-b", help="Engines on the ladder; default: the target's."),
    ] = None,
    allow_failed: Annotated[
        bool, typer.Option("--allow-failed", help="Take what did not pass, and say so in the card.")
    ] = False,
    python: Annotated[str, typer.Option(help="Version of Python on the device.")] = _PYTHON,
    wheel: Annotated[
        Path | None, typer.Option(help="This package's wheel; default: built from its source.")
    ] = None,
    wheels: Annotated[
        Path | None, typer.Option(help="Folder of the other wheels; default: pip's index.")
    ] = None,
    online: Annotated[
        bool, typer.Option("--online", help="Leave the others out; the device fetches them.")
    ] = False,
    serve: Annotated[
        bool, typer.Option("--serve", help="The server's wheels too, a Dockerfile, a unit.")
    ] = False,
    limit_ms: Annotated[
        float, typer.Option(min=0, help="A form that takes longer for one image is refused.")
    ] = 1000.0,
    limits: Annotated[
        Path | None, typer.Option(help="quality.json of a network that does not ship.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Bundle the forms that passed. Exit code 1: none did, or not the one that was named."""
    from scunext_edge.deploy.make import Settings
    from scunext_edge.deploy.make import make as made_by
    from scunext_edge.progress import progress_bar

    settings = Settings(
        artifact=artifact,
        target=target,
        out=out,
        key=key,
        run=run,
        verified=verified,
        backends=tuple(backend or ()),
        allow_failed=allow_failed,
        python=python,
        wheel=wheel,
        wheels=wheels,
        online=online,
        limit_ms=limit_ms,
        serve=serve,
        limits=limits,
    )
    with progress_bar() as advance:
        made = made_by(settings, advance=advance)
    if as_json:
        print(json.dumps(asdict(made)))
    elif made.refusal is not None:
        print(f"refused: {made.refusal}")
    else:
        print(f"{out}: bundle {made.bundle_id}, signed by {made.key_id}")
        print(f"ladder: {', '.join(rung.name for rung in made.rungs)}")
        for name in made.did_not_pass:
            print(f"did not pass, and is inside: {name}")
        for reason in made.left_out:
            print(f"left out: {reason}")
    raise typer.Exit(0 if made.refusal is None else 1)


@app.command()
def verify(
    bundle: Annotated[Path, typer.Argument(help="Folder that `bundle` wrote.")],
    key: Annotated[Path, typer.Option(help="Public key of whom you trust, from elsewhere.")],
    as_json: JsonOption = False,
) -> None:
    """Is every byte as it was signed? Exit code 1: no, and which file is not."""
    from scunext_edge.deploy.signing import public_key
    from scunext_edge.deploy.verify import verify as verified

    trusted = public_key(key)
    found = verified(bundle, trusted)
    if as_json:
        print(json.dumps({**asdict(found), "key_id": trusted.id}))
    elif found.findings:
        print("\n".join(f"refused: {finding}" for finding in found.findings))
    else:
        print(f"{bundle}: bundle {found.bundle_id}, as {trusted.id} signed it")
    raise typer.Exit(1 if found.findings else 0)


@app.command()
def keygen(out: Annotated[Path, typer.Option("--out", "-o", help="The private key.")]) -> None:
    """Make a key to sign bundles with, and its public half beside it, OUT.pub."""
    from scunext_edge.deploy.signing import make_keys, public_key

    public = make_keys(out)
    print(f"{out}: private, keep it")
    print(f"{public}: public, key {public_key(public).id}")
