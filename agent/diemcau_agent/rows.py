"""What a room's staff is told: one row a thing, its status in words, and what to do first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from diemcau_agent.devices import HOLDERS_HIDDEN, UNTRIED
from diemcau_agent.linkfaults import LinkFault
from diemcau_agent.probes.line import judged_line
from diemcau_agent.probes.result import ProbeResult, ProbeValue
from diemcau_agent.statusfile import AgentStatus, LinkStatus
from diemcau_contract.causes import DEVICE_NAMES, Cause, Text, action, wording
from diemcau_contract.messages import DeviceResult, HostState
from diemcau_contract.value_words import changes
from diemcau_contract.words import DeviceKind, Status

STATUS_WORDS: Final = {
    Status.OK: Text("tốt", "good"),
    Status.WARN: Text("cần chú ý", "attention"),
    Status.BAD: Text("LỖI", "BAD"),
    Status.UNKNOWN: Text("chưa rõ", "unknown"),
    Status.IN_USE: Text("đang dùng", "in use"),
    Status.NOT_APPLICABLE: Text("không kiểm tra", "not checked"),
}
FINE: Final = frozenset({Status.OK, Status.IN_USE, Status.NOT_APPLICABLE})
"""Statuses that ask nothing of anybody."""
_UNTRIED: Final = Text(
    "chưa thử; muốn thử: diemcau-agent check", "not tried yet; to try: diemcau-agent check"
)
_THERE_UNTRIED: Final = Text(f"có cắm, {_UNTRIED.vi}", f"there, {_UNTRIED.en}")
_HOLDERS_HIDDEN: Final = Text(
    "có cắm, không biết chương trình nào đang dùng; xem: diemcau-agent doctor",
    "there, who uses it cannot be seen; see: diemcau-agent doctor",
)
_NOTHING: Final = Text("", "")
_NOT_RUNNING: Final = Text("phần mềm diemcau chưa chạy", "diemcau-agent does not run")


class RowCode(StrEnum):
    """What a row may show beside faults, of which alone SPEC 6.4 has codes."""

    CONNECTING = "connecting"
    AGENT_NOT_RUNNING = "agent_not_running"
    NOT_MEASURED = "not_measured"
    UNTRIED = "untried"
    HOLDERS_HIDDEN = "holders_hidden"
    NOT_IN_FILE = "not_in_file"
    NOT_WANTED = "not_wanted"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing in a room; ``key`` is its name for programs."""

    key: str
    name: Text
    status: Status
    detail: Text = _NOTHING
    todo: Text | None = None
    why: Text | None = None
    """What is likely behind it."""
    causes: tuple[Cause, ...] = ()
    """The same as codes, for programs."""
    code: RowCode | LinkFault | None = None
    """What ``detail`` says where no cause does, for programs."""


def room_rows(status: AgentStatus) -> list[Row]:
    """Return the rows of a room, in the order of the communes' handbook.

    First the link with all that it goes through, the PC and the codec; then picture, then sound
    (the agent's file keeps devices in that order).
    """
    rows = [link_row(status.link)]
    if status.link.connected:
        rows.append(line_row(judged_line(status.line)))
    rows.append(host_row(status.host))
    return [*rows, *map(device_row, status.devices)]


def link_row(link: LinkStatus) -> Row:
    """Say whether the hub can be reached at all."""
    name = Text("Kết nối với huyện", "Contact with the hub")
    if link.connected:
        return Row("link", name, Status.OK)
    problem = link.problem
    detail = Text(problem.vi, problem.en) if problem else Text("đang kết nối", "connecting")
    todo = Text(
        "Kiểm tra dây mạng và bộ chuyển đổi; nếu vẫn vậy, gọi kỹ thuật viên của huyện.",
        "Check the network cable and the converter; if it stays, phone the hub's technician.",
    )
    return Row("link", name, Status.BAD, detail, todo, code=link.fault or RowCode.CONNECTING)


