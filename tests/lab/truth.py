"""What really happened to the packets: the kernel's counters, sampled over time.

Counters are read through one netlink socket per namespace (nfnetlink, ``NFT_MSG_GETOBJ``), which
costs a fraction of starting ``nft``; a dozen times a second is cheap.
"""

import itertools
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.lab import kernel

_NETLINK_NETFILTER = 12
_GET_OBJECTS = (10 << 8) | 19
_REQUEST_DUMP = 0x301
_DONE, _ERROR = 3, 2
_INET = 1
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_FAMILY_BYTES = 4
_OBJECT_NAME, _OBJECT_DATA, _COUNTER_PACKETS = 2, 4, 2
_TYPE_MASK = 0x3FFF
_SAMPLE_SECONDS = 0.05
"""The pause of 0.2 s between two steps must hold two quiet samples for certain."""
_QUIET_SAMPLES = 2
_ARRIVAL_SECONDS = 2.5

Counters = Mapping[str, int]
"""Packets by counter name, as ``up_in_3``."""


@dataclass(frozen=True, slots=True)
class Sample:
    """All counters at one time of the monotonic clock."""

    at_seconds: float
    packets: Counters


@dataclass(frozen=True, slots=True)
class Passed:
    """Packets of one point and direction in one window."""

    sent: int
    arrived: int
    own_lost: int
    """Of those, lost on the point's own line; the rest of the loss is the hub line's."""

    @property
    def loss_ratio(self) -> float:
        """Lost share; 0 of nothing."""
        return max(0.0, 1 - self.arrived / self.sent) if self.sent else 0.0


class CounterReader:
    """Reads the counters of one namespace."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self._socket = kernel.inside(
            namespace,
            lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER),
        )
        self._numbers = itertools.count(1)

    def read(self) -> dict[str, int]:
        """Return packets by name."""
        body = struct.pack("=BBH", _INET, 0, 0)
        header = _HEADER.pack(
            _HEADER.size + len(body), _GET_OBJECTS, _REQUEST_DUMP, next(self._numbers), 0
        )
        self._socket.send(header + body)
        packets: dict[str, int] = {}
        while True:
            for kind, payload in _messages(self._socket.recv(262_144)):
                if kind == _ERROR:
                    raise kernel.LabError("the kernel refused to list its counters")
                if kind == _DONE:
                    return packets
                fields = dict(_attributes(payload[_FAMILY_BYTES:]))
                data = dict(_attributes(fields[_OBJECT_DATA]))
                name = fields[_OBJECT_NAME].rstrip(b"\0").decode()
                packets[name] = int.from_bytes(data[_COUNTER_PACKETS], "big")

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class TruthRecorder:
    """Samples counters as long as it is entered, in a process of its own.

    On a thread it would wait for the others of its process, and they for a processor that the
    district has first: gaps in the samples that no line has.
    """

    def __init__(self, readers: Sequence[CounterReader]) -> None:
        self._readers = readers
        self._process: subprocess.Popen[bytes] | None = None
        self.samples: list[Sample] = []

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, *(one.namespace for one in self._readers)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise kernel.LabError("the recorder of the truth did not start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        text, _ = self._process.communicate()
        self.samples = [Sample(at_seconds, packets) for at_seconds, packets in json.loads(text)]

    @property
    def longest_gap_seconds(self) -> float:
        """Longest time between two samples: how long the machine let even this one wait."""
        times = [sample.at_seconds for sample in self.samples]
        return max((end - start for start, end in itertools.pairwise(times)), default=0.0)


def _record(namespaces: Sequence[str]) -> None:
    """Sample until the standard input ends, then write all samples to the standard output."""
    readers = [CounterReader(one) for one in namespaces]
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))  # without root there is no lab
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    samples = []
    while not select.select([sys.stdin], [], [], _SAMPLE_SECONDS)[0]:
        sample = read_all(readers)
        samples.append((sample.at_seconds, sample.packets))
    json.dump(samples, sys.stdout)


def read_all(readers: Sequence[CounterReader]) -> Sample:
    """Read every namespace's counters."""
    packets: dict[str, int] = {}
    at_seconds = time.monotonic()
    for reader in readers:
        packets |= reader.read()
    return Sample(at_seconds, packets)


def rehearsal(samples: Sequence[Sample], point: int, direction: str) -> Passed | None:
    """Return what passed in the longest loaded step of a point, or None where none was loaded.

    Two samples in a row without a packet end a step. Arrivals count until the next step begins,
    2.5 s at most: a full queue needs its time.
    """
    entered = [sample.packets[f"{direction}_in_{point}"] for sample in samples]
    times = [sample.at_seconds for sample in samples]
    busy = [after > before for before, after in itertools.pairwise(entered)]
    runs = list(_runs(busy))
    if not runs:
        return None
    first, last = max(runs, key=lambda run: run[1] - run[0])
    following = [start for start, _ in runs if start > last]
    stop = following[0] if following else len(samples) - 1
    while stop > last and times[stop] - times[last] > _ARRIVAL_SECONDS:
        stop -= 1
    begun, ended = samples[first].packets, samples[stop].packets
    in_, mid, out = (
        ended[f"{direction}_{place}_{point}"] - begun[f"{direction}_{place}_{point}"]
        for place in ("in", "mid", "out")
    )
    own_lost = in_ - mid if direction == "up" else mid - out
    return Passed(sent=in_, arrived=min(in_, out), own_lost=max(0, own_lost))


def _runs(busy: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Yield first and last index of runs; a single quiet sample does not end one."""
    start: int | None = None
    quiet = 0
    for index, is_busy in enumerate(busy):
        if is_busy:
            start = index if start is None else start
            quiet = 0
        elif start is not None:
            quiet += 1
            if quiet >= _QUIET_SAMPLES:
                yield start, index - quiet + 1
                start = None
    if start is not None:
        yield start, len(busy)


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _HEADER.size:
        length, kind, _, _, _ = _HEADER.unpack_from(data)
        yield kind, data[_HEADER.size : length]
        data = data[(length + 3) & ~3 :]


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        yield kind & _TYPE_MASK, data[_ATTRIBUTE.size : length]
        data = data[(length + 3) & ~3 :]


if __name__ == "__main__":
    _record(sys.argv[1:])
