"""``serve``: parse, call one function, print."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Annotated

import typer


def serve(
    bundle: Annotated[Path, typer.Argument(help="Folder that `bundle` wrote.")],
    key: Annotated[Path, typer.Option(help="Public key of whom you trust, from elsewhere.")],
    state: Annotated[Path, typer.Option(help="The device's own folder: what it accepted.")],
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8000,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the secret that clients send.")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate, for https.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key.")] = None,
    keep: Annotated[
        Path | None, typer.Option(help="Store pictures and answers here; default: nowhere.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that segment.")] = 2,
    queue: Annotated[int, typer.Option(min=0, help="Pictures that may wait for one.")] = 8,
    max_body: Annotated[float, typer.Option(min=0.001, help="Of one picture, in MB.")] = 20,
    max_pixels: Annotated[float, typer.Option(min=0.001, help="Of one, in megapixels.")] = 50,
    body_timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds for a request to arrive.")
    ] = 30,
    work_timeout: Annotated[float, typer.Option(min=0.1, help="Seconds for one picture.")] = 30,
    grace: Annotated[float, typer.Option(min=0, help="Seconds to finish at the end.")] = 20,
) -> None:
    """Segment pictures over HTTP, with a page. Exit code 1: the device accepts no form."""
    from scunext_edge.deploy.accepted import Found
    from scunext_edge.errors import ConfigError
    from scunext_edge.serve.run import accept
    from scunext_edge.serve.run import serve as run
    from scunext_edge.serve.settings import Settings, check, read_token

    if (tls_cert is None) != (tls_key is None):
        raise ConfigError("a certificate and its key belong together", hint="--tls-cert --tls-key")
    settings = Settings(
        state=state,
        host=host,
        port=port,
        token=None if token_file is None else read_token(token_file),
        tls=None if tls_cert is None or tls_key is None else (tls_cert, tls_key),
        keep=keep,
        workers=workers,
        queue=queue,
        max_body=round(max_body * 1e6),
        max_pixels=round(max_pixels * 1e6),
        body_timeout_s=body_timeout,
        work_timeout_s=work_timeout,
        grace_s=grace,
    )
    check(settings)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    found = accept(bundle, key, state)
    if not isinstance(found, Found):
        for finding in found.findings:
            print(f"refused: {finding}")
        for trial in found.acceptance.trials if found.acceptance else ():
            print(f"{trial.name}: {trial.outcome}: {trial.reason}")
        print("refused: nothing is served")
        raise typer.Exit(1)
    run(settings, found, told=_tell)


def _tell(settings: object) -> None:
    from scunext_edge.serve.settings import Settings, is_loopback

    assert isinstance(settings, Settings)
    print(json.dumps({"serving": settings.url}), flush=True)
    if settings.tls is None and not is_loopback(settings.host):
        logging.warning("without --tls-cert, pictures and the token travel unencrypted")
