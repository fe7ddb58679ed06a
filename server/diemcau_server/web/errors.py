"""Errors in both languages, never a traceback; the API gives them as JSON."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from diemcau_contract.causes import Text
from diemcau_contract.documents import value_mistakes
from diemcau_contract.logs import current_ids
from diemcau_contract.messages import Utc, utc_text
from diemcau_contract.result import Sentence
from diemcau_server.coordinator import (
    CoordinatorError,
    SelectionError,
    TestRunningError,
    UnavailableError,
)
from diemcau_server.errors import StoreError

_LOG = logging.getLogger(__name__)
_PROBLEMS_SHOWN = 5

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ErrorBody(BaseModel):
    """What went wrong; the optional fields depend on ``code``."""

    model_config = ConfigDict(extra="forbid")

    code: str
    message: Sentence
    near: tuple[str, ...] | None = None
    test: str | None = None
    asked_by: str | None = None
    started_at: Utc | None = None


class ErrorAnswer(BaseModel):
    """The body of every answer with a status of 400 and above."""

    model_config = ConfigDict(extra="forbid")

    error: ErrorBody


@dataclass(frozen=True, slots=True)
class _Known:
    code: str
    text: Text


_BY_STATUS: Mapping[int, _Known] = {
    404: _Known("not_found", Text("Không có địa chỉ này.", "There is no such address.")),
    405: _Known(
        "method_not_allowed",
        Text("Địa chỉ này không nhận lệnh đó.", "This address does not take that method."),
    ),
    413: _Known("too_large", Text("Yêu cầu quá lớn.", "The request is too large.")),
}
_INVALID = _Known("invalid", Text("Yêu cầu không hợp lệ.", "The request is not valid."))
_STORE = _Known(
    "store_unavailable",
    Text(
        "Máy chủ không đọc được cơ sở dữ liệu; kiểm tra ổ đĩa.",
        "The server cannot read its database; check its disk.",
    ),
)


class ProblemError(Exception):
    """A request that cannot be served, with the status and words of its answer."""

    def __init__(self, status: int, code: str, text: Text, **more: object) -> None:
        super().__init__(f"{status} {code}: {text.en}")
        self.status = status
        self.text = text
        self.body = error_body(code, text, **more)
        self.headers: dict[str, str] = {}


def unknown_test(test: str) -> ProblemError:
    """Return the problem of a test that neither runs nor is stored."""
    shown = repr(test[:64])
    return ProblemError(
        404, "unknown_test", Text(f"Không có lượt đo {shown}.", f"There is no test {shown}.")
    )


def unauthorised() -> ProblemError:
    """Return the problem of a missing or wrong token."""
    problem = ProblemError(
        401,
        "unauthorised",
        Text(
            "Sai hoặc thiếu mã truy cập (token); dùng tệp token của máy chủ: --token-file.",
            "The access token is missing or wrong; use the server's token file: --token-file.",
        ),
    )
    problem.headers["WWW-Authenticate"] = 'Bearer realm="diemcau"'
    return problem


def invalid(vi: str, en: str) -> ProblemError:
    """Return the problem of a request that cannot be understood."""
    return ProblemError(400, "invalid", Text(vi, en))


def invalid_body(error: ValidationError, model: type[BaseModel]) -> ProblemError:
    """Return the problem of a body with wrong keys or values, each named."""
    mistakes = value_mistakes(error, model)[:_PROBLEMS_SHOWN]
    vi = "; ".join(f"{where}: {what.vi}" for where, what in mistakes)
    en = "; ".join(f"{where}: {what.en}" for where, what in mistakes)
    return invalid(f"Yêu cầu không hợp lệ: {vi}", f"The request is not valid: {en}")


def error_body(code: str, text: Text, **more: object) -> dict[str, Any]:
    """Return the body of an error; ``more`` are further keys of ErrorBody."""
    return {"error": {"code": code, "message": {"vi": text.vi, "en": text.en}, **more}}


def of_coordinator(error: CoordinatorError) -> ProblemError:
    """Return the problem of a test that cannot be had."""
    if isinstance(error, TestRunningError):
        more = {
            "test": error.test,
            "asked_by": error.asked_by,
            "started_at": utc_text(error.started_at),
        }
        return ProblemError(409, error.code, error.text, **more)
    if isinstance(error, SelectionError):
        return ProblemError(400, error.code, error.text, near=list(error.near))
    if isinstance(error, UnavailableError):
        return ProblemError(503, error.code, error.text)
    return ProblemError(410, error.code, error.text)


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn everything that goes wrong into a JSON answer in both languages."""
    try:
        return await handler(request)
    except Exception as error:  # noqa: BLE001  # the outermost border
        problem = problem_of(request, error)
        return web.json_response(problem.body, status=problem.status, headers=problem.headers)


def problem_of(request: web.Request, error: Exception) -> ProblemError:
    """Return what went wrong in words for the user; a fault of ours is logged.

    Raises:
        web.HTTPException: it is no error but a redirection.
    """
    match error:
        case ProblemError():
            return error
        case CoordinatorError():
            return of_coordinator(error)
        case StoreError():
            _LOG.error("%s %s: %s", request.method, request.path, error)
            return ProblemError(503, _STORE.code, _STORE.text)
        case web.HTTPException():
            return _of_router(error)
    _LOG.error("%s %s failed", request.method, request.path, exc_info=error)
    return _internal(current_ids().get("request", ""))


def _of_router(error: web.HTTPException) -> ProblemError:
    if error.status < web.HTTPBadRequest.status_code:
        raise error
    known = _BY_STATUS.get(error.status, _INVALID)
    problem = ProblemError(error.status, known.code, known.text)
    if "Allow" in error.headers:
        problem.headers["Allow"] = error.headers["Allow"]
    return problem


def _internal(request: str) -> ProblemError:
    """Return the problem of a fault of ours; ``request`` finds its trace in the log."""
    vi = f"Máy chủ gặp lỗi; xem nhật ký máy chủ (mã yêu cầu {request})."
    en = f"The server met a fault; see its log (request {request})."
    return ProblemError(500, "internal", Text(vi, en))
