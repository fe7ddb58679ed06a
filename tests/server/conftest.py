"""Fixtures of the server's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from diemcau_server.measuring import MeasuringEnd
from diemcau_server.store import Store
from diemcau_server.store.engine import resolved_url
from tests.brokers import broker
from tests.server.district import district
from tests.server.rooms import Rooms, measuring_of

__all__ = ["broker", "store"]


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A real SQLite store in a new directory."""
    opened = await Store.open(resolved_url("sqlite:///test.sqlite", tmp_path, None))
    yield opened
    await opened.close()


@pytest.fixture
async def measuring(tmp_path: Path) -> AsyncIterator[MeasuringEnd]:
    """Give a running measuring end."""
    end = measuring_of(district(tmp_path))
    await end.start()
    yield end
    await end.stop()


@pytest.fixture
async def rooms() -> Rooms:
    """Give rooms that answer."""
    return Rooms()
