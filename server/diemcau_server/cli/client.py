"""Client of the server's HTTP API; whatever goes wrong ends in one clear sentence."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import aiohttp
from pydantic import BaseModel, ValidationError

from diemcau_contract.logs import REQUEST_ID
from diemcau_contract.result import TestResult
from diemcau_server.cli import faults
from diemcau_server.cli.answers import Board, Detail, Fault, Progress, Started
from diemcau_server.cli.connection import Connection
from diemcau_server.cli.event_stream import EventParser, EventTooLargeError
from diemcau_server.cli.failure import CommandError
from diemcau_server.speech.language import Speech

REQUEST_SECONDS: Final = 10.0
SILENCE_SECONDS: Final = 10.0
"""Progress comes every second; after this much silence the stream is asked for anew."""
RETRY_DELAYS_SECONDS: Final = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Pauses before each new attempt after a cut; an event in between starts them over."""

Model = TypeVar("Model", bound=BaseModel)
_CUT: Final = (aiohttp.ClientError, TimeoutError, OSError)


@dataclass(frozen=True, slots=True)
class Selection:
    """What to test; empty or None leaves the choice to the server."""

    points: tuple[str, ...] = ()
    session: str | None = None
    profile: str | None = None
    quick: bool = False
    capacity: bool = False
    asked_by: str = ""
    hub: str | None = None
    silent: bool = False

    def as_json(self) -> dict[str, object]:
        """Return the body of the request, without what was not chosen."""
        chosen: dict[str, object] = {
            "quick": self.quick, "capacity": self.capacity, "silent": self.silent,
        }  # fmt: skip
        if self.points:
            chosen["points"] = list(self.points)
        for name in ("hub", "session", "profile", "asked_by"):
            if getattr(self, name):
                chosen[name] = getattr(self, name)
        return chosen


