"""One id for a request: taken from whoever asks or made here, in its log lines and its answer."""

import logging
import re
import secrets
from http import HTTPStatus
from typing import Final

from aiohttp import web

from diemcau_contract.logs import REQUEST_ID, belonging, current_ids
from diemcau_server.web.errors import Handler

TAKEN: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""What is taken from outside into log lines; anything else is replaced, not refused."""
_ID_BYTES: Final = 8
_PATH_CHARACTERS: Final = 200
_LOG = logging.getLogger(__name__)


@web.middleware
async def with_request_id(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let the request bear its id, and log it; reading is told with --verbose only."""
    given = request.headers.get(REQUEST_ID, "")
    identifier = given if TAKEN.fullmatch(given) else secrets.token_hex(_ID_BYTES)
    with belonging(request=identifier):
        response = await handler(request)
        response.headers[REQUEST_ID] = identifier
        path = request.path[:_PATH_CHARACTERS]
        _LOG.log(_level(request.method, response.status), "%s %s from %s: %d",
                 request.method, path, request.remote, response.status)  # fmt: skip
    return response


async def add_request_id(_request: web.Request, response: web.StreamResponse) -> None:
    """Put the id into the head of a stream, which goes out while the request is served."""
    identifier = current_ids().get("request")
    if identifier is not None:
        response.headers[REQUEST_ID] = identifier


def _level(method: str, status: int) -> int:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return logging.WARNING
    return logging.DEBUG if method in {"GET", "HEAD"} else logging.INFO
