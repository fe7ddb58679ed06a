"""What Alertmanager sends, caught: a web hook, a mail server, and a wire that can be cut."""

import email
import email.policy
import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Caught:
    """All that a sink has received, in its order."""

    port: int
    items: list[Any] = field(default_factory=list)


@contextmanager
def _served(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def web_hook() -> Iterator[Caught]:
    """Take what is posted, as JSON."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            caught.items.append(json.loads(self.rfile.read(length)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its own name
            """Write nothing: it is a test."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    caught = Caught(server.server_port)
    with _served(server):
        yield caught


@contextmanager
def mail_server() -> Iterator[Caught]:
    """Take mails as RFC 5321 has them, from anybody to anybody."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 sink")
            while line := self.rfile.readline():
                command = line[:4].upper().strip()
                if command == b"DATA":
                    self._say("354 go on")
                    caught.items.append(self._mail())
                    self._say("250 kept")
                elif command == b"QUIT":
                    self._say("221 bye")
                    return
                else:
                    self._say("250 fine")

        def _mail(self) -> EmailMessage:
            lines = []
            while (line := self.rfile.readline()) not in {b".\r\n", b""}:
                lines.append(line.removeprefix(b"."))
            return email.message_from_bytes(b"".join(lines), policy=email.policy.default)

        def _say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    caught = Caught(server.server_address[1])
    with _served(server):
        yield caught


class Wire:
    """A line to one TCP port: while it is cut nothing gets through, and nobody is told."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._whole = threading.Event()
        self._whole.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = [self._listener]
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Hold back everything from now on."""
        self._whole.clear()

    def mend(self) -> None:
        """Let it flow again, what was held back first."""
        self._whole.set()

    def close(self) -> None:
        """End every connection."""
        self._whole.set()
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._whole.wait()
                far = socket.create_connection(("127.0.0.1", self._to_port))
                self._sockets += [near, far]
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(source, target), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                self._whole.wait()
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)
