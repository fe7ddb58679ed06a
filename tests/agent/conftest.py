"""Fixtures of the agent's tests: a real Mosquitto, and patience with children of low priority."""

from dataclasses import replace

import pytest

from diemcau_agent.probes.table import PROBES, WITHOUT_DEVICE
from tests.brokers import broker as broker  # noqa: PLC0414  # a fixture is found by its name here

PATIENCE_SECONDS = 60.0


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the line's and the PC's child end, on however busy a machine."""
    for name in WITHOUT_DEVICE:
        monkeypatch.setitem(PROBES, name, replace(PROBES[name], limit_seconds=PATIENCE_SECONDS))
