"""Kill -9 of any part in the middle of a stream of reports loses and doubles nothing."""

import signal
import sqlite3
from pathlib import Path

import pytest

from tests.integration.district import District, running_district, wait_until

POINTS = ("bom-bo", "dak-nhau")
REPORTS_BEFORE = 5
REPORTS_AFTER = 5
pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("integration")]


def outbox_rows(district: District, point: str) -> list[tuple[str, int]]:
    """Return the keys that an agent still holds back."""
    path = district.folder / point / "state" / "outbox.sqlite"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as outbox:
        return [(boot, seq) for boot, seq in outbox.execute("SELECT boot_id, seq FROM outbox")]


def stored(district: District, point: str) -> list[tuple[str, int]]:
    """Return the keys of a point's reports in the server's store."""
    return [(boot, seq) for of, boot, seq in district.report_keys() if of == point]


def wait_for_stream(district: District, more: int) -> None:
    """Wait until each point has ``more`` reports in the store than now."""
    before = {point: len(stored(district, point)) for point in POINTS}
    wait_until(
        "the stream of reports goes on",
        lambda: all(len(stored(district, point)) >= before[point] + more for point in POINTS),
    )


@pytest.mark.parametrize("victim", ["server", "mosquitto", "bom-bo"])
def test_kill_9_loses_and_doubles_no_report(victim: str, tmp_path: Path) -> None:
    """After the restart the numbers of every boot are whole, without a gap and without a double."""
    with running_district(tmp_path, POINTS, report_interval_seconds=1, devices=[]) as district:
        wait_for_stream(district, REPORTS_BEFORE)
        part = district.parts[victim]
        part.stop(signal.SIGKILL)
        part.start()
        if victim == "server":
            district.wait_for_server()
        wait_for_stream(district, REPORTS_AFTER)
        for point in POINTS:
            district.parts[point].stop()
        wait_for_nothing_held_back(district)

        for point in POINTS:
            in_store = stored(district, point)
            assert len(in_store) == len(set(in_store))
            # A report that is stored but not yet acknowledged is held back as well: a set.
            keys = {*in_store, *outbox_rows(district, point)}
            boots = {boot for boot, _ in keys}
            assert len(boots) == (2 if point == victim else 1)
            for boot in boots:
                numbers = sorted(seq for of, seq in keys if of == boot)
                assert numbers == list(range(1, len(numbers) + 1))


def wait_for_nothing_held_back(district: District) -> None:
    """Give the server time to commit what was under way when the agents stopped."""
    seen = -1

    def quiet() -> bool:
        nonlocal seen
        before, seen = seen, len(district.report_keys())
        return before == seen

    wait_until("the store is quiet", quiet)
