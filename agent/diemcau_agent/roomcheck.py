"""Really look at the devices of the room, all at the same time, each in its own child process."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from diemcau_agent.devices import ExpectedDevice
from diemcau_agent.openings import Openings
from diemcau_agent.probes.frame import run_probe
from diemcau_agent.probes.host import HostSettings, read_host
from diemcau_agent.probes.table import Probe, probe_for
from diemcau_contract.causes import Cause
from diemcau_contract.messages import DeviceResult, HostState
from diemcau_contract.words import DeviceKind, Status

SECOND_TRY_SECONDS: Final = 8.0
"""A first try that took longer is not repeated: a room is checked in 20 s."""
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
    while ``openings`` forbids it is ``not_applicable`` with ``switched_off``.
    """
    looks = [_look(device, openings, asked_by) for device in devices]
    state, found = await asyncio.gather(asyncio.to_thread(read_host, host), asyncio.gather(*looks))
    logs = {
        f"{device.kind}.{device.role}": log for device, (_, log) in zip(devices, found, strict=True)
    }
    return RoomFindings(tuple(result for result, _ in found), state, logs)


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
