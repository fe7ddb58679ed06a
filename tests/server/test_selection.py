from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from diemcau_line.traffic import offered_bits_per_second
from diemcau_server.coordinator.errors import SelectionError
from diemcau_server.coordinator.selection import Selection, Wanted, check_bound, select
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
    ("points", "planned"), [(None, 2), (("bom-bo",), 2), (("phu-son", "bom-bo"), 3)]
)
def test_the_hub_line_is_planned_for_all_of_the_session(
    tmp_path: Path, points: tuple[str, ...] | None, planned: int
) -> None:
    """One room that is tried again stands for no other; one more than usual is one more."""
    assert chosen(tmp_path, points=points).planned == planned


@pytest.mark.parametrize(
    ("wanted", "code", "near", "sentence"),
    [
        (
            {"points": ("Bom Bo",)},
            "unknown_point",
            ("bom-bo",),
            "Không có điểm cầu 'Bom Bo'. Có phải ý bạn là: bom-bo?",
        ),
        (
            {"hub": "bu-dan"},
            "unknown_hub",
            ("bu-dang",),
            "Không có hội trường 'bu-dan'. Có phải ý bạn là: bu-dang?",
        ),
        (
            {"session": "lop1"},
            "unknown_session",
            ("lop-1", "lop-2"),
            "Không có phiên họp 'lop1'. Có phải ý bạn là: lop-1, lop-2?",
        ),
        (
            {"profile": "720p"},
            "unknown_profile",
            ("h323-720p",),
            "Không có cấu hình đo '720p'. Có phải ý bạn là: h323-720p?",
        ),
        (
            {"profile": "zzz"},
            "unknown_profile",
            (),
            "Không có cấu hình đo 'zzz'. Hiện có: light, h323-720p.",
        ),
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


def test_every_unknown_point_is_named(tmp_path: Path) -> None:
    """Not only the first, each with its own nearest name."""
    with pytest.raises(SelectionError) as caught:
        chosen(tmp_path, points=("bombo", "phu-son", "zzz", "duc-liu"))

    assert caught.value.near == ("bom-bo", "duc-lieu")
    assert caught.value.text.en == (
        "There is no point 'bombo'. Did you mean: bom-bo? There is no point 'zzz'. "
        "There is no point 'duc-liu'. Did you mean: duc-lieu? "
        "There are: bom-bo, dak-nhau, duc-lieu, tho-son, phu-son."
    )


def test_a_point_answers_to_the_name_that_tables_print(tmp_path: Path) -> None:
    """In any case, with or without diacritics."""
    for given in (("Xã Bom Bo", "XÃ ĐỨC LIỄU"), ("xa bom bo", "xa duc lieu")):
        assert ids(chosen(tmp_path, points=given)) == ["bom-bo", "duc-lieu"]


def test_a_long_list_of_what_there_is_is_cut(tmp_path: Path) -> None:
    """Twenty ids are listed, the others counted."""
    more = "".join(f"      - {{id: them-{number}, name: T{number}}}\n" for number in range(17))
    text = FILE.replace("    points:\n", f"    points:\n{more}", 1)

    with pytest.raises(SelectionError) as caught:
        select(district(tmp_path, text), Wanted("An", points=("zzz",)), NOW)

    assert caught.value.text.vi.endswith(", bom-bo, dak-nhau, duc-lieu và 2 điểm cầu khác.")
    assert caught.value.text.en.endswith(", bom-bo, dak-nhau, duc-lieu and 2 more.")


def test_a_meet_session_has_no_points_to_test(tmp_path: Path) -> None:
    """It has units, and the refusal says so in both languages."""
    text = FILE.replace("form: line", "form: meet", 1).replace(
        "    points: [bom-bo, duc-lieu]\n", ""
    )

    with pytest.raises(SelectionError) as caught:
        select(district(tmp_path, text), Wanted("An", session="lop-1"), NOW)

    assert caught.value.code == "invalid"
    assert "đơn vị tham gia, không có điểm cầu" in caught.value.text.vi
    assert "has units, not points" in caught.value.text.en


TWO_HUBS = FILE.replace(
    "sessions:",
    "  - id: dong-phu\n    name: Đồng Phú\n    points:\n"
    "      - {id: bom-bo, name: Bom Bo}\n      - {id: tan-phu, name: Tân Phú}\nsessions:",
)


@pytest.mark.parametrize(
    ("wanted", "hub"),
    [
        (Wanted("An", session="lop-1"), "bu-dang"),
        (Wanted("An", points=("tan-phu", "bom-bo")), "dong-phu"),
        (Wanted("An", points=("duc-lieu",)), "bu-dang"),
    ],
)
def test_the_hub_follows_from_what_only_it_has(tmp_path: Path, wanted: Wanted, hub: str) -> None:
    """A session, or a point that one hub alone has, names the hub."""
    assert select(district(tmp_path, TWO_HUBS), wanted, NOW).hub == hub


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (Wanted("An", points=("bom-bo",)), "unknown_hub"),
        (Wanted("An", points=("tan-phu", "duc-lieu")), "unknown_hub"),
        (Wanted("An", points=("zzz",)), "unknown_point"),
        (Wanted("An", session="zzz"), "unknown_session"),
    ],
)
def test_a_hub_that_does_not_follow_is_asked_for(tmp_path: Path, wanted: Wanted, code: str) -> None:
    """What both hubs have, or what lies in both, needs --hub; what none has is unknown."""
    with pytest.raises(SelectionError) as caught:
        select(district(tmp_path, TWO_HUBS), wanted, NOW)

    assert caught.value.code == code


@pytest.mark.parametrize(("quick", "ratio"), [(False, 1.2), (True, 1.0)])
@pytest.mark.parametrize("way", ["up", "down"])
def test_a_test_above_the_hubs_bound_is_refused_before_it_begins(
    tmp_path: Path,
    quick: bool,  # noqa: FBT001  # a case
    ratio: float,
    way: str,
) -> None:
    """To its last step and in both directions; the words name the key and both numbers."""
    selection = chosen(tmp_path)
    plans = {"up": selection.profile.up, "down": selection.profile.up}
    plans[way] = replace(plans[way], video_bits_per_second=2_000_000)
    selection = replace(selection, profile=selection.profile.model_copy(update=plans))
    needed = 2 * offered_bits_per_second(plans[way], ratio)

    check_bound(needed + 1, selection, quick=quick)
    with pytest.raises(SelectionError) as refused:
        check_bound(needed - 1, selection, quick=quick)
    assert refused.value.code == "over_limit"
    assert "measure.max_bits_per_second" in refused.value.text.vi
    assert f"{needed / 1e6:.1f}".replace(".", ",") in refused.value.text.vi
