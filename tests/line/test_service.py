"""What systemd would hear, on a real socket of its kind."""

import asyncio
import os
import select
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from diemcau_line.service import told_to_systemd

EVERY_MICROSECONDS = 30_000


@pytest.fixture(params=["file", "abstract"])
def systemd(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    """The socket at which systemd listens, named to this process alone."""
    name = str(tmp_path / "notify") if request.param == "file" else f"\0diemcau-{os.getpid()}"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listening:
        listening.bind(name)
        listening.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", name.replace("\0", "@"))
        monkeypatch.delenv("WATCHDOG_USEC", raising=False)
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        yield listening


def heard(systemd: socket.socket) -> list[str]:
    """What has come so far."""
    said = []
    while select.select([systemd], [], [], 0)[0]:
        said.append(systemd.recv(100).decode())
    return said


async def test_a_loop_that_turns_says_so_again_and_again(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ready at once, then signs of life, and at the end that it stops."""
    monkeypatch.setenv("WATCHDOG_USEC", str(EVERY_MICROSECONDS))
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    async with told_to_systemd():
        said = [(await asyncio.to_thread(systemd.recv, 100)).decode() for _ in range(4)]

    assert said == ["READY=1", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"]
    assert heard(systemd)[-1] == "STOPPING=1"


async def test_a_loop_that_hangs_is_silent(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This is what systemd waits for: nothing else than the loop says that it lives."""
    monkeypatch.setenv("WATCHDOG_USEC", str(EVERY_MICROSECONDS))
    async with told_to_systemd():
        await asyncio.to_thread(systemd.recv, 100)
        await asyncio.to_thread(systemd.recv, 100)
        heard(systemd)
        # The loop's thread waits here, many times as long as the loop would be silent.
        came, _, _ = select.select([systemd], [], [], EVERY_MICROSECONDS * 5 / 1e6)

    assert not came


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("WATCHDOG_USEC", ""),
        ("WATCHDOG_USEC", "0"),
        ("WATCHDOG_USEC", "soon"),
        ("WATCHDOG_PID", "1"),
    ],
)
async def test_a_process_that_is_not_watched_gives_no_signs_of_life(
    variable: str, value: str, systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only ready and stopping."""
    monkeypatch.setenv("WATCHDOG_USEC", str(EVERY_MICROSECONDS))
    monkeypatch.setenv(variable, value)
    async with told_to_systemd():
        await asyncio.sleep(0)

    assert heard(systemd) == ["READY=1", "STOPPING=1"]


@pytest.mark.parametrize("name", ["", "/nowhere/notify", "unix:x"])
async def test_without_systemd_nothing_happens(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not started by it, or its socket is gone: the service runs all the same."""
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    async with told_to_systemd():
        await asyncio.sleep(0)
