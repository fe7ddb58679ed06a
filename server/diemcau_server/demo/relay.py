"""A line that loses packets: a UDP relay in user space, on loopback only.

``python -m diemcau_server.demo.relay --to 127.0.0.1:PORT --loss-up 0.06 --ready-file F`` listens on
a free port, writes it to F, and forwards both ways, dropping a seeded share of what goes up. Each
client address has a socket of its own towards the hub, so that answers find their way back. It
ends when its standard input closes, and so never outlives whoever started it.
"""

import argparse
import random
import selectors
import socket
import sys
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final

MAX_CLIENTS: Final = 64
_MAX_PACKET_BYTES: Final = 65_536
_BUFFER_BYTES: Final = 1 << 20
_PACKETS_AT_ONCE: Final = 64
_LOOPBACK: Final = "127.0.0.1"

Address = tuple[str, int]


class Relay:
    """Forwards between clients and one hub port; a blocking loop for a process of its own."""

    def __init__(self, hub: Address, loss_up_ratio: float, seed: int) -> None:
        if not hub[0].startswith("127."):
            raise ValueError("the relay works on loopback only")
        self._hub = hub
        self._loss_up_ratio = loss_up_ratio
        self._random = random.Random(seed)  # noqa: S311  # a repeatable fault, no secret
        self._selector = selectors.DefaultSelector()
        self._down = _socket()
        self._down.bind((_LOOPBACK, 0))
        self._selector.register(self._down, selectors.EVENT_READ, None)
        self._waker, self._wake = socket.socketpair()
        self._selector.register(self._waker, selectors.EVENT_READ, None)
        self._up: OrderedDict[Address, socket.socket] = OrderedDict()

    @property
    def port(self) -> int:
        """The port that points send to."""
        port: int = self._down.getsockname()[1]
        return port

    def stop(self) -> None:
        """End ``run``; may be called from another thread."""
        self._wake.send(b".")

    def run(self) -> None:
        """Forward until ``stop``, then close every socket."""
        try:
            while True:
                for key, _ in self._selector.select():
                    if key.fileobj is self._waker:
                        return
                    if key.fileobj is self._down:
                        self._forward_up()
                    else:
                        self._forward_down(key.fileobj, key.data)  # type: ignore[arg-type]  # ours
        finally:
            self._close()

    def _forward_up(self) -> None:
        for _ in range(_PACKETS_AT_ONCE):
            try:
                packet, client = self._down.recvfrom(_MAX_PACKET_BYTES)
            except OSError:
                return
            upstream = self._upstream(client)
            if self._random.random() >= self._loss_up_ratio:
                _send(upstream, packet)

    def _forward_down(self, upstream: socket.socket, client: Address) -> None:
        for _ in range(_PACKETS_AT_ONCE):
            try:
                packet = upstream.recv(_MAX_PACKET_BYTES)
            except OSError:  # nothing left, or the hub's port is closed for the moment
                return
            try:
                self._down.sendto(packet, client)
            except OSError:
                return

    def _upstream(self, client: Address) -> socket.socket:
        """Return the client's socket towards the hub; the oldest client makes room for a new."""
        upstream = self._up.get(client)
        if upstream is not None:
            return upstream
        if len(self._up) >= MAX_CLIENTS:
            _, oldest = self._up.popitem(last=False)
            self._selector.unregister(oldest)
            oldest.close()
        upstream = _socket()
        upstream.connect(self._hub)
        self._up[client] = upstream
        self._selector.register(upstream, selectors.EVENT_READ, client)
        return upstream

    def _close(self) -> None:
        for each in (self._down, self._waker, self._wake, *self._up.values()):
            each.close()
        self._selector.close()


def _socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(0)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
    return made


def _send(upstream: socket.socket, packet: bytes) -> None:
    try:
        upstream.send(packet)
    except OSError:
        return  # a full buffer or a closed port loses packets, like any line


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host, int(port)


def main() -> None:
    """Run a relay until standard input closes."""
    parser = argparse.ArgumentParser(prog="python -m diemcau_server.demo.relay")
    parser.add_argument("--to", type=_address, required=True)
    parser.add_argument("--loss-up", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ready-file", type=Path, required=True)
    wanted = parser.parse_args()
    relay = Relay(wanted.to, wanted.loss_up, wanted.seed)

    def watch() -> None:
        while sys.stdin.buffer.read(1):
            pass
        relay.stop()

    threading.Thread(target=watch, daemon=True).start()
    unfinished = wanted.ready_file.with_suffix(".part")
    unfinished.write_text(str(relay.port), encoding="ascii")
    unfinished.replace(wanted.ready_file)
    relay.run()


if __name__ == "__main__":
    main()
