"""What a route is: one row of the table from which both the server and its document are made."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web
from pydantic import BaseModel

from diemcau_server.services import Services
from diemcau_server.web.errors import Handler

SERVICES: web.AppKey[Services] = web.AppKey("services", Services)
CLOSING: web.AppKey[asyncio.Event] = web.AppKey("closing", asyncio.Event)
"""Set when the server stops: event streams end then."""


@dataclass(frozen=True, slots=True)
class Route:
    """An address with its method, what it takes and what it gives."""

    method: str
    path: str
    handler: Handler
    summary: str
    answers: Mapping[int, type[BaseModel] | None]
    """Model of each good status; None is any JSON object, or text."""
    errors: tuple[int, ...] = ()
    body: type[BaseModel] | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    """Optional parameters by name, with their JSON type."""
    media_type: str = "application/json"
    needs_token: bool = False
