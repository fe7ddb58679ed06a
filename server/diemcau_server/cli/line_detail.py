"""What lies behind a line's findings: every step, the clock, the path, and each second."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from rich import box
from rich.table import Table

from diemcau_contract.emodel import audio_mos
from diemcau_contract.evidence import LoadEvidence, PointEvidence
from diemcau_contract.measurements import Bin, Bursts, TrafficStatistics
from diemcau_contract.words import Direction, StepKind
from diemcau_server.cli.answers import CapacityFigures
from diemcau_server.speech.language import Speech, mark
from diemcau_server.speech.wording import PHASES, megabits, percent, said

_BINS_A_SECOND: Final = 10
_LIMITS: Final[Mapping[str, str]] = {
    "line": mark("the line"),
    "sender": mark("the sending PC, so a lower bound"),
    "cap": mark("the configured limit, so a lower bound"),
    "receiver": mark("the receiving PC, so a lower bound"),
    "loss": mark("loss at any rate, so a lower bound"),
    "time": mark("the time of the measurement, so a lower bound"),
    "hub": mark("the hall's line, so a lower bound"),
}
_Row = tuple[str, LoadEvidence, LoadEvidence]


def facts(evidence: PointEvidence, say: Speech) -> Iterator[str]:
    """Yield one line each about clock, path, bursts of loss and audio."""
    yield from _clock_facts(evidence, say)
    path = evidence.preflight
    if path is not None and path.path_mtu_bytes is not None:
        yield say("Path: packets of up to {size} bytes pass whole", size=path.path_mtu_bytes)
    for way, name in ((Direction.UP, say("Up")), (Direction.DOWN, say("Down"))):
        traffic = evidence.load(way).traffic
        if traffic is None:
            continue
        if traffic.bursts is not None:
            yield _burst_words(traffic.bursts, name, say)
        score = audio_mos(traffic, evidence.idle)
        if score is not None:
            yield say(
                "{way}: audio {score} of 5 (estimate by the E-model, ITU-T G.107)",
                way=name, score=say.number(score, 1),
            )  # fmt: skip


def _clock_facts(evidence: PointEvidence, say: Speech) -> Iterator[str]:
    idle = evidence.idle
    if idle is not None and idle.clock_offset_seconds is not None:
        yield say(
            "Clock: hub minus PC {offset} ms, known to within {bound} ms",
            offset=say.number(idle.clock_offset_seconds * 1000, 2),
            bound=say.number((idle.clock_offset_bound_seconds or 0.0) * 1000, 2),
        )
    end = evidence.point_end
    if end is not None and end.clock_synchronised is not None:
        synchronised, own = (
            say("The PC's clock is synchronised"),
            say("The PC's clock is not synchronised"),
        )
        yield synchronised if end.clock_synchronised else own
    if idle is not None and idle.one_way_delay_up_seconds is not None:
        down = idle.one_way_delay_down_seconds
        yield say(
            "One way (both clocks synchronised): up {up} ms, down {down} ms",
            up=say.number(idle.one_way_delay_up_seconds.p50 * 1000, 2),
            down=say.number(down.p50 * 1000, 2) if down else "–",
        )


def _burst_words(bursts: Bursts, way: str, say: Speech) -> str:
    mean = say.number(bursts.length_mean, 1)
    words = say(
        "{way}: losses in {count} bursts, the longest of {longest} packets, {mean} on average",
        way=way, count=bursts.count, longest=bursts.length_max, mean=mean,
    )  # fmt: skip
    if bursts.spacing_mean_seconds is None:
        return words
    seconds = bursts.spacing_mean_seconds
    if seconds < 1:
        apart = say.number(seconds * 1000, 0)
        return say("{words}; one every {milliseconds} ms", words=words, milliseconds=apart)
    return say("{words}; one every {seconds} s", words=words, seconds=say.number(seconds, 1))


def capacity_facts(capacity: Mapping[str, CapacityFigures | None], say: Speech) -> Iterator[str]:
    """Yield a line a measured direction: the figure, and what kept it from being larger."""
    for way, name in (("up", say("Capacity up")), ("down", say("Capacity down"))):
        found = capacity.get(way)
        if found is None or found.bits_per_second is None:
            continue
        yield say(
            "{way}: {rate}; limited by {limit}",
            way=name, rate=megabits(found.bits_per_second, say),
            limit=said(_LIMITS, found.limited_by, say),
        )  # fmt: skip


def steps_table(evidence: PointEvidence, say: Speech) -> Table:
    """Return one row a loaded step: what each direction lost, and its queue."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(say("Step"))
    for _, name in _ways(say):
        table.add_column(name, justify="right")
        table.add_column(say("Queue"), justify="right")
    for name, up, down in _loaded_steps(evidence, say):
        table.add_row(name, *_cells(up.traffic, say), *_cells(down.traffic, say))
    return table


def seconds_table(evidence: PointEvidence, say: Speech) -> Table:
    """Return the rehearsal second by second: lost share and longest queue of each direction."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(say("Second"), justify="right")
    columns = []
    for way, name in _ways(say):
        table.add_column(name, justify="right")
        table.add_column(say("Queue"), justify="right")
        traffic = evidence.load(way).traffic
        columns.append(list(_seconds(traffic.bins, say)) if traffic else [])
    for second in range(max(map(len, columns), default=0)):
        cells = [row[second] if second < len(row) else ("–", "–") for row in columns]
        table.add_row(str(second + 1), *(cell for pair in cells for cell in pair))
    return table


def _ways(say: Speech) -> tuple[tuple[Direction, str], ...]:
    return ((Direction.UP, say("Loss up")), (Direction.DOWN, say("Loss down")))


def _loaded_steps(evidence: PointEvidence, say: Speech) -> Iterator[_Row]:
    for step in evidence.of_kind(StepKind.GROUPS):
        name = f"{said(PHASES, step.kind, say)} ({step.together})"
        yield name, step.up, step.down
    yield said(PHASES, StepKind.REHEARSAL, say), evidence.up, evidence.down
    for step in evidence.of_kind(StepKind.MARGIN):
        name = f"{said(PHASES, step.kind, say)} {step.rate_ratio * 100:.0f} %"
        yield name, step.up, step.down


def _cells(traffic: TrafficStatistics | None, say: Speech) -> tuple[str, str]:
    if traffic is None:
        return "–", "–"
    queue = traffic.queue_delay_seconds
    return (
        f"{percent(traffic.loss_ratio, say)} / {traffic.packets_sent}",
        f"{say.number(queue.p95 * 1000, 1)} ms" if queue else "–",
    )


def _seconds(bins: Sequence[Bin], say: Speech) -> Iterator[tuple[str, str]]:
    for first in range(0, len(bins), _BINS_A_SECOND):
        rows = bins[first : first + _BINS_A_SECOND]
        sent = sum(row.sent for row in rows)
        lost = max(0, sent - sum(row.received for row in rows))
        delays = [row.queue_delay_max_seconds for row in rows]
        known = [delay for delay in delays if delay is not None]
        yield (
            percent(lost / sent, say) if sent else "–",
            f"{say.number(max(known) * 1000, 1)} ms" if known else "–",
        )
