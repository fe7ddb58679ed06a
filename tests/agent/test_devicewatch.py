"""Devices between tests: when a device is told missing, and when an old look no longer counts."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from diemcau_agent.app import Agent
from diemcau_agent.devices import HOLDERS_HIDDEN, UNTRIED, ExpectedDevice, Inventory
from diemcau_agent.devicewatch import STALE, DeviceWatch, Settled, merged
from diemcau_contract.causes import Cause
from diemcau_contract.messages import DeviceResult, Report, Value
from diemcau_contract.topics import Down
from diemcau_contract.words import DeviceKind, Status
from tests.agent.hubs import agent_config, running_hub, settings, until
from tests.brokers import Mosquitto

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 3, 14, 0, 30, tzinfo=UTC)
KEY = ("camera", "main")


def camera(status: Status, *causes: Cause, at: datetime = NOW) -> DeviceResult:
    """Return one look."""
    return DeviceResult(kind=DeviceKind.CAMERA, status=status, causes=causes, measured_at=at)


HERE = camera(Status.OK).model_copy(update={"values": {UNTRIED: True}})
GONE = camera(Status.BAD, Cause.MISSING)


@pytest.mark.parametrize(
    ("looks", "told"),
    [
        ([HERE, GONE], "ok"),
        ([HERE, GONE, GONE], "bad"),
        ([GONE, HERE, GONE], "bad"),
        ([HERE, GONE, HERE, HERE, GONE], "ok"),
        ([HERE, GONE, GONE, HERE], "ok"),
        ([GONE], "unknown"),
        ([GONE, GONE], "bad"),
        ([HERE, camera(Status.IN_USE, Cause.BUSY)], "in_use"),
        ([HERE, camera(Status.WARN, Cause.WRONG_DEVICE)], "warn"),
    ],
)
def test_red_needs_two_of_three_looks_and_recovery_one(
    looks: list[DeviceResult], told: str
) -> None:
    """A device that wavers alarms nobody; one that is back is told at once."""
    settled = Settled()
    results = [settled.after(look) for look in looks]

    assert results[-1].status == told


def test_in_doubt_the_next_look_comes_soon() -> None:
    """One bad look of three is a doubt; two of three, or a good one, is none."""
    settled = Settled()
    doubts = []
    for look in (HERE, GONE, GONE, HERE, HERE, HERE, GONE):
        settled.after(look)
        doubts.append(settled.doubtful)

    assert doubts == [False, True, False, False, False, False, True]


async def test_the_watch_looks_again_in_doubt_and_says_when_what_is_told_changes() -> None:
    """Unplugged, then back: two changes, with an interval that never passes between them."""
    script: Iterator[DeviceResult] = iter((HERE, GONE, GONE, HERE))
    taken: list[DeviceResult] = []
    changes: list[str] = []

    def look() -> tuple[DeviceResult, ...]:
        taken.append(next(script, HERE))
        return (taken[-1],)

    watch = DeviceWatch(look, look_seconds=3600, doubt_seconds=0.01)
    (first,) = await watch.results()
    assert first is HERE

    async def note() -> None:
        await watch.run(lambda: changes.append("changed"))

    watching = asyncio.create_task(note())
    await until(lambda: changes == ["changed"])
    assert (await watch.results())[0] is GONE
    assert len(taken) == 3
    await watch.take()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)

    assert (await watch.results())[0] is HERE


async def test_two_that_ask_at_once_are_one_look() -> None:
    """The first report and the watch start together: one bad look must not count twice."""
    count = 0

    def look() -> tuple[DeviceResult, ...]:
        nonlocal count
        count += 1
        return (GONE,)

    watch = DeviceWatch(look)
    told = await asyncio.gather(watch.results(), watch.results())

    assert count == 1
    assert {results[0].status for results in told} == {"unknown"}


@pytest.mark.parametrize(
    ("present", "last", "age", "told"),
    [
        (HERE, camera(Status.BAD, Cause.BLACK), STALE, ("bad", "black")),
        (HERE, camera(Status.BAD, Cause.BLACK), STALE + timedelta(seconds=1), ("unknown", "stale")),
        (HERE, camera(Status.OK), STALE + timedelta(seconds=1), ("ok", None)),
        (HERE, camera(Status.WARN, Cause.DARK), STALE + timedelta(seconds=1), ("ok", None)),
        (camera(Status.NOT_APPLICABLE), camera(Status.OK), STALE, ("ok", None)),
        (camera(Status.NOT_APPLICABLE), camera(Status.OK), 2 * STALE, ("unknown", "stale")),
        (camera(Status.IN_USE, Cause.BUSY), camera(Status.OK), STALE, ("in_use", "busy")),
        (GONE, camera(Status.OK), timedelta(0), ("bad", "missing")),
        (HERE, GONE, timedelta(0), ("ok", None)),
    ],
)
def test_an_old_look_is_never_told_as_today(
    present: DeviceResult, last: DeviceResult, age: timedelta, told: tuple[str, str | None]
) -> None:
    """A real look counts for twelve hours; then what it alone could tell is unknown."""
    result = merged(present, {KEY: last}, NOW + age)

    assert (result.status, result.causes[0] if result.causes else None) == told


def sound(status: Status, *causes: Cause, kind: str = "speaker", **values: Value) -> DeviceResult:
    """Return a look at the speaker, or at another device."""
    return DeviceResult(
        kind=DeviceKind(kind), status=status, causes=causes, values=values, measured_at=NOW
    )


THERE = sound(Status.OK, untried=True)
TELEVISION = sound(Status.WARN, Cause.WRONG_DEVICE, used="TV")
HIDDEN = sound(Status.UNKNOWN, holders_hidden=True)
DISPLAY = sound(Status.OK, kind="display", connector="HDMI-A-1")


@pytest.mark.parametrize("present", [THERE, HIDDEN])
@pytest.mark.parametrize(
    "last",
    [
        sound(Status.IN_USE, Cause.BUSY, held_by="zoom"),
        sound(Status.NOT_APPLICABLE, Cause.QUIET_HOURS),
        sound(Status.UNKNOWN, Cause.TIMEOUT),
        sound(Status.UNKNOWN, Cause.NEEDS_MICROPHONE),
        sound(Status.BAD, Cause.MISSING),
        sound(Status.BAD, Cause.DENIED),
        sound(Status.BAD, Cause.BUSY),
    ],
)
def test_what_proves_no_signal_or_is_disproved_is_not_told(
    present: DeviceResult, last: DeviceResult
) -> None:
    """The device is there, nobody has it, and no test has heard or seen it: not tried yet."""
    assert merged(present, {("speaker", "main"): last}, NOW) is present


@pytest.mark.parametrize(
    ("present", "last"),
    [
        (DISPLAY, sound(Status.BAD, Cause.NO_SIGNAL, kind="display")),
        (DISPLAY, sound(Status.WARN, Cause.NO_EDID, kind="display")),
        (DISPLAY, sound(Status.BAD, Cause.MISSING, kind="display")),
        (sound(Status.WARN, Cause.NO_EDID, kind="display"),
         sound(Status.BAD, Cause.NO_SIGNAL, kind="display")),
        (sound(Status.UNKNOWN, Cause.NO_SOUND_SYSTEM), sound(Status.OK)),
        (sound(Status.UNKNOWN, Cause.CRASHED), sound(Status.BAD, Cause.MUTED)),
        (sound(Status.UNKNOWN), sound(Status.OK)),
        (sound(Status.BAD, Cause.DENIED), sound(Status.OK)),
        (sound(Status.IN_USE, Cause.BUSY), sound(Status.BAD, Cause.MUTED)),
        (TELEVISION, sound(Status.OK)),
        (TELEVISION, sound(Status.BAD, Cause.MISSING)),
        (TELEVISION, sound(Status.UNKNOWN, Cause.TIMEOUT)),
        (TELEVISION, sound(Status.WARN, Cause.WRONG_DEVICE, used="Realtek")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("age", [timedelta(0), 2 * STALE])
def test_what_the_inventory_alone_knows_is_told_as_it_is_now(
    present: DeviceResult, last: DeviceResult, age: timedelta
) -> None:
    """Nothing that a test said earlier makes it better or worse."""
    assert merged(present, {(last.kind, "main"): last}, NOW + age) is present


@pytest.mark.parametrize(
    ("last", "told"),
    [
        (sound(Status.BAD, Cause.MUTED, muted=True), ("bad", ("muted", "wrong_device"))),
        (sound(Status.WARN, Cause.CHIRP_NOT_HEARD, muted=True),
         ("warn", ("chirp_not_heard", "wrong_device"))),
        (sound(Status.WARN, Cause.CHIRP_NOT_HEARD, Cause.WRONG_DEVICE, muted=True, used="Realtek"),
         ("warn", ("chirp_not_heard", "wrong_device"))),
    ],
)  # fmt: skip
def test_another_device_in_use_does_not_hide_what_a_test_found(
    last: DeviceResult, told: tuple[str, tuple[str, ...]]
) -> None:
    """Both causes, that of the test first, and the values of both; a stale one is left out."""
    opened: dict[tuple[str, str], DeviceResult] = {("speaker", "main"): last}
    both = merged(TELEVISION, opened, NOW + STALE)

    assert (both.status, both.causes) == told
    assert both.values == {"muted": True, "used": "TV"}
    assert merged(TELEVISION, opened, NOW + 2 * STALE) is TELEVISION


@pytest.mark.parametrize(
    ("causes", "told"),
    [
        ((Cause.WRONG_DEVICE,), ("ok", ())),
        ((Cause.CHANGED, Cause.WRONG_DEVICE), ("warn", ("changed",))),
    ],
)
def test_a_choice_that_was_set_right_is_forgotten(
    causes: tuple[Cause, ...], told: tuple[str, tuple[str, ...]]
) -> None:
    """The signal that the test heard still stands."""
    last = sound(Status.WARN, *causes, heard=True, used="TV")
    result = merged(THERE, {("speaker", "main"): last}, NOW)

    assert (result.status, result.causes) == told
    assert result.values == {"heard": True}


def test_a_device_whose_users_cannot_be_seen_keeps_what_a_test_found() -> None:
    """It is there; only who has it open is hidden from the agent."""
    black = camera(Status.BAD, Cause.BLACK)
    hidden = camera(Status.UNKNOWN).model_copy(update={"values": {HOLDERS_HIDDEN: True}})

    assert merged(hidden, {KEY: black}, NOW) is black


@pytest.mark.parametrize(
    ("present", "age", "model"),
    [
        (HERE.model_copy(update={"model": "Rally"}), STALE, "Rally"),
        (HERE.model_copy(update={"model": "Rally"}), 2 * STALE, "Rally"),
        (camera(Status.NOT_APPLICABLE), STALE, "C920"),
        (camera(Status.NOT_APPLICABLE), 2 * STALE, None),
        (GONE, STALE, None),
    ],
)
def test_a_device_is_called_what_is_there_now(
    present: DeviceResult, age: timedelta, model: str | None
) -> None:
    """What only a real look could tell is forgotten with it."""
    last = camera(Status.OK).model_copy(update={"model": "C920"})

    assert merged(present, {KEY: last}, NOW + age).model == model


async def test_the_hub_hears_of_a_gone_and_a_returned_device_at_once(
    broker: Mosquitto, tmp_path: Path
) -> None:
    """Not at the next interval, which is an hour away: what has changed is reported by itself."""
    node = tmp_path / "video0"
    node.touch()
    device = ExpectedDevice("camera", "main", {"format": "v4l2", "url": str(node)})
    config = agent_config(tmp_path, broker.port, device)
    async with running_hub(broker.port) as hub:
        stop = asyncio.Event()
        agent = Agent(config)
        agent.reporter.devices = DeviceWatch(Inventory(config.devices).look, 0.05, 0.05)
        running = asyncio.create_task(agent.run(stop))
        await hub.wait_for(Report)
        await hub.say(Down.SETTINGS, settings(3600))
        node.unlink()
        (gone,) = await hub.wait_for(Report, lambda one: one.devices[0].status is Status.BAD)
        node.touch()
        await hub.wait_for(
            Report, lambda one: one.seq > gone.seq and one.devices[0].status is Status.OK
        )
        stop.set()
        await running

    assert gone.devices[0].causes == (Cause.MISSING,)
