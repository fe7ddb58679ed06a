"""The numbers of a probe in words."""

import pytest

from diemcau_contract.causes import WORDING, Cause, action
from diemcau_contract.messages import DeviceResult, Value
from diemcau_contract.value_words import changes, label, number
from diemcau_contract.words import DeviceKind, Status


@pytest.mark.parametrize(
    ("name", "value", "vi", "en"),
    [
        ("luma", 127.96, "128,0", "128.0"),
        ("accepted_luma", 40.0, "40,0", "40.0"),
        ("delay_seconds", 0.1234, "0,123 s", "0.123 s"),
        ("rms_dbfs", -52.0, "-52,0 dBFS", "-52.0 dBFS"),
        ("frames", 60, "60", "60"),
        ("muted", True, "có", "yes"),
        ("frames_per_second", None, "-", "-"),
        ("held_by", "zoom", "zoom", "zoom"),
        ("not_yet_known", 1.5, "1,50", "1.50"),
    ],
)
def test_a_value_as_a_reader_of_each_language_writes_it(
    name: str, value: Value, vi: str, en: str
) -> None:
    """Decimal comma and point, units, yes and no; a value of a newer agent is shown as well."""
    assert number(name, value, "vi") == vi
    assert number(name, value, "en") == en
    assert label(name).vi
    assert label(name).en


def test_what_has_changed_is_told_by_both_numbers() -> None:
    """Only what was compared and has moved."""
    moved = DeviceResult(
        kind=DeviceKind.SPEAKER, status=Status.WARN, causes=(Cause.CHANGED,),
        values={"gain_db": -30.0, "accepted_gain_db": -12.5, "delay_seconds": 0.1},
    )  # fmt: skip
    said = changes([moved])

    assert said is not None
    assert said.vi == "mức nghe so với mức phát -30,0 dB, trước -12,5 dB"
    assert said.en == "level heard against played -30.0 dB, before -12.5 dB"
    assert said.vi in action(Cause.CHANGED, device="speaker", evidence=said).vi
    assert changes([moved.model_copy(update={"values": {"gain_db": -30.0}})]) is None


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_has_what_why_and_what_to_do_in_both_languages(cause: Cause) -> None:
    """No sentence is missing or left in the other language."""
    wording = WORDING[cause]

    for text in (wording.name, wording.why, wording.action):
        assert text.vi
        assert text.en
        assert text.vi != text.en
