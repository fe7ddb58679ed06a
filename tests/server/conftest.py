"""Fixtures of the server's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from diemcau_server.store import Store
from diemcau_server.store.engine import resolved_url
from tests.brokers import broker

__all__ = ["broker", "store"]


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A real SQLite store in a new directory."""
    opened = await Store.open(resolved_url("sqlite:///test.sqlite", tmp_path, None))
    yield opened
    await opened.close()
