from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from diemcau_contract.attribution import (
    Attribution,
    Place,
    Shared,
    attribute,
    every_group_failed,
    failed_in_group,
)
from diemcau_contract.causes import Cause
from diemcau_contract.evidence import LoadEvidence, PointEvidence, StepEvidence
from diemcau_contract.judge import judge
from diemcau_contract.measurements import Bin, Quantiles
from diemcau_contract.messages import HostState
from diemcau_contract.words import Confidence, Direction, Status, StepKind, Verdict
from tests.measured import END, PROFILE, STAMP, sender, traffic

SENDER = sender()
UP = Direction.UP


def load(loss: float = 0.0, queue: float = 0.002, packets: int = 2500) -> LoadEvidence:
    """Return one direction with ``loss`` and a queue of ``queue`` seconds (p95)."""
    spread = 2 * (loss * (1 - loss) / packets) ** 0.5
    return LoadEvidence(
        traffic(
            packets_sent=packets,
            packets_received=round(packets * (1 - loss)),
            loss_ratio=loss,
            loss_ratio_low=max(0.0, loss - spread),
            loss_ratio_high=loss + spread,
            loss_ratio_worst_200ms=loss,
            loss_ratio_worst_15s=loss,
            queue_delay_seconds=Quantiles(p50=queue / 2, p95=queue, p99=queue, min=0.0, max=queue),
            offered_bits_per_second=1.2e6,
            carried_bits_per_second=1.2e6 * (1 - loss),
        ),
        SENDER,
    )


def step(
    loss: float, queue: float = 0.002, *, together: int = 4, ratio: float = 1.0
) -> StepEvidence:
    """Return a step in a group, or above or below the plan, whose direction up is given."""
    kind = StepKind.GROUPS if ratio == 1.0 else StepKind.MARGIN
    return StepEvidence(kind, ratio, together, load(loss, queue, 500), load(packets=500))


def point(name: str, up: LoadEvidence, *steps: StepEvidence) -> PointEvidence:
    """Return a validly measured point whose direction down is clean."""
    return PointEvidence(
        point=name, name=name, agent_answered=True, udp_answered=True, idle=STAMP, loaded=STAMP,
        up=up, down=load(), steps=steps, point_end=END, hub_end=END, devices_expected=False,
        host=HostState(medium="cable", status=Status.OK),
    )  # fmt: skip


def district(
    with_all: Sequence[LoadEvidence], in_group: Sequence[StepEvidence], *more: StepEvidence
) -> list[PointEvidence]:
    """Return points by what they did with all and in their groups."""
    return [
        point(f"p{number}", up, group, *more)
        for number, (up, group) in enumerate(zip(with_all, in_group, strict=True))
    ]


def causes(points: Sequence[PointEvidence]) -> Mapping[str, Cause | None]:
    """Judge every point with the attribution of all."""
    attribution = attribute(points, PROFILE)
    return {one.point: judge(one, PROFILE, attribution).cause for one in points}


def shared(points: Sequence[PointEvidence]) -> Shared:
    """Return what the direction up has in common."""
    return attribute(points, PROFILE).figures(UP).shared


def test_good_in_the_group_and_bad_with_all_is_the_hub_line() -> None:
    """Sixteen lines that lose together, and lose nothing four at a time."""
    losses = [0.043, 0.083, 0.06, 0.055] * 4
    points = district([load(loss, 0.1) for loss in losses], [step(0.0)] * 16)

    assert shared(points) is Shared.CONGESTION
    assert set(causes(points).values()) == {Cause.HUB_LINE_UP}


