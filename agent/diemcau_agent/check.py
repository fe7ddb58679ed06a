"""``diemcau-agent check``: look at the room now, devices really opened."""

import asyncio
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from diemcau_agent.config import AgentConfig
from diemcau_agent.errors import ExitCode, UsageError
from diemcau_agent.probes.host import HostSettings
from diemcau_agent.roomcheck import check_room
from diemcau_agent.rows import FINE, Row, device_row, host_row, line_row, printed
from diemcau_agent.status import as_json_text, rows_document, show, todo_lines
from diemcau_agent.statusfile import read_status
from diemcau_contract.causes import Language, Text
from diemcau_line.clock import sync_state

PROBES: Final = ("line", "camera", "microphone", "host")


@dataclass(frozen=True, slots=True)
class Look:
    """How to show what was found."""

    language: Language
    as_json: bool = False
    explain: bool = False


def show_check(config: AgentConfig, names: Sequence[str], look: Look) -> ExitCode:
    """Run the probes that are named (none: all) and print what they found.

    Raises:
        UsageError: a name is no probe.
    """
    for name in names:
        if name not in PROBES:
            raise _unknown(name)
    wanted = set(names or PROBES)
    rows, logs = asyncio.run(_rows(config, wanted))
    if look.as_json:
        content = {
            "schema": "diemcau.agent_check/1",
            "hub": config.hub,
            "point": config.point,
            "rows": rows_document(rows),
            "logs": logs,
        }
        show([as_json_text(content)])
    else:
        show(printed(rows, look.language))
        show(todo_lines(rows, look.language))
        if look.explain:
            show(f"--- {name}\n{log.rstrip()}" for name, log in logs.items())
    return ExitCode.OK if all(row.status in FINE for row in rows) else ExitCode.NOT_OK


async def _rows(config: AgentConfig, wanted: set[str]) -> tuple[list[Row], dict[str, str]]:
    rows = []
    if "line" in wanted:
        status = read_status(config.state_directory)
        rows.append(line_row(status.line if status and status.running else None))
    devices = [device for device in config.devices if device.kind in wanted]
    found = await check_room(
        devices, _host_settings(config), opening_allowed=config.opening_allowed
    )
    rows += [device_row(result) for result in found.devices]
    if "host" in wanted:
        rows.append(host_row(found.host))
    return rows, found.logs


def _host_settings(config: AgentConfig) -> HostSettings:
    host = config.measure_address[0] if config.measure_address else config.broker.host
    return HostSettings(config.state_directory, host, sync_state().synchronised)


def _unknown(name: str) -> UsageError:
    near = difflib.get_close_matches(name, PROBES, n=3, cutoff=0.5) or list(PROBES)
    names = ", ".join(near)
    return UsageError(
        Text(
            f"không có phép kiểm tra {name!r}; gần nhất: {names}",
            f"there is no probe {name!r}; nearest: {names}",
        )
    )
