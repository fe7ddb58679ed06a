"""The loop of a measuring process: one thread that paces, receives and stamps; no asyncio.

Commands come from a thread that reads stdin, events leave through one that writes stdout, and
figures are worked out elsewhere (``analyst``), so that the loop itself never waits for any of them.
"""

import contextlib
import gc
import logging
import os
import queue
import select
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from diemcau_contract.measurements import EndStatistics
from diemcau_contract.packets.common import PacketFault
from diemcau_line.analyst import Analyst
from diemcau_line.clock import Clock, sync_state
from diemcau_line.interfaces import interface_counts
from diemcau_line.machine import MachineLoad
from diemcau_line.pacer import Pacer
from diemcau_line.protocol import (
    Command,
    Event,
    Failed,
    ProtocolError,
    decode_command,
    encode_event,
)
from diemcau_line.sockets import DATAGRAM_BYTES, KERNEL_STAMPS, MeasuringSocket

_log = logging.getLogger(__name__)

_DATAGRAMS_A_TURN = 256
_TICK_NS = 20_000_000
_REST_TICK_NS = 250_000_000
_NEAR_NS = 4_000_000
_QUANTUM_NS = 500_000
"""With kernel stamps the receiver may come late: one sleep of half a millisecond at least serves
all that falls due and arrives meanwhile."""
_SWITCH_SECONDS = 0.0005
_LINE_MAX_BYTES = 1 << 20
_NS = 1_000_000_000


class Role(Protocol):
    """What a hub or a point does with what the loop brings."""

    @property
    def sockets(self) -> Sequence[MeasuringSocket]:
        """Sockets to listen on."""

    @property
    def resting(self) -> bool:
        """Whether nothing is going on, so that ticks may be rare."""

    def command(self, command: Command) -> None:
        """Do what the parent wants."""

    def datagram(self, line: MeasuringSocket, size: int) -> None:
        """Take the datagram that ``line`` has just received."""

    def tick(self, now_ns: int) -> None:
        """Look at the time; at least every 20 ms unless resting."""


