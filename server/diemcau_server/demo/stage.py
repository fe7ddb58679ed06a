"""The demo's course: build the district, wait until it is at rest, test it, compare, stay, clear.

Everything lives in one temporary folder and in processes that the demo started itself; both are
gone when it ends, whatever ended it.
"""

import asyncio
import json
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError
from rich.text import Text

from diemcau_server.cli.answers import Board
from diemcau_server.cli.client import ApiClient, Selection
from diemcau_server.cli.connection import Connection, read_token
from diemcau_server.cli.failure import CommandError, ExitCode
from diemcau_server.cli.result_table import print_result
from diemcau_server.cli.run import Screen, asker, run_test
from diemcau_server.demo.outcome import compare, print_outcome
from diemcau_server.demo.papers import write_agent_file, write_server_file
from diemcau_server.demo.processes import Child, Children
from diemcau_server.demo.storyline import Storyline, StoryPoint, storyline

_SERVER_SECONDS: Final = 60.0
_RELAY_SECONDS: Final = 20.0
_POINTS_SECONDS: Final = 60.0
_SECONDS_PER_POINT: Final = 6.0
_AGENT_PAUSE_SECONDS: Final = 0.4
"""Agents start one after another: sixteen interpreters at once would starve two cores."""
_CALM_LOAD_RATIO: Final = 0.5
_CALM_SECONDS: Final = 60.0
_SEED: Final = 2026


