"""``status.json``: what the running agent leaves for ``status`` and ``check`` to read."""

import errno
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from diemcau_agent.linkfaults import LinkFault
from diemcau_contract.measurements import StampStatistics
from diemcau_contract.messages import DeviceResult, HostState, Utc

FILE_NAME: Final = "status.json"
STALE_INTERVALS: Final = 3
STALE_LEAST_SECONDS: Final = 90.0
"""The same rule by which the server calls a point silent (SPEC 3.3)."""
_SAME_START_SECONDS: Final = 2.0
_ROOM_BYTES: Final = 16_384
"""The file is filled up to this: what it holds later still fits in where the disk is full."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Sentence(_Frozen):
    """A sentence in both languages."""

    vi: str
    en: str


class LinkStatus(_Frozen):
    """The contact with the hub: a session with the broker through which its server answers."""

    connected: bool
    problem: Sentence | None = None
    fault: LinkFault | None = None
    """What the problem is, as a code."""
    reconnects_total: int = Field(default=0, ge=0)


class LineStatus(_Frozen):
    """The light flow to the hub; ``statistics`` is None before there was a full interval."""

    port: int | None = None
    statistics: StampStatistics | None = None
    measured_at: Utc | None = None


class OutboxStatus(_Frozen):
    """Reports on their way."""

    messages: int = Field(ge=0)
    oldest_age_seconds: float = Field(ge=0)
    dropped_total: int = Field(ge=0)
    in_memory: int = Field(ge=0)


class AgentStatus(_Frozen):
    """All that can be told of a room without asking the hub."""

    schema_: Literal["diemcau.agent_status/1"] = Field(
        default="diemcau.agent_status/1", alias="schema"
    )
    hub: str
    point: str
    version: str
    boot_id: str
    process_id: int
    process_started_at: float
    """Unix time, as the system tells it: process ids are used again."""
    written_at: Utc
    interval_seconds: float
    stopped: bool = False
    reports: int = Field(default=0, ge=0)
    """Reports made since the start."""
    link: LinkStatus
    line: LineStatus
    devices: tuple[DeviceResult, ...] = ()
    host: HostState
    outbox: OutboxStatus

    @property
    def age_seconds(self) -> float:
        """Age of the file's content by the wall clock."""
        return max(0.0, (datetime.now(UTC) - self.written_at).total_seconds())

    @property
    def running(self) -> bool:
        """Whether the agent that wrote it still runs and works."""
        fresh = self.age_seconds <= self._stale_seconds
        return not self.stopped and fresh and self._process_lives()

    @property
    def worked_seconds(self) -> float:
        """How long the agent had run when it wrote this."""
        return self.written_at.timestamp() - self.process_started_at

    @property
    def clock_offset_seconds(self) -> float | None:
        """Own clock less the hub's; None where no light flow has lately measured it."""
        statistics, measured_at = self.line.statistics, self.line.measured_at
        if statistics is None or statistics.clock_offset_seconds is None or measured_at is None:
            return None
        age_seconds = (self.written_at - measured_at).total_seconds()
        # STAMP gives the hub's clock less ours.
        return -statistics.clock_offset_seconds if age_seconds <= self._stale_seconds else None

    @property
    def _stale_seconds(self) -> float:
        return max(STALE_LEAST_SECONDS, STALE_INTERVALS * self.interval_seconds)

    def _process_lives(self) -> bool:
        try:
            started = psutil.Process(self.process_id).create_time()
        except psutil.Error:
            return False
        return abs(started - self.process_started_at) < _SAME_START_SECONDS


def own_start() -> tuple[int, float]:
    """Return this process's id and start, as AgentStatus holds them."""
    process = psutil.Process()
    return process.pid, process.create_time()


def write_status(directory: Path, status: AgentStatus) -> None:
    """Replace the file as a whole: a reader never sees half of it.

    A full disk has no room for a second file; there the first one is written over in its place.

    Raises:
        OSError: the disk does not take it.
    """
    content = status.model_dump_json(by_alias=True, indent=1).encode().ljust(_ROOM_BYTES)
    path = directory / FILE_NAME
    draft = path.with_name(f"{FILE_NAME}.{os.getpid()}.new")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content)
        _replace(draft, path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        if error.errno != errno.ENOSPC or not path.is_file():
            raise
        with path.open("r+b") as file:
            file.write(content)


def _replace(draft: Path, path: Path) -> None:
    for attempt in range(3):
        try:
            draft.replace(path)
        except PermissionError:
            # Windows: a reader holds the file for a moment.
            if attempt == 2:  # noqa: PLR2004  # the last of three
                raise
            time.sleep(0.05)
        else:
            return


def read_status(directory: Path) -> AgentStatus | None:
    """Return what the agent left, or None when there is nothing that can be read."""
    try:
        text = (directory / FILE_NAME).read_text(encoding="utf-8")
        return AgentStatus.model_validate_json(text)
    except (OSError, UnicodeDecodeError, ValidationError):
        return None
