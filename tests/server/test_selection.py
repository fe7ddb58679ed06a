from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from diemcau_server.coordinator.errors import SelectionError
from diemcau_server.coordinator.selection import Selection, Wanted, select
from tests.server.district import FILE, NOW, district


def chosen(folder: Path, **wanted: object) -> Selection:
    """Select in the district at its usual time."""
    return select(district(folder), replace(Wanted(asked_by="An"), **wanted), NOW)  # type: ignore[arg-type]  # fields by name


def ids(selection: Selection) -> list[str]:
    """Return the ids of the chosen points."""
    return [one.point for one in selection.points]


def test_the_session_running_now_is_the_default(tmp_path: Path) -> None:
    """Its points and its profile are taken when nothing is named."""
    selection = chosen(tmp_path)

    assert (selection.hub, selection.session) == ("bu-dang", "lop-1")
    assert ids(selection) == ["bom-bo", "duc-lieu"]
    assert selection.profile.id == "h323-720p"


def test_the_next_session_comes_after_the_last_has_ended(tmp_path: Path) -> None:
    """A session without a list of points means all, without those disabled or in maintenance."""
    selection = select(district(tmp_path), Wanted("An"), NOW + timedelta(hours=12))

    assert selection.session == "lop-2"
    assert ids(selection) == ["bom-bo", "dak-nhau", "duc-lieu"]


def test_without_a_coming_session_everything_is_tested(tmp_path: Path) -> None:
    """No session, the default profile, all points."""
    selection = select(district(tmp_path), Wanted("An"), NOW + timedelta(days=30))

    assert selection.session is None
    assert selection.profile.id == "light"
    assert ids(selection) == ["bom-bo", "dak-nhau", "duc-lieu", "phu-son"]


def test_named_points_win_over_the_session(tmp_path: Path) -> None:
    """Each once, in the order of the file, even in maintenance."""
    selection = chosen(tmp_path, points=("phu-son", "bom-bo", "bom-bo"), profile="light")

    assert ids(selection) == ["bom-bo", "phu-son"]
    assert selection.profile.id == "light"


@pytest.mark.parametrize(
    ("wanted", "code", "near", "sentence"),
    [
        (
            {"points": ("Bom Bo",)},
            "unknown_point",
            ("bom-bo",),
            "Không có điểm cầu 'Bom Bo'. Có phải bạn muốn: bom-bo?",
        ),
        (
            {"hub": "bu-dan"},
            "unknown_hub",
            ("bu-dang",),
            "Không có hội trường 'bu-dan'. Có phải bạn muốn: bu-dang?",
        ),
        (
            {"session": "lop1"},
            "unknown_session",
            ("lop-1", "lop-2"),
            "Không có phiên họp 'lop1'. Có phải bạn muốn: lop-1, lop-2?",
        ),
        (
            {"profile": "720p"},
            "unknown_profile",
            ("h323-720p",),
            "Không có cấu hình đo '720p'. Có phải bạn muốn: h323-720p?",
        ),
        ({"profile": "zzz"}, "unknown_profile", (), "Không có cấu hình đo 'zzz'."),
        (
            {"points": ("tho-son",)},
            "invalid",
            (),
            "Điểm cầu 'tho-son' đang bị tắt trong cấu hình (enabled: false).",
        ),
    ],
)
def test_what_is_unknown_is_answered_with_the_nearest_names(
    tmp_path: Path, wanted: dict[str, object], code: str, near: tuple[str, ...], sentence: str
) -> None:
    """The sentence names what was asked for and what could be meant."""
    with pytest.raises(SelectionError) as caught:
        chosen(tmp_path, **wanted)

    assert (caught.value.code, caught.value.near) == (code, near)
    assert caught.value.text.vi == sentence


def test_several_hubs_must_be_told_apart(tmp_path: Path) -> None:
    """Without a name only a single hub is taken."""
    text = FILE.replace("sessions:", "  - {id: dong-phu, name: Đồng Phú}\nsessions:")

    with pytest.raises(SelectionError) as caught:
        select(district(tmp_path, text), Wanted("An"), NOW)

    assert caught.value.near == ("bu-dang", "dong-phu")


def test_a_session_without_points_left_cannot_be_tested(tmp_path: Path) -> None:
    """Everything in maintenance leaves nothing to do."""
    text = FILE.replace("points: [bom-bo, duc-lieu]", "points: [phu-son]")

    with pytest.raises(SelectionError) as caught:
        select(district(tmp_path, text), Wanted("An"), NOW)

    assert caught.value.code == "invalid"
