"""``diemcau-agent status``: is my room ready, what is wrong, what do I touch first."""

import json
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from diemcau_agent.config import AgentConfig
from diemcau_agent.errors import ExitCode
from diemcau_agent.rows import FINE, Row, printed, room_rows
from diemcau_agent.statusfile import AgentStatus, read_status
from diemcau_contract.causes import Language, Text
from diemcau_contract.messages import utc_text
from diemcau_contract.words import Status

_MINUTE: Final = 60
_LIKELY: Final = Text("Lý do thường gặp", "Likely why")
_NOT_RUNNING: Final = Text(
    "phần mềm diemcau chưa chạy: bật lại máy tính, hoặc gọi kỹ thuật viên của huyện.",
    "the agent does not run: restart the PC, or phone the hub's technician.",
)


def show_status(config: AgentConfig, language: Language, *, as_json: bool) -> ExitCode:
    """Print the status of this room; the exit code says the same."""
    status = read_status(config.state_directory)
    rows = room_rows(status) if status is not None else []
    code = exit_code(status, rows)
    if as_json:
        show([as_json_text(document(config, status, rows, code))])
    else:
        show(lines(config, status, rows, language))
    return code


def show(text: Iterable[str]) -> None:
    """Write lines to standard output."""
    sys.stdout.write("".join(f"{line}\n" for line in text))


def as_json_text(content: dict[str, Any]) -> str:
    """Return one JSON document, indented, letters as they are."""
    return json.dumps(content, ensure_ascii=False, indent=2)


def exit_code(status: AgentStatus | None, rows: list[Row]) -> ExitCode:
    """Say 0 where nothing needs a hand; a warning does not stop a meeting."""
    if status is None or not status.running:
        return ExitCode.NOT_RUNNING
    good = all(row.status in FINE or row.status is Status.WARN for row in rows)
    return ExitCode.OK if good else ExitCode.NOT_OK


def lines(
    config: AgentConfig, status: AgentStatus | None, rows: list[Row], language: Language
) -> Iterator[str]:
    """Yield what staff reads."""
    verdict = _verdict(exit_code(status, rows), rows)
    yield f"{config.hub}/{config.point}: {verdict.in_language(language)}"
    if status is None or not status.running:
        yield _NOT_RUNNING.in_language(language)
    if status is None:
        return
    yield measured(status.written_at, status.age_seconds).in_language(language)
    if not status.running:
        return
    yield ""
    yield from printed(rows, language)
    yield from todo_lines(rows, language)
    if status.outbox.messages > 1:
        count = status.outbox.messages
        waiting = Text(f"Báo cáo chờ gửi: {count}.", f"Reports waiting to be sent: {count}.")
        yield ""
        yield waiting.in_language(language)


def todo_lines(rows: list[Row], language: Language) -> Iterator[str]:
    """Yield what to do, the worst first."""
    order = (Status.BAD, Status.WARN, Status.UNKNOWN)
    wanted = [row for status in order for row in rows if row.status is status and row.todo]
    if not wanted:
        return
    yield ""
    yield Text("Việc cần làm, theo thứ tự:", "What to do, in this order:").in_language(language)
    for number, row in enumerate(wanted, 1):
        if row.todo is not None:
            yield f"  {number}. {row.todo.in_language(language)}"
        if row.why is not None:
            yield f"     {_LIKELY.in_language(language)}: {row.why.in_language(language)}"


def measured(moment: datetime, age_seconds: float) -> Text:
    """Say when something was measured."""
    when = moment.astimezone().strftime("%H:%M:%S %d/%m/%Y")
    if age_seconds < 2 * _MINUTE:
        seconds = round(age_seconds)
        return Text(f"Đo lúc {when} ({seconds} giây trước)", f"Measured {when} ({seconds} s ago)")
    minutes = round(age_seconds / _MINUTE)
    return Text(f"Đo lúc {when} ({minutes} phút trước)", f"Measured {when} ({minutes} min ago)")


def document(
    config: AgentConfig, status: AgentStatus | None, rows: list[Row], code: ExitCode
) -> dict[str, Any]:
    """Return the same for programs."""
    return {
        "schema": "diemcau.agent_status_report/1",
        "hub": config.hub,
        "point": config.point,
        "ready": code is ExitCode.OK,
        "running": status is not None and status.running,
        "measured_at": utc_text(status.written_at) if status else None,
        "rows": rows_document(rows),
        "status": status.model_dump(mode="json", by_alias=True) if status else None,
    }


def rows_document(rows: list[Row]) -> list[dict[str, Any]]:
    """Return rows as JSON values."""
    return [
        {
            "key": row.key,
            "name": _both(row.name),
            "status": row.status,
            "detail": _both(row.detail),
            "causes": list(row.causes),
            "code": row.code,
            "why": _both(row.why) if row.why else None,
            "action": _both(row.todo) if row.todo else None,
        }
        for row in rows
    ]


def _both(text: Text) -> dict[str, str]:
    return {"vi": text.vi, "en": text.en}


def _verdict(code: ExitCode, rows: list[Row]) -> Text:
    match code:
        case ExitCode.OK:
            return Text("SẴN SÀNG", "READY")
        case ExitCode.NOT_OK if any(row.status is Status.BAD for row in rows):
            return Text("CHƯA SẴN SÀNG", "NOT READY")
        case _:
            return Text("CHƯA RÕ", "UNKNOWN")
