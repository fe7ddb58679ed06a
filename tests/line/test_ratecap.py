import pytest

from diemcau_line.ratecap import BURST_SECONDS, RateCap

SECOND = 1_000_000_000


@pytest.mark.parametrize(("share", "lost"), [(0.9, False), (1.0, False), (1.5, True)])
def test_only_what_is_above_the_rate_is_refused(share: float, lost: bool) -> None:  # noqa: FBT001
    """A steady flow passes up to the rate; above it a third of one and a half is refused."""
    cap = RateCap(1e6)
    packets = int(10 * share * 1e6 / 8000)
    taken = sum(
        cap.takes(1000, SECOND + int(number * 10 * SECOND / packets)) for number in range(packets)
    )

    assert (taken < packets) is lost
    assert taken * 8000 <= 1e6 * (10 + BURST_SECONDS) + 8000


def test_a_burst_of_half_a_second_passes() -> None:
    """What a queue has held back is no abuse."""
    cap = RateCap(1e6)

    assert [cap.takes(31_250, SECOND) for _ in range(3)] == [True, True, False]


def test_a_clock_that_goes_back_gives_nothing() -> None:
    """Stamps out of order never open the cap."""
    cap = RateCap(8000)
    cap.takes(500, 2 * SECOND)

    assert not cap.takes(100, SECOND)


def test_all_together_stay_within_their_bound() -> None:
    """Each is within its own, the second no longer within that of all; a free one is as well."""
    in_all = RateCap(16_000)
    first, second, free = (RateCap(rate, within=in_all) for rate in (12_000.0, 12_000.0, None))

    assert first.takes(700, SECOND)
    assert not second.takes(700, SECOND)
    assert second.takes(300, SECOND)
    assert not free.takes(1, SECOND)