class Engine:
    """Clock, pacer, streams and counters of one measuring process."""

    def __init__(self, *, analyst_in_child: bool) -> None:
        self.clock = Clock()
        self.pacer = Pacer(self.clock)
        self.analyst = Analyst(in_child=analyst_in_child)
        self.rejected: Counter[str] = Counter()
        self._inbox: queue.SimpleQueue[bytes | Callable[[], None] | None] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._waker, self._woken = socket.socketpair()
        for end in (self._waker, self._woken):
            end.setblocking(False)  # noqa: FBT003  # the library's own signature
        self._ended = False
        self._lag_max_ns = 0
        self._stepped_ns = 0

    def emit(self, event: Event) -> None:
        """Send ``event`` to the parent."""
        self._outbox.put(event)

    def post(self, action: Callable[[], None]) -> None:
        """Let the loop run ``action``; from any thread."""
        self._inbox.put(action)
        with contextlib.suppress(OSError):
            self._waker.send(b"\0")

    def take_clock_step_seconds(self) -> float:
        """Return by how much the wall clock was stepped since the last call, gaps included."""
        stepped, self._stepped_ns = (
            self.clock.stepped_ns - self._stepped_ns,
            self.clock.stepped_ns,
        )
        return stepped / _NS

    def take_lag_seconds(self) -> float:
        """Return by how much the loop overslept at most since the last call."""
        lag, self._lag_max_ns = self._lag_max_ns, 0
        return lag / _NS

    def run(self, role: Role) -> None:
        """Serve until stdin closes."""
        sys.setswitchinterval(_SWITCH_SECONDS)
        writer = threading.Thread(target=self._write, name="events", daemon=True)
        writer.start()
        threading.Thread(target=self._read, name="commands", daemon=True).start()
        gc.collect()
        gc.freeze()
        gc.disable()
        tick_ns = 0
        while not self._ended:
            self._wait(role, tick_ns)
            self.clock.refresh()
            for line in role.sockets:
                for _ in range(_DATAGRAMS_A_TURN):
                    size = line.receive()
                    if size < 0:
                        break
                    if size > DATAGRAM_BYTES:
                        self.rejected[PacketFault.TOO_LONG] += 1
                    else:
                        role.datagram(line, size)
            self.pacer.run()
            self._take_commands(role)
            now = self.clock.now_ns()
            if now >= tick_ns:
                role.tick(now)
                tick_ns = now + (_REST_TICK_NS if role.resting else _TICK_NS)
        self.analyst.close()
        self._outbox.put(None)
        writer.join(2.0)

    def _wait(self, role: Role, tick_ns: int) -> None:
        due = self.pacer.next_ns
        until = tick_ns if due is None else min(due, tick_ns)
        now = self.clock.now_ns()
        if KERNEL_STAMPS and due is not None and until - now < _NEAR_NS:
            time.sleep(max(until - now, _QUANTUM_NS) / _NS)
            until = max(until, now + _QUANTUM_NS)
        else:
            lines = [self._woken, *(line.socket for line in role.sockets)]
            ready = select.select(lines, [], [], max(0, until - now) / _NS)[0]
            if ready:
                if self._woken in ready:
                    with contextlib.suppress(OSError):
                        self._woken.recv(4096)
                return
        self._lag_max_ns = max(self._lag_max_ns, self.clock.now_ns() - until)

    def _take_commands(self, role: Role) -> None:
        while not self._inbox.empty():
            item = self._inbox.get()
            if item is None:
                self._ended = True
            elif isinstance(item, bytes):
                try:
                    role.command(decode_command(item))
                except ProtocolError as error:
                    self.emit(Failed("", "not_a_command", str(error)))
            else:
                item()

    def _read(self) -> None:
        rest = b""
        while True:
            try:
                octets = os.read(0, 65_536)
            except OSError:
                octets = b""
            if not octets or len(rest) > _LINE_MAX_BYTES:
                break
            *lines, rest = (rest + octets).split(b"\n")
            for line in lines:
                if line.strip():
                    self._inbox.put(line)
            with contextlib.suppress(OSError):
                self._waker.send(b"\0")
        self._inbox.put(None)
        with contextlib.suppress(OSError):
            self._waker.send(b"\0")

    def _write(self) -> None:
        while (event := self._outbox.get()) is not None:
            octets = encode_event(event)
            try:
                while octets:
                    octets = octets[os.write(1, octets) :]
            except OSError:
                self._inbox.put(None)
                return


class EndMeter:
    """The guards of one step at this end: local drops, load, clock steps, own cost."""

    def __init__(self, engine: Engine, lines: Sequence[MeasuringSocket]) -> None:
        self._engine = engine
        self._lines = lines
        self._drops = sum(line.drops for line in lines)
        self._load = MachineLoad()
        self._interfaces = interface_counts()
        self._cpu = time.process_time()
        self._begun_ns = engine.clock.now_ns()
        engine.take_lag_seconds()
        self.own_cpu_ratio = 0.0
        self.loop_lag_max_seconds = 0.0

    def stop(self) -> EndStatistics:
        """Return the guards since the start of this meter; once."""
        clock = self._engine.clock
        elapsed = max(1, clock.now_ns() - self._begun_ns) / _NS
        self.own_cpu_ratio = (time.process_time() - self._cpu) / elapsed
        self.loop_lag_max_seconds = self._engine.take_lag_seconds()
        stepped = self._engine.take_clock_step_seconds()
        now, before = interface_counts(), self._interfaces
        crossed = now.since(before) if now and before else None
        return EndStatistics(
            local_drops=sum(line.drops for line in self._lines) - self._drops,
            cpu_ratio=self._load.ratio(),
            clock_step_seconds=stepped or None,
            clock_synchronised=sync_state().synchronised,
            interface_received_bytes=crossed.received_bytes if crossed else None,
            interface_sent_bytes=crossed.sent_bytes if crossed else None,
            interface_drops=crossed.drops if crossed else None,
        )
