"""Trains of datagrams over a real socket, cut by the kernel or sent one by one."""

import errno
import select
from collections.abc import Iterator

import pytest

from diemcau_line.clock import Clock
from diemcau_line.sockets import MeasuringSocket

SIZE = 100
TRAIN = memoryview(b"".join(bytes([number]) * SIZE for number in range(5)))


@pytest.fixture
def ends() -> Iterator[tuple[MeasuringSocket, MeasuringSocket]]:
    """A sender connected to a receiver."""
    clock = Clock()
    receiver = MeasuringSocket(clock, bind=("127.0.0.1", 0), peer=None, dscp=0)
    sender = MeasuringSocket(clock, bind=None, peer=("127.0.0.1", receiver.port), dscp=0)
    yield sender, receiver
    sender.close()
    receiver.close()


def received(line: MeasuringSocket) -> list[bytes]:
    """Return the five datagrams that must come."""
    datagrams: list[bytes] = []
    while len(datagrams) < 5 and select.select([line.socket], [], [], 5)[0]:
        size = line.receive()
        datagrams.append(bytes(line.view[:size]))
    return datagrams


class Refusing:
    """A socket whose kernel does not cut trains."""

    def __init__(self, line: MeasuringSocket, number: int) -> None:
        self._inner = line.socket
        self._number = number

    def sendmsg(self, *_: object) -> int:
        """Refuse."""
        raise OSError(self._number, "refused")

    def send(self, octets: memoryview) -> int:
        """Send one."""
        return self._inner.send(octets)

    def close(self) -> None:
        """Close."""
        self._inner.close()


def test_a_train_arrives_as_its_datagrams(ends: tuple[MeasuringSocket, MeasuringSocket]) -> None:
    """Five in, five out, in order."""
    sender, receiver = ends

    assert sender.send_train(TRAIN, SIZE) == 5
    assert received(receiver) == [bytes(TRAIN[at : at + SIZE]) for at in range(0, 500, SIZE)]


def test_where_the_kernel_does_not_cut_they_go_one_by_one(
    ends: tuple[MeasuringSocket, MeasuringSocket],
) -> None:
    """EIO is what a device without checksum offload answers."""
    sender, receiver = ends
    sender.socket = Refusing(sender, errno.EIO)  # type: ignore[assignment]  # a stand-in

    assert sender.send_train(TRAIN, SIZE) == 5
    assert received(receiver) == [bytes(TRAIN[at : at + SIZE]) for at in range(0, 500, SIZE)]


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOBUFS, errno.ECONNREFUSED])
def test_a_full_or_refused_socket_takes_none(
    ends: tuple[MeasuringSocket, MeasuringSocket], number: int
) -> None:
    """That is no reason to send one by one what the system cannot take."""
    sender, _ = ends
    sender.socket = Refusing(sender, number)  # type: ignore[assignment]  # a stand-in

    assert sender.send_train(TRAIN, SIZE) == 0
    assert sender.refusals == (number == errno.ECONNREFUSED)