def line_row(found: ProbeResult) -> Row:
    """Say what the probe ``line`` found."""
    name = Text("Đường truyền", "Line")
    status, causes = Status(found.status), tuple(map(Cause, found.causes))
    if causes:
        detail = _line_figures(found.values) if status is Status.WARN else _causes(causes, "line")
        words, port = wording(causes[0], "line"), found.values.get("port")
        known_port = port if isinstance(port, int) else 0
        todo = action(causes[0], device="line", port=known_port, evidence=detail)
        return Row("line", name, status, detail, todo, words.why, causes)
    if status is Status.OK:
        return Row("line", name, status, _line_figures(found.values))
    if found.values:
        waiting = Text("chưa đo xong lần đầu", "not measured yet")
        return Row("line", name, status, waiting, code=RowCode.NOT_MEASURED)
    return Row("line", name, status, _NOT_RUNNING, code=RowCode.AGENT_NOT_RUNNING)


def device_row(result: DeviceResult) -> Row:
    """Say what a probe found."""
    kind = DEVICE_NAMES[result.kind]
    role = "" if result.role == "main" else f" ({result.role})"
    name = Text(_capital(kind.vi) + role, _capital(kind.en) + role)
    detail = _causes(result.causes, result.kind, result.values)
    # Who has it open, or which device is used in its place: named by a program of this PC.
    who = result.values.get("held_by") or result.values.get("used")
    if who and result.kind is not DeviceKind.CODEC:
        detail = Text(f"{detail.vi} ({who})", f"{detail.en} ({who})")
    key = f"{result.kind}.{result.role}"
    if result.values.get(HOLDERS_HIDDEN):
        return Row(key, name, result.status, _HOLDERS_HIDDEN, code=RowCode.HOLDERS_HIDDEN)
    if result.values.get(UNTRIED):
        # A covered camera and a dead microphone are there as well; a codec may be off.
        there = result.status is Status.OK
        detail = _THERE_UNTRIED if there else _UNTRIED
        return Row(key, name, Status.UNKNOWN, detail, code=RowCode.UNTRIED)
    row = Row(key, name, result.status, detail, causes=result.causes)
    return _with_todo(row, result.kind, result.values, changes([result]))


def host_row(host: HostState) -> Row:
    """Say how the PC fares."""
    name = Text("Máy tính", "PC")
    row = Row("host", name, host.status, _causes(host.causes, "host"), causes=host.causes)
    return _with_todo(row, "host")


def _with_todo(
    row: Row,
    device: str,
    values: Mapping[str, object] | None = None,
    evidence: Text | None = None,
) -> Row:
    """Add what to do against the first cause, and why it is likely there."""
    if not row.causes or row.status in FINE:
        return row
    first = row.causes[0]
    todo = action(first, device=device, values=values, evidence=evidence)
    return replace(row, todo=todo, why=wording(first, device, values).why)


def printed(rows: list[Row], language: str) -> Iterator[str]:
    """Yield the rows as lines of a table."""
    vietnamese = language == "vi"
    cells = [
        (
            row.name.vi if vietnamese else row.name.en,
            STATUS_WORDS[row.status].vi if vietnamese else STATUS_WORDS[row.status].en,
            row.detail.vi if vietnamese else row.detail.en,
        )
        for row in rows
    ]
    widths = [max((len(cell[column]) for cell in cells), default=0) for column in (0, 1)]
    for name, status, detail in cells:
        yield f"  {name:<{widths[0]}}  {status:<{widths[1]}}  {detail}".rstrip()


def _line_figures(values: Mapping[str, ProbeValue]) -> Text:
    vi, en = [], []
    trip = values.get("rtt_p50_seconds")
    if isinstance(trip, int | float):
        delay = f"{trip * 1000:.1f} ms"
        vi.append(f"trễ {delay.replace('.', ',')}")
        en.append(f"round trip {delay}")
    for name, key in (
        (("mất gói chiều lên", "loss up"), "loss_ratio_up"),
        (("mất gói chiều xuống", "loss down"), "loss_ratio_down"),
    ):
        ratio = values.get(key)
        if isinstance(ratio, int | float):
            share = f"{ratio * 100:.1f} %"
            vi.append(f"{name[0]} {share.replace('.', ',')}")
            en.append(f"{name[1]} {share}")
    return Text(", ".join(vi), ", ".join(en))


def _causes(
    causes: tuple[Cause, ...], device: str, values: Mapping[str, object] | None = None
) -> Text:
    names = [wording(cause, device, values).name for cause in causes]
    return Text(", ".join(name.vi for name in names), ", ".join(name.en for name in names))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
