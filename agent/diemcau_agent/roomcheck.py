"""Really look at the devices of the room, all at the same time, each in its own child process."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from diemcau_agent.baseline import held_against, prepared, read_baseline, remember_heard
from diemcau_agent.devices import ExpectedDevice
from diemcau_agent.openings import Openings
from diemcau_agent.probes.frame import run_probe
from diemcau_agent.probes.host import HostSettings, read_host
from diemcau_agent.probes.table import Probe, probe_for
from diemcau_contract.causes import Cause
from diemcau_contract.messages import DeviceResult, HostState
from diemcau_contract.words import DeviceKind, Status

_SOUND: Final = frozenset({DeviceKind.MICROPHONE, DeviceKind.SPEAKER})
SECOND_TRY_SECONDS: Final = 8.0
"""A first try that took longer is not repeated: a room is checked in 20 s."""
HOST_SECONDS: Final = 5.0
"""For the look at the PC, which asks for the way to the hub: name servers may be silent."""
_FINAL: Final = frozenset({Cause.AUTH, Cause.TIMEOUT})
"""Not tried again: a login that is refused twice may be locked, and who hangs would hang on."""


@dataclass(frozen=True, slots=True)
class RoomFindings:
    """What came of it; ``logs`` by ``kind.role``."""

    devices: tuple[DeviceResult, ...]
    host: HostState
    logs: dict[str, str]


async def check_room(
    devices: Sequence[ExpectedDevice], host: HostSettings, openings: Openings, asked_by: str
) -> RoomFindings:
    """Look at every device and at the PC; takes as long as the slowest probe may.

    ``asked_by`` goes into the room's own log of openings. A device that would have to be opened
    while ``openings`` forbids it is ``not_applicable`` with ``switched_off``. What listens and
    what plays goes one after the other: a chirp is no noise of the room. Results that have left
    what a technician accepted are a warning.
    """
    baseline, sound = read_baseline(host.state_directory), asyncio.Lock()

    async def look(device: ExpectedDevice) -> tuple[DeviceResult, str]:
        async with sound if device.kind in _SOUND else contextlib.nullcontext():
            return await _look(prepared(device, baseline), openings, asked_by)

    looks = [look(device) for device in devices]
    state, found = await asyncio.gather(_read_host(host), asyncio.gather(*looks))
    logs = {
        f"{device.kind}.{device.role}": log for device, (_, log) in zip(devices, found, strict=True)
    }
    remember_heard(host.state_directory, [result for result, _ in found])
    results = tuple(held_against(result, baseline) for result, _ in found)
    return RoomFindings(results, state, logs)


async def _read_host(settings: HostSettings) -> HostState:
    try:
        async with asyncio.timeout(HOST_SECONDS):
            return await asyncio.to_thread(read_host, settings)
    except TimeoutError:
        return HostState(status=Status.UNKNOWN, causes=(Cause.TIMEOUT,))


async def _look(
    device: ExpectedDevice, openings: Openings, asked_by: str
) -> tuple[DeviceResult, str]:
    row = probe_for(device.kind, device.source.get("format"))
    if row is None or not row[1].opens:
        return await asyncio.to_thread(_look_twice, device, row)
    if not openings.allowed:
        log = "not opened: opening_allowed in the agent's file, or diemcau-agent opening off"
        return _result(device, Status.NOT_APPLICABLE, Cause.SWITCHED_OFF), log
    return await asyncio.to_thread(_open, device, row, openings, asked_by)


def _open(
    device: ExpectedDevice, row: tuple[str, Probe], openings: Openings, asked_by: str
) -> tuple[DeviceResult, str]:
    started = time.monotonic()
    try:
        with openings.opened(device.kind, device.role, asked_by) as record:
            found = _look_twice(device, row)
            record.seconds = time.monotonic() - started
    except OSError as error:
        log = f"not opened: the log of openings cannot be written: {error}"
        return _result(device, Status.UNKNOWN, Cause.CRASHED), log
    return found


def _look_twice(device: ExpectedDevice, row: tuple[str, Probe] | None) -> tuple[DeviceResult, str]:
    """Look; what is bad is looked at once more, and good the second time is good."""
    first, log = run_probe(device.kind, device.source, None, device.role)
    slow = first.duration_seconds > SECOND_TRY_SECONDS
    if row is None or first.status is not Status.BAD or slow or _FINAL & set(first.causes):
        return first, log
    second, second_log = run_probe(device.kind, device.source, SECOND_TRY_SECONDS, device.role)
    both = f"{log}--- second try ---\n{second_log}"
    if second.status is Status.UNKNOWN or Cause.TIMEOUT in second.causes:
        # It said nothing of the device: what the first try saw stands.
        return first, both
    seconds = first.duration_seconds + second.duration_seconds
    values = {**second.values, "tries": 2}
    return second.model_copy(update={"duration_seconds": seconds, "values": values}), both


def _result(device: ExpectedDevice, status: Status, cause: Cause) -> DeviceResult:
    return DeviceResult(
        kind=DeviceKind(device.kind),
        role=device.role,
        status=status,
        causes=(cause,),
        measured_at=datetime.now(UTC),
    )
