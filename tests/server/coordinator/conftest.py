"""Fixtures of the coordinator's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from diemcau_server.coordinator import Coordinator
from diemcau_server.measuring import MeasuringEnd
from tests.server.coordinator.runs import Kept
from tests.server.district import district
from tests.server.rooms import Rooms, coordinator_of


@pytest.fixture
def kept() -> Kept:
    """Give an empty store."""
    return Kept()


@pytest.fixture
async def coordinator(
    tmp_path: Path, measuring: MeasuringEnd, rooms: Rooms, kept: Kept
) -> AsyncIterator[Coordinator]:
    """Give a coordinator joined to the rooms."""
    made = coordinator_of(district(tmp_path), rooms, measuring, kept)
    yield made
    await made.stop()
