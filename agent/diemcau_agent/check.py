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
from diemcau_agent.devices import ExpectedDevice, inventory
from diemcau_agent.errors import ExitCode, UsageError
from diemcau_agent.explain import explained, explained_host, explained_line, host_values
from diemcau_agent.probes.frame import ChildRun, run_child
from diemcau_agent.probes.host import CPU_SPAN_SECONDS, HostSettings
from diemcau_agent.probes.table import PROBES, WITHOUT_DEVICE, probe_for, probe_names
from diemcau_agent.roomcheck import check_room
from diemcau_agent.rows import FINE, Row, RowCode, device_row, host_row, line_row, printed
from diemcau_agent.status import as_json_text, rows_document, show, todo_lines
from diemcau_agent.statusfile import AgentStatus, read_status
from diemcau_contract.causes import DEVICE_NAMES, Language, Text
from diemcau_contract.messages import DeviceResult
from diemcau_contract.words import DeviceKind, Status
from diemcau_line.clock import sync_state

_WHY_LEFT_OUT: Final = {
    RowCode.NOT_IN_FILE: Text("không có trong tệp cấu hình", "not in the agent's file"),
    RowCode.NOT_WANTED: Text("không phát theo yêu cầu", "not played, as was asked"),
}
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

    What is named and was not looked at is told as well, and is not OK.

    Raises:
        UsageError: a name is no probe.
    """
    known = probe_names()
    for name in names:
        if name not in known:
            raise _unknown(name, known)
    wanted = set(names or known)
    devices = [device for device in config.devices if _probe_name(device) in wanted]
    left_out = [*_not_in_file(names, devices)]
    if look.ask and not _may_play(devices, look.language):
        left_out += _not_wanted(devices)
        devices = [device for device in devices if device.kind != DeviceKind.SPEAKER]
    rows, seen, found = asyncio.run(_rows(config, wanted, devices))
    rows += left_out
    unmade = bool(names) and bool(left_out)
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
        accepted = accept_found(config, found, look.language)
        return ExitCode.NOT_OK if unmade else accepted
    fine = all(row.status in FINE for row in rows) and not unmade
    return ExitCode.OK if fine else ExitCode.NOT_OK


@dataclass(frozen=True, slots=True)
class Seen:
    """What a probe saw in numbers, and its log."""

    values: Mapping[str, object]
    log: str = ""
    explanation: Callable[[Language], Iterable[str]] | None = None
    """The values in words; None where there are none."""

    def lines(self, name: str, language: Language) -> Iterator[str]:
        """Yield it as ``--explain`` shows it."""
        yield f"--- {name}"
        if self.explanation is not None:
            yield from self.explanation(language)
        yield from self.log.rstrip().splitlines()


async def _rows(
    config: AgentConfig, wanted: set[str], devices: Sequence[ExpectedDevice]
) -> tuple[list[Row], dict[str, Seen], tuple[DeviceResult, ...]]:
    rows: list[Row] = []
    seen: dict[str, Seen] = {}
    status = read_status(config.state_directory)
    if status is not None and not status.running:
        status = None
    asked_by, host = f"here: {_user()}", _host_settings(config, status)
    line, found = await asyncio.gather(
        _look_at_line(config) if "line" in wanted else _nothing(),
        check_room(devices, host, config.openings(), asked_by, look_at_choice=inventory),
    )
    if line is not None:
        row = line_row(line.result)
        rows.append(row)
        seen["line"] = _line_seen(line, row)
    if "host" in wanted:
        rows.append(host_row(found.host))
        told_host = functools.partial(explained_host, found.host)
        values = {**host_values(found.host), "duration_seconds": round(found.host_seconds, 3)}
        seen["host"] = Seen(values, found.logs["host"], told_host)
    for device, result in zip(devices, found.devices, strict=True):
        row = device_row(result)
        rows.append(row)
        values = {**result.values, "duration_seconds": result.duration_seconds}
        told = functools.partial(explained, result, device.source)
        seen[row.key] = Seen(values, found.logs[row.key], told)
    return rows, seen, found.devices


async def _look_at_line(config: AgentConfig) -> ChildRun:
    settings = {"state_directory": str(config.state_directory)}
    return await asyncio.to_thread(run_child, "line", settings, PROBES["line"].limit_seconds)


async def _nothing() -> None:
    return None


def _line_seen(run: ChildRun, row: Row) -> Seen:
    told = functools.partial(explained_line, run.result.values, row.causes)
    values = {**run.result.values, "duration_seconds": round(run.duration_seconds, 3)}
    return Seen(values, run.log, told)


def _not_in_file(names: Sequence[str], devices: Sequence[ExpectedDevice]) -> Iterator[Row]:
    """Yield a row for each probe that is named and has no device."""
    there = {_probe_name(device) for device in devices}
    for name in dict.fromkeys(names):
        if name in WITHOUT_DEVICE or name in there:
            continue
        probe = PROBES[name]
        kind, forms = DEVICE_NAMES[DeviceKind(probe.kind or name)], ", ".join(probe.formats)
        if sum(other.kind == probe.kind for other in PROBES.values()) > 1:
            kind = Text(f"{kind.vi} ({forms})", f"{kind.en} ({forms})")
        yield _left_out(name, kind, RowCode.NOT_IN_FILE)


def _not_wanted(devices: Sequence[ExpectedDevice]) -> list[Row]:
    keys = [f"{one.kind}.{one.role}" for one in devices if one.kind == DeviceKind.SPEAKER]
    name = DEVICE_NAMES[DeviceKind.SPEAKER]
    return [_left_out(key, name, RowCode.NOT_WANTED) for key in keys]


def _left_out(key: str, name: Text, code: RowCode) -> Row:
    shown = Text(*(text[:1].upper() + text[1:] for text in (name.vi, name.en)))
    return Row(key, shown, Status.NOT_APPLICABLE, _WHY_LEFT_OUT[code], code=code)


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
