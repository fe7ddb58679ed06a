import pytest

from diemcau_contract.emodel import mos, rating


@pytest.mark.parametrize(
    ("delay", "loss", "burst", "rated"),
    [
        (0.0, 0.0, 1.0, 93.2),
        (0.1, 0.0, 1.0, 93.2 - 2.4),
        (0.2, 0.0, 1.0, 93.2 - 4.8 - 0.11 * 22.7),
        (0.0, 0.02, 1.0, 93.2 - 95 * 2 / 27.1),
        (0.0, 0.02, 2.0, 93.2 - 95 * 2 / 26.1),
    ],
)
def test_the_rating_follows_g_107(delay: float, loss: float, burst: float, rated: float) -> None:
    """Delay, knee at 177.3 ms, loss and bursts each take their part."""
    assert rating(delay, loss, burst) == pytest.approx(rated)


@pytest.mark.parametrize(
    ("rated", "score"), [(-5, 1.0), (0, 1.0), (50, 2.575), (93.2, 4.41), (100, 4.5)]
)
def test_the_score_is_bounded(rated: float, score: float) -> None:
    """1 is the worst, 4.5 the best; the values between are those of annex B."""
    assert mos(rated) == pytest.approx(score, abs=0.005)
