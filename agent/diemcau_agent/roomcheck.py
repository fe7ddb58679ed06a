"""Really open the devices of the room, all at the same time, each in its own child process."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from diemcau_agent.devices import ExpectedDevice
from diemcau_agent.probes.frame import run_probe
from diemcau_agent.probes.host import HostSettings, read_host
from diemcau_contract.messages import DeviceResult, HostState
from diemcau_contract.words import DeviceKind, Status

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RoomFindings:
    """What came of it; ``logs`` by ``kind.role``."""

    devices: tuple[DeviceResult, ...]
    host: HostState
    logs: dict[str, str]


async def check_room(
    devices: Sequence[ExpectedDevice], host: HostSettings, *, opening_allowed: bool
) -> RoomFindings:
    """Look at every device and at the PC; takes as long as the slowest probe may."""
    looks = [_look(device, opening_allowed=opening_allowed) for device in devices]
    state, found = await asyncio.gather(asyncio.to_thread(read_host, host), asyncio.gather(*looks))
    logs = {
        f"{device.kind}.{device.role}": log for device, (_, log) in zip(devices, found, strict=True)
    }
    return RoomFindings(tuple(result for result, _ in found), state, logs)


async def _look(device: ExpectedDevice, *, opening_allowed: bool) -> tuple[DeviceResult, str]:
    if not opening_allowed:
        result = DeviceResult(
            kind=DeviceKind(device.kind),
            role=device.role,
            status=Status.NOT_APPLICABLE,
            measured_at=datetime.now(UTC),
        )
        return result, "not opened: opening_allowed is false in the agent's file"
    return await asyncio.to_thread(run_probe, device.kind, device.source, None, device.role)
