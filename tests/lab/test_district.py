"""The lab proves its own lines first: what it says it does to packets is what happens to them."""

import contextlib
import json
import math
import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from tests.lab import kernel, plan
from tests.lab.district import District, remove_left_over
from tests.lab.shapes import BurstLoss, Line, Shape
from tests.lab.truth import read_all

pytestmark = [
    pytest.mark.root,
    pytest.mark.lab,
    pytest.mark.alone,
    pytest.mark.skipif(bool(kernel.missing()), reason=f"the lab: {kernel.missing()}"),
]
PROBE = [sys.executable, "-m", "tests.lab.udp_probe"]
POINT_PORT = 9000
IP_UDP_BYTES = 28
PART_PACKETS = 20
RELAYED = {1: Line(up=Shape(delay_seconds=0.1))}


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What a receiver got of ``sent`` packets."""

    sent: int
    numbers: list[int]
    delays_seconds: list[float]
    bytes: int
    arrivals_seconds: list[float]

    @property
    def loss_ratio(self) -> float:
        """Lost share."""
        return 1 - len(self.numbers) / self.sent

    def ip_rate(self) -> float:
        """Bits per second at the IP layer, median of short parts.

        Whoever is held up, the sender or the shaper's timer, spoils a part; the shorter they are,
        the fewer.
        """
        size = self.bytes / len(self.numbers) + IP_UDP_BYTES
        corners = self.arrivals_seconds[::PART_PACKETS]
        return PART_PACKETS * size * 8 / statistics.median(b - a for a, b in pairwise(corners))


@pytest.fixture(scope="module")
def district() -> Iterator[District]:
    """Two points and the hub."""
    with District(2) as built:
        yield built


def flow(
    district: District,
    direction: str,
    rate: float,
    seconds: float,
    size: int = 1172,
    point: int = 1,
) -> Arrivals:
    """Send at ``rate`` (IP layer) in one direction of a point's line and return what came."""
    names = district.names
    point_end = (names.point(point), plan.point_address(point), POINT_PORT)
    hub_end = (names.hub, plan.HUB_ADDRESS, plan.MEASURE_PORT)
    source, target = (point_end, hub_end) if direction == "up" else (hub_end, point_end)
    interval = (size + IP_UDP_BYTES) * 8 / rate
    count = int(seconds / interval)
    receiver = district.run_in(
        target[0], [*PROBE, "receive", target[1], str(target[2]), "0.7"], output=subprocess.PIPE
    )
    assert receiver.stdout is not None
    with receiver.stdout as pipe:
        assert pipe.readline() == b"ready\n"
        order = [str(source[2]), target[1], str(target[2]), str(count), str(size), str(interval)]
        district.run_in(source[0], [*PROBE, "send", *order]).wait()
        receiver.send_signal(signal.SIGUSR1)
        report = json.loads(pipe.read())
    receiver.wait()
    delays = [delay / 1e9 for delay in report["delays_ns"]]
    arrivals = [arrival / 1e9 for arrival in report["arrivals_ns"]]
    return Arrivals(count, report["numbers"], delays, report["bytes"], arrivals)


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("rate", [2e6, 20e6])
def test_own_line_carries_its_rate(district: District, direction: str, rate: float) -> None:
    """A flow above the rate is cut to the rate within 2 %, in the shaped direction."""
    shape = Shape(rate_bits_per_second=rate, queue_seconds=0.05)
    line = Line(up=shape) if direction == "up" else Line(down=shape)
    district.reshape({1: line})
    assert flow(district, direction, rate * 1.3, 2.0).ip_rate() == pytest.approx(rate, rel=0.02)


def test_the_other_direction_stays_free(district: District) -> None:
    """A line that is slow up is not slow down."""
    district.reshape({1: Line(up=Shape(rate_bits_per_second=1e6))})
    arrivals = flow(district, "down", 4e6, 1.0)
    assert arrivals.loss_ratio == 0
    assert statistics.median(arrivals.delays_seconds) < 0.001


