"""The lab's pure parts: relay model, windows of truth, generated scenarios and what they expect."""

import statistics

import pytest

from diemcau_contract.causes import Cause
from diemcau_contract.errors import DocumentError
from diemcau_contract.words import Verdict
from tests.lab import generator
from tests.lab.expectations import expected_of
from tests.lab.many import PROFILE
from tests.lab.naming import Named, NamingWatch
from tests.lab.relay import QUEUE_PACKETS, RelayDirection
from tests.lab.scenarios import BusyPc, Pace, Scenario, Way, Ways, line_of, named_scenarios
from tests.lab.shapes import BurstLoss, Shape
from tests.lab.truth import Passed, Sample, rehearsal

PACE = Pace.of(PROFILE.up)


def fates(shape: Shape, seed: int, packets: int) -> list[int]:
    """Return the numbers of the packets that come through."""
    way = RelayDirection(shape, seed)
    came: list[bytes] = []
    for number in range(packets):
        way.accept(number.to_bytes(4, "big"), now_ns=number)
        way.release(number, came.append)
    return [int.from_bytes(packet, "big") for packet in came]


def test_relay_repeats_a_seed() -> None:
    """The same seed loses the same packets, another one others."""
    shape = Shape(burst_loss=BurstLoss(enter_ratio=0.01, leave_ratio=0.1))
    assert fates(shape, 1, 3000) == fates(shape, 1, 3000)
    assert fates(shape, 1, 3000) != fates(shape, 2, 3000)


def test_relay_loses_the_mean_of_its_model() -> None:
    """Over a long run the loss is the stationary share of the bad state."""
    burst = BurstLoss(enter_ratio=0.01, leave_ratio=0.1)
    lost = 1 - len(fates(Shape(burst_loss=burst), 5, 200_000)) / 200_000
    assert lost == pytest.approx(burst.mean_loss_ratio, rel=0.1)


def test_a_burst_is_over_after_a_silence() -> None:
    """It goes on under load, and does not wait for a line's next packets."""
    burst = BurstLoss(enter_ratio=0.5, leave_ratio=1e-9)
    loaded, tried = (RelayDirection(Shape(burst_loss=burst), 1) for _ in range(2))
    for number in range(100):
        loaded.accept(b"x", now_ns=number * 10_000_000)
        tried.accept(b"x", now_ns=number * 1_000_000_000)

    assert loaded.counts.burst_lost > 90
    assert 30 < tried.counts.burst_lost < 70


def test_relay_holds_a_packet_for_its_delay() -> None:
    """Nothing leaves before its time; everything is bounded."""
    way = RelayDirection(Shape(delay_seconds=0.5), 0)
    came: list[bytes] = []
    for _ in range(QUEUE_PACKETS + 10):
        way.accept(b"x", now_ns=0)
    way.release(499_999_999, came.append)
    assert came == []
    way.release(500_000_000, came.append)
    assert len(came) == QUEUE_PACKETS
    assert way.counts.overflowed == 10


def samples_of(rates: list[int], arrivals: float) -> list[Sample]:
    """Return samples each 100 ms with ``rates`` packets entering between them."""
    total, samples = 0, []
    for index, rate in enumerate([0, *rates]):
        total += rate
        packets = {"up_in_1": total, "up_mid_1": total, "up_out_1": int(total * arrivals)}
        samples.append(Sample(index * 0.1, packets))
    return samples


def test_truth_takes_the_longest_loaded_step() -> None:
    """Groups and margin before and after the rehearsal are not counted into it."""
    rates = [0] * 5 + [20] * 30 + [0] * 3 + [25] * 150 + [0] * 3 + [30] * 50 + [0] * 30
    passed = rehearsal(samples_of(rates, 0.9), 1, "up")
    assert passed is not None
    assert passed.sent == 25 * 150
    assert passed.loss_ratio == pytest.approx(0.1, abs=0.001)
    assert passed.own_lost == 0


def test_truth_of_a_silent_line_is_none() -> None:
    """A point that never sent has no rehearsal."""
    assert rehearsal(samples_of([0] * 100, 1), 1, "up") is None


def test_shaped_rate_carries_the_plan_exactly() -> None:
    """A rate ratio of 1 is what the plan's packets need, link headers included."""
    shape = line_of(Ways(up=Way(rate_ratio=1.0)), PROFILE).up
    mean_size = PACE.ip_bits_per_second / PACE.packets_per_second / 8
    rate = shape.rate_bits_per_second
    assert rate is not None
    link = rate * 1214 / 1200
    assert link == pytest.approx(PACE.packets_per_second * (mean_size + 14) * 8)


def test_named_scenarios_expect_something_of_every_point() -> None:
    """The file loads, its names are unique, and no point is left to the rules of the truth."""
    named = named_scenarios()
    assert len(named) >= 13
    for scenario in named.values():
        assert all(scenario.expectation(n) for n in range(1, scenario.points + 1)), scenario.name


