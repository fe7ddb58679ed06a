"""What goes into the store and comes out of it: plain frozen values."""

from dataclasses import dataclass
from datetime import datetime

from diemcau_contract.messages import Report

MAX_QUARANTINED = 1000
MAX_QUARANTINED_BYTES = 4096


@dataclass(frozen=True, slots=True)
class ReceivedReport:
    """A valid report with the text in which it came."""

    report: Report
    body: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A message kept aside. ``payload`` holds its first bytes, ``payload_bytes`` its size."""

    received_at: datetime
    topic: str
    reason: str
    detail: str
    payload_bytes: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Committed:
    """Outcome of a batch: reports new to the store, and reports that it had already."""

    accepted: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class TestSummary:
    """A stored test in a list."""

    test: str
    hub: str
    session: str | None
    profile: str
    started_at: datetime
    verdict: str
