"""What Prometheus asks for: /metrics in its parts, and where to find them (/sd/hubs)."""

import zlib
from collections.abc import Mapping

from aiohttp import web

from diemcau_contract.causes import Text
from diemcau_server.metrics import Scope
from diemcau_server.web.errors import ProblemError
from diemcau_server.web.routing import SERVICES

POINTS_IN_ONE_TARGET = 2000
"""Beyond, each hub is a target of its own: its own ``up``, and its own share of the time."""

SERVER_PART = "_server"
"""The part of the server's own series: a name that no hub can have."""

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
GZIP_WBITS = 31
GZIP_LEVEL = 1
"""A tenth of the size at a tenth of the time that the best level takes."""


async def get_metrics(request: web.Request) -> web.StreamResponse:
    """Give everything: points, hubs, and the server itself."""
    return await _answer(request, Scope())


async def get_server_metrics(request: web.Request) -> web.StreamResponse:
    """Give the server's own series."""
    return await _answer(request, Scope(points=False))


async def get_hub_metrics(request: web.Request) -> web.StreamResponse:
    """Give one hub and its points."""
    hub = request.match_info["hub"]
    if request.app[SERVICES].config.hub(hub) is None:
        shown = repr(hub[:80])
        text = Text(f"Không có hội trường {shown}.", f"There is no hub {shown}.")
        raise ProblemError(404, "unknown_hub", text)
    return await _answer(request, Scope(server=False, hub=hub))


async def get_targets(request: web.Request) -> web.Response:
    """List what Prometheus must scrape (http_sd): one target, or one a hub for many points.

    The address is the one by which Prometheus has asked. ``part`` tells the targets apart.
    """
    services = request.app[SERVICES]
    if len(services.board.records) <= POINTS_IN_ONE_TARGET:
        paths = {"all": "/metrics"}
    else:
        paths = {SERVER_PART: "/metrics/server"}
        paths |= {hub.id: f"/metrics/hub/{hub.id}" for hub in services.config.hubs}
    return web.json_response(
        [
            {"targets": [request.host], "labels": {"__metrics_path__": path, "part": part}}
            for part, path in paths.items()
        ]
    )


async def _answer(request: web.Request, scope: Scope) -> web.StreamResponse:
    """Send a scrape piece by piece, packed where the client takes that."""
    openmetrics = _wants_openmetrics(request.headers.get("Accept", ""))
    packs = accepted(request.headers.get("Accept-Encoding", "")).get("gzip", 0.0) > 0
    response = web.StreamResponse(
        headers={
            "Content-Type": OPENMETRICS if openmetrics else TEXT,
            "Vary": "Accept, Accept-Encoding",
        }
    )
    if packs:
        response.headers["Content-Encoding"] = "gzip"
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, GZIP_WBITS) if packs else None
    metrics = request.app[SERVICES].metrics
    try:
        async for part in metrics.scrape(scope, openmetrics=openmetrics):
            if piece := packer.compress(part) if packer else part:
                await response.write(piece)
        await response.write_eof(packer.flush() if packer else b"")
    except ConnectionError:
        # Prometheus has given up: it counts that itself, as a scrape that failed.
        return response
    return response


def accepted(header: str) -> Mapping[str, float]:
    """Return the quality of all that an Accept header names (RFC 9110, 12.4.2); 0 refuses it."""
    found: dict[str, float] = {}
    for item in header.split(","):
        name, *parameters = (text.strip().lower() for text in item.split(";"))
        quality = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key == "q":
                quality = _number(value)
            elif key == "version":
                name = f"{name};version={value.strip(chr(34))}"
        if name:
            found[name] = max(quality, found.get(name, 0.0))
    return found


def _wants_openmetrics(header: str) -> bool:
    """Tell whether OpenMetrics 1.0 is preferred to the text format, which is the usual one.

    The most specific range that a format is in counts (RFC 9110, 12.5.1). Who takes both alike
    and does not name OpenMetrics gets the usual one.
    """
    takes = accepted(header)
    of_openmetrics = ("application/openmetrics-text;version=1.0.0", "application/openmetrics-text")
    openmetrics = _quality(takes, *of_openmetrics, "application/*")
    text = _quality(takes, "text/plain;version=0.0.4", "text/plain", "text/*")
    if openmetrics == text:
        return openmetrics > 0 and any(one in takes for one in of_openmetrics)
    return openmetrics > text


def _quality(takes: Mapping[str, float], *ranges: str) -> float:
    """Return the quality of the first range that is named, the most specific one first."""
    return next((takes[one] for one in (*ranges, "*/*") if one in takes), 0.0)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
