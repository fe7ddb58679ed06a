"""/metrics: lint-clean, the same text as the library's, fresh values only."""

import asyncio
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from diemcau_contract.causes import Text
from diemcau_contract.words import Verdict
from diemcau_line.protocol import HubCounters
from diemcau_server.capacity import DirectionCapacity, LineCapacity
from diemcau_server.exposition import CHUNK_BYTES, header
from diemcau_server.hub_series import HUB_FAMILIES
from diemcau_server.metrics import EndedTest, Metrics, Scope, WorstLag
from diemcau_server.point_series import FAMILIES, REPORTED
from diemcau_server.server_series import TEST_KINDS, TEST_RESULTS
from diemcau_server.state import Board, Judged, JudgedHubLine, PointKey, Restored
from tests.server.reports import NOW, Clock, full_test, report, small_config
from tests.server.series import crowded_board, full_board, openmetrics_families, scraped


@pytest.fixture
def clock() -> Clock:
    """A clock at NOW."""
    return Clock()


@pytest.fixture
def board(tmp_path: Path) -> Board:
    """A board of which one point has reported everything that there is."""
    return full_board(tmp_path)


def samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return every sample by name and labels; a doubled one is a fault."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found
            found[key] = sample.value
    return found


def counters(drops: int, cpu_seconds: float) -> HubCounters:
    """Return a measuring process's totals."""
    return HubCounters({"bad_hmac": drops}, 0, 0, 0, drops, cpu_seconds)


