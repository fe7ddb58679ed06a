import asyncio
import os
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from diemcau_server.demo import relay as relay_module
from diemcau_server.demo.relay import Relay


@pytest.fixture
def hub() -> Iterator[socket.socket]:
    """The hub's port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
        port.bind(("127.0.0.1", 0))
        port.settimeout(20)
        yield port


@contextmanager
def _relay(hub: socket.socket, loss_up_ratio: float = 0.0, seed: int = 1) -> Iterator[Relay]:
    relay = Relay(hub.getsockname(), loss_up_ratio, seed)
    thread = threading.Thread(target=relay.run)
    thread.start()
    try:
        yield relay
    finally:
        relay.stop()
        thread.join(20)
        assert not thread.is_alive()


def _client(relay: Relay) -> socket.socket:
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(20)
    client.connect(("127.0.0.1", relay.port))
    return client


def test_answers_find_their_way_back(hub: socket.socket) -> None:
    """Each client has its own address towards the hub and gets its own answers."""
    with _relay(hub) as relay, _client(relay) as first, _client(relay) as second:
        addresses = []
        for client in (first, second):
            client.send(b"hello")
            addresses.append(hub.recvfrom(100)[1])
        hub.sendto(b"two", addresses[1])
        hub.sendto(b"one", addresses[0])
        assert (first.recv(100), second.recv(100)) == (b"one", b"two")
    assert addresses[0] != addresses[1]


def test_share_that_is_lost(hub: socket.socket) -> None:
    """The wanted share is lost on the way up, by the seed alone; nothing is lost down."""
    draws = random.Random(7)  # noqa: S311  # a repeatable fault, no secret
    passing = [number for number in range(400) if draws.random() >= 0.25]
    assert 60 < 400 - len(passing) < 140
    got = []
    with _relay(hub, 0.25, 7) as relay, _client(relay) as client:
        for number in range(400):
            client.send(str(number).encode())
            if number in passing:
                packet, address = hub.recvfrom(100)
                got.append(int(packet))
                hub.sendto(b"back", address)
                assert client.recv(100) == b"back"
    assert got == passing


def test_clients_are_bounded(hub: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest client makes room for a new one."""
    monkeypatch.setattr(relay_module, "MAX_CLIENTS", 2)
    with _relay(hub) as relay:
        for _ in range(5):
            with _client(relay) as client:
                client.send(b"x")
                hub.recv(100)
        assert len(relay._up) == 2


def test_loopback_only() -> None:
    """Another network than loopback is refused."""
    with pytest.raises(ValueError, match="loopback only"):
        Relay(("192.0.2.1", 1), 0.0, 1)


async def test_ends_with_its_standard_input(hub: socket.socket, tmp_path: Path) -> None:
    """The process ends when whoever started it is gone."""
    ready = tmp_path / "port"
    port = hub.getsockname()[1]
    process = subprocess.Popen(  # noqa: ASYNC220  # the demo starts it the same way
        [sys.executable, "-m", "diemcau_server.demo.relay", "--to", f"127.0.0.1:{port}",
         "--ready-file", str(ready)],
        stdin=subprocess.PIPE, env=dict(os.environ),
    )  # fmt: skip
    try:
        async with asyncio.timeout(30):
            while not ready.exists():  # noqa: ASYNC110  # a file has no event
                await asyncio.sleep(0.02)
        assert int(ready.read_text()) > 0
        assert process.stdin is not None
        process.stdin.close()
        assert await asyncio.to_thread(process.wait, 30) == 0
    finally:
        process.kill()
        process.wait()
