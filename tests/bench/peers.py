"""Other people's tools beside ours on one shaped line: irtt's round trip, iperf3's loss."""

import sys
import time

from diemcau_contract.plans import TrafficPlan
from diemcau_contract.words import StepKind
from diemcau_line.traffic import offered_bits_per_second
from tests.bench import Row
from tests.lab import peers
from tests.lab.district import District
from tests.lab.peers import OurEnds
from tests.lab.shapes import Line, Shape
from tests.lab.truth import Counters, read_all

SECONDS = 6
LOSS_RATIO = 0.02
_REST = Line(up=Shape(rate_bits_per_second=4e6), down=Shape(rate_bits_per_second=4e6))
_LOSSY = Line(
    up=Shape(rate_bits_per_second=4e6, loss_ratio=LOSS_RATIO),
    down=Shape(rate_bits_per_second=4e6, loss_ratio=LOSS_RATIO),
)
_PLAN = TrafficPlan(
    audio_bits_per_second=64_000, video_bits_per_second=1_936_000, frames_per_second=30
)


def run() -> list[Row]:
    """Return all figures, or none with a word why; about 30 s."""
    if lacking := peers.missing("irtt", "iperf3", "ss"):
        sys.stderr.write(f"peers left out: {lacking}\n")
        return []
    with District(1) as district:
        return [_round_trip(district), *_ours(district), *_iperf3(district)]


def _round_trip(district: District) -> Row:
    district.reshape({1: _REST})
    with OurEnds(district, _PLAN) as ours, peers.irtt(district, SECONDS) as theirs:
        stamp = ours.step(kind=StepKind.IDLE, ratio=0, seconds=float(SECONDS)).point.stamp
    if stamp is None or stamp.rtt_seconds is None:
        raise RuntimeError("no STAMP answer came back")
    apart = abs(stamp.rtt_seconds.p50 - peers.median(theirs))
    return Row("peers", "RTT median, apart from irtt at once", apart * 1e3, "ms", "<= 0.1")


def _ours(district: District) -> list[Row]:
    """Measure both directions at once, as a rehearsal does, and hold loss against the counters."""
    district.reshape({1: _LOSSY})
    before, started = read_all(district.counters).packets, time.perf_counter()
    with OurEnds(district, _PLAN) as ours:
        said = ours.step(seconds=float(SECONDS))
    seconds = time.perf_counter() - started
    after = read_all(district.counters).packets
    up, down = said.hub.flows[0].up, said.point.down
    if up is None or down is None:
        raise RuntimeError("the rehearsal gave no figures")
    rows = [
        Row("peers", "one line at plan rate, both directions at once", seconds, "s", "see iperf3")
    ]
    for name, traffic in (("up", up), ("down", down)):
        truth = _passed(before, after, name)
        figure = f"one line at plan rate: loss {name}"
        lost = traffic.loss_ratio * 100
        rows.append(Row("peers", figure, lost, "%", f"counted on the line: {truth * 100:.4g}"))
    return rows


def _passed(before: Counters, after: Counters, direction: str) -> float:
    """Return the share that the line's own counters say was lost."""
    sent, came = (
        after[f"{direction}_{place}_1"] - before[f"{direction}_{place}_1"]
        for place in ("in", "out")
    )
    return 1 - came / sent


def _iperf3(district: District) -> list[Row]:
    """Measure one direction after the other, as iperf3 has to; its packets come evenly spaced."""
    rate = offered_bits_per_second(_PLAN, 1.0)
    started = time.perf_counter()
    lost = {
        name: peers.iperf3(district, rate, SECONDS, down=name == "down")["lost_percent"]
        for name in ("up", "down")
    }
    seconds = time.perf_counter() - started
    put_in = f"put in: {LOSS_RATIO * 100:g}"
    return [
        Row("peers", "the same line by iperf3, one direction after the other", seconds, "s"),
        *(Row("peers", f"iperf3: loss {name}", lost[name], "%", put_in) for name in lost),
    ]
