"""The plan of sends: rates, jitter, sizes, and that both ends draw the same (SPEC 5.6)."""

from itertools import pairwise
from statistics import mean, pstdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diemcau_contract.packets.rehearsal import PAYLOAD_MAX_BYTES, PAYLOAD_MIN_BYTES, PayloadType
from diemcau_contract.plans import TrafficPlan
from diemcau_contract.words import Direction
from diemcau_line.traffic import (
    HEADER_BYTES,
    Planned,
    offered_bits_per_second,
    payload_rates,
    planned_sends,
    seed_of,
)

PLAN = TrafficPlan(
    audio_bits_per_second=64_000, video_bits_per_second=960_000, frames_per_second=30
)


def drawn(
    plan: TrafficPlan = PLAN, seed: int = 5, seconds: float = 60, ratio: float = 1.0
) -> list[Planned]:
    """Return all planned sends of one minute of the plan, or of another."""
    return list(planned_sends(plan, seed, seconds, ratio))


@pytest.mark.parametrize("ratio", [0.5, 0.75, 1.0, 1.2])
def test_the_long_run_rate_is_the_plan(ratio: float) -> None:
    """Payload bits per second are ratio times the plan, the IP rate is as announced."""
    sends = drawn(ratio=ratio)
    payload = sum(one[1] for one in sends) * 8 / 60
    at_ip = sum(one[1] + HEADER_BYTES for one in sends) * 8 / 60

    assert payload == pytest.approx(ratio * 1_024_000, rel=0.005)
    assert at_ip == pytest.approx(offered_bits_per_second(PLAN, ratio), rel=0.01)


def test_audio_is_fifty_a_second_whatever_the_ratio() -> None:
    """Audio keeps its packets and sizes, video carries the difference."""
    audio = [one for one in drawn(ratio=1.2) if one[2] == PayloadType.AUDIO]

    assert len(audio) in {2999, 3000}
    assert {one[1] for one in audio} == {160}


def test_sends_are_jittered_by_half_a_period() -> None:
    """Gaps of audio spread over 0 to 40 ms: no two flows stay in step (decision 0006)."""
    times = [one[0] / 1e6 for one in drawn() if one[2] == PayloadType.AUDIO]
    gaps = [later - sooner for sooner, later in pairwise(times)]

    assert 0 <= min(gaps) < 2
    assert 38 < max(gaps) <= 40
    assert pstdev(gaps) == pytest.approx(20 / 6**0.5, rel=0.1)


def test_frames_vary_by_thirty_percent_and_spread_over_their_period() -> None:
    """Coefficient of variation near 0.3; packets of a frame keep their order."""
    frames: dict[int, list[Planned]] = {}
    for one in drawn():
        if one[2] == PayloadType.VIDEO:
            frames.setdefault(one[3], []).append(one)
    sizes = [sum(one[1] for one in parts) for parts in frames.values()]

    assert pstdev(sizes) / mean(sizes) == pytest.approx(0.3, abs=0.02)
    assert all(
        [one[4] for one in parts] == sorted(one[4] for one in parts) for parts in frames.values()
    )
    assert all(parts[-1][0] - parts[0][0] < 34_000_000 for parts in frames.values())


@settings(max_examples=50, deadline=None)
@given(
    st.builds(
        TrafficPlan,
        audio_bits_per_second=st.integers(0, 1_000_000),
        video_bits_per_second=st.integers(0, 8_000_000),
        frames_per_second=st.floats(1, 60),
    ),
    st.integers(0, 2**63),
    st.floats(0, 1.2),
)
def test_any_plan_is_ordered_and_bounded(plan: TrafficPlan, seed: int, ratio: float) -> None:
    """Times rise within the step, sizes stay within a packet, both ends draw the same."""
    sends = drawn(plan, seed, 1.0, ratio)

    assert sends == drawn(plan, seed, 1.0, ratio)
    assert [one[0] for one in sends] == sorted(one[0] for one in sends)
    assert all(0 <= one[0] < 10**9 for one in sends)
    assert all(PAYLOAD_MIN_BYTES <= one[1] <= PAYLOAD_MAX_BYTES for one in sends)
    assert all(one[4] < one[5] for one in sends)


@pytest.mark.parametrize("ratio", [-0.1, 1.21, 5.0])
def test_more_than_120_percent_is_never_drawn(ratio: float) -> None:
    """The cap is an error, not a silent clamp."""
    with pytest.raises(ValueError, match=r"not in 0\.\.1\.2"):
        payload_rates(PLAN, ratio)


def test_flows_steps_and_directions_differ() -> None:
    """No two draw the same phases."""
    seeds = {
        seed_of(flow, step, way) + stream
        for flow in (1, 2) for step in (1, 2) for way in Direction for stream in (0, 1)
    }  # fmt: skip

    assert len(seeds) == 16
    assert (
        drawn(seed=seed_of(1, 1, Direction.UP))[:5] != drawn(seed=seed_of(2, 1, Direction.UP))[:5]
    )


def test_the_plan_is_the_same_for_ever() -> None:
    """Two ends of different releases must draw the same: the first packets are fixed."""
    assert drawn(seed=seed_of(7, 3, Direction.UP))[:3] == FIRST_OF_FLOW_7


FIRST_OF_FLOW_7: list[Planned] = [
    (25992994, 160, 0, 0, 0, 1),
    (26129530, 1153, 34, 0, 0, 4),
    (37348565, 1153, 34, 0, 1, 4),
]
