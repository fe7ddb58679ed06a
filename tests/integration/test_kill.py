"""The end of any part in the middle of a stream of reports loses and doubles nothing."""

import json
import signal
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from tests.integration.district import District, running_district, wait_until

POINTS = ("bom-bo", "dak-nhau")
REPORTS_BEFORE = 5
REPORTS_AFTER = 5
REPORTS_HELD = 3
pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

Made = dict[tuple[str, str], int]
"""The highest number of each point's each boot: its reports are 1 to that number."""


def held_back(district: District, point: str) -> list[tuple[str, int]]:
    """Return boot and number of the reports that an agent still holds back."""
    path = district.folder / point / "state" / "outbox.sqlite"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as outbox:
        return [(boot, seq) for boot, seq in outbox.execute("SELECT boot_id, seq FROM outbox")]


def stored(district: District, point: str) -> list[tuple[str, int]]:
    """Return boot and number of a point's reports in the server's store."""
    return [(boot, seq) for of, boot, seq in district.report_keys() if of == point]


def made_by(district: District, point: str) -> Made:
    """Return what an agent that has ended made, by all that knows of it.

    The agent's own count alone would miss a report that it kept and did not come to count; outbox
    and store alone would miss one that both have lost.
    """
    status = json.loads((district.folder / point / "state" / "status.json").read_text())
    made: Made = {(point, status["boot_id"]): status["reports"]}
    for boot, seq in [*held_back(district, point), *stored(district, point)]:
        made[point, boot] = max(seq, made.get((point, boot), 0))
    return made


def wait_for_stream(district: District, more: int) -> None:
    """Wait until each point has ``more`` reports in the store than now."""
    before = {point: len(stored(district, point)) for point in POINTS}
    wait_until(
        "the stream of reports goes on",
        lambda: all(len(stored(district, point)) >= before[point] + more for point in POINTS),
    )


@contextmanager
def unanswered(district: District, point: str) -> Iterator[None]:
    """Halt the broker until the agent of ``point`` holds reports back, and while the body runs."""
    broker = district.parts["mosquitto"].process
    assert broker is not None
    broker.send_signal(signal.SIGSTOP)
    try:
        wait_until(
            "the agent holds reports back", lambda: len(held_back(district, point)) >= REPORTS_HELD
        )
        yield
    finally:
        broker.send_signal(signal.SIGCONT)


def end_and_restart(district: District, victim: str, how: signal.Signals) -> Made:
    """End a part and start it again; return what an agent had made, nothing for another part."""
    with unanswered(district, victim) if victim in POINTS else nullcontext():
        exit_code = district.parts[victim].stop(how)
        made = made_by(district, victim) if victim in POINTS else {}
    assert exit_code == (0 if how is signal.SIGTERM else -how), district.parts[victim].tail()
    district.parts[victim].start()
    if victim == "server":
        district.wait_for_server()
    return made


def let_all_be_delivered(district: District, made: Made) -> None:
    """Start the agents again; wait until they hold back nothing of the boots in ``made``."""
    for point in POINTS:
        district.parts[point].start()
    wait_until(
        "the agents are rid of all reports of their earlier boots",
        lambda: (
            not any(
                (point, boot) in made for point in POINTS for boot, _ in held_back(district, point)
            )
        ),
    )


@pytest.mark.parametrize(
    ("victim", "how"),
    [
        ("server", signal.SIGKILL),
        ("mosquitto", signal.SIGKILL),
        ("bom-bo", signal.SIGKILL),
        ("server", signal.SIGTERM),
        ("bom-bo", signal.SIGTERM),
    ],
)
def test_no_end_loses_or_doubles_a_report(victim: str, how: signal.Signals, tmp_path: Path) -> None:
    """Every report that an agent made, the last one too, is in the store exactly once."""
    with running_district(tmp_path, POINTS, report_interval_seconds=1, devices=[]) as district:
        wait_for_stream(district, REPORTS_BEFORE)
        made = end_and_restart(district, victim, how)
        wait_for_stream(district, REPORTS_AFTER)
        for point in POINTS:
            district.parts[point].stop()
        for point in POINTS:
            for boot, highest in made_by(district, point).items():
                # What an agent that ended had made was read at its end; it makes no more.
                made.setdefault(boot, highest)
        let_all_be_delivered(district, made)

        boots = Counter(point for point, _ in made)
        assert boots == {point: 2 if point == victim else 1 for point in POINTS}
        in_store = Counter(key for key in district.report_keys() if key[:2] in made)
        assert in_store == {
            (point, boot, seq): 1
            for (point, boot), highest in made.items()
            for seq in range(1, highest + 1)
        }
