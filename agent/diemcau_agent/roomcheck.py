"""Really open the devices of the room, all at the same time, each in its own child process."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from diemcau_agent.baseline import held_against, prepared, read_baseline, remember_heard
from diemcau_agent.devices import ExpectedDevice
from diemcau_agent.probes.frame import run_probe
from diemcau_agent.probes.host import HostSettings, read_host
from diemcau_contract.messages import DeviceResult, HostState
from diemcau_contract.words import DeviceKind, Status

_log = logging.getLogger(__name__)
_SOUND: Final = frozenset({DeviceKind.MICROPHONE, DeviceKind.SPEAKER})


@dataclass(frozen=True, slots=True)
class RoomFindings:
    """What came of it; ``logs`` by ``kind.role``."""

    devices: tuple[DeviceResult, ...]
    host: HostState
    logs: dict[str, str]


async def check_room(
    devices: Sequence[ExpectedDevice], host: HostSettings, *, opening_allowed: bool
) -> RoomFindings:
    """Look at every device and at the PC; takes as long as the slowest probe may.

    What listens and what plays goes one after the other: a chirp is no noise of the room.
    """
    baseline, sound = read_baseline(host.state_directory), asyncio.Lock()
    looks = [
        _look(prepared(device, baseline), sound, opening_allowed=opening_allowed)
        for device in devices
    ]
    state, found = await asyncio.gather(asyncio.to_thread(read_host, host), asyncio.gather(*looks))
    logs = {
        f"{device.kind}.{device.role}": log for device, (_, log) in zip(devices, found, strict=True)
    }
    remember_heard(host.state_directory, [result for result, _ in found])
    return RoomFindings(tuple(held_against(result, baseline) for result, _ in found), state, logs)


async def _look(
    device: ExpectedDevice, sound: asyncio.Lock, *, opening_allowed: bool
) -> tuple[DeviceResult, str]:
    if not opening_allowed:
        result = DeviceResult(
            kind=DeviceKind(device.kind),
            role=device.role,
            status=Status.NOT_APPLICABLE,
            measured_at=datetime.now(UTC),
        )
        return result, "not opened: opening_allowed is false in the agent's file"
    async with sound if device.kind in _SOUND else contextlib.nullcontext():
        return await asyncio.to_thread(run_probe, device.kind, device.source, None, device.role)
