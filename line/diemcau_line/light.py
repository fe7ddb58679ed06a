"""The light STAMP flow that is always on: a thread, a few packets a second, cheap at rest."""

import logging
import select
import threading
from dataclasses import dataclass

from diemcau_contract.measurements import StampStatistics
from diemcau_contract.packets.common import PacketError
from diemcau_line.clock import Clock
from diemcau_line.sockets import MeasuringSocket
from diemcau_line.stamp import SessionSender

_log = logging.getLogger(__name__)

_RETRY_SECONDS = 5.0
"""Before an address that could not be resolved or reached is tried again."""
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class LightSnapshot:
    """The flow since the last snapshot; ``stamp`` is None when nothing was sent.

    ``last_answer_age_seconds`` is None before the first answer ever.
    """

    stamp: StampStatistics | None
    last_answer_age_seconds: float | None
    clock_synchronised: bool | None


class LightFlow:
    """A STAMP Session-Sender in a thread of its own.

    ``key`` is the session's HMAC key; ``packets_per_second`` its rate. Silence of the network is
    no error: it shows in the snapshots.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        ssid: int,
        key: bytes,
        packets_per_second: float = 2.0,
        dscp: int = 34,
    ) -> None:
        self._peer = (host, port)
        self._dscp = dscp
        self._period = 1 / packets_per_second
        self._clock = Clock()
        self._sender = SessionSender(ssid, key, self._clock)
        self._window = 0
        self._answered_ns: int | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="light-flow", daemon=True)

    def start(self) -> None:
        """Begin to send; once."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; returns within one period. Does nothing before the start."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(self._period + 1.0)

    def snapshot(self) -> LightSnapshot:
        """Return what was measured since the last snapshot, and begin anew."""
        with self._lock:
            window, self._window = self._window, self._window + 1
            stamp = self._sender.close_window(window, window + 1)
            answered = self._answered_ns
            synchronised = self._sender.error.synchronised
        age = None if answered is None else (self._clock.now_ns() - answered) / _NS
        return LightSnapshot(stamp, age, synchronised)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                line = MeasuringSocket(self._clock, bind=None, peer=self._peer, dscp=self._dscp)
            except OSError as error:
                _log.warning("light flow: no way to %s port %d: %s", *self._peer, error)
                self._stopping.wait(_RETRY_SECONDS)
                continue
            try:
                self._exchange(line)
            finally:
                line.close()

    def _exchange(self, line: MeasuringSocket) -> None:
        """Send and listen until stopped, or until the system would not send (network gone)."""
        due = self._clock.now_ns()
        refused = 0
        while not self._stopping.is_set():
            with self._lock:
                packet = self._sender.request(self._window)
            refused = 0 if line.send(packet) else refused + 1
            if refused * self._period > _RETRY_SECONDS:
                return
            due = max(due + int(self._period * _NS), self._clock.now_ns())
            while (left := due - self._clock.now_ns()) > 0 and not self._stopping.is_set():
                if select.select([line.socket], [], [], left / _NS)[0]:
                    self._listen(line)

    def _listen(self, line: MeasuringSocket) -> None:
        self._clock.refresh()
        while (size := line.receive()) >= 0:
            with self._lock:
                try:
                    taken = self._sender.answer(line.view[:size], line.received_ns)
                except PacketError as error:
                    _log.debug("light flow: dropped a datagram: %s", error)
                    continue
                if taken:
                    self._answered_ns = line.received_ns