def test_a_group_in_which_the_hub_did_not_send_all_blames_no_line() -> None:
    """What a stalled sender gave up is missing in four rooms' figures, and is no loss of theirs."""
    cut = LoadEvidence(load(0.3, packets=500).traffic, replace(SENDER, send_errors=60))
    groups = [replace(step(0.0), up=cut)] * 4 + [step(0.0)] * 12
    points = district([load(0.06, 0.1)] * 16, groups)

    assert shared(points) is Shared.CONGESTION
    assert set(causes(points).values()) == {Cause.HUB_LINE_UP}
    assert failed_in_group(points[0], PROFILE) == ()
    stalled = district([load(0.06, 0.1)] * 4, [replace(step(0.0), up=cut)] * 4)
    assert not every_group_failed(stalled, PROFILE)


def test_two_equal_bad_lines_are_never_the_hub_line() -> None:
    """The trap: same loss, same queue, at the same time, on two lines of their own."""
    bad, good = load(0.088, 0.178), load()
    points = district([bad, bad, *[good] * 6], [step(0.09, 0.178)] * 2 + [step(0.0)] * 6)

    assert shared(points) is Shared.NOTHING
    assert [causes(points)[name] for name in ("p0", "p1", "p2")] == [
        Cause.OWN_LINE_UP, Cause.OWN_LINE_UP, None,
    ]  # fmt: skip


def test_two_equal_bad_lines_tested_alone_are_their_own() -> None:
    """With two points only, equal loss at any load proves nothing shared."""
    points = district([load(0.09, 0.1)] * 2, [step(0.09, 0.1, together=1)] * 2)

    assert set(causes(points).values()) == {Cause.OWN_LINE_UP}


def test_a_bad_line_beside_a_full_hub_line_is_told_apart() -> None:
    """Bad in its own group already: its own line; the others wait for the hall."""
    with_all = [load(0.2, 0.1), *[load(0.07, 0.1)] * 7]
    found = causes(district(with_all, [step(0.15), *[step(0.0)] * 7]))

    assert found["p0"] is Cause.OWN_LINE_UP
    assert {found[f"p{number}"] for number in range(1, 8)} == {Cause.HUB_LINE_UP}


def test_a_queue_of_all_without_loss_is_shared_as_well() -> None:
    """A deep queue in front of the hall delays everybody before it loses anything."""
    points = district([load(0.0, 0.2)] * 8, [step(0.0, 0.004)] * 8)

    assert set(causes(points).values()) == {Cause.HUB_LINE_UP}


def test_the_same_loss_for_everybody_at_any_load_is_the_hub_line() -> None:
    """Eight lines that lose 3 % each in every step have one cause, not eight."""
    points = district([load(0.03)] * 8, [step(0.03)] * 8)

    assert shared(points) is Shared.LOSS
    assert set(causes(points).values()) == {Cause.HUB_LINE_UP}


def test_a_fault_of_its_own_beside_it_hides_no_loss_of_all() -> None:
    """Of four points one is short as well; the others' intervals have a value in common."""
    losses = [0.10, 0.14, 0.142, 0.4]
    few = 840
    points = district(
        [load(loss, packets=few) for loss in losses],
        [step(loss, together=1) for loss in losses],
    )

    assert shared(points) is Shared.LOSS
    assert list(causes(points).values()) == [*[Cause.HUB_LINE_UP] * 3, Cause.OWN_LINE_UP]


def test_a_point_whose_clock_was_set_is_a_witness_of_losses() -> None:
    """Its delays say nothing, its counts do: of four equal losses one is missing otherwise."""
    points = district([load(0.03)] * 4, [step(0.03, together=1)] * 4)
    points[0] = replace(points[0], point_end=replace(END, clock_step_seconds=3.0))
    late = replace(points[0].up, sender=replace(SENDER, schedule_error_p99_seconds=0.2))

    assert list(causes(points).values()) == [Cause.CLOCK_STEP, *[Cause.HUB_LINE_UP] * 3]
    points[0] = replace(points[0], up=late)
    assert list(causes(points).values())[1:] == [Cause.OWN_LINE_UP] * 3


