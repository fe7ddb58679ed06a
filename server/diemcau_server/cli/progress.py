"""A running test on standard error: a live table on a terminal, plain lines elsewhere."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import TracebackType
from typing import Final, Protocol, Self

from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from diemcau_contract.words import Status
from diemcau_server.cli.answers import PointProgress, Progress, Started, Step
from diemcau_server.speech.collation import vietnamese_key
from diemcau_server.speech.language import Speech, mark
from diemcau_server.speech.wording import (
    COLOURS,
    PHASES,
    SYMBOLS,
    cause_name,
    device_words,
    milliseconds,
    percent,
    said,
    verdict_words,
)

_REFRESHES_PER_SECOND: Final = 4
_BAR_CELLS: Final = 5
_FIGURE_CELLS: Final = 7
_NAME_CELLS: Final = 24
_BAR_FROM_CELLS: Final = 120
"""A narrower terminal gives the bars' cells to what is said of devices and verdicts."""
_WHOLE_FROM_CELLS: Final = 96
"""Below, the words of devices and verdict would stand one under the other."""
_WORDY: Final = {"Devices": 4, "Verdict": 5}
"""Columns of words, and how they share what the others leave."""
_PHASE_CELLS: Final = 10
_HEADING_LINES: Final = 6
_GAP: Final = "  "


class ProgressView(Protocol):
    """Shows a test as it goes; a context manager."""

    def __enter__(self) -> Self:
        """Take the terminal."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the terminal back."""

    def show(self, progress: Progress) -> None:
        """Show the newest progress."""


def progress_view(console: Console, started: Started, say: Speech) -> ProgressView:
    """Return the view that fits the console."""
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveTable(console, started, say)
    return PlainLines(console, started, say)