class _Ready(BaseModel):
    """What the server writes when everything listens."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    http: str
    broker: str
    measure_port: int
    token_file: Path


@dataclass(frozen=True, slots=True)
class _District:
    """A running demo."""

    folder: Path
    children: Children
    server: Child
    ready: _Ready


async def run_demo(screen: Screen, *, points: int, once: bool) -> ExitCode:
    """Run the demo; with ``once`` it ends after the test, else it stays until Ctrl-C.

    Returns:
        READY when the test found exactly what the storyline hid, else NOT_READY.

    Raises:
        CommandError: something could not be started.
    """
    whole = storyline(points)
    story = whole.on(os.cpu_count() or 1)
    if story is not whole:
        _tell_small(story, screen)
    async with _district(story, screen) as district:
        token = read_token(district.ready.token_file, screen.say)
        connection = Connection(district.ready.http, token)
        async with ApiClient(connection, screen.say) as client:
            await _wait_for_points(client, story, district, screen)
            await _wait_for_calm(screen)
            _tell_course(story, screen)
            result = await run_test(client, Selection(asked_by=asker(), silent=True), screen)
        print_result(result, screen.out, screen.say)
        matched = print_outcome(compare(story, result), screen.out, screen.say)
        if not once:
            _tell_addresses(district, screen)
            await _stay(district, screen)
    return ExitCode.READY if matched else ExitCode.NOT_READY


@asynccontextmanager
async def _district(story: Storyline, screen: Screen) -> AsyncIterator[_District]:
    folder = Path(tempfile.mkdtemp(prefix="diemcau-demo-"))  # 0700
    children = Children(folder)
    try:
        yield await _build(story, folder, children, screen)
    finally:
        screen.err.print(screen.say("Ending the demo's processes…"))
        clearing = asyncio.ensure_future(children.stop())
        try:
            await asyncio.shield(clearing)
        except asyncio.CancelledError:  # a second Ctrl-C does not leave processes behind
            await clearing
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)


async def _build(story: Storyline, folder: Path, children: Children, screen: Screen) -> _District:
    say = screen.say
    screen.err.print(say("Starting the server with its embedded broker…"))
    server_file, ready_file = write_server_file(folder, story), folder / "ready.json"
    server = children.start(
        "server",
        "diemcau_server",
        ["run", "--log", "text", "--config", str(server_file), "--ready-file", str(ready_file)],
    )
    text = await _written(ready_file, server, _SERVER_SECONDS, screen)
    ready = _read_ready(text, screen)
    coming = [point for point in story.points if point.agent]
    screen.err.print(
        say.count("Starting {number} agent…", "Starting {number} agents…", len(coming))
    )
    for point in coming:
        address = await _relay_for(point, ready, children, folder, screen)
        file = write_agent_file(folder, story, point, ready.broker, address)
        children.start(
            f"agent-{point.id}", "diemcau_agent", ["run", "--log", "text", "--config", str(file)]
        )
        await asyncio.sleep(_AGENT_PAUSE_SECONDS)
    return _District(folder, children, server, ready)


async def _relay_for(
    point: StoryPoint, ready: _Ready, children: Children, folder: Path, screen: Screen
) -> str | None:
    """Start a relay where the storyline wants loss; return the address that leads over it."""
    if not point.loss_up_ratio:
        return None
    file = folder / f"relay-{point.id}.port"
    relay = children.start(
        f"relay-{point.id}",
        "diemcau_server.demo.relay",
        [
            "--to", f"127.0.0.1:{ready.measure_port}", "--loss-up", str(point.loss_up_ratio),
            "--seed", str(_SEED), "--ready-file", str(file),
        ],
    )  # fmt: skip
    return f"127.0.0.1:{await _written(file, relay, _RELAY_SECONDS, screen)}"


async def _written(file: Path, child: Child, limit_seconds: float, screen: Screen) -> str:
    """Wait until ``child`` has written ``file``, and return its text."""
    end = time.monotonic() + limit_seconds
    while (text := _text(file)) is None:
        if child.has_ended() or time.monotonic() > end:
            sentence = screen.say(
                "{name} did not start. Its last words:\n{log}", name=child.name, log=child.tail()
            )
            raise CommandError(sentence, ExitCode.NOT_RUN)
        await asyncio.sleep(0.1)
    return text


def _text(file: Path) -> str | None:
    """Return the text of a small local file, None while it is not there."""
    try:
        return file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None


def _read_ready(text: str, screen: Screen) -> _Ready:
    try:
        return _Ready.model_validate(json.loads(text))
    except (ValueError, ValidationError) as error:
        sentence = screen.say("The server's ready file cannot be understood: {text}", text=text)
        raise CommandError(sentence, ExitCode.NOT_RUN) from error


async def _wait_for_points(
    client: ApiClient, story: Storyline, district: _District, screen: Screen
) -> None:
    """Wait until every agent that was started has reported."""
    say = screen.say
    wanted = {point.id for point in story.points if point.agent}
    end = time.monotonic() + _POINTS_SECONDS + _SECONDS_PER_POINT * len(wanted)
    shown = -1
    while True:
        board = Board.model_validate(await client.board())
        here = {point.point for point in board.points if point.last_report_at is not None}
        if len(here & wanted) != shown:
            shown = len(here & wanted)
            counted = say("Points that reported: {here} of {all}", here=shown, all=len(wanted))
            screen.err.print(counted)
        if wanted <= here:
            return
        if time.monotonic() > end or district.server.has_ended():
            missing = ", ".join(sorted(wanted - here))
            sentence = say("No report came from: {points}.", points=missing)
            raise CommandError(f"{sentence}\n{district.server.tail()}", ExitCode.NOT_RUN)
        await asyncio.sleep(1.0)


async def _wait_for_calm(screen: Screen) -> None:
    """Let the load of so many start-ups pass, so that it does not disturb the test."""
    screen.err.print(screen.say("Waiting until this machine is calm…"))
    end = time.monotonic() + _CALM_SECONDS
    psutil.cpu_percent()
    while time.monotonic() < end:
        await asyncio.sleep(2.0)
        if psutil.cpu_percent() / 100 < _CALM_LOAD_RATIO:
            return
    screen.err.print(
        screen.say(
            "Other programs keep this machine busy; what cannot be measured so will be reported "
            "as not known."
        ),
        soft_wrap=True,
    )


def _tell_small(story: Storyline, screen: Screen) -> None:
    sentence = screen.say(
        "This machine has fewer than {number} processors: a smaller profile ({profile}), and one "
        "device instead of two in each good room.",
        number=story.small_machine.processors, profile=story.profile.name,
    )  # fmt: skip
    screen.err.print(sentence, soft_wrap=True)


def _tell_course(story: Storyline, screen: Screen) -> None:
    hidden = sum(point.has_fault for point in story.points)
    say = screen.say
    sentence = say(
        "Testing {points} points by profile {profile}; {hidden} of them hide a fault.",
        points=len(story.points), profile=story.profile.name, hidden=hidden,
    )  # fmt: skip
    note = say(
        "All of them share this machine, so the limits on delay are wider than in the field; "
        "those on loss are the field's own."
    )
    screen.err.print(f"{sentence} {note}", soft_wrap=True)


def _tell_addresses(district: _District, screen: Screen) -> None:
    say, ready = screen.say, district.ready
    rows = (
        (say("Board of all points"), f"{ready.http}/"),
        (say("API"), f"{ready.http}/api/v1/openapi.json"),
        (say("Metrics"), f"{ready.http}/metrics"),
        (say("Token file"), str(ready.token_file)),
        (say("Test again"), f"diemcau test-line --server {ready.http} "
                            f"--token-file {ready.token_file}"),
    )  # fmt: skip
    for name, value in rows:
        screen.out.print(Text(f"{name}: {value}"), soft_wrap=True)


async def _stay(district: _District, screen: Screen) -> None:
    """Stay until Ctrl-C, which is the usual end and no fault."""
    screen.err.print(screen.say("The demo stays up; Ctrl-C ends it and clears everything."))
    try:
        while not district.server.has_ended():  # noqa: ASYNC110  # no portable signal of it
            await asyncio.sleep(0.5)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
        return
    sentence = screen.say("The server ended. Its last words:\n{log}", log=district.server.tail())
    raise CommandError(sentence, ExitCode.NOT_RUN)