def test_everybody_bad_in_another_way_is_everybodys_own_line() -> None:
    """Losses far apart have no common cause."""
    losses = [0.02, 0.06, 0.12, 0.25]
    points = district([load(loss) for loss in losses], [step(loss, together=1) for loss in losses])

    assert set(causes(points).values()) == {Cause.OWN_LINE_UP}


def test_groups_that_all_fail_are_told_by_points_that_go_alone() -> None:
    """A hall that carries not even four points is cleared or blamed by single ones."""
    points = district([load(0.8, 0.1)] * 8, [step(0.5, 0.1)] * 8)
    alone = [replace(one, steps=(*one.steps, step(0.0, together=1))) for one in points]

    assert every_group_failed(points, PROFILE)
    assert shared(alone) is Shared.CONGESTION


def test_a_point_bad_in_its_group_is_named_before_the_rehearsal() -> None:
    """Seconds after its first packets; what a late sender lost is not held against the line."""
    early = replace(point("p0", load(), step(0.1)), up=LoadEvidence(), down=LoadEvidence())
    late = replace(SENDER, schedule_error_p99_seconds=0.2)
    group = replace(early.steps[0], up=replace(early.steps[0].up, sender=late))

    assert failed_in_group(early, PROFILE) == (UP,)
    assert failed_in_group(replace(early, steps=(group,)), PROFILE) == ()


def test_a_group_that_fails_alone_needs_no_single_points() -> None:
    """The other groups carry as much over the same hall."""
    points = district([load(0.1)] * 4 + [load()] * 4, [step(0.1)] * 4 + [step(0.0)] * 4)

    assert not every_group_failed(points, PROFILE)
    assert [causes(points)[name] for name in ("p0", "p4")] == [Cause.OWN_LINE_UP, None]


def test_a_hub_line_without_reserve_is_a_warning() -> None:
    """All good at the plan, all bad at 120 %: the hall has nothing to spare."""
    above = step(0.08, 0.1, together=8, ratio=1.2)
    points = district([load()] * 8, [step(0.0)] * 8, above)
    said = judge(points[0], PROFILE, attribute(points, PROFILE))

    assert (said.verdict, said.cause) == (Verdict.DEGRADED, Cause.HUB_LINE_UP)
    assert attribute(points, PROFILE).figures(UP).status is Status.WARN


def missing(number: int) -> list[PointEvidence]:
    """Return points that were asked and took no part."""
    return [
        PointEvidence(f"m{one}", f"m{one}", agent_answered=False, udp_answered=None)
        for one in range(number)
    ]


ABOVE = step(0.0, together=8, ratio=1.2)


@pytest.mark.parametrize(
    ("away", "planned", "margin", "load_ratio", "status"),
    [
        (0, 0, (), 1.0, Status.OK),
        (1, 0, (), 0.889, Status.UNKNOWN),
        (1, 0, (ABOVE,), 1.067, Status.OK),
        (2, 0, (ABOVE,), 0.96, Status.UNKNOWN),
        (0, 16, (ABOVE,), 0.6, Status.UNKNOWN),
    ],
    ids=["all", "one away", "made up at 120 %", "not made up", "half of the hall's points asked"],
)
def test_a_hub_line_that_not_all_loaded_is_not_called_good(
    away: int, planned: int, margin: Sequence[StepEvidence], load_ratio: float, status: Status
) -> None:
    """Who did not join will join the conference: 120 % of the others stand for one in six."""
    there = district([load()] * 8, [step(0.0)] * 8, *margin)
    attribution = attribute([*there, *missing(away)], PROFILE, planned)
    said = judge(there[0], PROFILE, attribution)

    assert attribution.figures(UP).load_ratio == pytest.approx(load_ratio, abs=0.001)
    assert attribution.figures(UP).status is status
    assert said.verdict is Verdict.READY
    told = [one for one in said.findings if one.rule == "line.up.hub_load"]
    assert [one.value for one in told] == [attribution.figures(UP).load_ratio]
    assert said.confidence is (Confidence.HIGH if status is Status.OK else Confidence.MEDIUM)


