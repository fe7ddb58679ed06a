"""YAML into checked values: every mistake with its line and what is allowed."""

import errno
import os
from datetime import datetime
from typing import Annotated, Any

import pytest
from pydantic import Field, ValidationError, create_model

from diemcau_contract.causes import Text
from diemcau_contract.documents import line_of, lines_of, parse_document
from diemcau_contract.errors import DocumentError
from diemcau_contract.mistakes import mistake_text, unknown_key_text, unreadable_text
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


@pytest.mark.parametrize(
    ("kind", "value", "vi", "en"),
    [
        (Annotated[str, Field(max_length=2)], "abc",
         "được có nhiều nhất 2 ký tự (đang là 'abc')",
         "must have at most 2 characters (got 'abc')"),
        (str, 1, "phải là văn bản (đang là 1)", "must be text (got 1)"),
        (int, 1.5, "phải là số nguyên (đang là 1.5)", "must be a whole number (got 1.5)"),
        (float, "x", "phải là số (đang là 'x')", "must be a number (got 'x')"),
        (bool, "x", "phải là true hoặc false (đang là 'x')", "must be true or false (got 'x')"),
        (Annotated[float, Field(gt=0)], 0, "phải lớn hơn 0 (đang là 0)", "must be above 0 (got 0)"),
        (Annotated[float, Field(ge=0.5)], 0,
         "không được nhỏ hơn 0.5 (đang là 0)", "must be at least 0.5 (got 0)"),
        (Annotated[float, Field(lt=1)], 1, "phải nhỏ hơn 1 (đang là 1)", "must be below 1 (got 1)"),
        (Annotated[float, Field(le=1)], 2,
         "không được lớn hơn 1 (đang là 2)", "must be at most 1 (got 2)"),
        (tuple[int, ...], 1, "phải là danh sách (đang là 1)", "must be a list (got 1)"),
        (Annotated[tuple[int, ...], Field(min_length=1)], [],
         "phải có ít nhất 1 mục", "must have at least 1 entry"),
        (Annotated[tuple[int, ...], Field(max_length=1)], [1, 2],
         "được có nhiều nhất 1 mục", "must have at most 1 entries"),
        (Profile, 1, "phải gồm các khóa bên trong (đang là 1)",
         "must be a mapping of keys (got 1)"),
        (datetime, "soon", "phải là ngày giờ như 2026-03-14T07:30:00 (đang là 'soon')",
         "must be a date and time such as 2026-03-14T07:30:00 (got 'soon')"),
        (bytes, 1, "giá trị không hợp lệ: input should be a valid bytes (đang là 1)",
         "input should be a valid bytes (got 1)"),
    ],
)  # fmt: skip
def test_each_kind_of_mistake_in_both_languages(kind: Any, value: Any, vi: str, en: str) -> None:
    """What is allowed stands in both languages, also of a kind that has no sentence of its own."""
    model = create_model("Model", key=(kind, ...))
    with pytest.raises(ValidationError) as caught:
        model.model_validate({"key": value})

    assert [mistake_text(detail) for detail in caught.value.errors()] == [Text(vi, en)]


@pytest.mark.parametrize(
    ("text", "vi", "en"),
    [
        ("a: b: c", "dấu ':' ở chỗ không được có", "mapping values are not allowed here"),
        ("a:\n  b\nc", "thiếu dấu ':' sau tên khóa", "could not find expected ':'"),
        ("a:\n\tb: 1", "có dấu Tab; hãy thụt lề bằng dấu cách",
         "found character '\\t' that cannot start any token"),
        ("a: @b", "không được bắt đầu bằng ký tự '@'",
         "found character '@' that cannot start any token"),
        ("a: 'b", "tệp hết giữa chừng, thiếu dấu đóng", "found unexpected end of stream"),
        ("- a\nb: 1", "thụt lề sai, gặp '?'", "expected <block end>, but found '?'"),
        ("a: ]", "thiếu giá trị, gặp ']'", "expected the node content, but found ']'"),
        ("a: [b", "thiếu ',' hoặc ']', gặp cuối tệp",
         "expected ',' or ']', but got '<stream end>'"),
        ("a: 2026-02-31", "không có ngày này trong tháng", "day is out of range for month"),
        ("a: 2026-13-01", "tháng phải từ 1 đến 12", "month must be in 1..12"),
        ("a: *b", "found undefined alias 'b'", "found undefined alias 'b'"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_yaml(text: str, vi: str, en: str) -> None:
    """The usual slips are told in both languages, a rare one in the library's words."""
    with pytest.raises(DocumentError) as caught:
        parse_document(text, Profile, "p.yaml")

    (problem,) = caught.value.problems
    assert problem.what == Text(f"sai cú pháp YAML: {vi}", f"not valid YAML: {en}")


@pytest.mark.parametrize(
    ("number", "vi"),
    [
        (errno.ENOENT, "không có tệp này"),
        (errno.EACCES, "không có quyền đọc"),
        (errno.EISDIR, "đây là thư mục"),
        (errno.ENOTDIR, "đường dẫn đi qua một tệp"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_why_a_file_cannot_be_read(number: int, vi: str) -> None:
    """The usual reasons are told in both languages, a rare one in the system's words."""
    told = unreadable_text(OSError(number, os.strerror(number)))

    assert told == Text(vi, os.strerror(number))


def test_a_mistake_in_vietnamese_has_its_place() -> None:
    """A line in Vietnamese names file, line and key as the English one does."""
    with pytest.raises(DocumentError) as caught:
        parse_document(GOOD.replace("name:", "xyzzy: 1\nname: [a]\nname:"), Profile, "p.yaml")

    assert [problem.in_language("vi") for problem in caught.value.problems] == [
        f"p.yaml:2: xyzzy: không có khóa này; chỉ có: {KEYS}",
        "p.yaml:4: name: khóa bị ghi hai lần (lần đầu ở dòng 3); chỉ giữ một",
    ]
    assert unknown_key_text([], []) == Text("không có khóa này", "unknown key")
