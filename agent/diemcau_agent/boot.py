"""One start of the agent: its identity in every message, and its age."""

import platform
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import psutil

from diemcau_agent import __version__
from diemcau_agent.outbox import OutboxState
from diemcau_contract.messages import AgentState, Hello

_BOOT_ID_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Boot:
    """Drawn anew at each start; reports are numbered from 1 within it."""

    hub: str
    point: str
    boot_id: str = field(default_factory=lambda: secrets.token_hex(_BOOT_ID_BYTES))
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: float = field(default_factory=time.monotonic)
    """``time.monotonic()`` at the start."""

    @property
    def uptime_seconds(self) -> float:
        """Monotonic age."""
        return time.monotonic() - self.started

    def hello(self, connection: int, online: bool) -> Hello:  # noqa: FBT001  # a field's value
        """Return the birth message, or the will, of a connection."""
        return Hello(
            hub=self.hub,
            point=self.point,
            boot_id=self.boot_id,
            connection=connection,
            online=online,
            version=__version__,
        )

    def state(
        self, outbox: OutboxState, reconnects_total: int, cycle_duration_seconds: float
    ) -> AgentState:
        """Return the agent's own health."""
        process = psutil.Process()
        times = process.cpu_times()
        return AgentState(
            version=__version__,
            os=platform.platform()[:80],
            python=platform.python_version(),
            started_at=self.started_at,
            outbox_messages=outbox.messages,
            outbox_oldest_age_seconds=outbox.oldest_age_seconds,
            outbox_dropped_total=outbox.dropped_total,
            reconnects_total=reconnects_total,
            memory_bytes=process.memory_info().rss,
            cpu_seconds_total=times.user + times.system,
            cycle_duration_seconds=cycle_duration_seconds,
        )
