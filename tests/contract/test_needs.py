"""What a doctor says in words."""

from diemcau_contract.needs import DISK_LEAST_BYTES, GIBIBYTE, disk_need


def test_room_on_a_disk_is_told_as_each_language_writes_numbers() -> None:
    """A comma in Vietnamese, a point in English."""
    need = disk_need("/srv", round(1.5 * GIBIBYTE))

    assert need.detail.vi == "còn trống 1,5 GiB"
    assert need.detail.en == "1.5 GiB free"


def test_a_disk_is_full_just_under_the_least() -> None:
    """On the limit there is room."""
    assert disk_need("/srv", DISK_LEAST_BYTES).there
    assert not disk_need("/srv", DISK_LEAST_BYTES - 1).there
