"""A tiny sender and receiver of numbered, stamped datagrams, to prove the lab's own lines.

``receive ADDRESS PORT IDLE_SECONDS`` prints ``ready``, then, after SIGUSR1 and that long a silence,
one JSON object: numbers, arrivals, delays, bytes. ``send FROM ADDRESS PORT COUNT SIZE
INTERVAL_SECONDS`` sends UDP payloads of SIZE bytes on absolute deadlines from local port FROM.
"""

import json
import signal
import socket
import struct
import sys
import time
from threading import Event

_STAMP = struct.Struct("=B7xQQ")
_RTP_VERSION_2 = 0x80
"""The lab counts RTP only."""
_TIMESTAMPNS = 35
_LOOK_SECONDS = 0.1
_TIMESPEC = struct.Struct("=qq")


def receive(address: str, port: int, idle_seconds: float) -> None:
    """Count until silence; the kernel's receive stamps make the delays."""
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_000_000)
    receiver.setsockopt(socket.SOL_SOCKET, _TIMESTAMPNS, 1)
    receiver.bind((address, port))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    rows: list[tuple[int, int, int]] = []
    arrivals: list[int] = []
    is_ending = Event()
    signal.signal(signal.SIGUSR1, lambda *_: is_ending.set())
    receiver.settimeout(_LOOK_SECONDS)
    quiet_since = time.monotonic()
    while not (is_ending.is_set() and time.monotonic() - quiet_since > idle_seconds):
        try:
            data, ancillary, _, _ = receiver.recvmsg(2048, 64)
        except TimeoutError:
            continue
        seconds, fraction = _TIMESPEC.unpack(ancillary[0][2])
        arrivals.append(seconds * 1_000_000_000 + fraction)
        _, number, sent = _STAMP.unpack_from(data)
        rows.append((number, arrivals[-1] - sent, len(data)))
        quiet_since = time.monotonic()
    report = {
        "numbers": [row[0] for row in rows],
        "delays_ns": [row[1] for row in rows],
        "bytes": sum(row[2] for row in rows),
        "arrivals_ns": arrivals,
    }
    sys.stdout.write(json.dumps(report) + "\n")


def send(source: int, target: tuple[str, int], count: int, size: int, interval: float) -> None:
    """Send ``count`` datagrams, one each ``interval`` seconds."""
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.bind(("", source))
    padding = bytes(size - _STAMP.size)
    start = time.perf_counter()
    for number in range(count):
        wait = start + number * interval - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        sender.sendto(_STAMP.pack(_RTP_VERSION_2, number, time.time_ns()) + padding, target)


def main(arguments: list[str]) -> None:
    """Run one of the two."""
    if arguments[0] == "receive":
        receive(arguments[1], int(arguments[2]), float(arguments[3]))
        return
    source, address, port, count, size = arguments[1:6]
    send(int(source), (address, int(port)), int(count), int(size), float(arguments[6]))


if __name__ == "__main__":
    main(sys.argv[1:])
