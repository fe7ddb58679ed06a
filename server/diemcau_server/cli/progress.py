"""A running test on standard error: a live table on a terminal, plain lines elsewhere."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from types import TracebackType
from typing import Final, Protocol, Self

from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from diemcau_server.cli.answers import PointProgress, Progress, Started, Step
from diemcau_server.cli.collation import vietnamese_key
from diemcau_server.cli.language import Speech
from diemcau_server.cli.wording import (
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
        table = live_table(
            progress.points,
            self._say,
            bars=width >= _BAR_FROM_CELLS,
            # Further lines only where all points stay on the screen.
            wrap=2 * len(progress.points) + _HEADING_LINES <= height,
        )
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


def live_table(points: Sequence[PointProgress], say: Speech, *, bars: bool, wrap: bool) -> Table:
    """Return the table of a running test, sorted in Vietnamese order.

    ``bars`` draws the progress beside its number; ``wrap`` gives long words further lines.
    """
    table = Table(box=None, pad_edge=False, expand=True)
    table.add_column(say("Point"), no_wrap=True, min_width=_longest(point.name for point in points))
    table.add_column(say("Step"), no_wrap=True, min_width=_step_cells(bars=bars))
    for title in (say("RTT"), say("Loss up"), say("Loss down")):
        table.add_column(title, justify="right", no_wrap=True, min_width=_FIGURE_CELLS)
    table.add_column(say("Devices"), no_wrap=not wrap, ratio=4)
    table.add_column(say("Verdict"), no_wrap=not wrap, ratio=5)
    for point in sorted(points, key=lambda point: vietnamese_key(point.name)):
        devices = device_words(point.devices, say)
        table.add_row(
            Text(point.name),
            Text(_step_cell(point, say, bars=bars)),
            milliseconds(point.rtt_seconds, say),
            percent(point.loss_ratio_up, say),
            percent(point.loss_ratio_down, say),
            Text(devices if wrap else devices.replace("\n", ", ")),
            Text(_short_verdict(point, say), style=COLOURS.get(point.verdict or "", "")),
        )
    return table


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
