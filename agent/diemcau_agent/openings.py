"""The room's own say: a switch that the hub cannot override, and a log of every opening.

Both are files in the agent's state directory, read anew at each use: ``opening-off`` is there
while staff has switched the opening of devices off; ``openings.jsonl`` has two lines for each
device that was opened, one before and one after.
"""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from diemcau_agent.probes.result import shown
from diemcau_contract.messages import utc_text

SWITCH_NAME: Final = "opening-off"
LOG_NAME: Final = "openings.jsonl"
MAX_LOG_BYTES: Final = 500_000
"""Then the log is put aside under ``openings.1.jsonl``: about a year of daily tests."""
_OWNER_ONLY: Final = 0o600


@dataclass(frozen=True, slots=True)
class Opening:
    """One device, opened once; ``seconds`` is None while it is open, or where the end is lost."""

    at: datetime
    kind: str
    role: str
    asked_by: str
    seconds: float | None = None


@dataclass(slots=True)
class Record:
    """Filled in by who opens the device: how long it was open."""

    seconds: float = field(default=0.0)


class Openings:
    """Switch and log of one agent."""

    def __init__(self, directory: Path, *, allowed_by_file: bool) -> None:
        self._directory = directory
        self._allowed_by_file = allowed_by_file

    @property
    def allowed(self) -> bool:
        """Whether devices may be opened: both the agent's file and the switch must say so."""
        return self._allowed_by_file and not self._switch.exists()

    def switch(self, *, on: bool) -> None:
        """Set the switch.

        Raises:
            OSError: the state directory does not take it.
        """
        if on:
            self._switch.unlink(missing_ok=True)
            return
        self._directory.mkdir(parents=True, exist_ok=True)
        self._switch.touch()

    @contextmanager
    def opened(self, kind: str, role: str, asked_by: str) -> Iterator[Record]:
        """Write down an opening: before the device is opened, and after.

        Raises:
            OSError: it cannot be written down; then the device must not be opened.
        """
        number, record = secrets.token_hex(6), Record()
        self._write(
            {
                "opening": number, "at": utc_text(datetime.now(UTC)),
                "kind": kind, "role": role, "asked_by": shown(asked_by),
            }
        )  # fmt: skip
        try:
            yield record
        finally:
            # What was found stands; the log then has an opening whose end is lost.
            with suppress(OSError):
                self._write({"closing": number, "seconds": round(record.seconds, 3)})

    def entries(self) -> list[Opening]:
        """Return the openings that are on record, oldest first; lines of another form are left."""
        found: dict[str, Opening] = {}
        for line in (*self._lines(self._aside), *self._lines(self._log)):
            try:
                _take(json.loads(line), found)
            except (ValueError, KeyError, TypeError):
                continue
        return list(found.values())

    @property
    def _switch(self) -> Path:
        return self._directory / SWITCH_NAME

    @property
    def _log(self) -> Path:
        return self._directory / LOG_NAME

    @property
    def _aside(self) -> Path:
        return self._log.with_suffix(".1.jsonl")

    def _write(self, content: dict[str, object]) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        if self._log.exists() and self._log.stat().st_size > MAX_LOG_BYTES:
            self._log.replace(self._aside)
        line = (json.dumps(content, ensure_ascii=False) + "\n").encode()
        # One write each: the agent and a check by hand may write at the same time.
        target = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, _OWNER_ONLY)
        try:
            os.write(target, line)
        finally:
            os.close(target)

    @staticmethod
    def _lines(file: Path) -> list[str]:
        try:
            return file.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []


def _take(content: dict[str, Any], found: dict[str, Opening]) -> None:
    if "closing" in content:
        before = found[content["closing"]]
        found[content["closing"]] = Opening(
            before.at, before.kind, before.role, before.asked_by, float(content["seconds"])
        )
        return
    found[content["opening"]] = Opening(
        datetime.fromisoformat(content["at"]),
        str(content["kind"]),
        str(content["role"]),
        str(content["asked_by"]),
    )
