"""The own renderer prints what prometheus-client prints, whatever happens to the board."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as write_openmetrics

from diemcau_contract.messages import DeviceResult
from diemcau_contract.words import DeviceKind, Status, Verdict
from diemcau_server.capacity import DirectionCapacity, LineCapacity
from diemcau_server.config import SessionConfig
from diemcau_server.exposition import Writer, header
from diemcau_server.hub_series import HUB_FAMILIES
from diemcau_server.metrics import Metrics, Scope
from diemcau_server.point_series import FAMILIES, Family, Labels, Sample
from diemcau_server.state import Board, PointKey, Restored
from tests.server.district import hello_of
from tests.server.reports import Clock, ended_test, line, report, small_config
from tests.server.series import Peer, hub_peer_of, peer_of, registry_of, scraped

Drawn = list[tuple[Family, dict[str, str], float]]
Text30 = st.text(max_size=30)
LABELS = st.dictionaries(
    st.sampled_from(["direction", "form", "kind", "name", "role", "session", "stat", "zone"]),
    Text30, max_size=4,
)  # fmt: skip


def of_families(families: Sequence[Family]) -> st.SearchStrategy[Drawn]:
    """Draw samples of some of ``families``, none of them twice."""
    return st.lists(
        st.tuples(st.sampled_from(families), LABELS, st.floats() | st.integers(0, 2**60)),
        max_size=20,
        unique_by=lambda one: (one[0].name, tuple(sorted(one[1].items()))),
    )


@given(of_families(FAMILIES), st.booleans())
@settings(deadline=None)
def test_lines_of_a_point_are_those_of_the_library(
    drawn: Drawn,
    openmetrics: bool,  # noqa: FBT001  # drawn
) -> None:
    """Whatever names, texts and values there are: the same text as prometheus-client's."""
    base = (("hub", "bu-dang"), ("point", "bom-bo"))
    expect_the_librarys_text(FAMILIES, base, drawn, openmetrics=openmetrics)


@given(of_families(HUB_FAMILIES), st.booleans())
@settings(deadline=None)
def test_lines_of_a_hub_are_those_of_the_library(
    drawn: Drawn,
    openmetrics: bool,  # noqa: FBT001  # drawn
) -> None:
    """The same for series without a point."""
    base = (("hub", "bu-dang"),)
    expect_the_librarys_text(HUB_FAMILIES, base, drawn, openmetrics=openmetrics)


def expect_the_librarys_text(
    families: Sequence[Family], base: Labels, drawn: Drawn, *, openmetrics: bool
) -> None:
    """Write what was drawn by both, and compare."""
    drawn.sort(key=lambda one: families.index(one[0]))
    given_samples = [
        Sample(
            f"{family.name}_total" if family.kind == "counter" else family.name,
            tuple(labels.items()),
            value,
        )
        for family, labels, value in drawn
    ]
    registry = registry_of(Peer(families, [(base, one) for one in given_samples]))
    ids = dict(base)
    lines = Writer(families).lines_of(ids["hub"], ids.get("point"), given_samples)
    text = b"".join(
        header(family, openmetrics=openmetrics) + written
        for family, written in zip(families, lines.by_family, strict=True)
        if written
    )
    assert text == library_text(registry, openmetrics=openmetrics)
    assert lines.series == len(given_samples)


def library_text(registry: CollectorRegistry, *, openmetrics: bool) -> bytes:
    """Return what prometheus-client prints, without the line that ends OpenMetrics."""
    if openmetrics:
        text: bytes = write_openmetrics(registry)  # type: ignore[no-untyped-call]  # as the library
        return text.removesuffix(b"# EOF\n")
    return generate_latest(registry)


