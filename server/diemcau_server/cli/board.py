"""``diemcau status``: the board as a table."""

from datetime import UTC, datetime

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from diemcau_server.cli.answers import Board, BoardLine, BoardPoint
from diemcau_server.speech.collation import vietnamese_key
from diemcau_server.speech.language import Speech
from diemcau_server.speech.wording import (
    COLOURS,
    STATES,
    age,
    cause_name,
    device_words,
    milliseconds,
    percent,
    said,
    verdict_words,
)


def print_board(board: Board, console: Console, say: Speech, now: datetime | None = None) -> None:
    """Print one row a point; ``now`` (UTC) is what the age of a report is counted from."""
    moment = now or datetime.now(UTC)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(say("Point"))
    table.add_column(say("State"))
    for title in (say("RTT"), say("Loss up"), say("Loss down")):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column(say("Devices"))
    table.add_column(say("Last report"))
    for point in sorted(board.points, key=lambda point: (point.hub, vietnamese_key(point.name))):
        line = point.line or BoardLine()
        table.add_row(
            Text(point.name),
            Text(_state(point, say), style=COLOURS.get(point.state, "")),
            milliseconds(line.rtt_p50_seconds, say),
            percent(line.loss_ratio_up, say),
            percent(line.loss_ratio_down, say),
            Text(device_words(point.devices, say)),
            Text(age(point.last_report_at, moment, say)),
        )
    console.print(table)
    console.print(Text(_overall(board, say), style="bold"))


def _state(point: BoardPoint, say: Speech) -> str:
    words = verdict_words(point.state, say)
    if point.cause is None:
        return words
    name = say.pick(point.cause_name) if point.cause_name else cause_name(point.cause, say)
    return f"{words}: {name}"


def _overall(board: Board, say: Speech) -> str:
    total = say.count("{number} point", "{number} points", len(board.points))
    parts = []
    for state in STATES:
        number = sum(point.state == state for point in board.points)
        if number:
            parts.append(f"{number} {said(STATES, state, say)}")
    return f"{total}: {', '.join(parts)}" if parts else total
