"""YAML into checked values: every mistake with its line and what is allowed."""

import pytest

from diemcau_contract.documents import line_of, lines_of, parse_document
from diemcau_contract.errors import DocumentError
from diemcau_contract.profiles import Profile

GOOD = """\
id: light
name: Nhẹ
up: {audio_bits_per_second: 64000, video_bits_per_second: 320000, frames_per_second: 30}
down:
  audio_bits_per_second: 64000
  video_bits_per_second: 320000
  frames_per_second: 30
"""


def problems_of(text: str) -> str:
    """Return what is said of a profile written as ``text``."""
    with pytest.raises(DocumentError) as caught:
        parse_document(text, Profile, "p.yaml")
    return str(caught.value)


def test_a_good_document_is_read() -> None:
    """A right document gives its values."""
    profile = parse_document(GOOD, Profile, "p.yaml")
    assert profile.down.video_bits_per_second == 320_000


KEYS = "down, dscp, guards, id, limits, name, up"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("name:", "nmae:"), "p.yaml:1: name: missing; this key is required\n"
         "p.yaml:2: nmae: unknown key; did you mean 'name'?"),
        (("name:", "xyzzy: 1\nname:"), f"p.yaml:2: xyzzy: unknown key; allowed: {KEYS}"),
        (("Nhẹ", "[a]"), "p.yaml:2: name: must be text"),
        (("Nhẹ", "''"), "p.yaml:2: name: must have at least 1 character(s) (got '')"),
        (("second: 30\n", "second: 0\n"),
         "p.yaml:7: down.frames_per_second: must be at least 1 (got 0)"),
        (("64000\n", "many\n"),
         "p.yaml:5: down.audio_bits_per_second: must be a whole number (got 'many')"),
        (("64000\n", "1000001\n"),
         "p.yaml:5: down.audio_bits_per_second: must be at most 1000000 (got 1000001)"),
        (("light", "Nhẹ nhàng"),
         "p.yaml:1: id: not an id; use a-z, 0-9 and '-', at most 63 characters (got 'Nhẹ nhàng')"),
        (("name: Nhẹ", "name: Nhẹ\nname: Nặng"),
         "p.yaml:3: name: key given twice (first on line 2); keep one"),
        (("down:\n", "down: 3\nextra:\n"),
         "p.yaml:4: down: must be a mapping of keys (got 3)\np.yaml:5: extra: unknown key; "
         f"allowed: {KEYS}"),
        (("Nhẹ", "'"), "p.yaml:8: not valid YAML: found unexpected end of stream"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(change: tuple[str, str], told: str) -> None:
    """One change to a good document gives exactly these lines."""
    assert problems_of(GOOD.replace(*change, 1)) == told


def test_an_empty_document_misses_every_required_key() -> None:
    """Nothing at all is told key by key, not as a crash."""
    assert problems_of("") == "\n".join(
        f"p.yaml: {key}: missing; this key is required" for key in ("id", "name", "up", "down")
    )


def test_a_bad_date_is_a_problem_and_no_crash() -> None:
    """YAML's own date that cannot exist is told as a mistake."""
    assert problems_of("id: 2026-02-31") == "p.yaml: not valid YAML: day is out of range for month"


def test_a_place_has_its_line() -> None:
    """Lines are found for keys, list entries and nested values."""
    text = "a: 1\nb:\n  - x\n  - {c: 2}\n"
    assert line_of(text, ("b", 1, "c")) == 4
    assert line_of(text, ("b", 9)) == 0
    assert lines_of("a: [") == {}
