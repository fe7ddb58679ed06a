"""One test from the request to the result, as test-line and the demo both run it."""

import asyncio
import getpass
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from rich.console import Console

from diemcau_contract.result import PointResult, TestResult
from diemcau_server.cli.answers import Progress, Started
from diemcau_server.cli.client import ApiClient, Selection
from diemcau_server.cli.explain import print_explanation
from diemcau_server.cli.failure import CommandError, ExitCode
from diemcau_server.cli.progress import progress_view
from diemcau_server.cli.result_table import all_ready, in_order, print_result
from diemcau_server.coordinator.near import named
from diemcau_server.speech.language import Speech

_CANCEL_SECONDS: Final = 5.0
_MAX_NAME: Final = 80
Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True)
class Screen:
    """Where a command writes: results to ``out``, progress and faults to ``err``."""

    out: Console
    err: Console
    say: Speech


async def run_test(client: ApiClient, selection: Selection, screen: Screen) -> TestResult:
    """Run a test and show its progress; a cancelled task cancels the test on the server too.

    Raises:
        CommandError: it could not be begun or finished.
    """
    started = await client.create_test(selection)
    if not selection.silent:
        note = screen.say(
            "Rooms with a speaker play two short chirps, softer where people are heard; tell "
            "them, or use --silent."
        )
        screen.err.print(note, soft_wrap=True)
    try:
        return await _follow(client, started, screen)
    except asyncio.CancelledError:
        with suppress(CommandError, TimeoutError):
            await asyncio.wait_for(client.cancel(started.test), _CANCEL_SECONDS)
            screen.err.print(screen.say("The test was cancelled."))
        raise


async def _follow(client: ApiClient, started: Started, screen: Screen) -> TestResult:
    with progress_view(screen.err, started, screen.say) as view:
        async for event in client.follow(started.test):
            if isinstance(event, Progress):
                view.show(event)
            else:
                return event
    raise AssertionError("the stream of a test ends with its result or a fault")


async def explain(
    client: ApiClient, result: TestResult, points: tuple[str, ...], screen: Screen
) -> None:
    """Print everything behind the verdicts of ``points``, or of all when none is named.

    Raises:
        CommandError: a point that was not in the test.
    """
    chosen = _chosen(result, points, screen.say)
    detail = await client.detail(result.test)
    print_explanation(chosen, detail, screen.out, screen.say)


def show(result: TestResult, screen: Screen, *, json: bool, capacity: bool = False) -> ExitCode:
    """Print ``result`` and return the exit code that it means; ``capacity`` was asked for."""
    if json:
        text = result.model_dump_json(by_alias=True, indent=2)
        screen.out.file.write(f"{text}\n")
        screen.out.file.flush()
    else:
        print_result(result, screen.out, screen.say, asked_for_capacity=capacity)
    return ExitCode.READY if all_ready(result.points) else ExitCode.NOT_READY


def asker() -> str:
    """Return who asks for a test, for others who find it running: user and machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = "?"
    return f"{user}@{socket.gethostname()}"[:_MAX_NAME]


def with_client(
    open_client: Callable[[], ApiClient],
    work: Callable[[ApiClient], Coroutine[Any, Any, Outcome]],
) -> Coroutine[Any, Any, Outcome]:
    """Return ``work`` with a client that is opened before and closed after it."""

    async def opened() -> Outcome:
        async with open_client() as client:
            return await work(client)

    return opened()


def _chosen(result: TestResult, points: tuple[str, ...], say: Speech) -> list[PointResult]:
    tested = {point.point: point.name for point in result.points}
    wanted = [named(point, tested.items()) for point in points]
    for point in wanted:
        if point not in tested:
            sentence = say("Point {point} was not in test {test}.", point=point, test=result.test)
            raise CommandError(sentence, ExitCode.USAGE)
    return [point for point in in_order(result) if not points or point.point in wanted]
