"""One id for a request: taken from whoever asks or made here, in its log lines and its answer."""

import logging
import re
import secrets
from http import HTTPStatus
from typing import Final

from aiohttp import web

from diemcau_contract.logs import belonging
from diemcau_server.web.errors import Handler

REQUEST_ID: Final = "X-Request-Id"
_KEY: Final = "diemcau_request_id"
_TAKEN: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""What is taken from outside into log lines; anything else is replaced, not refused."""
_ID_BYTES: Final = 8
_PATH_CHARACTERS: Final = 200
_LOG = logging.getLogger(__name__)


@web.middleware
async def with_request_id(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let the request bear its id, and log it; reading is told with --verbose only."""
    given = request.headers.get(REQUEST_ID, "")
    identifier = given if _TAKEN.fullmatch(given) else secrets.token_hex(_ID_BYTES)
    request[_KEY] = identifier
    with belonging(request=identifier):
        response = await handler(request)
        path = request.path[:_PATH_CHARACTERS]
        _LOG.log(_level(request.method, response.status), "%s %s from %s: %d",
                 request.method, path, request.remote, response.status)  # fmt: skip
    return response


async def add_request_id(request: web.Request, response: web.StreamResponse) -> None:
    """Put the id into the answer's head, also where the answer is a stream."""
    # A request that is no HTTP is answered before it gets an id.
    response.headers[REQUEST_ID] = request.get(_KEY) or secrets.token_hex(_ID_BYTES)


def _level(method: str, status: int) -> int:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return logging.WARNING
    return logging.DEBUG if method in {"GET", "HEAD"} else logging.INFO
