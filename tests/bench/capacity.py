"""Capacity of shaped lines: error and seconds of ours, and of iperf3 on the same line."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence

from diemcau_contract.words import Direction
from tests.bench import Row
from tests.lab import kernel, plan
from tests.lab.capacity import Pair
from tests.lab.district import District
from tests.lab.shapes import Line, Shape

MEGABITS = (4, 8, 20, 50, 100, 200)
_GOAL = "+-2"
_IPERF_SECONDS = 10
_IPERF_PORT = "5201"
_PAYLOAD_BYTES = 1172
_IPERF: dict[str, list[str]] = {
    "TCP": [],
    "UDP": ["-u", "-b", "400M", "-l", str(_PAYLOAD_BYTES)],
}


def run() -> list[Row]:
    """Return all figures; about 4 minutes, as root."""
    if kernel.missing():
        sys.stderr.write(f"capacity left out: {kernel.missing()}\n")
        return []
    rows: list[Row] = []
    with District(1) as district, Pair.of(district) as pair:
        server = ["iperf3", "-s", "-p", _IPERF_PORT, "-B", plan.HUB_ADDRESS]
        district.run_in(district.names.hub, server)
        for megabits in MEGABITS:
            shape = Shape(rate_bits_per_second=megabits * 1e6)
            district.reshape({1: Line(up=shape, down=shape)})
            rows += [row for way in Direction for row in _ours(pair, way, megabits)]
            for name, options in _IPERF.items():
                rows += _iperf(district, name, options, megabits)
    return rows


def _ours(pair: Pair, direction: Direction, megabits: int) -> list[Row]:
    begun = time.monotonic()
    measured = pair.measure(direction)
    seconds = time.monotonic() - begun
    figures = measured.figures
    error = ((figures.bits_per_second or 0) / megabits / 1e6 - 1) * 100
    name = f"{megabits} Mbit/s {direction}"
    receiver = measured.at_hub if direction is Direction.UP else measured.at_point
    return [
        Row("capacity", f"{name}: error ({figures.limited_by})", error, "%", _GOAL),
        Row("capacity", f"{name}: time", seconds, "s", "<= 4 of load"),
        Row("capacity", f"{name}: sent", figures.bytes_sent / 1e6, "MB"),
        Row("capacity", f"{name}: receiver's CPU", receiver.own_cpu_ratio * 100, "% of a core"),
    ]


def _iperf(district: District, name: str, options: Sequence[str], megabits: int) -> list[Row]:
    """Return what iperf3's receiver got against the rate at the IP layer; it counts payload.

    Headers alone make 2.3 % (UDP) and about 3.2 % (TCP) of the difference.
    """
    argv = ["iperf3", "-c", plan.HUB_ADDRESS, "-p", _IPERF_PORT, "-t", str(_IPERF_SECONDS), "-J"]
    client = district.run_in(district.names.point(1), [*argv, *options], output=subprocess.PIPE)
    output, _ = client.communicate()
    report = json.loads(output)
    sums = report["end"].get("sum_received")
    if sums is None:
        sys.stderr.write(f"iperf3 {name} at {megabits} Mbit/s: {report.get('error')}\n")
        return []
    rate = sums["bits_per_second"]
    if "packets" in sums:
        rate = (sums["packets"] - sums["lost_packets"]) * _PAYLOAD_BYTES * 8 / sums["seconds"]
    error = (rate / megabits / 1e6 - 1) * 100
    figure = f"{megabits} Mbit/s up: iperf3 {name}, {_IPERF_SECONDS} s: payload"
    return [Row("capacity", figure, error, "%")]
