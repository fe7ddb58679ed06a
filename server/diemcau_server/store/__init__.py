"""The store: reports, points, tests and what was kept aside, on SQLite or PostgreSQL."""

from diemcau_server.errors import StoreError
from diemcau_server.store.rows import Committed, Quarantined, ReceivedReport, TestSummary
from diemcau_server.store.store import Store

__all__ = ["Committed", "Quarantined", "ReceivedReport", "Store", "StoreError", "TestSummary"]
