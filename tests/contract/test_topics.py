import pytest

from diemcau_contract.errors import TopicError
from diemcau_contract.topics import (
    Down,
    Up,
    UpTopic,
    all_down,
    all_up,
    doctors,
    down,
    is_doctors,
    parse_up,
    up,
)


def test_topic_of_a_point_round_trips() -> None:
    """What up() writes, parse_up() reads."""
    topic = up("bu-dang", "bom-bo", Up.REPORT)

    assert topic == "diemcau/v1/bu-dang/bom-bo/up/report"
    assert parse_up(topic) == UpTopic("bu-dang", "bom-bo", Up.REPORT)


def test_down_topics_lie_under_the_points_own_filter() -> None:
    """A point's subscription covers every kind of message to it."""
    prefix = all_down("bu-dang", "bom-bo").removesuffix("+")

    assert all(down("bu-dang", "bom-bo", kind).startswith(prefix) for kind in Down)


def test_the_doctors_topic_is_heard_with_the_points_and_is_none_of_theirs() -> None:
    """The filter for all points covers it; no message of a point has its kind."""
    topic = doctors("bu-dang")

    assert len(topic.split("/")) == len(all_up().split("/"))
    assert topic.startswith("diemcau/v1/bu-dang/")
    assert is_doctors(topic)
    assert not [kind for kind in Up if is_doctors(up("bu-dang", "doctor", kind))]
    with pytest.raises(TopicError):
        parse_up(topic)


@pytest.mark.parametrize("bad", ["", "+", "#", "a/b", "Bom-Bo", "bom_bo", "-a", "a-", "x" * 64])
def test_an_id_that_could_widen_a_subscription_is_refused(bad: str) -> None:
    """No wildcard, level separator or odd character enters a topic."""
    with pytest.raises(TopicError, match="not an id"):
        up("bu-dang", bad, Up.HELLO)


@pytest.mark.parametrize(
    "topic",
    [
        "diemcau/v1/bu-dang/bom-bo/down/ack",
        "diemcau/v1/bu-dang/bom-bo/up",
        "diemcau/v2/bu-dang/bom-bo/up/report",
        "diemcau/v1/bu-dang/bom-bo/up/other",
        "diemcau/v1/bu-dang/Bom Bo/up/report",
        "",
    ],
)
def test_a_foreign_topic_is_named(topic: str) -> None:
    """A topic that is none of ours raises, it is never guessed at."""
    with pytest.raises(TopicError):
        parse_up(topic)
