"""Listening sockets on loopback, with one thread for each connection."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

LOOPBACK = "127.0.0.1"


@contextmanager
def tcp_peer(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """Yield the port of a peer that hands each connection to ``handle``."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        thread = threading.Thread(target=_accept, args=(listener, handle), daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            # Only a shutdown wakes a thread that waits in accept().
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def _accept(listener: socket.socket, handle: Callable[[socket.socket], None]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(connection, handle), daemon=True).start()


def _serve(connection: socket.socket, handle: Callable[[socket.socket], None]) -> None:
    with connection, suppress(OSError):
        handle(connection)


def stay_silent(connection: socket.socket) -> None:
    """Take what comes, and say nothing until the other side hangs up."""
    while connection.recv(4096):
        pass


@contextmanager
def closed_port() -> Iterator[int]:
    """Yield a port where nothing listens: it is bound, so that nobody else takes it."""
    with socket.socket() as holder:
        holder.bind((LOOPBACK, 0))
        yield holder.getsockname()[1]


@contextmanager
def black_hole() -> Iterator[int]:
    """Yield a TCP port that drops every connection attempt, as a host without power does.

    Its queue of one is full, and the kernel drops what comes above that.
    """
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        try:
            for one in waiting:
                one.settimeout(0)
                with suppress(BlockingIOError):
                    one.connect((LOOPBACK, port))
            yield port
        finally:
            for one in waiting:
                with closing(one):
                    pass