def test_what_did_not_go_out_did_not_load_the_hub_line() -> None:
    """A sender that gave up a third of its packets counts for two thirds; a bad line for all."""
    points = district([load(0.1), *[load()] * 7], [step(0.0)] * 8)
    cut = replace(SENDER, packets_sent=2000, send_errors=1000)
    points[1] = replace(points[1], up=replace(points[1].up, sender=cut))

    assert attribute(points, PROFILE).figures(UP).load_ratio == pytest.approx((7 + 2 / 3) / 8)
    less = replace(ABOVE, up=replace(ABOVE.up, sender=replace(SENDER, send_errors=10)))
    tried = [replace(one, steps=(*one.steps, less)) for one in points]
    assert attribute(tried, PROFILE).figures(UP).load_ratio == pytest.approx(1.2, abs=0.01)


def test_a_point_tried_below_the_plan_counts_as_little_as_it_was_tried_at() -> None:
    """Four at 120 % beside one at 75 and then 50 % are less than the five of the rehearsal."""
    below = (step(0.0, ratio=0.75), step(0.0, ratio=0.5))
    points = [
        point("p0", load(0.1), step(0.1), *below),
        *[point(f"p{number}", load(), step(0.0), ABOVE) for number in range(1, 5)],
    ]

    assert attribute(points, PROFILE).figures(UP).load_ratio == pytest.approx((4 * 1.2 + 0.5) / 5)
    assert attribute(points[:1], PROFILE).figures(UP).load_ratio == 1.0


@pytest.mark.parametrize(
    ("there", "planned", "cause"),
    [(8, 12, Cause.HUB_LINE_UP), (2, 16, Cause.OWN_LINE_UP), (2, 2, Cause.HUB_LINE_UP)],
)
def test_a_few_of_many_that_fail_at_120_percent_prove_nothing_of_the_hub_line(
    there: int, planned: int, cause: Cause
) -> None:
    """Two rooms tried again may each have a short line; two of two, eight of twelve share it."""
    above = step(0.08, 0.1, together=there, ratio=1.2)
    points = district([load()] * there, [step(0.0, together=1)] * there, above)
    attribution = attribute(points, PROFILE, planned)
    said = judge(points[0], PROFILE, attribution)

    assert (said.verdict, said.cause) == (Verdict.DEGRADED, cause)
    blamed = Status.WARN if cause is Cause.HUB_LINE_UP else Status.UNKNOWN
    assert attribution.figures(UP).status is blamed
    assert ("Mới có một phần điểm cầu cùng đo" in said.action.vi) is ((there, planned) == (8, 12))


def test_the_bandwidth_that_is_asked_for_is_enough_for_those_who_are_away() -> None:
    """Eight of sixteen fill it: sixteen need twice what eight offered."""
    points = district([load(0.16, 0.1)] * 8, [step(0.0)] * 8)
    said = judge(points[0], PROFILE, attribute(points, PROFILE, 16))

    assert "21.3 Mbit/s" in said.action.en


def test_a_bad_room_is_bad_for_certain_whoever_is_away() -> None:
    """Only what is called usable is less sure without the others' traffic."""
    bad = point("p0", load(0.2), step(0.2, together=1))
    said = judge(bad, PROFILE, attribute([bad], PROFILE, 16))

    assert (said.verdict, said.confidence) == (Verdict.NOT_READY, Confidence.HIGH)


def test_an_own_line_without_reserve_is_its_own_warning() -> None:
    """Only one point is bad at 120 %."""
    points = district([load()] * 8, [step(0.0)] * 8, step(0.0, together=8, ratio=1.2))
    short = replace(points[0], steps=(*points[0].steps[:1], step(0.1, together=8, ratio=1.2)))
    found = causes([short, *points[1:]])

    assert (found["p0"], found["p1"]) == (Cause.OWN_LINE_UP, None)


