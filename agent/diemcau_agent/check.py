"""``diemcau-agent check`` and ``accept``: look at the room now, devices really opened."""

import asyncio
import difflib
import functools
import getpass
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from diemcau_agent.acceptance import accept_found
from diemcau_agent.config import AgentConfig
from diemcau_agent.devices import ExpectedDevice
from diemcau_agent.errors import ExitCode, UsageError
from diemcau_agent.explain import explained
from diemcau_agent.probes.host import CPU_SPAN_SECONDS, HostSettings
from diemcau_agent.probes.table import probe_for, probe_names
from diemcau_agent.roomcheck import check_room
from diemcau_agent.rows import FINE, Row, device_row, host_row, line_row, printed
from diemcau_agent.status import as_json_text, rows_document, show, todo_lines
from diemcau_agent.statusfile import AgentStatus, read_status
from diemcau_contract.causes import Language, Text
from diemcau_contract.messages import DeviceResult
from diemcau_contract.words import DeviceKind
from diemcau_line.clock import sync_state

_YES: Final = frozenset({"", "c", "có", "co", "y", "yes"})


@dataclass(frozen=True, slots=True)
class Look:
    """How to show what was found."""

    language: Language
    as_json: bool = False
    explain: bool = False
    accept: bool = False
    """Whether later results are to be held against these."""
    ask: bool = False
    """Whether somebody is there to be asked before a sound is played."""


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
    devices = [device for device in config.devices if _probe_name(device) in wanted]
    if look.ask and not _may_play(devices, look.language):
        devices = [device for device in devices if device.kind != DeviceKind.SPEAKER]
    rows, seen, found = asyncio.run(_rows(config, wanted, devices))
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
            show(line for name, one in seen.items() for line in one.lines(name, look.language))
    if look.accept:
        return accept_found(config, found, look.language)
    return ExitCode.OK if all(row.status in FINE for row in rows) else ExitCode.NOT_OK


@dataclass(frozen=True, slots=True)
class Seen:
    """What a probe saw in numbers, and its log."""

    values: Mapping[str, object]
    log: str = ""
    explanation: Callable[[Language], Iterable[str]] | None = None
    """The values in words; None where there are none but their codes."""

    def lines(self, name: str, language: Language) -> Iterator[str]:
        """Yield it as ``--explain`` shows it."""
        yield f"--- {name}"
        if self.explanation is not None:
            yield from self.explanation(language)
        else:
            yield from (f"    {key}: {value}" for key, value in self.values.items())
        yield from self.log.rstrip().splitlines()


async def _rows(
    config: AgentConfig, wanted: set[str], devices: Sequence[ExpectedDevice]
) -> tuple[list[Row], dict[str, Seen], tuple[DeviceResult, ...]]:
    rows = []
    status = read_status(config.state_directory)
    if status is not None and not status.running:
        status = None
    if "line" in wanted:
        rows.append(line_row(status.line if status else None))
    asked_by, host = f"here: {_user()}", _host_settings(config, status)
    found = await check_room(devices, host, config.openings(), asked_by)
    seen = {}
    if "host" in wanted:
        rows.append(host_row(found.host))
        seen["host"] = Seen(found.host.model_dump(mode="json", exclude={"status", "causes"}))
    for device, result in zip(devices, found.devices, strict=True):
        row = device_row(result)
        rows.append(row)
        values = {**result.values, "duration_seconds": result.duration_seconds}
        told = functools.partial(explained, result, device.source)
        seen[row.key] = Seen(values, found.logs[row.key], told)
    return rows, seen, found.devices


def _may_play(devices: Sequence[ExpectedDevice], language: Language) -> bool:
    """Ask whoever is at the keyboard: people may be in the room."""
    if not any(device.kind == DeviceKind.SPEAKER for device in devices):
        return True
    question = Text(
        "Loa sẽ phát hai tiếng chíp ngắn (khoảng 2 giây). Xin báo mọi người trong phòng. Phát "
        "được không? [C/k] ",
        "The speaker will play two short chirps (about 2 seconds). Please tell the people in the "
        "room. May it play? [Y/n] ",
    )
    sys.stderr.write(question.in_language(language))
    sys.stderr.flush()
    answer = sys.stdin.readline()
    # Enter alone is a yes, the end of input is none.
    return answer != "" and answer.strip().casefold() in _YES


def _host_settings(config: AgentConfig, status: AgentStatus | None) -> HostSettings:
    """Take what only time shows, clock drift and load, from the agent that runs."""
    host = config.measure_address[0] if config.measure_address else config.broker.host
    settings = HostSettings(config.state_directory, host, sync_state().synchronised)
    if status is None:
        return settings
    long_enough = status.worked_seconds >= CPU_SPAN_SECONDS
    return replace(
        settings,
        clock_offset_seconds=status.clock_offset_seconds,
        cpu_ratio=status.host.cpu_ratio if long_enough else None,
    )


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