def test_file_mistakes_are_named(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A point outside the district is refused with the file's line."""
    file = tmp_path_factory.mktemp("lab") / "bad.yaml"
    file.write_text("schema: diemcau.lab/1\nscenarios:\n- {name: x, points: 2, lines: {3: {}}}\n")
    with pytest.raises(DocumentError, match="3"):
        named_scenarios(file)


def test_generated_scenarios_repeat() -> None:
    """A seed gives the same scenarios, however many are asked for."""
    assert generator.scenarios(30, 4)[:10] == generator.scenarios(10, 4)
    assert generator.scenarios(10, 4) != generator.scenarios(10, 5)


def test_generated_scenarios_are_mixed_and_mostly_clear() -> None:
    """All verdicts and line causes occur, and most points are away from every limit."""
    expected = [
        expected_of(scenario, number, PROFILE)
        for scenario in generator.scenarios(300, 1)
        for number in range(1, scenario.points + 1)
    ]
    clear = [one for one in expected if not one.near]
    assert len(clear) / len(expected) > 0.6
    assert {one.verdict for one in clear} >= {Verdict.READY, Verdict.NOT_READY, Verdict.UNKNOWN}
    causes = {cause for one in clear for cause in one.causes}
    lines = {Cause(f"{side}_line{way}") for side in ("own", "hub") for way in ("", "_up", "_down")}
    others = {Cause.FIREWALL, Cause.AGENT_SILENT, Cause.PC_BUSY, Cause.CLOCK_STEP}
    assert causes >= lines | others


@pytest.mark.parametrize(
    ("way", "verdict", "near"),
    [
        (Way(), Verdict.READY, False),
        (Way(loss_ratio=0.05), Verdict.NOT_READY, False),
        (Way(rate_ratio=0.8), Verdict.NOT_READY, False),
        (Way(delay_seconds=0.3), Verdict.NOT_READY, False),
        (Way(loss_ratio=0.01), Verdict.NOT_READY, True),
    ],
)
def test_expectation_of_one_line(way: Way, verdict: Verdict, *, near: bool) -> None:
    """Clear lines have a clear verdict; what chance can move over a limit is near."""
    scenario = Scenario(name="x", points=4, lines={1: Ways(up=way)})
    expected = expected_of(scenario, 1, PROFILE)
    assert expected.near is near
    if not near:
        assert expected.verdict is verdict


def test_a_direction_that_may_be_bad_may_be_named_or_not() -> None:
    """What is surely bad must be named, with or without what is near its limit."""
    bad, near = Way(loss_ratio=0.05), Way(loss_ratio=0.0101)
    ways = Ways(up=near, down=bad)
    scenario = Scenario(name="x", points=4, lines={1: ways, 2: Ways(up=bad, down=bad)})

    assert set(expected_of(scenario, 1, PROFILE).causes) == {Cause.OWN_LINE_DOWN, Cause.OWN_LINE}
    assert expected_of(scenario, 2, PROFILE).causes == (Cause.OWN_LINE,)


def test_real_loss_replaces_the_expected_one() -> None:
    """What the counters saw decides, and names the line that lost it."""
    scenario = Scenario(name="x", points=4)
    realised = {(1, "up"): Passed(sent=4000, arrived=3600, own_lost=400)}
    expected = expected_of(scenario, 1, PROFILE, realised)
    assert (expected.verdict, expected.causes) == (Verdict.NOT_READY, (Cause.OWN_LINE_UP,))
    assert statistics.mean([expected_of(scenario, 2, PROFILE, realised).near]) == 0


def test_who_carries_nothing_leaves_the_hub_room_for_the_others() -> None:
    """Seven points over a line that is 7 % short for eight have more than enough of it."""
    short = Ways(up=Way(rate_ratio=0.93, queue_seconds=0.3))
    all_carry = Scenario(name="all", points=8, hub_line=short)
    blocked = all_carry.model_copy(update={"lines": {1: Ways(udp_blocked=True)}})

    assert expected_of(all_carry, 2, PROFILE).verdict is Verdict.NOT_READY
    assert not expected_of(all_carry, 2, PROFILE).near
    assert expected_of(blocked, 2, PROFILE).near


def test_a_busy_pc_that_did_not_join_leaves_the_hub_room() -> None:
    """Whether it took part is known by what it sent."""
    short = Ways(up=Way(rate_ratio=0.87, queue_seconds=0.3))
    busy = BusyPc(kind="busy_pc", point=5)
    scenario = Scenario(name="busy", points=5, hub_line=short, faults=(busy,))
    sent = round(PACE.packets_per_second * 15)
    clean = {(one, "up"): Passed(sent, sent, own_lost=0) for one in range(1, 5)}
    lossy = {(one, "up"): Passed(sent, round(0.87 * sent), own_lost=0) for one in range(1, 6)}

    said = expected_of(scenario, 1, PROFILE, lossy)
    assert (said.verdict, said.near) == (Verdict.NOT_READY, False)
    assert expected_of(scenario, 1, PROFILE, clean).near


def test_a_name_is_awaited_from_the_first_own_step_that_can_see_the_fault() -> None:
    """An agent that dies after its group owes nothing before the rehearsal is over."""
    watch = NamingWatch(lambda: None)
    ends = (("idle", 5.0), *(("groups", at) for at in (7.5, 10.0, 13.0, 15.5)), ("rehearsal", 31.0))
    watch._ended = [(at, kind) for kind, at in ends]  # as its thread writes it
    watch.named["p06"] = Named(Cause.AGENT_SILENT, 33.5)

    assert watch.delay_seconds("p06", Cause.AGENT_SILENT, 11.5, group=1) == 2.5
    assert watch.delay_seconds("p06", Cause.AGENT_SILENT, 11.5, group=2) == 20.5
    assert watch.delay_seconds("p06", Cause.CLOCK_STEP, 11.5, group=1) is None
