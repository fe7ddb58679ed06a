"""The aiohttp application: routes, errors, limits, headers."""

import asyncio
from collections.abc import Mapping

from aiohttp import web

from diemcau_server.services import Services
from diemcau_server.web.errors import errors_as_json
from diemcau_server.web.ndt7 import TRANSFERS, Transfers
from diemcau_server.web.ndt7_transfer import Pace
from diemcau_server.web.openapi import OPENAPI, document
from diemcau_server.web.pages import errors_as_pages
from diemcau_server.web.requestid import add_request_id, with_request_id
from diemcau_server.web.routes import PAGES, ROUTES
from diemcau_server.web.routing import CLOSING, SERVICES

MAX_BODY_BYTES = 64 * 1024
"""A thousand points named by their ids; no request is larger."""

SECURITY_HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""No CORS header is ever sent: pages of other origins cannot read anything."""


_USUAL_PACE = Pace()


def make_app(services: Services, ndt7_pace: Pace = _USUAL_PACE) -> web.Application:
    """Return the HTTP side of a server made of ``services``."""
    middlewares = [with_request_id, errors_as_json, errors_as_pages]
    app = web.Application(middlewares=middlewares, client_max_size=MAX_BODY_BYTES)
    app[SERVICES] = services
    app[CLOSING] = asyncio.Event()
    app[OPENAPI] = document(ROUTES)
    app[TRANSFERS] = Transfers(ndt7_pace, services.metrics.ndt7_transfers)
    services.coordinator.before_each_test(app[TRANSFERS].cut)
    for route in (*ROUTES, *PAGES):
        if route.method == "GET":
            app.router.add_get(route.path, route.handler)
        else:
            app.router.add_route(route.method, route.path, route.handler)
    app.on_response_prepare.append(_add_headers)
    app.on_response_prepare.append(add_request_id)
    app.on_shutdown.append(_close_streams)
    return app


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "diemcau"  # aiohttp has put its own and Python's version there


async def _close_streams(app: web.Application) -> None:
    """End transfers and the running test, whose listeners hear of it, then event streams."""
    app[TRANSFERS].cut()
    await app[SERVICES].coordinator.stop()
    app[CLOSING].set()