@pytest.mark.parametrize("direction", ["up", "down"])
def test_hub_line_carries_its_rate(district: District, direction: str) -> None:
    """The hub's line is shaped in each direction by itself."""
    shape = Shape(rate_bits_per_second=5e6, queue_seconds=0.05)
    hub = Line(up=shape) if direction == "up" else Line(down=shape)
    district.reshape({}, hub)
    assert flow(district, direction, 7e6, 2.0, point=2).ip_rate() == pytest.approx(5e6, rel=0.02)


@pytest.mark.parametrize("queue_seconds", [0.04, 0.5])
def test_queue_is_as_long_as_given(district: District, queue_seconds: float) -> None:
    """The usual wait in a full queue is the queue's length, within 5 % and two packets."""
    district.reshape({1: Line(up=Shape(rate_bits_per_second=4e6, queue_seconds=queue_seconds))})
    arrivals = flow(district, "up", 6e6, 1.0 + 4 * queue_seconds)
    late = arrivals.delays_seconds[len(arrivals.delays_seconds) // 2 :]
    usual = statistics.median(late) - min(arrivals.delays_seconds)
    assert usual == pytest.approx(queue_seconds, rel=0.05, abs=2 * 1200 * 8 / 4e6)


@pytest.mark.parametrize(("direction", "ratio"), [("up", 0.01), ("down", 0.05)])
def test_random_loss_is_as_given(district: District, direction: str, ratio: float) -> None:
    """Loss lies within 4.5 standard deviations, and the counters know it to the packet."""
    shape = Shape(loss_ratio=ratio)
    district.reshape({1: Line(up=shape) if direction == "up" else Line(down=shape)})
    before = read_all(district.counters).packets
    arrivals = flow(district, direction, 20e6, 4.0)
    after = read_all(district.counters).packets
    spread = 4.5 * math.sqrt(ratio * (1 - ratio) / arrivals.sent)
    assert arrivals.loss_ratio == pytest.approx(ratio, abs=spread)
    counted = {name: after[name] - before[name] for name in after}
    assert counted[f"{direction}_in_1"] == arrivals.sent
    assert counted[f"{direction}_out_1"] == len(arrivals.numbers)


def test_counters_tell_own_line_from_hub_line(district: District) -> None:
    """What the own line lost stands between in and mid, the hub line's loss between mid and out."""
    hub = Line(up=Shape(rate_bits_per_second=3e6, queue_seconds=0.05))
    district.reshape({1: Line(up=Shape(loss_ratio=0.2))}, hub)
    before = read_all(district.counters).packets
    arrivals = flow(district, "up", 6e6, 1.5)
    after = read_all(district.counters).packets
    into, behind_own, out = (
        after[f"up_{place}_1"] - before[f"up_{place}_1"] for place in ("in", "mid", "out")
    )
    assert (into, out) == (arrivals.sent, len(arrivals.numbers))
    assert into > behind_own > out
    drops = district.queue_statistics(district.names.core, plan.TO_GATE)["drops"]
    assert behind_own - out == drops


def test_delay_is_as_given_each_way(district: District) -> None:
    """The relay's delay is right within 1 ms, for each direction by itself."""
    district.reshape({1: Line(up=Shape(delay_seconds=0.02), down=Shape(delay_seconds=0.05))})
    up = flow(district, "up", 2e6, 1.5)
    down = flow(district, "down", 2e6, 1.5)
    assert statistics.median(up.delays_seconds) == pytest.approx(0.02, abs=0.001)
    assert statistics.median(down.delays_seconds) == pytest.approx(0.05, abs=0.001)


def test_jitter_keeps_the_order(district: District) -> None:
    """Jitter spreads the delay between its bounds and never reorders."""
    district.reshape({1: Line(up=Shape(delay_seconds=0.01, jitter_seconds=0.02))})
    arrivals = flow(district, "up", 0.5e6, 2.0)
    assert arrivals.numbers == sorted(arrivals.numbers)
    assert min(arrivals.delays_seconds) >= 0.01
    assert 0.012 < statistics.pstdev(arrivals.delays_seconds) * math.sqrt(12) < 0.03


def test_burst_loss_comes_in_bursts(district: District) -> None:
    """Lost packets stand together, with the mean length that was asked for."""
    burst = BurstLoss(enter_ratio=0.01, leave_ratio=0.1)
    district.reshape({1: Line(up=Shape(burst_loss=burst))}, seed=7)
    arrivals = flow(district, "up", 8e6, 4.0)
    gaps = [b - a - 1 for a, b in zip(arrivals.numbers, arrivals.numbers[1:], strict=False)]
    lengths = [gap for gap in gaps if gap]
    assert len(lengths) > 8
    assert 5 < statistics.mean(lengths) < 20
    counts = district.relay_counts()["t1"]["up"]
    assert counts["burst_lost"] >= sum(lengths)


def test_blocked_udp_lets_tcp_through(district: District) -> None:
    """A line with UDP blocked drops every datagram, and a TCP connection still stands."""
    district.reshape({1: Line(udp_blocked=True)})
    assert flow(district, "up", 1e6, 0.5).loss_ratio == 1
    serve = (
        "import socket; s = socket.create_server(('10.4.0.2', 9100)); print('ready', flush=True); "
        "s.accept()[0].sendall(b'x')"
    )
    ask = "import socket; assert socket.create_connection(('10.4.0.2', 9100), 5).recv(1) == b'x'"
    server = district.run_in(
        district.names.hub, [sys.executable, "-c", serve], output=subprocess.PIPE
    )
    assert server.stdout is not None
    with server.stdout as pipe:
        assert pipe.readline() == b"ready\n"
    client = district.run_in(district.names.point(1), [sys.executable, "-c", ask])
    assert client.wait() == 0
    server.wait()


def test_namespaces_reach_nothing_outside(district: District) -> None:
    """A point knows the hub and no other network: no route leads out of the district."""
    where = ["ip", "-n", district.names.point(1), "-j", "route"]
    routes = json.loads(kernel.output(where))
    assert {route["dst"] for route in routes} == {"default", "10.1.1.0/24"}
    gate = json.loads(kernel.output(["ip", "-n", district.names.gate, "-j", "route"]))
    assert all(route["dst"].startswith("10.") for route in gate)


def test_clean_up_leaves_nothing() -> None:
    """After leaving, normally or by an error, no namespace and no program of it is left."""
    with contextlib.suppress(ZeroDivisionError), District(3, RELAYED) as district:
        prefix = district.names.prefix
        sleeper = district.run_in(district.names.point(1), ["sleep", "600"])
        assert len(kernel.namespaces(prefix)) == 7
        _ = 1 / 0
    assert kernel.namespaces(prefix) == []
    assert sleeper.poll() is not None


def test_sigterm_cleans_up() -> None:
    """A lab that is told to end takes its namespaces with it."""
    script = (
        "import time; from tests.lab.district import District, ended_by_signals\n"
        "with ended_by_signals(), District(2) as d:\n"
        "    print(d.names.prefix, flush=True); time.sleep(600)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert process.stdout is not None
    prefix = process.stdout.readline().decode().strip()
    assert len(kernel.namespaces(prefix)) == 6
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM
    assert errors == b""
    assert kernel.namespaces(prefix) == []


def test_killed_lab_is_cleaned_up_by_the_next() -> None:
    """Namespaces whose process is gone are removed; those of living processes stay."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    stale, alive = f"dclab{gone.pid}-1-hub", f"dclab{os.getpid()}-999-hub"
    kernel.batch("ip", [f"netns add {stale}", f"netns add {alive}"])
    remove_left_over()
    assert kernel.namespaces(stale) == []
    assert kernel.namespaces(alive) == [alive]
    kernel.batch("ip", [f"netns del {alive}"])
