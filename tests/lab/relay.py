"""Delay, jitter and burst loss for lines that ask for them, in user space over TUN devices.

``python -m tests.lab.relay`` is one process for the whole district: a JSON object a line on stdin,
an answer for each on stdout, and it ends when stdin closes. ``{"open": [{"device", "namespace"}]}``
makes TUN devices, ``{"shape": {device: {"up", "down", "seed", "network"}}}`` replaces how packets
of these are treated (up is what comes from ``network``), ``{"count": true}`` asks for the counts.
"""

import fcntl
import json
import os
import random
import select
import struct
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from ipaddress import IPv4Network
from typing import Any

from pydantic import TypeAdapter

from tests.lab import kernel
from tests.lab.shapes import Shape

QUEUE_PACKETS = 4000
"""Bound of one direction: 2 s of delay at 2,000 packets a second."""
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_PACKET_BYTES = 65_536
_READS_AT_ONCE = 64
_IDLE_SECONDS = 5.0
_NS = 1_000_000_000
_BURST_SECONDS = 0.5
"""Without packets for so long, a burst is over: it is counted in those of a loaded line, and would
last for minutes where only TCP tries again now and then."""
_SHAPE = TypeAdapter(Shape)


@dataclass(slots=True)
class Counts:
    """What became of the packets of one direction."""

    received: int = 0
    burst_lost: int = 0
    overflowed: int = 0


class RelayDirection:
    """Packets of one direction on their way; same seed and packets, same fate."""

    def __init__(self, shape: Shape, seed: int) -> None:
        self.counts = Counts()
        self._waiting: deque[tuple[int, bytes]] = deque()
        self.reshape(shape, seed)

    def reshape(self, shape: Shape, seed: int) -> None:
        """Treat packets by ``shape`` from now on; those on their way keep their time."""
        self._shape = shape
        self._chance = random.Random(seed)  # noqa: S311  # a model of a line, no secret
        self._bad = False
        self._last_ns = 0

    def accept(self, packet: bytes, now_ns: int) -> None:
        """Take a packet in: lose it or set the time of its release."""
        self.counts.received += 1
        if now_ns - self._last_ns > _BURST_SECONDS * _NS:
            self._bad = False
        self._last_ns = now_ns
        if self._is_lost():
            self.counts.burst_lost += 1
        elif len(self._waiting) >= QUEUE_PACKETS:
            self.counts.overflowed += 1
        else:
            jitter = self._shape.jitter_seconds * self._chance.random()
            due = now_ns + int((self._shape.delay_seconds + jitter) * _NS)
            last = self._waiting[-1][0] if self._waiting else 0
            self._waiting.append((max(due, last), packet))

    def release(self, now_ns: int, send: Callable[[bytes], None]) -> None:
        """Hand what is due to ``send``, in order."""
        while self._waiting and self._waiting[0][0] <= now_ns:
            send(self._waiting.popleft()[1])

    @property
    def next_ns(self) -> int | None:
        """When the next packet is due."""
        return self._waiting[0][0] if self._waiting else None

    def _is_lost(self) -> bool:
        burst = self._shape.burst_loss
        if burst is None:
            return False
        change = burst.leave_ratio if self._bad else burst.enter_ratio
        if self._chance.random() < change:
            self._bad = not self._bad
        return self._bad and self._chance.random() < burst.loss_ratio


class Relay:
    """All TUN devices of a district and the loop that serves them."""

    def __init__(self) -> None:
        self._devices: dict[int, str] = {}
        self._networks: dict[str, bytes] = {}
        self._ways: dict[str, tuple[RelayDirection, RelayDirection]] = {}

    def run(self) -> None:
        """Serve until stdin closes."""
        pending = b""
        while True:
            readable, _, _ = select.select([0, *self._devices], [], [], self._patience())
            for descriptor in readable:
                if descriptor != 0:
                    self._read(descriptor)
                    continue
                chunk = os.read(0, _PACKET_BYTES)
                if not chunk:
                    return
                *orders, pending = (pending + chunk).split(b"\n")
                for order in orders:
                    self._answer(json.loads(order))
            self._release()

    def _patience(self) -> float:
        due = [way.next_ns for pair in self._ways.values() for way in pair]
        times = [moment for moment in due if moment is not None]
        if not times:
            return _IDLE_SECONDS
        return max(0.0, (min(times) - time.monotonic_ns()) / _NS)

    def _read(self, descriptor: int) -> None:
        device = self._devices[descriptor]
        up, down = self._ways[device]
        for _ in range(_READS_AT_ONCE):
            try:
                packet = os.read(descriptor, _PACKET_BYTES)
            except BlockingIOError:
                return
            from_point = packet[12:15] == self._networks[device]
            (up if from_point else down).accept(packet, time.monotonic_ns())

    def _release(self) -> None:
        for descriptor, device in self._devices.items():
            for way in self._ways[device]:
                way.release(time.monotonic_ns(), lambda packet, out=descriptor: _write(out, packet))  # type: ignore[misc]  # a default binds the loop's value

    def _answer(self, order: dict[str, Any]) -> None:
        for asked in order.get("open", ()):
            device = asked["device"]
            self._devices[_open_tun(device, asked["namespace"])] = device
            self._networks[device] = b""
            self._ways[device] = (RelayDirection(Shape(), 0), RelayDirection(Shape(), 0))
        for device, asked in order.get("shape", {}).items():
            network = IPv4Network(asked["network"])
            self._networks[device] = network.network_address.packed[:3]
            for number, name in enumerate(("up", "down")):
                shape = _SHAPE.validate_python(asked[name])
                self._ways[device][number].reshape(shape, asked["seed"] + number)
        counts = {
            device: {"up": asdict(up.counts), "down": asdict(down.counts)}
            for device, (up, down) in self._ways.items()
        }
        sys.stdout.write(json.dumps(counts) + "\n")
        sys.stdout.flush()


def _write(descriptor: int, packet: bytes) -> None:
    os.write(descriptor, packet)


def _open_tun(device: str, namespace: str) -> int:
    def make() -> int:
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        request = struct.pack("16sH22x", device.encode(), _IFF_TUN | _IFF_NO_PI)
        fcntl.ioctl(descriptor, _TUNSETIFF, request)
        return descriptor

    return kernel.inside(namespace, make)


def main() -> None:
    """Serve; real-time priority, so that a busy machine does not lengthen the delays."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError as error:
        sys.stderr.write(f"relay: no real-time priority ({error}); delays may be late\n")
    Relay().run()


if __name__ == "__main__":
    main()
