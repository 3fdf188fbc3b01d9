"""The addresses of the server and its OpenAPI document."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import TypeAdapter
from starlette.exceptions import HTTPException

from scunext_edge import __version__
from scunext_edge.serve.answers import NOTICE, Health, Readiness, Segmentation, Terms, Versions
from scunext_edge.serve.body import Budget, check_type, read_body
from scunext_edge.serve.guard import GONE, Guard
from scunext_edge.serve.metrics import Metrics
from scunext_edge.serve.page import add_page
from scunext_edge.serve.problems import MEDIA_TYPE, Gone, Problem, ProblemDocument, of_status
from scunext_edge.serve.segmentation import Asked
from scunext_edge.serve.service import Service
from scunext_edge.serve.settings import Settings

_BODY = {
    "required": True,
    "description": "The picture itself: JPEG, PNG, BMP, TIFF, WebP or DICOM.",
    "content": {
        name: {"schema": {"type": "string", "format": "binary"}}
        for name in (
            *("image/jpeg", "image/png", "image/bmp", "image/tiff", "image/webp"),
            *("application/dicom", "application/octet-stream"),
        )
    },
}
_PNG = {"image/png": {"schema": {"type": "string", "format": "binary"}}}
_JSON = "application/json"
_PROBLEM = "#/components/schemas/ProblemDocument"


def make_app(service: Service) -> FastAPI:
    """All addresses; :func:`guarded` goes around it."""
    settings, pool = service.settings, service.pool

    @contextlib.asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        pool.start()
        watching = asyncio.create_task(service.watch.run(recheck_s=settings.recheck_s))
        try:
            yield
        finally:
            watching.cancel()
            await pool.close()

    app = FastAPI(
        title="scunext-edge",
        version=__version__,
        description=f"Outlines a skin lesion in a photo. {NOTICE}",
        docs_url=None,  # it would load scripts from elsewhere
        redoc_url=None,
        lifespan=life,
        separate_input_output_schemas=False,
    )
    _handle_errors(app)
    secret = [Depends(_token_check(settings))] if settings.token else []
    _add_state(app, service)
    _add_segment(app, service, secret)

    @app.get("/metrics", dependencies=secret, responses=_problems(401), response_class=Response)
    async def metrics() -> Response:
        """Counters in Prometheus' text format."""
        return Response(service.metrics.page(), media_type="text/plain; version=0.0.4")

    add_page(app)
    _document(app)
    return app


def guarded(app: FastAPI, settings: Settings, metrics: Metrics) -> Guard:
    """With a token, any name of the server will do; without one, only those of this machine."""
    names = ("localhost", "127.0.0.1", "::1", settings.host)
    return Guard(app, metrics, hosts=None if settings.token else names)


def _add_state(app: FastAPI, service: Service) -> None:
    @app.get("/healthz")
    async def health() -> Health:
        """Whether the process is alive."""
        return Health(alive=True)

    @app.get("/readyz", responses=_problems(503))
    async def readiness() -> Readiness:
        """Whether a picture would be segmented: workers are warm, and the acceptance holds."""
        if problem := service.problem:
            raise Problem("not-ready", problem)
        versions = Versions(**service.pool.versions)
        return Readiness(ready=True, versions=versions, workers=service.pool.counts)

    @app.get("/v1/terms")
    async def terms(
        authorization: Annotated[str | None, Header(include_in_schema=False)] = None,
    ) -> Terms:
        """Limits, whether a token is needed, and whether the one that came is right."""
        settings = service.settings
        return Terms(
            notice=NOTICE,
            version=__version__,
            needs_token=settings.token is not None,
            admitted=_is_admitted(settings, (authorization or "").removeprefix("Bearer ")),
            keeps_pictures=settings.keep is not None,
            max_bytes=settings.max_body,
            max_pixels=settings.max_pixels,
        )


