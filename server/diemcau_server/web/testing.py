"""Tests over HTTP: start, follow, read, cancel."""

import hmac
import json
import logging
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from diemcau_contract.causes import Text
from diemcau_contract.words import Verdict
from diemcau_server.coordinator import Outcome, Wanted
from diemcau_server.coordinator.progress import Progress
from diemcau_server.store import TestSummary as StoredTest
from diemcau_server.web.bodies import (
    StepBody,
    TestCancelled,
    TestList,
    TestOrderBody,
    TestStarted,
    TestSummary,
)
from diemcau_server.web.errors import (
    ProblemError,
    error_body,
    invalid,
    invalid_body,
    of_coordinator,
    unauthorised,
    unknown_test,
)
from diemcau_server.web.routing import CLOSING, SERVICES
from diemcau_server.web.watching import answer

LIST_DEFAULT = 20
LIST_MOST = 500

_LOG = logging.getLogger(__name__)


async def start_test(request: web.Request) -> web.Response:
    """Start a test."""
    _check_token(request)
    order = await _order(request)
    run = await request.app[SERVICES].coordinator.start(
        Wanted(
            asked_by=order.asked_by,
            hub=order.hub,
            points=order.points,
            session=order.session,
            profile=order.profile,
            quick=order.quick,
            capacity=order.capacity,
            silent=order.silent,
        )
    )
    started = TestStarted(
        test=run.order.test,
        hub=run.order.hub,
        points=tuple(one.point for one in run.order.points),
        session=run.order.session,
        profile=run.order.profile.id,
        steps=tuple(
            StepBody(step=number, kind=row.kind, duration_seconds=row.duration_seconds)
            for number, row in enumerate(run.outline())
        ),
        estimated_seconds=run.estimated_seconds,
    )
    return answer(started, 201)


async def list_tests(request: web.Request) -> web.Response:
    """List the stored tests, the newest first."""
    text = request.query.get("limit", str(LIST_DEFAULT))
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:9]) <= LIST_MOST:
        raise invalid(
            f"limit phải là số từ 1 đến {LIST_MOST}.",
            f"limit must be a number from 1 to {LIST_MOST}.",
        )
    stored = await request.app[SERVICES].store.tests(int(text))
    return answer(TestList(tests=tuple(_summary(one) for one in stored)))


async def get_test(request: web.Request) -> web.Response:
    """Give a test's result; 202 with its progress while it runs."""
    services = request.app[SERVICES]
    test = request.match_info["test"]
    run = services.coordinator.run_of(test)
    if run is not None and run.outcome is None:
        return answer(run.progress(), 202)
    if run is not None and run.outcome is not None and run.outcome.error is not None:
        raise of_coordinator(run.outcome.error)
    result = await services.store.test(test)
    if result is None:
        raise unknown_test(test)
    return answer(result)


async def get_test_detail(request: web.Request) -> web.Response:
    """Give evidence and probe logs behind a result."""
    test = request.match_info["test"]
    detail = await request.app[SERVICES].store.test_detail_json(test)
    if detail is None:
        raise unknown_test(test)
    return web.Response(text=detail, content_type="application/json")


async def follow_test(request: web.Request) -> web.StreamResponse:
    """Follow a test: events ``progress``, at last ``result`` or ``failed`` (then it ends)."""
    services = request.app[SERVICES]
    test = request.match_info["test"]
    run = services.coordinator.run_of(test)
    stored = None if run is not None else await services.store.test(test)
    if run is None and stored is None:
        raise unknown_test(test)
    stream = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
    await stream.prepare(request)
    try:
        if run is None:
            await _send(stream, Outcome(result=stored))
        else:
            async for event in run.events():
                await _send(stream, event)
                if request.app[CLOSING].is_set():
                    break
        await stream.write_eof()
    except ConnectionError:
        _LOG.debug("a listener of test %s has gone", test)
    return stream


async def cancel_test(request: web.Request) -> web.Response:
    """End a running test; its traffic has stopped when the answer comes."""
    _check_token(request)
    services = request.app[SERVICES]
    test = request.match_info["test"]
    if await services.coordinator.cancel(test):
        return answer(TestCancelled(test=test))
    known = services.coordinator.run_of(test) is not None
    if not known and await services.store.test(test) is None:
        raise unknown_test(test)
    shown = repr(test[:64])
    text = Text(f"Lượt đo {shown} đã kết thúc.", f"Test {shown} has ended already.")
    raise ProblemError(409, "test_ended", text)


def _check_token(request: web.Request) -> None:
    """Refuse a request without the token; the comparison takes the same time for every guess."""
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    token = request.app[SERVICES].token
    same = hmac.compare_digest(given.strip().encode("utf-8", "replace"), token.encode())
    if kind.lower() != "bearer" or not same:
        failures = request.app[SERVICES].metrics.auth_failures
        failures.labels("token_wrong" if given else "token_missing").inc()
        raise unauthorised()


async def _order(request: web.Request) -> TestOrderBody:
    raw = await request.read()
    try:
        content: Any = json.loads(raw or b"{}")
    except (ValueError, RecursionError) as error:
        raise invalid(
            "Yêu cầu không phải là JSON hợp lệ.", "The request is not valid JSON."
        ) from error
    if not isinstance(content, dict):
        raise invalid("Yêu cầu phải là một đối tượng JSON.", "The request must be a JSON object.")
    try:
        return TestOrderBody.model_validate(content)
    except ValidationError as error:
        raise invalid_body(error, TestOrderBody) from error


async def _send(stream: web.StreamResponse, event: Progress | Outcome) -> None:
    if not isinstance(event, Outcome):
        name, data = "progress", event.model_dump_json()
    elif event.result is not None:
        name, data = "result", event.result.model_dump_json(by_alias=True)
    else:
        name, data = "failed", json.dumps(_failure(event), ensure_ascii=False)
    await stream.write(f"event: {name}\ndata: {data}\n\n".encode())


def _failure(outcome: Outcome) -> dict[str, Any]:
    if outcome.error is None:
        message = "an outcome holds a result or an error"
        raise ValueError(message)
    return error_body(outcome.error.code, outcome.error.text)


def _summary(stored: StoredTest) -> TestSummary:
    return TestSummary(
        test=stored.test,
        hub=stored.hub,
        session=stored.session,
        profile=stored.profile,
        started_at=stored.started_at,
        verdict=Verdict(stored.verdict),
    )
