"""The OpenAPI document, made from the table of routes and the models that it names."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from diemcau_contract import __version__
from diemcau_contract.logs import REQUEST_ID
from diemcau_server.web.errors import ErrorAnswer
from diemcau_server.web.requestid import TAKEN
from diemcau_server.web.routing import Route

OPENAPI: web.AppKey[dict[str, Any]] = web.AppKey("openapi", dict)

_REF = "#/components/schemas/{model}"
_ID_PARAMETER = "#/components/parameters/request_id"
_ID_HEADER = "#/components/headers/request_id"
_PARAMETER = re.compile(r"\{(\w+)\}")
_ERRORS: dict[int, str] = {
    400: "The request is not valid or names something unknown",
    401: "The token is missing or wrong",
    403: "A page of another host has asked",
    404: "There is no such thing",
    409: "Another test runs at this hub",
    410: "The test ended without a result",
    413: "The request is too large",
    503: "The server cannot do this now",
}


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of ``routes``."""
    models: set[type[BaseModel]] = {ErrorAnswer}
    for route in routes:
        models |= {model for model in (route.body, *route.answers.values()) if model is not None}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schemas = models_json_schema(
        [(model, "serialization") for model in ordered], ref_template=_REF
    )
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "diemcau", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "parameters": {
                "request_id": {
                    "name": REQUEST_ID, "in": "header", "required": False,
                    "description": "An id for the log lines of this request; another form is "
                    "replaced, not refused",
                    "schema": {"type": "string", "pattern": f"^{TAKEN.pattern}$"},
                }
            },
            "headers": {
                "request_id": {
                    "description": "The id under which the server has logged this request",
                    "schema": {"type": "string"},
                }
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }  # fmt: skip


async def get_openapi(request: web.Request) -> web.Response:
    """Give the OpenAPI document of this server."""
    return web.json_response(request.app[OPENAPI])


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "responses": {
            **{str(status): _good(route, status, model) for status, model in route.answers.items()},
            **{str(status): _error(status) for status in route.errors},
        },
    }
    for response in operation["responses"].values():
        response["headers"] = {REQUEST_ID: {"$ref": _ID_HEADER}}
    parameters = [_path_parameter(name) for name in _PARAMETER.findall(route.path)]
    parameters += [
        {"name": name, "in": "query", "required": False, "schema": {"type": kind}}
        for name, kind in route.query.items()
    ]
    operation["parameters"] = [*parameters, {"$ref": _ID_PARAMETER}]
    if route.body is not None:
        content = {"application/json": {"schema": _reference(route.body)}}
        operation["requestBody"] = {"required": True, "content": content}
    if route.needs_token:
        operation["security"] = [{"token": []}]
    return operation


def _good(route: Route, status: int, model: type[BaseModel] | None) -> dict[str, Any]:
    if status == HTTPStatus.SWITCHING_PROTOCOLS:
        return {"description": route.summary}
    schema = _reference(model) if model else {"type": "object"}
    if route.media_type != "application/json":
        schema = {"type": "string"}
    return {"description": route.summary, "content": {route.media_type: {"schema": schema}}}


def _error(status: int) -> dict[str, Any]:
    content = {"application/json": {"schema": _reference(ErrorAnswer)}}
    return {"description": _ERRORS[status], "content": content}


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}
