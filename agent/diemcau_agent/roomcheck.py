"""Really look at the devices of the room, all at the same time, each in its own child process."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from diemcau_agent.baseline import held_against, prepared, read_baseline, remember_heard
from diemcau_agent.devices import ExpectedDevice
from diemcau_agent.openings import Openings
from diemcau_agent.probes.frame import ChildRun, host_state, run_child, run_probe
from diemcau_agent.probes.host import HostSettings, read_host
from diemcau_agent.probes.table import PROBES, Probe, probe_for
from diemcau_contract.causes import Cause
from diemcau_contract.messages import DeviceResult, HostState
from diemcau_contract.words import DeviceKind, Status

_SOUND: Final = frozenset({DeviceKind.MICROPHONE, DeviceKind.SPEAKER})
ROOM_SECONDS: Final = 18.0
"""For all devices of a room together; with what a killed child may still take, it is the 20 s that
the hub waits for. What one device that hangs costs must not lose what was found of the others."""
SOUND_SECONDS: Final = 5.0
"""What listens or plays takes as long alone: so much is kept for each that waits for its turn."""
LEAST_SECONDS: Final = 3.0
"""With less left a child is not started: it could not end."""
SECOND_TRY_SECONDS: Final = 8.0
"""A first try that took longer is not repeated. Any takes 6 s at most alone: whoever was given as
long and did not end, hangs; who was given less is unknown."""
OWN_LOOK_SECONDS: Final = 5.0
"""For the agent's own look at a PC too busy for a child: it asks name servers as well."""
_FINAL: Final = frozenset({Cause.AUTH, Cause.TIMEOUT})
"""Not tried again: a login that is refused twice may be locked, and who hangs would hang on."""


@dataclass(frozen=True, slots=True)
class RoomFindings:
    """What came of it; ``logs`` by ``kind.role``, that of the PC as ``host``."""

    devices: tuple[DeviceResult, ...]
    host: HostState
    host_seconds: float
    """What the look at the PC took."""
    logs: dict[str, str]


@dataclass(slots=True)
class _Time:
    """What is left of the time that a room may take; told by every thread that looks."""

    clock: Callable[[], float]
    ends: float
    waiting: int
    """Devices whose turn to sound or to listen has not come."""
    deaf: set[object] = field(default_factory=set)
    """Name patterns of microphones that hung: a speaker would wait for them in vain."""

    def left(self, kept: float = 0.0) -> float:
        return self.ends - self.clock() - kept


async def check_room(
    devices: Sequence[ExpectedDevice],
    host: HostSettings,
    openings: Openings,
    asked_by: str,
    clock: Callable[[], float] = time.monotonic,
) -> RoomFindings:
    """Look at every device and at the PC, within :data:`ROOM_SECONDS`.

    ``asked_by`` goes into the room's own log of openings. A device that would have to be opened
    while ``openings`` forbids it is ``unknown`` with ``switched_off``. What listens and
    what plays goes one after the other: a chirp is no noise of the room. What there was no time
    for is ``unknown`` with ``timeout``. Results that have left what a technician accepted are a
    warning.
    """
    baseline, sound = read_baseline(host.state_directory), asyncio.Lock()
    waiting = sum(device.kind in _SOUND for device in devices)
    time_left = _Time(clock, clock() + ROOM_SECONDS, waiting)

    async def look(device: ExpectedDevice) -> tuple[DeviceResult, str]:
        ready = prepared(device, baseline)
        if device.kind not in _SOUND:
            return await _look(ready, openings, asked_by, time_left)
        async with sound:
            time_left.waiting -= 1
            return await _look_for_sound(ready, openings, asked_by, time_left)

    looks = [look(device) for device in devices]
    pc, found = await asyncio.gather(_look_at_host(host), asyncio.gather(*looks))
    logs = {
        f"{device.kind}.{device.role}": log for device, (_, log) in zip(devices, found, strict=True)
    }
    logs["host"] = pc.log
    remember_heard(host.state_directory, [result for result, _ in found])
    results = tuple(held_against(result, baseline) for result, _ in found)
    return RoomFindings(results, host_state(pc.result), pc.duration_seconds, logs)


async def _look_at_host(settings: HostSettings) -> ChildRun:
    limit_seconds = PROBES["host"].limit_seconds
    run = await asyncio.to_thread(run_child, "host", settings.as_json(), limit_seconds)
    if Cause.TIMEOUT not in run.result.causes or Cause.CPU_BUSY not in run.result.causes:
        return run
    # The child, of low priority, got no turn on a busy PC. The agent is heard, and says so.
    try:
        async with asyncio.timeout(OWN_LOOK_SECONDS):
            result = await asyncio.to_thread(read_host, settings)
    except TimeoutError:
        return run
    return replace(run, result=result)