def test_points_that_could_not_measure_blame_nobody() -> None:
    """A busy PC's losses are no witness against the hall."""
    busy = replace(END, cpu_ratio=1.0)
    points = [replace(one, point_end=busy) for one in district([load(0.1)] * 8, [step(0.0)] * 8)]

    assert attribute(points, PROFILE).compared == 0
    assert attribute(points, PROFILE).figures(UP).status is Status.UNKNOWN


def test_without_attribution_a_fault_is_the_points_own() -> None:
    """Nothing compared, nothing shared."""
    assert Attribution().place("p0", UP) is Place.OWN


def test_the_hub_lines_action_says_what_it_carried_and_what_would_fit() -> None:
    """A technician reads carried and offered, a bit rate, a number of points and a bandwidth."""
    lower = step(0.0, together=16, ratio=0.75)
    points = district([load(0.16, 0.1)] * 16, [step(0.0)] * 16, lower)
    said = judge(points[0], PROFILE, attribute(points, PROFILE))

    assert "tải được 16,1 trên 19,2 Mbit/s" in said.action.vi
    assert "carried 16.1 of 19.2 Mbit/s" in said.action.en
    assert "to 0.77 Mbit/s, or let only 12 points in at a time, or" in said.action.en
    assert "21.3 Mbit/s" in said.action.en


def test_other_traffic_on_the_hubs_interface_is_named() -> None:
    """The hall's own counters saw more than the test: somebody else uses the line."""
    busy = replace(END, interface_received_bytes=round((16.1 + 5) * 1e6 / 8 * 15))
    points = [
        replace(one, hub_end=busy) for one in district([load(0.16, 0.1)] * 16, [step(0.0)] * 16)
    ]
    said = judge(points[0], PROFILE, attribute(points, PROFILE))

    assert "beside 5.0 Mbit/s of other traffic" in said.action.en
    assert "ngoài ra có 5,0 Mbit/s lưu lượng khác" in said.action.vi


def seen(one: LoadEvidence, held_up: Sequence[bool]) -> LoadEvidence:
    """Return ``one`` with its 100 ms bins: those held up show its p95 queue, and a loss if any."""
    assert one.traffic is not None
    assert one.traffic.queue_delay_seconds is not None
    queue, lost = one.traffic.queue_delay_seconds.p95, one.traffic.loss_ratio > 0
    bins = tuple(
        Bin(10, 9 if here and lost else 10, 9000, queue if here else 0.001) for here in held_up
    )
    return replace(one, traffic=replace(one.traffic, bins=bins))


def in_turn(number: int, points: int, bins: int = 48) -> list[bool]:
    """Return bins of which every point has its own."""
    return [place % points == number for place in range(bins)]


TOGETHER = [place % 4 == 0 for place in range(48)]
STRADDLING = 0.0095
"""A loss whose interval at 2,500 packets holds the limit of 1 %."""


@pytest.mark.parametrize(
    ("loss", "queue", "apart", "confirmed", "confidence"),
    [
        (STRADDLING, 0.1, False, True, Confidence.HIGH),
        (0.06, 0.1, False, True, Confidence.HIGH),
        (STRADDLING, 0.1, True, False, Confidence.LOW),
        (0.06, 0.1, True, False, Confidence.MEDIUM),
        (STRADDLING, 0.002, True, None, Confidence.MEDIUM),
        (0.06, 0.002, True, None, Confidence.HIGH),
        (0.06, 0.002, False, True, Confidence.HIGH),
    ],
    ids=[
        "unclear, one queue", "clear, one queue", "unclear, many queues", "clear, many queues",
        "unclear, losses apart", "clear, losses apart", "losses at once",
    ],
)  # fmt: skip
def test_the_moments_of_a_hub_line_move_the_confidence_and_nothing_else(
    loss: float, queue: float, *, apart: bool, confirmed: bool | None, confidence: Confidence
) -> None:
    """One queue holds everybody up at once; what is lost from it may be anybody's packet."""
    plain = district([load(loss, queue)] * 8, [step(0.0)] * 8)
    points = [
        replace(one, up=seen(one.up, in_turn(number, 8) if apart else TOGETHER))
        for number, one in enumerate(plain)
    ]
    said = judge(points[0], PROFILE, attribute(points, PROFILE))
    without = judge(plain[0], PROFILE, attribute(plain, PROFILE))

    assert attribute(points, PROFILE).figures(UP).confirmed is confirmed
    assert said.confidence is confidence
    assert replace(said, confidence=without.confidence) == without
    assert without.cause is Cause.HUB_LINE_UP