class LiveTable:
    """One row a point, redrawn in place; it leaves nothing behind when the test ends."""

    def __init__(self, console: Console, started: Started, say: Speech) -> None:
        self._console = console
        self._started = started
        self._say = say
        self._live = Live(
            console=console, transient=True, auto_refresh=False, vertical_overflow="ellipsis",
            refresh_per_second=_REFRESHES_PER_SECOND,
        )  # fmt: skip

    def __enter__(self) -> Self:
        """Take the terminal."""
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the terminal back, the table wiped."""
        self._live.stop()

    def show(self, progress: Progress) -> None:
        """Draw the newest progress."""
        width, height = self._console.size
        heading = _heading(progress.steps or self._started.steps, progress, width, self._say)
        layout = Layout.of(width, height, len(progress.points))
        table = live_table(progress.points, self._say, layout)
        self._live.update(Group(heading, table), refresh=True)


class PlainLines:
    """One line at each change of step and at each verdict."""

    def __init__(self, console: Console, started: Started, say: Speech) -> None:
        self._console = console
        self._steps = started.steps
        self._say = say
        self._phase = ""
        self._planned = False
        self._judged: set[str] = set()

    def __enter__(self) -> Self:
        """Nothing to take."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to give back."""

    def show(self, progress: Progress) -> None:
        """Print what is new."""
        if not self._planned:
            self._planned = True
            self._print(progress, self._plan_words(progress.steps or self._steps))
        if progress.phase != self._phase:
            self._phase = progress.phase
            self._print(progress, self._phase_words(progress))
        for point in sorted(progress.points, key=lambda point: vietnamese_key(point.name)):
            if point.verdict is not None and point.point not in self._judged:
                self._judged.add(point.point)
                self._print(progress, f"{point.name}: {_verdict_cell(point, self._say)}")

    def _plan_words(self, steps: Sequence[Step]) -> str:
        say = self._say
        order = [
            f"{said(PHASES, kind, say)} "
            f"{say.number(sum(step.duration_seconds for step in steps[first:beyond]))} s"
            for kind, first, beyond in _phases(steps)
        ]
        return say("Plan: {order}", order=" → ".join(order))

    def _phase_words(self, progress: Progress) -> str:
        words = said(PHASES, progress.phase, self._say)
        if progress.remaining_seconds is None:
            return words
        left = self._say("{left} s left", left=self._say.number(progress.remaining_seconds))
        return f"{words} ({left})"

    def _print(self, progress: Progress, words: str) -> None:
        line = f"[{self._say.number(progress.elapsed_seconds):>3} s] {words}"
        self._console.print(line, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Layout:
    """What a terminal has room for."""

    bars: bool
    """The progress is drawn beside its number."""
    wrap: bool
    """Long words go on in further lines."""
    whole: bool
    """Round trip and devices have columns; else the verdict's column says what is wrong."""

    @classmethod
    def of(cls, width: int, height: int, points: int) -> Self:
        """Return the layout of a terminal; further lines only where all points stay on it."""
        wrap = 2 * points + _HEADING_LINES <= height
        return cls(width >= _BAR_FROM_CELLS, wrap, width >= _WHOLE_FROM_CELLS)

    def titles(self) -> tuple[str, ...]:
        """Return the message ids of the columns."""
        figures = (mark("RTT"), mark("Loss up"), mark("Loss down"))
        if self.whole:
            return (mark("Point"), mark("Step"), *figures, mark("Devices"), mark("Verdict"))
        return (mark("Point"), mark("Step"), *figures[1:], mark("Verdict"))


def live_table(points: Sequence[PointProgress], say: Speech, layout: Layout) -> Table:
    """Return the table of a running test, sorted in Vietnamese order."""
    table = Table(box=None, pad_edge=False, expand=True)
    name, step, *others = layout.titles()
    table.add_column(say(name), no_wrap=True, min_width=_longest(point.name for point in points))
    table.add_column(say(step), no_wrap=True, min_width=_step_cells(bars=layout.bars))
    for title in others:
        if title in _WORDY:
            table.add_column(say(title), no_wrap=not layout.wrap, ratio=_WORDY[title])
        else:
            table.add_column(say(title), justify="right", no_wrap=True, min_width=_FIGURE_CELLS)
    for point in sorted(points, key=lambda point: vietnamese_key(point.name)):
        cells = _cells(point, say, layout)
        table.add_row(*(cells[title] for title in layout.titles()))
    return table


def _cells(point: PointProgress, say: Speech, layout: Layout) -> dict[str, Text]:
    """Return what is said of a point, by the title of its column."""
    devices = device_words(point.devices, say)
    devices = devices if layout.wrap else devices.replace("\n", ", ")
    verdict = _short_verdict(point, say)
    faulty = any(device.status in (Status.BAD, Status.WARN) for device in point.devices)
    if not layout.whole and point.verdict is None and faulty:
        verdict = devices
    return {
        "Point": Text(point.name),
        "Step": Text(_step_cell(point, say, bars=layout.bars)),
        "RTT": Text(milliseconds(point.rtt_seconds, say)),
        "Loss up": Text(percent(point.loss_ratio_up, say)),
        "Loss down": Text(percent(point.loss_ratio_down, say)),
        "Devices": Text(devices),
        "Verdict": Text(verdict, style=COLOURS.get(point.verdict or "", "")),
    }


def _longest(names: Iterable[str]) -> int:
    return min(_NAME_CELLS, max(map(cell_len, names), default=0))


def _heading(steps: Sequence[Step], progress: Progress, width: int, say: Speech) -> Text:
    lines = [Text()]
    for part in _plan_parts(steps, progress, say):
        if lines[-1] and lines[-1].cell_len + len(_GAP) + part.cell_len > width:
            lines.append(Text())
        lines[-1].append_text(Text.assemble(_GAP if lines[-1] else "", part))
    clock = say("{elapsed} s gone", elapsed=say.number(progress.elapsed_seconds))
    if progress.remaining_seconds is not None:
        left = say("{left} s left", left=say.number(max(0.0, progress.remaining_seconds)))
        clock = f"{clock}, {left}"
    return Text("\n").join([*lines, Text(f"{clock}\n")])


def _plan_parts(steps: Sequence[Step], progress: Progress, say: Speech) -> Iterator[Text]:
    """Yield what is done, what runs and what comes; none of them is broken over two lines."""
    over = progress.phase in {"judging", "capacity"}
    current = None if over else progress.step
    for kind, first, beyond in _phases(steps):
        running = current is not None and first <= current < beyond
        done = over or (current is not None and beyond <= current)
        symbol = "✓" if done else "▶" if running else "○"
        seconds = sum(step.duration_seconds for step in steps[first:beyond])
        words = f"{symbol} {said(PHASES, kind, say)} {say.number(seconds)} s"
        if running and beyond - first > 1 and current is not None:
            words += f" ({current - first + 1}/{beyond - first})"
        yield Text(words, style="bold" if running else "dim")
    if current is None:
        yield Text(f"▶ {said(PHASES, progress.phase, say)}", style="bold")


def _phases(steps: Sequence[Step]) -> Iterator[tuple[str, int, int]]:
    """Yield kind, first place and place beyond the last of steps of one kind in a row."""
    first = 0
    for kind, row in groupby(steps, key=lambda step: step.kind):
        beyond = first + sum(1 for _ in row)
        yield kind, first, beyond
        first = beyond


def _step_cells(*, bars: bool) -> int:
    """Return a width that most steps keep, so that the columns stay where they are."""
    return _PHASE_CELLS + len("  100 %") + (_BAR_CELLS + 1 if bars else 0)


def _step_cell(point: PointProgress, say: Speech, *, bars: bool) -> str:
    if point.phase is None:
        return "–"
    words = said(PHASES, point.phase, say)
    if point.progress_ratio is None or point.progress_ratio >= 1.0:
        return words
    ratio = max(0.0, point.progress_ratio)
    full = round(ratio * _BAR_CELLS)
    bar = f"{'█' * full}{'░' * (_BAR_CELLS - full)} " if bars else ""
    return f"{words} {bar}{ratio * 100:3.0f} %"


def _short_verdict(point: PointProgress, say: Speech) -> str:
    """Return the verdict's symbol with the cause, which says more than the verdict's word."""
    if point.verdict is None or point.cause is None:
        return _verdict_cell(point, say)
    return f"{SYMBOLS[point.verdict]} {cause_name(point.cause, say)}"


def _verdict_cell(point: PointProgress, say: Speech) -> str:
    if point.verdict is None:
        return "…"
    words = verdict_words(point.verdict, say)
    return words if point.cause is None else f"{words}: {cause_name(point.cause, say)}"
