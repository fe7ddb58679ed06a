"""Really look at the devices of the room, all at the same time, each in its own child process."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
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
CHOICE_SECONDS: Final = 8.0
"""For asking which devices programs use, beside the probes: its child takes 6 s at most."""
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


@dataclass(frozen=True, slots=True)
class _Door:
    """The room's own say over what is opened, and who asks for it."""

    openings: Openings
    asked_by: str
    microphones: Mapping[object, str]
    """Roles of the room's microphones, by their name patterns."""

    @property
    def is_open(self) -> bool:
        return self.openings.allowed

    @contextmanager
    def opened(self, device: ExpectedDevice) -> Iterator[None]:
        """Write down what is opened, and for how long; a speaker opens what listens to it, too.

        Raises:
            OSError: it cannot be written down; then nothing may be opened.
        """
        named = [(device.kind, device.role)]
        if device.kind == DeviceKind.SPEAKER:
            listener = self.microphones.get(device.source.get("microphone"), device.role)
            named.append((str(DeviceKind.MICROPHONE), listener))
        started = time.monotonic()
        with ExitStack() as stack:
            records = [
                stack.enter_context(self.openings.opened(kind, role, self.asked_by))
                for kind, role in named
            ]
            try:
                yield
            finally:
                for record in records:
                    record.seconds = time.monotonic() - started


LookAtChoice = Callable[[Sequence[ExpectedDevice]], Sequence[DeviceResult]]
"""Looks, without opening any, which of these devices programs use; see ``devices.inventory``."""


async def check_room(
    devices: Sequence[ExpectedDevice],
    host: HostSettings,
    openings: Openings,
    asked_by: str,
    clock: Callable[[], float] = time.monotonic,
    *,
    look_at_choice: LookAtChoice | None = None,
) -> RoomFindings:
    """Look at every device and at the PC, within :data:`ROOM_SECONDS`.

    ``asked_by`` goes into the room's own log of openings. A device that would have to be opened
    while ``openings`` forbids it is ``unknown`` with ``switched_off``. What listens and
    what plays goes one after the other: a chirp is no noise of the room. What there was no time
    for is ``unknown`` with ``timeout``. Results that have left what a technician accepted are a
    warning, and so is a microphone or speaker that is fine while ``look_at_choice`` sees programs
    use another one.
    """
    baseline, sound = read_baseline(host.state_directory), asyncio.Lock()
    door = _Door(openings, asked_by, _microphones(devices))
    waiting = sum(device.kind in _SOUND for device in devices)
    time_left = _Time(clock, clock() + ROOM_SECONDS, waiting)

    async def look(device: ExpectedDevice) -> tuple[DeviceResult, str]:
        ready = prepared(device, baseline)
        if device.kind not in _SOUND:
            return await _look(ready, door, time_left)
        async with sound:
            time_left.waiting -= 1
            return await _look_for_sound(ready, door, time_left)

    looks = [look(device) for device in devices]
    pc, chosen, found = await asyncio.gather(
        _look_at_host(host), _other_choices(devices, look_at_choice), asyncio.gather(*looks)
    )
    logs = {
        f"{device.kind}.{device.role}": log for device, (_, log) in zip(devices, found, strict=True)
    }
    logs["host"] = pc.log
    remember_heard(host.state_directory, [result for result, _ in found])
    results = tuple(held_against(_with_choice(result, chosen), baseline) for result, _ in found)
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


def _microphones(devices: Sequence[ExpectedDevice]) -> dict[object, str]:
    listed = [one for one in devices if one.kind == DeviceKind.MICROPHONE]
    return {one.source.get("device"): one.role for one in reversed(listed) if _by_system(one)}


def _by_system(device: ExpectedDevice) -> bool:
    return device.source.get("format") == "system"


async def _other_choices(
    devices: Sequence[ExpectedDevice], look: LookAtChoice | None
) -> dict[tuple[str, str], str]:
    """Return which device programs use instead, for each that the file names and that is there.

    What cannot be said in time is left out: a probe's result is not worse for it.
    """
    named = [one for one in devices if one.kind in _SOUND and _by_system(one) and one.pattern]
    if look is None or not named:
        return {}
    try:
        async with asyncio.timeout(CHOICE_SECONDS):
            seen = await asyncio.to_thread(look, named)
    except (TimeoutError, OSError):
        return {}
    return {
        (one.kind, one.role): str(one.values["used"])
        for one in seen
        if Cause.WRONG_DEVICE in one.causes
    }


def _with_choice(result: DeviceResult, chosen: Mapping[tuple[str, str], str]) -> DeviceResult:
    """Return the result, a warning where it works and programs use another device."""
    used = chosen.get((result.kind, result.role))
    if used is None or result.status not in (Status.OK, Status.WARN):
        return result
    return result.model_copy(
        update={
            "status": Status.WARN,
            "causes": (*result.causes, Cause.WRONG_DEVICE),
            "values": {**result.values, "used": used},
        }
    )


async def _look_for_sound(
    device: ExpectedDevice, door: _Door, time_left: _Time
) -> tuple[DeviceResult, str]:
    """Look, unless it is a speaker whose microphone hangs."""
    if device.kind == DeviceKind.SPEAKER and device.source.get("microphone") in time_left.deaf:
        log = "not played: the microphone that should listen hangs"
        result = _result(device, Status.UNKNOWN, Cause.NEEDS_MICROPHONE)
        return result.model_copy(update={"values": {"microphone": str(Cause.TIMEOUT)}}), log
    found = await _look(device, door, time_left)
    listens = device.kind == DeviceKind.MICROPHONE and _by_system(device)
    if listens and Cause.TIMEOUT in found[0].causes:
        time_left.deaf.add(device.source.get("device"))
    return found


async def _look(device: ExpectedDevice, door: _Door, time_left: _Time) -> tuple[DeviceResult, str]:
    row = probe_for(device.kind, device.source.get("format"))
    if row is None or not row[1].opens:
        return await asyncio.to_thread(_look_twice, device, row, door, time_left)
    if not door.is_open:
        log = "not opened: opening_allowed in the agent's file, or diemcau-agent opening off"
        return _result(device, Status.UNKNOWN, Cause.SWITCHED_OFF), log
    return await asyncio.to_thread(_open, device, row, door, time_left)


def _open(
    device: ExpectedDevice, row: tuple[str, Probe], door: _Door, time_left: _Time
) -> tuple[DeviceResult, str]:
    if time_left.left() < LEAST_SECONDS:
        return _no_time(device)
    try:
        with door.opened(device):
            found = _look_twice(device, row, door, time_left)
    except OSError as error:
        log = f"not opened: the log of openings cannot be written: {error}"
        return _result(device, Status.UNKNOWN, Cause.CRASHED), log
    return found


def _look_twice(
    device: ExpectedDevice, row: tuple[str, Probe] | None, door: _Door, time_left: _Time
) -> tuple[DeviceResult, str]:
    """Look; what is bad is looked at once more, and good the second time is good."""
    if row is None:
        return run_probe(device.kind, device.source, None, device.role)
    first, log = _look_once(device, row[1].limit_seconds, time_left)
    slow = first.duration_seconds > SECOND_TRY_SECONDS
    if first.status is not Status.BAD or slow or _FINAL & set(first.causes):
        return first, log
    if row[1].opens and not door.is_open:
        return first, f"{log}--- no second try: opening was switched off ---\n"
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