def of_point(name: str, **labels: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return the key of a sample of the point that has reported."""
    return (
        f"diemcau_{name}",
        tuple(sorted(({"hub": "bu-dang", "point": "bom-bo"} | labels).items())),
    )


def of_hub(name: str, **labels: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return the key of a sample of the hub."""
    return f"diemcau_{name}", tuple(sorted(({"hub": "bu-dang"} | labels).items()))


async def test_the_text_passes_promtool(board: Board, clock: Clock) -> None:
    """Prometheus' own checker has nothing to say."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    text = await scraped(Metrics(board, clock))
    done = subprocess.run(  # noqa: ASYNC221  # nothing else runs
        [promtool, "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


async def test_values_are_those_of_the_report(board: Board, clock: Clock) -> None:
    """Spot checks over all kinds of series; an unknown device gives no number."""
    found = samples(await scraped(Metrics(board, clock)))
    expected = {
        of_point("point_state", state="not_ready"): 1.0,
        of_point("point_state", state="ready"): 0.0,
        of_point("point_ready"): 0.0,
        of_point("agent_last_report_timestamp_seconds"): NOW.timestamp(),
        of_point("link_round_trip_seconds", stat="p50"): 0.004,
        of_point("link_packet_loss_ratio", direction="up"): 0.0,
        of_point("link_interface_speed_bytes_per_second", medium="cable"): 1.25e7,
        of_point("device_ok", kind="camera", role="main"): 0.0,
        of_point("device_present", kind="camera", role="main"): 0.0,
        of_point("device_busy", kind="microphone", role="main"): 1.0,
        of_point("device_info", kind="microphone", role="main", model='Jabra "510" \\ USB'): 1.0,
        of_point("link_throughput_duration_seconds"): 6.9,
        of_point("agent_clock_offset_seconds"): -0.25,
        of_point("room_pc_on_mains"): 1.0,
        of_point("room_pc_battery_ratio"): 0.8,
        of_point("link_throughput_data_bytes_total", direction="up"): 3e6,
        of_point("point_check_ok", check="camera"): 0.0,
        of_point("point_check_ok", check="loss"): 1.0,
        of_point("point_check_ok", check="power"): 1.0,
        of_point("point_cause", cause="missing"): 1.0,
        of_point("link_probes_sent_total", direction="up"): 120.0,
        of_point("link_interface_up", medium="cable"): 1.0,
        of_point("link_jitter_seconds", direction="down"): 0.004,
        of_point("link_rehearsal_loss_ratio", direction="up"): 0.01,
        of_point("link_throughput_bytes_per_second", direction="down"): 2e6,
        of_point("link_throughput_is_lower_bound", direction="up"): 0.0,
        of_point("link_throughput_is_lower_bound", direction="down"): 1.0,
        of_point("link_throughput_last_test_timestamp_seconds", direction="up"): NOW.timestamp(),
        of_point("device_last_change_timestamp_seconds", kind="camera", role="main"): (
            NOW.timestamp()
        ),
        of_point("device_level_ratio", kind="microphone", role="main"): 0.1,
        of_point("device_frames_per_second", kind="camera", role="main"): 29.97,
        of_point("session_start_timestamp_seconds", session="lop-1"): NOW.timestamp() - 1800,
        of_hub("hub_line_carried_bytes_per_second", direction="up"): 9e5,
        of_hub("hub_line_state", verdict="ready"): 1.0,
        of_hub("session_points", session="lop-1"): 2.0,
        of_hub("session_points_ready", session="lop-1"): 0.0,
        of_hub("test_lock_held"): 0.0,
    }
    assert {key: found.get(key) for key in expected} == expected
    assert of_point("device_ok", kind="speaker", role="main") not in found


async def test_every_family_can_appear(board: Board, clock: Clock) -> None:
    """No name of the list is dead."""
    text = (await scraped(Metrics(board, clock))).decode()
    assert [
        family.name
        for family in (*FAMILIES, *HUB_FAMILIES)
        if header(family, openmetrics=False).decode() not in text
    ] == []


async def test_measurements_end_with_their_report(board: Board, clock: Clock) -> None:
    """A silent point keeps identity, state and time, and nothing that was measured."""
    metrics = Metrics(board, clock)
    await scraped(metrics)
    clock.now = NOW + timedelta(seconds=91)
    found = samples(await scraped(metrics))
    assert found[of_point("point_state", state="silent")] == 1.0
    assert of_point("agent_last_report_timestamp_seconds") in found
    measured = tuple(family.name for family in REPORTED)
    assert not [name for name, _ in found if name.startswith(measured)]
    board.on_report(report(3, taken_at=clock.now), clock.now)
    again = samples(await scraped(metrics))
    assert again[of_point("device_ok", kind="camera", role="main")] == 1.0


async def test_a_point_awaited_after_the_servers_start_is_not_ready(
    board: Board, clock: Clock
) -> None:
    """Neither ready nor silent, without measured values; silent when its time is over."""
    metrics = Metrics(board, clock)
    measured = tuple(family.name for family in REPORTED)
    board.restore([], NOW + timedelta(seconds=200))
    for seconds, state in ((201, "unknown"), (291, "silent")):
        clock.now = NOW + timedelta(seconds=seconds)
        found = samples(await scraped(metrics))
        assert found[of_point("point_state", state=state)] == 1.0
        assert found[of_point("point_ready")] == 0.0
        assert not [name for name, _ in found if name.startswith(measured)]


async def test_dropped_packets_are_counted_over_restarts(board: Board, clock: Clock) -> None:
    """Every reason starts at 0; a total that falls means a new process; its counts are added."""
    metrics = Metrics(board, clock)
    name = "diemcau_measure_rejected_total"
    labels = (("process", "1"), ("reason", "bad_hmac"))
    for process in (1, 2):
        metrics.measure.show(process, up=process == 1)
    assert samples(await scraped(metrics))[name, labels] == 0.0
    for rejected, cpu_seconds in ((5, 1.0), (7, 4.0), (8, 0.5)):
        metrics.measure.count(1, counters(rejected, cpu_seconds))
    metrics.measure.count(2, counters(3, 1.0))
    found = samples(await scraped(metrics))
    assert found[name, labels] == 15.0
    assert found[name, (("process", "2"), ("reason", "bad_hmac"))] == 3.0
    assert found["diemcau_measure_cpu_seconds_total", (("process", "1"),)] == 4.5
    assert found["diemcau_measure_socket_drops_total", (("process", "1"),)] == 15.0
    assert found["diemcau_measure_up", (("process", "1"),)] == 1.0
    assert found["diemcau_measure_up", (("process", "2"),)] == 0.0
    assert found["diemcau_ingest_quarantined_total", (("reason", "unknown_point"),)] == 0.0


async def test_what_a_test_measured_ends_with_its_own_validity(board: Board, clock: Clock) -> None:
    """A verdict with its figures lives 12 h, a capacity 24 h; when it was measured stays known."""
    metrics = Metrics(board, clock)

    async def shown(hours: float) -> tuple[bool, ...]:
        clock.now = NOW + timedelta(hours=hours)
        board.on_report(report(round(hours * 1000), taken_at=clock.now), clock.now)
        found = samples(await scraped(metrics))
        return (
            of_point("link_jitter_seconds", direction="up") in found,
            of_hub("hub_line_state", verdict="ready") in found,
            of_point("link_throughput_bytes_per_second", direction="up") in found,
            of_point("link_throughput_duration_seconds") in found,
        )

    times = (
        of_point("point_last_test_timestamp_seconds"),
        of_hub("hub_line_last_test_timestamp_seconds"),
        of_point("link_throughput_last_test_timestamp_seconds", direction="up"),
    )  # fmt: skip
    first = samples(await scraped(metrics))
    # The test ended 20 s after NOW, its capacity is of NOW.
    assert await shown(12) == (True, True, True, True)
    assert await shown(12.01) == (False, False, True, True)
    assert await shown(24) == (False, False, True, True)
    assert await shown(24.01) == (False, False, False, False)
    last = samples(await scraped(metrics))
    assert [last[one] for one in times] == [first[one] for one in times]


async def test_a_restart_brings_back_nothing_that_has_ended(tmp_path: Path, clock: Clock) -> None:
    """Of an old report or test only its time comes back; of a young report everything."""
    for age_seconds, comes_back in ((89, True), (91, False)):
        board = Board.of(small_config(tmp_path))
        at = NOW - timedelta(seconds=age_seconds)
        judged = Judged("t", NOW - timedelta(hours=13), Verdict.READY, None, Text("", ""))
        old = LineCapacity(NOW - timedelta(hours=25), DirectionCapacity(1e6, "line"), None, 7.0)
        board.restore([Restored(PointKey("bu-dang", "bom-bo"), at, report(1), judged, old)], NOW)
        board.hub_lines["bu-dang"] = JudgedHubLine(judged.judged_at, full_test().hub_line, joined=1)
        found = samples(await scraped(Metrics(board, clock)))
        assert found[of_point("agent_last_report_timestamp_seconds")] == at.timestamp()
        assert found[of_point("point_ready")] == 0.0
        assert (of_point("link_packet_loss_ratio", direction="up") in found) is comes_back
        assert of_point("link_throughput_bytes_per_second", direction="up") not in found
        assert of_point("link_throughput_duration_seconds") not in found
        assert found[of_point("point_last_test_timestamp_seconds")] == judged.judged_at.timestamp()
        assert of_point("link_rehearsal_loss_ratio", direction="up") not in found
        ended = found[of_hub("hub_line_last_test_timestamp_seconds")]
        assert ended == judged.judged_at.timestamp()
        assert of_hub("hub_line_state", verdict="ready") not in found


async def test_the_session_is_the_one_that_runs_or_comes_next(board: Board, clock: Clock) -> None:
    """At its end a session gives way to the next; points that stay out have that one at once."""
    metrics = Metrics(board, clock)
    first = of_point("session_end_timestamp_seconds", session="lop-1")
    second = of_point("session_end_timestamp_seconds", session="lop-2")
    found = samples(await scraped(metrics))
    assert (first in found, second in found) == (True, False)
    # dak-nhau and phu-son are not in the first session; tho-son is switched off.
    assert found[of_hub("session_points", session="lop-2")] == 2.0
    clock.now = datetime.fromtimestamp(found[first], UTC)
    found = samples(await scraped(metrics))
    assert (first in found, second in found) == (False, True)
    assert found[of_hub("session_points", session="lop-2")] == 4.0
    clock.now += timedelta(days=1)
    assert not [name for name, _ in samples(await scraped(metrics)) if "session" in name]


async def test_a_hub_and_the_server_can_be_scraped_apart(tmp_path: Path, clock: Clock) -> None:
    """Together the targets of a large district give what one target gives, nothing twice.

    Only what is said of a scrape itself comes with each: of its own points, whoever asks between.
    """
    metrics = Metrics(crowded_board(tmp_path, 6, NOW, hubs=3), clock)
    whole = set(samples(await scraped(metrics)))
    parts = [samples(await scraped(metrics, Scope(points=False)))]
    parts += [
        samples(await scraped(metrics, Scope(server=False, hub=f"hub-{number}")))
        for number in range(3)
    ]
    of_scrape = {("diemcau_exposed_series", ()), ("diemcau_render_seconds", ())}
    assert set().union(*parts) == whole
    assert sum(len(part.keys() - of_scrape) for part in parts) == len(whole - of_scrape)
    for part in parts[1:]:
        of_points = [key for key in part if key not in of_scrape]
        assert part["diemcau_exposed_series", ()] == len(of_points)
    assert not parts[0].keys() & of_scrape


async def test_the_series_of_two_scrapes_at_once_are_not_mixed(
    tmp_path: Path, clock: Clock
) -> None:
    """A scrape of one hub that comes between says nothing of the other's."""
    metrics = Metrics(crowded_board(tmp_path, 6, NOW, hubs=3), clock)
    slow = metrics.scrape(Scope(server=False))
    first = await anext(slow)
    await scraped(metrics, Scope(server=False, hub="hub-0"))
    found = samples(first + b"".join([part async for part in slow]))
    assert found["diemcau_exposed_series", ()] == len(found) - 2


async def test_a_delay_of_the_loop_is_shown_to_everyone_for_its_time(
    board: Board, clock: Clock
) -> None:
    """A scrape takes nothing from the next; after 30 s the delay is over."""
    lag = WorstLag()
    for moment, late in ((0.0, 0.0), (1.0, 0.7), (30.9, 0.1)):
        lag.note(moment, late)
    assert (lag.seconds(), lag.seconds()) == (0.7, 0.7)
    lag.note(31.0, 0.0)
    assert lag.seconds() == 0.1

    metrics = Metrics(board, clock)
    watching = asyncio.create_task(metrics.watch_loop(every_seconds=0.0))
    for _ in range(10):
        await asyncio.sleep(0)
    watching.cancel()
    shown = [
        samples(await scraped(metrics))["diemcau_event_loop_lag_seconds", ()] for _ in range(2)
    ]
    assert 0 < shown[0] == shown[1]


async def test_the_disk_under_the_store_is_looked_at_by_each_scrape(
    tmp_path: Path, board: Board, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Free space and size while the store is a file that is there; else nothing, never old."""
    metrics = Metrics(board, clock)
    free = 5 * 10**9
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(folder, free))

    def usage(folder: Path, free: int) -> SimpleNamespace:
        folder.stat()
        return SimpleNamespace(free=free)

    async def shown() -> tuple[float | None, ...]:
        found = samples(await scraped(metrics))
        names = ("diemcau_store_disk_free_bytes", "diemcau_store_bytes")
        return tuple(found.get((name, ())) for name in names)

    assert await shown() == (None, None)  # PostgreSQL, or not open yet
    folder = tmp_path / "store"
    folder.mkdir()
    file = folder / "a.sqlite"
    file.write_bytes(bytes(4096))
    metrics.store.look_at(file)
    assert await shown() == (5e9, 4096)
    free = 10**9
    (folder / "a.sqlite-wal").write_bytes(bytes(100))
    assert await shown() == (1e9, 4196)
    shutil.rmtree(folder)
    assert await shown() == (None, None)


async def test_every_result_of_a_test_stands_from_the_start(board: Board, clock: Clock) -> None:
    """``increase()`` sees the first of each kind; what is counted later adds no series."""
    metrics = Metrics(board, clock)
    name = "diemcau_test_runs_total"
    before = {key: value for key, value in samples(await scraped(metrics)).items() if name in key}
    for kind in TEST_KINDS:
        for result in TEST_RESULTS:
            metrics.test_ended(EndedTest("bu-dang", kind, result, 12.0))
    after = {key: value for key, value in samples(await scraped(metrics)).items() if name in key}
    assert set(before.values()) == {0.0}
    assert before.keys() == after.keys()
    assert set(after.values()) == {1.0}
    buckets = samples(await scraped(Metrics(board, clock)))
    assert of_hub("test_duration_seconds_count", kind="full") in buckets


async def test_other_work_goes_on_during_a_scrape(tmp_path: Path, clock: Clock) -> None:
    """Between any two pieces, and while lines are written anew, the event loop has its turn."""
    metrics = Metrics(crowded_board(tmp_path, 600, NOW), clock)
    turns = 0

    async def work() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.create_task(work())
    pieces, writing, text = 0, 0, b""
    async for piece in metrics.scrape(Scope()):
        writing = writing or turns
        pieces += 1
        text += piece
        assert len(piece) <= CHUNK_BYTES
    task.cancel()
    assert writing >= 600 // 25 - 1  # no piece comes before all lines are written
    assert pieces > 10
    # Cut where the pieces end, no family is begun twice.
    assert {text.count(header(family, openmetrics=False)) for family in FAMILIES} <= {0, 1}
    assert turns >= writing + pieces - 3  # the last three pieces come without a wait between


async def test_openmetrics_is_read_by_the_librarys_parser(board: Board, clock: Clock) -> None:
    """The whole answer, the server's own series included, is valid OpenMetrics."""
    text = (await scraped(Metrics(board, clock), openmetrics=True)).decode()
    found = {family.name: family.type for family in openmetrics_families(text)}
    assert found["diemcau_link_probes_sent"] == "counter"
    assert found["diemcau_ingest_messages"] == "counter"
    assert found["diemcau_point_ready"] == "gauge"
    hub_only = await scraped(
        Metrics(board, clock), Scope(server=False, hub="bu-dang"), openmetrics=True
    )
    assert {one.name for one in openmetrics_families(hub_only.decode())} < set(found)