async def _look_for_sound(
    device: ExpectedDevice, openings: Openings, asked_by: str, time_left: _Time
) -> tuple[DeviceResult, str]:
    """Look, unless it is a speaker whose microphone hangs."""
    if device.kind == DeviceKind.SPEAKER and device.source.get("microphone") in time_left.deaf:
        log = "not played: the microphone that should listen hangs"
        result = _result(device, Status.UNKNOWN, Cause.NEEDS_MICROPHONE)
        return result.model_copy(update={"values": {"microphone": str(Cause.TIMEOUT)}}), log
    found = await _look(device, openings, asked_by, time_left)
    by_system = device.kind == DeviceKind.MICROPHONE and device.source.get("format") == "system"
    if by_system and Cause.TIMEOUT in found[0].causes:
        time_left.deaf.add(device.source.get("device"))
    return found


async def _look(
    device: ExpectedDevice, openings: Openings, asked_by: str, time_left: _Time
) -> tuple[DeviceResult, str]:
    row = probe_for(device.kind, device.source.get("format"))
    if row is None or not row[1].opens:
        return await asyncio.to_thread(_look_twice, device, row, time_left)
    if not openings.allowed:
        log = "not opened: opening_allowed in the agent's file, or diemcau-agent opening off"
        return _result(device, Status.UNKNOWN, Cause.SWITCHED_OFF), log
    return await asyncio.to_thread(_open, device, row, openings, asked_by, time_left)


def _open(
    device: ExpectedDevice,
    row: tuple[str, Probe],
    openings: Openings,
    asked_by: str,
    time_left: _Time,
) -> tuple[DeviceResult, str]:
    if time_left.left() < LEAST_SECONDS:
        return _no_time(device)
    started = time.monotonic()
    try:
        with openings.opened(device.kind, device.role, asked_by) as record:
            found = _look_twice(device, row, time_left)
            record.seconds = time.monotonic() - started
    except OSError as error:
        log = f"not opened: the log of openings cannot be written: {error}"
        return _result(device, Status.UNKNOWN, Cause.CRASHED), log
    return found


def _look_twice(
    device: ExpectedDevice, row: tuple[str, Probe] | None, time_left: _Time
) -> tuple[DeviceResult, str]:
    """Look; what is bad is looked at once more, and good the second time is good."""
    if row is None:
        return run_probe(device.kind, device.source, None, device.role)
    first, log = _look_once(device, row[1].limit_seconds, time_left)
    slow = first.duration_seconds > SECOND_TRY_SECONDS
    if first.status is not Status.BAD or slow or _FINAL & set(first.causes):
        return first, log
    second, second_log = _look_once(device, SECOND_TRY_SECONDS, time_left)
    both = f"{log}--- second try ---\n{second_log}"
    if second.status is Status.UNKNOWN or Cause.TIMEOUT in second.causes:
        # It said nothing of the device: what the first try saw stands.
        return first, both
    seconds = first.duration_seconds + second.duration_seconds
    values = {**second.values, "tries": 2}
    return second.model_copy(update={"duration_seconds": seconds, "values": values}), both


def _look_once(
    device: ExpectedDevice, limit_seconds: float, time_left: _Time
) -> tuple[DeviceResult, str]:
    kept = SOUND_SECONDS * time_left.waiting if device.kind in _SOUND else 0.0
    # Some time at least, whoever waits; all that is left at most.
    limit = min(limit_seconds, max(time_left.left(kept), min(SOUND_SECONDS, time_left.left())))
    if limit < LEAST_SECONDS:
        return _no_time(device)
    result, log = run_probe(device.kind, device.source, limit, device.role)
    short = limit < min(limit_seconds, SECOND_TRY_SECONDS)
    if short and result.status is Status.BAD and Cause.TIMEOUT in result.causes:
        result = result.model_copy(update={"status": Status.UNKNOWN})
    return result, log


def _no_time(device: ExpectedDevice) -> tuple[DeviceResult, str]:
    log = "not looked at: the time for the room was over\n"
    return _result(device, Status.UNKNOWN, Cause.TIMEOUT), log


def _result(device: ExpectedDevice, status: Status, cause: Cause) -> DeviceResult:
    return DeviceResult(
        kind=DeviceKind(device.kind),
        role=device.role,
        status=status,
        causes=(cause,),
        measured_at=datetime.now(UTC),
    )