POINTS = ("bom-bo", "dak-nhau", "duc-lieu")
SESSION = SessionConfig.model_validate(
    {
        "id": "lop-1", "hub": "bu-dang", "name": "Lớp 1", "form": "line", "profile": "light",
        "start": "2026-03-14T00:30:00Z", "end": "2026-03-14T02:30:00Z",
    }
)  # fmt: skip
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["report", "hello", "begin", "test", "capacity", "restore", "maintenance", "session"]
        ),
        st.sampled_from(POINTS),
        # Clocks are set back as well.
        st.sampled_from(
            [-86_400, -3600, -61, -59, 0, 1, 30, 89, 90, 91, 1800, 3 * 3600, 12 * 3600, 86_400]
        ),
        st.sampled_from(list(Status)),
        st.floats(0, 1),
    ),
    max_size=12,
)


def camera(status: Status, ratio: float) -> DeviceResult:
    """Return a camera as some look finds it: of this model or that, or of none that is known."""
    model = f'Rally "{round(8 * ratio)}" \\' if ratio else None
    return DeviceResult(kind=DeviceKind.CAMERA, status=status, model=model)


def capacity(now: datetime, status: Status, ratio: float) -> LineCapacity:
    """Return a line's capacity, with the time that it took or without."""
    seconds = 7 * ratio if status is Status.OK else None
    return LineCapacity(now, DirectionCapacity(1e6 * ratio, "line"), None, seconds)


def happen(
    board: Board, now: datetime, number: int, step: tuple[str, str, int, Status, float]
) -> None:
    """Let one thing happen to a board at ``now``."""
    what, point, _, status, ratio = step
    if what == "report":
        devices = [camera(status, ratio)]
        stamp = line(loss_ratio_up=ratio, clock_offset_seconds=0.0)
        board.on_report(
            report(number, point=point, devices=devices, stamp=stamp, taken_at=now), now
        )
    elif what == "hello":
        board.on_hello(hello_of(point, number, online=status is Status.OK))
    elif what == "begin":
        board.test_began("bu-dang", [point])
    elif what == "restore":
        at = now - timedelta(seconds=100 * ratio)
        board.restore([Restored(PointKey("bu-dang", point), at, report(number), None, None)], now)
    elif what == "maintenance":
        record = board.records[PointKey("bu-dang", point)]
        until = now + timedelta(seconds=90 * ratio) if status is Status.OK else None
        record.section = record.section.model_copy(update={"maintenance_until": until})
        record.version += 1
    elif what == "session":
        record = board.records[PointKey("bu-dang", point)]
        ends = (now + timedelta(seconds=seconds) for seconds in (90 * ratio, 90, 3600))
        record.sessions = tuple(
            SESSION.model_copy(update={"id": f"lop-{number}", "start": now, "end": end})
            for number, end in enumerate(ends)
        )
        record.version += 1
    elif what == "capacity":
        board.capacity_measured("bu-dang", point, capacity(now, status, ratio))
    else:
        result = ended_test(Verdict.READY, point=point)
        result = result.model_copy(update={"started_at": now - timedelta(seconds=20)})
        board.test_ended("bu-dang", [point], result)


@given(STEPS)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_kept_lines_are_those_of_the_library_whatever_happens(
    tmp_path: Path, steps: list[tuple[str, str, int, Status, float]]
) -> None:
    """After every event and every pause, kept lines say what prometheus-client says anew."""
    board, clock = Board.of(small_config(tmp_path)), Clock()
    metrics = Metrics(board, clock)
    for number, step in enumerate(steps, start=1):
        happen(board, clock.now, number, step)
        clock.now += timedelta(seconds=step[2])
        for openmetrics in (False, True):
            scope = Scope(server=False)
            text = await scraped(metrics, scope, openmetrics=openmetrics)
            points, hubs, _ = (text[start:end] for start, end in pairwise(borders(text)))
            assert points == library_text(peer_of(board, clock.now), openmetrics=openmetrics)
            assert hubs == library_text(hub_peer_of(board, clock.now), openmetrics=openmetrics)


def borders(text: bytes) -> list[int]:
    """Return where points, hubs and the scrape's own series begin, and where the text ends."""
    begin = (b"# HELP diemcau_hub_info ", b"# HELP diemcau_render_seconds ")
    return [0, *(text.index(header) for header in begin), len(text)]
