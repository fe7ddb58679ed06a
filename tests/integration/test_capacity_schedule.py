"""Lines measured in quiet hours: real server and agents, on a schedule that covers this moment."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.district import District, running_district, wait_until

POINTS = ("bom-bo", "dak-nhau")
pytestmark = [pytest.mark.integration, pytest.mark.alone, pytest.mark.timeout(240)]


def hours_around_now() -> dict[str, Any]:
    """Return quiet hours from an hour ago for half a day, in the district's time."""
    begins = datetime.now(UTC) + timedelta(hours=7 - 1)
    return {
        "start": begins.strftime("%H:%M"),
        "end": (begins + timedelta(hours=12)).strftime("%H:%M"),
        "every_days": 1,
    }


def capacities(district: District) -> dict[str, Any]:
    """Return what the board knows of each line."""
    rows = district.get("/api/v1/points")["points"]
    return {row["point"]: row["capacity"] for row in rows if row["capacity"] is not None}


def tried(district: District) -> set[str]:
    """Return the points that the store says the night is done with."""
    file = district.folder / "state" / "diemcau.sqlite"
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as store:
        rows = store.execute("SELECT point FROM capacities WHERE tried_at IS NOT NULL").fetchall()
    return {point for (point,) in rows}


def test_lines_are_measured_by_themselves_and_once(tmp_path: Path) -> None:
    """Both lines get a figure and no verdict; a restart measures nobody again."""
    measure = {"capacity_max_bits_per_second": 5_000_000, "capacity_schedule": hours_around_now()}
    with running_district(tmp_path, POINTS, measure=measure) as district:
        wait_until("lines are measured", lambda: tried(district) == set(POINTS), seconds=200)
        found = capacities(district)
        assert set(found) == set(POINTS)
        district.parts["server"].stop()
        district.parts["server"].start()
        district.wait_for_server()
        district.wait_for_reports()

        assert "testing" not in district.states().values()
        assert capacities(district) == found
        for one in found.values():
            for way in ("up", "down"):
                assert one[way]["limited_by"] == "cap"
                assert one[way]["lower_bound"]
                assert 4e6 < one[way]["bits_per_second"] < 5.5e6
        assert district.get("/api/v1/tests")["tests"] == []
