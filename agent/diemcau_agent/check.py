"""``diemcau-agent check``: look at the room now, devices really opened."""

import asyncio
import difflib
import getpass
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from diemcau_agent.config import AgentConfig
from diemcau_agent.devices import ExpectedDevice
from diemcau_agent.errors import ExitCode, UsageError
from diemcau_agent.probes.host import HostSettings
from diemcau_agent.probes.table import probe_for, probe_names
from diemcau_agent.roomcheck import check_room
from diemcau_agent.rows import FINE, Row, device_row, host_row, line_row, printed
from diemcau_agent.status import as_json_text, rows_document, show, todo_lines
from diemcau_agent.statusfile import read_status
from diemcau_contract.causes import Language, Text
from diemcau_line.clock import sync_state


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
    known = probe_names()
    for name in names:
        if name not in known:
            raise _unknown(name, known)
    wanted = set(names or known)
    rows, seen = asyncio.run(_rows(config, wanted))
    if look.as_json:
        content = {
            "schema": "diemcau.agent_check/1",
            "hub": config.hub,
            "point": config.point,
            "rows": rows_document(rows),
            "values": {name: one.values for name, one in seen.items()},
            "logs": {name: one.log for name, one in seen.items()},
        }
        show([as_json_text(content)])
    else:
        show(printed(rows, look.language))
        show(todo_lines(rows, look.language))
        if look.explain:
            show(line for name, one in seen.items() for line in one.lines(name))
    return ExitCode.OK if all(row.status in FINE for row in rows) else ExitCode.NOT_OK


@dataclass(frozen=True, slots=True)
class Seen:
    """What a probe saw in numbers, and its log."""

    values: Mapping[str, object]
    log: str = ""

    def lines(self, name: str) -> Iterator[str]:
        """Yield it as ``--explain`` shows it."""
        yield f"--- {name}"
        yield from (f"    {key}: {value}" for key, value in self.values.items())
        yield from self.log.rstrip().splitlines()


async def _rows(config: AgentConfig, wanted: set[str]) -> tuple[list[Row], dict[str, Seen]]:
    rows = []
    if "line" in wanted:
        status = read_status(config.state_directory)
        rows.append(line_row(status.line if status and status.running else None))
    devices = [device for device in config.devices if _probe_name(device) in wanted]
    asked_by = f"here: {_user()}"
    found = await check_room(devices, _host_settings(config), config.openings(), asked_by)
    seen = {}
    if "host" in wanted:
        rows.append(host_row(found.host))
        seen["host"] = Seen(found.host.model_dump(mode="json", exclude={"status", "causes"}))
    for result in found.devices:
        row = device_row(result)
        rows.append(row)
        values = {**result.values, "duration_seconds": result.duration_seconds}
        seen[row.key] = Seen(values, found.logs[row.key])
    return rows, seen


def _host_settings(config: AgentConfig) -> HostSettings:
    host = config.measure_address[0] if config.measure_address else config.broker.host
    return HostSettings(config.state_directory, host, sync_state().synchronised)


def _probe_name(device: ExpectedDevice) -> str:
    row = probe_for(device.kind, device.source.get("format"))
    return row[0] if row is not None else device.kind


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "?"


def _unknown(name: str, known: Sequence[str]) -> UsageError:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5) or list(known)
    names = ", ".join(near)
    return UsageError(
        Text(
            f"không có phép kiểm tra {name!r}; gần nhất: {names}",
            f"there is no probe {name!r}; nearest: {names}",
        )
    )
