"""When a running test first names a cause: what its events say, step by step."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self

from diemcau_contract.causes import Cause
from diemcau_contract.words import StepKind

_POLL_SECONDS = 0.2
NAMED_EARLY = (Cause.FIREWALL, Cause.AGENT_SILENT, Cause.CLOCK_STEP, Cause.PC_BUSY)
"""Causes that a test must name while it runs."""


@dataclass(slots=True)
class Named:
    """The first cause of a point that was shown, and when, after the test's begin."""

    cause: Cause
    seconds: float


@dataclass(slots=True)
class NamingWatch:
    """Follows the progress of a test as long as it is entered.

    ``progress`` returns the progress of the running test, or None where none runs.
    """

    progress: Callable[[], dict[str, Any] | None]
    named: dict[str, Named] = field(default_factory=dict)
    _ended: list[tuple[float, str]] = field(default_factory=list)
    """When each step was over, and its kind."""
    _stop: Event = field(default_factory=Event)
    _thread: Thread | None = None

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def delay_seconds(
        self, point: str, cause: Cause, fault_seconds: float | None, group: int
    ) -> float | None:
        """Return how long after the end of the step that can see it ``cause`` was named.

        That is the first in which the point carries traffic and that ends after the fault,
        ``fault_seconds`` after the test's begin; for a lasting fault (None) the rehearsal, and for
        a closed port the opening's begin. ``group`` is the point's, from 0. None where it was not
        named while the test ran.
        """
        seen = self.named.get(point)
        if seen is None or seen.cause is not cause:
            return None
        if cause is Cause.FIREWALL:
            return seen.seconds
        if fault_seconds is None:
            ends = [at for at, phase in self._ended if phase == StepKind.REHEARSAL]
        else:
            ends = [at for at in self._own_ends(group) if at > fault_seconds]
        return max(0.0, seen.seconds - min(ends, default=seen.seconds))

    def _own_ends(self, group: int) -> Iterator[float]:
        """Yield when the steps were over in which a point of ``group`` took part."""
        groups = 0
        for at, phase in self._ended:
            if phase != StepKind.GROUPS:
                yield at
                continue
            if groups == group:
                yield at
            groups += 1

    def _work(self) -> None:
        step: tuple[int | None, str] | None = None
        while not self._stop.wait(_POLL_SECONDS):
            shown = self.progress()
            if shown is None:
                continue
            now = shown["elapsed_seconds"]
            if (shown["step"], shown["phase"]) != step:
                self._ended += [(now, step[1])] if step else []
                step = (shown["step"], shown["phase"])
            for row in shown["points"]:
                cause = row["cause"]
                if cause in NAMED_EARLY and row["point"] not in self.named:
                    self.named[row["point"]] = Named(Cause(cause), now)