def _add_segment(app: FastAPI, service: Service, secret: list[Any]) -> None:
    settings, budget = service.settings, Budget(service.settings.held_bytes)

    @app.post(
        "/v1/segment",
        dependencies=secret,
        response_model=Segmentation,
        responses={
            200: {"content": _PNG, "description": "JSON; with Accept: image/png the mask alone."},
            **_problems(401, 403, 408, 413, 415, 421, 422, 429, 500, 503, 507),
        },
        openapi_extra={"requestBody": _BODY},
    )
    async def segment(
        request: Request,
        mm_per_pixel: Annotated[
            float | None,
            Query(ge=1e-5, le=1000, allow_inf_nan=False, description="For the area in mm²."),
        ] = None,
        frame: Annotated[int | None, Query(ge=1, le=1_000_000, description="Of several.")] = None,
        logits: Annotated[bool, Query(description="Also what the network said.")] = False,
        picture: Annotated[bool, Query(description="Also the picture as it was decoded.")] = False,
    ) -> Response:
        """Mask, outline, area and quality of one picture."""
        if problem := service.refusal:
            raise Problem("not-ready", problem, headers={"Retry-After": "5"})
        check_type(request)
        began = time.perf_counter()
        with budget.lease() as lease:
            body = await read_body(
                request, lease, limit=settings.max_body, timeout_s=settings.body_timeout_s
            )
            if not body:
                raise Problem("no-picture", "the body is empty", "send a picture as the body")
            asked = Asked(
                max_pixels=settings.max_pixels,
                mm_per_pixel=mm_per_pixel,
                frame=frame,
                logits=logits,
                picture=picture,
            )
            result = await service.segment(
                body,
                asked,
                id=request.scope["state"]["id"],
                received_ms=1e3 * (time.perf_counter() - began),
                gone=request.is_disconnected,
            )
        if _wants_mask(request.headers.get("accept", "")):
            return Response(result.mask, media_type="image/png")
        return Response(json.dumps(result.answer, allow_nan=False), media_type=_JSON)


def _is_admitted(settings: Settings, token: str) -> bool:
    """The time that this takes says nothing about the token."""
    if settings.token is None:
        return True
    return hmac.compare_digest(_digest(token), _digest(settings.token))


def _token_check(settings: Settings) -> Any:
    """A dependency that also stands in the OpenAPI document."""
    given_as = HTTPBearer(auto_error=False, description="The secret of --token-file.")

    async def check(
        given: Annotated[HTTPAuthorizationCredentials | None, Depends(given_as)],
    ) -> None:
        if not _is_admitted(settings, given.credentials if given else ""):
            raise Problem(
                "no-token",
                "this server wants a token" if given is None else "this is not the token",
                "Authorization: Bearer TOKEN",
                {"WWW-Authenticate": "Bearer"},
            )

    # The annotation is a string, and the name in it is local.
    check.__annotations__["given"] = Annotated[
        HTTPAuthorizationCredentials | None, Depends(given_as)
    ]
    return check


def _handle_errors(app: FastAPI) -> None:
    """One form for all of them, the framework's too."""

    async def refuse(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            problem = of_status(error.status_code)
            problem.headers.update(error.headers or {})
        elif isinstance(error, RequestValidationError):
            first = error.errors()[0]
            name = ".".join(str(it) for it in first["loc"][1:])
            problem = Problem("wrong-parameter", f"{name}: {first['msg']}", "see /openapi.json")
        elif isinstance(error, Problem):
            problem = error
        else:
            problem = Problem("internal", "something is wrong in the server")
        request.scope["problem"] = problem.kind
        return Response(problem.body(), problem.status, problem.headers, MEDIA_TYPE)

    async def leave(_: Request, __: Exception) -> Response:
        return Response(status_code=GONE)

    for kind in (Problem, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, refuse)
    app.add_exception_handler(Gone, leave)


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    schema = {"schema": {"$ref": _PROBLEM}}
    return {
        status: {"content": {MEDIA_TYPE: schema}, "description": HTTPStatus(status).phrase}
        for status in statuses
    }


def _document(app: FastAPI) -> None:
    """FastAPI describes models of JSON alone, and problems are of another type."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        document = made()
        schemas = document["components"]["schemas"]
        schemas[_PROBLEM.rpartition("/")[2]] = TypeAdapter(ProblemDocument).json_schema()
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _wants_mask(accept: str) -> bool:
    """The mask alone, where nothing else is asked for."""
    kinds = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    return "image/png" in kinds and not kinds & {_JSON, "*/*", "application/*"}


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