class ApiClient:
    """One server's API; an async context manager."""

    def __init__(
        self,
        connection: Connection,
        say: Speech,
        retry_delays_seconds: tuple[float, ...] = RETRY_DELAYS_SECONDS,
    ) -> None:
        self._connection = connection
        self._say = say
        self._retry_delays_seconds = retry_delays_seconds
        # One id a command: the server logs it with all of the command's requests and its test.
        headers = {"Accept-Language": say.language, REQUEST_ID: secrets.token_hex(8)}
        if connection.token:
            headers["Authorization"] = f"Bearer {connection.token}"
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=5.0)
        self._http = aiohttp.ClientSession(headers=headers, timeout=timeout)

    async def __aenter__(self) -> Self:
        """Give the client."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close its connections."""
        await self._http.close()

    async def create_test(self, selection: Selection) -> Started:
        """Begin a test.

        Raises:
            CommandError: server not reachable, login refused, another test running, unknown id.
        """
        body = selection.as_json()
        _, answer = await self._ask("POST", "/api/v1/tests", body=body)
        return self._read(Started, answer)

    async def cancel(self, test: str) -> None:
        """End a test early; that it has ended already is no fault.

        Raises:
            CommandError: the server cannot be reached or refuses.
        """
        await self._ask("DELETE", f"/api/v1/tests/{test}", passed=(404, 409))

    async def board(self) -> Any:  # noqa: ANN401  # passed on as it came
        """Return the board's JSON as it came."""
        _, answer = await self._ask("GET", "/api/v1/points")
        self._read(Board, answer)
        return answer

    async def result(self, test: str) -> TestResult | None:
        """Return a kept result; None while the test runs.

        Raises:
            CommandError: no such test among others.
        """
        status, answer = await self._ask("GET", f"/api/v1/tests/{test}")
        return None if status == HTTPStatus.ACCEPTED else self._read(TestResult, answer)

    async def detail(self, test: str) -> Detail:
        """Return the probes' own logs of a test."""
        _, answer = await self._ask("GET", f"/api/v1/tests/{test}/detail")
        return self._read(Detail, answer)

    async def follow(self, test: str) -> AsyncGenerator[Progress | TestResult]:
        """Yield progress and at last the result; a cut stream is taken up again.

        Raises:
            CommandError: the test failed, or the server stayed away.
        """
        delays = iter(self._retry_delays_seconds)
        while True:
            failure: BaseException | None = None
            try:
                async with contextlib.aclosing(self._events(test)) as events:
                    async for event in events:
                        delays = iter(self._retry_delays_seconds)
                        yield event
                        if isinstance(event, TestResult):
                            return
            except _CUT as error:
                failure = error
            delay = next(delays, None)
            if delay is None:
                raise faults.connection_lost(self._connection.server, failure, self._say)
            await asyncio.sleep(delay)
            result = await self._result_after_cut(test)
            if result is not None:
                yield result
                return

    async def _result_after_cut(self, test: str) -> TestResult | None:
        """Look whether the test ended while the stream was cut; None also while out of reach."""
        try:
            async with self._http.get(self._url(f"/api/v1/tests/{test}")) as response:
                if response.status == HTTPStatus.NOT_FOUND:
                    raise faults.test_lost(test, self._say)
                if response.status == HTTPStatus.GONE:
                    raise faults.test_failed(_fault(await _json(response)), self._say)
                answer = await response.json() if response.status == HTTPStatus.OK else None
        except (*_CUT, ValueError):
            return None
        return None if answer is None else self._read(TestResult, answer)

    async def _events(self, test: str) -> AsyncGenerator[Progress | TestResult]:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5.0, sock_read=SILENCE_SECONDS)
        url = self._url(f"/api/v1/tests/{test}/events")
        async with self._http.get(
            url, timeout=timeout, headers={"Accept": "text/event-stream"}
        ) as response:
            if response.status != HTTPStatus.OK:
                raise self._refusal(response.status, await _json(response))
            parser = EventParser()
            async for chunk in response.content.iter_any():
                try:
                    events = parser.feed(chunk)
                except EventTooLargeError as error:
                    raise self._not_ours("event") from error
                for event in events:
                    if event.name == "progress":
                        yield self._read_text(Progress, event.data)
                    elif event.name == "result":
                        yield self._read_text(TestResult, event.data)
                    elif event.name == "failed":
                        raise faults.test_failed(_fault_in_text(event.data), self._say)

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        body: dict[str, object] | None = None,
        passed: tuple[int, ...] = (),
    ) -> tuple[int, Any]:
        try:
            async with self._http.request(method, self._url(path), json=body) as response:
                answer = await _json(response)
                if response.status < HTTPStatus.MULTIPLE_CHOICES or response.status in passed:
                    return response.status, answer
                raise self._refusal(response.status, answer)
        except _CUT as error:
            raise faults.not_reachable(self._connection.server, error, self._say) from error
        except ValueError as error:  # an address that aiohttp cannot take
            raise self._not_ours(str(error)) from error

    def _url(self, path: str) -> str:
        return f"{self._connection.server}{path}"

    def _refusal(self, status: int, answer: object) -> CommandError:
        fault = _fault(answer)
        if fault is None:
            return self._not_ours(f"HTTP {status}")
        return faults.refused(fault, self._connection, self._say)

    def _read(self, model: type[Model], answer: object) -> Model:
        return self._checked(lambda: model.model_validate(answer))

    def _read_text(self, model: type[Model], text: str) -> Model:
        return self._checked(lambda: model.model_validate_json(text))

    def _checked(self, read: Callable[[], Model]) -> Model:
        try:
            return read()
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or "JSON"
            raise self._not_ours(f"{place}: {first['msg']}") from error

    def _not_ours(self, detail: str) -> CommandError:
        return faults.not_ours(self._connection.server, detail, self._say)


async def _json(response: aiohttp.ClientResponse) -> Any:  # noqa: ANN401  # checked by models
    if response.content_type != "application/json":
        return None
    try:
        return await response.json()
    except ValueError:
        return None


def _fault(answer: object) -> Fault | None:
    content = answer.get("error", answer) if isinstance(answer, dict) else answer
    try:
        return Fault.model_validate(content)
    except ValidationError:
        return None


def _fault_in_text(text: str) -> Fault | None:
    try:
        return _fault(json.loads(text))
    except ValueError:
        return None
