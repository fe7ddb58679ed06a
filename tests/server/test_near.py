import pytest

from diemcau_server.coordinator.near import named, nearest, plain

KNOWN = [
    ("bom-bo", "Xã Bom Bo"),
    ("dak-nhau", "Xã Đak Nhau"),
    ("duc-lieu", "Xã Đức Liễu"),
    ("duc-phong", "Thị trấn Đức Phong"),
    ("duong-10", "Xã Đường 10"),
]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("Bom Bo", "bom-bo"),
        ("bombo", "bom-bo"),
        ("xã bom bo", "bom-bo"),
        ("Đak Nhau", "dak-nhau"),
        ("daknhao", "dak-nhau"),
        ("Đức Liễu", "duc-lieu"),
        ("duong10", "duong-10"),
    ],
)
def test_the_nearest_name_is_offered_first(given: str, meant: str) -> None:
    """Diacritics, spaces, case and small mistakes do not hide what was meant."""
    assert nearest(given, KNOWN)[0] == meant


def test_nothing_near_offers_nothing() -> None:
    """A word unlike every name gets no guess."""
    assert nearest("zzzz", KNOWN) == ()
    assert nearest("", KNOWN) == ()


def test_plain_drops_all_marks() -> None:
    """Composed and decomposed letters come out the same."""
    assert plain("Đường 10") == plain("Đường 10") == "duong10"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("bom-bo", "bom-bo"),
        ("Xã Bom Bo", "bom-bo"),
        ("xã đak nhau", "dak-nhau"),
        ("XA DAK NHAU", "dak-nhau"),
        ("Bom Bo", "Bom Bo"),
        ("", ""),
    ],
)
def test_a_whole_name_is_as_good_as_an_id(given: str, meant: str) -> None:
    """Only whole: a part of a name stays what was given."""
    assert named(given, KNOWN) == meant


def test_a_shared_name_means_nobody() -> None:
    """An id comes before a name, exact letters before those without marks, never a guess."""
    known = [("a", "Xã Đak"), ("b", "Xã Dak"), ("c", "Chung"), ("d", "Chung"), ("e", "a")]
    assert [named(one, known) for one in ("xã đak", "xa dak", "chung", "a")] == [
        "a", "xa dak", "chung", "a",
    ]  # fmt: skip