def test_two_equal_bad_lines_that_move_together_stay_their_own() -> None:
    """The trap again, with every witness against the hub: they decide and confirm nothing."""
    bad = seen(load(0.088, 0.178), TOGETHER)
    plain = district([bad, bad, *[load()] * 6], [step(0.09, 0.178)] * 2 + [step(0.0)] * 6)
    points = [replace(one, hub_end=replace(END, interface_drops=10_000)) for one in plain]
    said = judge(points[0], PROFILE, attribute(points, PROFILE))

    assert attribute(points, PROFILE).figures(UP).confirmed is None
    assert (said.cause, said.confidence) == (Cause.OWN_LINE_UP, Confidence.HIGH)


def test_a_line_with_a_fault_of_its_own_is_no_witness_of_the_hubs() -> None:
    """Its losses at other moments say nothing against the queue that the others share."""
    with_all = [seen(load(0.2, 0.1), in_turn(1, 8)), *[seen(load(0.06, 0.1), TOGETHER)] * 7]
    points = district(with_all, [step(0.15), *[step(0.0)] * 7])

    assert attribute(points, PROFILE).figures(UP).confirmed is True


@pytest.mark.parametrize(
    ("drops", "other_megabits", "confirmed"),
    [(0, 0.0, None), (99, 0.0, None), (100, 0.0, True), (0, 0.48, None), (0, 0.5, True)],
)
def test_the_hubs_own_interfaces_confirm_its_line(
    drops: int, other_megabits: float, *, confirmed: bool | None
) -> None:
    """Half of 200 lost packets, or 5 % of 9.6 Mbit/s beside the test; less shows nothing."""
    plain = district([load(0.01, 0.1)] * 8, [step(0.0)] * 8)
    carried = 8 * 1.2 * 0.99 + other_megabits
    end = replace(
        END, interface_received_bytes=round(carried * 1e6 / 8 * 15), interface_drops=drops
    )
    points = [replace(one, hub_end=end) for one in plain]

    assert attribute(points, PROFILE).figures(UP).confirmed is confirmed


def test_witnesses_that_contradict_each_other_say_nothing() -> None:
    """Many queues by the moments, a full interface by its drops: the groups alone are left."""
    end = replace(END, interface_drops=10_000)
    points = [
        replace(one, up=seen(one.up, in_turn(number, 8)), hub_end=end)
        for number, one in enumerate(district([load(0.06, 0.1)] * 8, [step(0.0)] * 8))
    ]

    assert attribute(points, PROFILE).figures(UP).confirmed is None


@pytest.mark.parametrize(
    ("at_75", "at_50", "words"),
    [
        (0.0, 0.0, "works at 75 % of the plan (0.77 Mbit/s)"),
        (0.1, 0.0, "works at 50 % of the plan (0.51 Mbit/s)"),
        (0.1, 0.1, "was bad at 50 % of the plan as well"),
    ],
)
def test_an_own_lines_action_says_at_which_rate_it_works(
    at_75: float, at_50: float, words: str
) -> None:
    """After a failed rehearsal the lower rates tell what is possible meanwhile."""
    tried = (step(at_75, ratio=0.75), step(at_50, ratio=0.5))
    one = point("p0", load(0.1), step(0.1), *tried)

    assert words in judge(one, PROFILE, attribute([one], PROFILE)).action.en
