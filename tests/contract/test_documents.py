"""YAML into checked values: every mistake with its line and what is allowed."""

import errno
import itertools
import os
from datetime import datetime
from typing import Annotated, Any

import pytest
from pydantic import Field, ValidationError, create_model

from diemcau_contract.causes import Text
from diemcau_contract.documents import parse_document, read_document
from diemcau_contract.errors import DocumentError, Problem
from diemcau_contract.mistakes import mistake_text, unknown_key_text, unreadable_text
from diemcau_contract.profiles import Profile
from diemcau_contract.yaml_text import read_yaml, write_yaml

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


def test_a_date_stays_text() -> None:
    """A value that looks like a date is told by its key, like any other text."""
    assert problems_of(GOOD.replace("Nhẹ", "2026-02-31").replace("light", "2026-02-31 9:00")) == (
        "p.yaml:1: id: not an id; use a-z, 0-9 and '-', at most 63 characters "
        "(got '2026-02-31 9:00')"
    )


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("true", "down.frames_per_second: must be a number (got True)"),
        ("'30'", "down.frames_per_second: must be a number (got '30')"),
    ],
)
def test_a_value_of_another_type_is_not_converted(value: str, told: str) -> None:
    """Truth and text are no numbers; a whole number is one, also written with an exponent."""
    assert problems_of(GOOD.replace("second: 30\n", f"second: {value}\n")) == f"p.yaml:7: {told}"
    profile = parse_document(GOOD.replace("second: 30\n", "second: 3e1\n"), Profile, "p.yaml")
    assert (profile.down.frames_per_second, profile.up.frames_per_second) == (30, 30)


@pytest.mark.parametrize(
    ("text", "line", "vi", "en"),
    [
        ("b: 1\na: &a [*a]", 2, "giá trị chứa chính nó", "a value contains itself"),
        ("a: &a {b: *a}", 1, "giá trị chứa chính nó", "a value contains itself"),
        ("[" * 5000, 1, "các giá trị lồng nhau sâu quá 50 cấp",
         "values are nested more than 50 levels deep"),
        ("a: " + "[" * 50 + "]" * 50, 1, "các giá trị lồng nhau sâu quá 50 cấp",
         "values are nested more than 50 levels deep"),
        ("a: &a " + "[" * 40 + "]" * 40 + "\nb: " + "[" * 20 + "*a" + "]" * 20, 2,
         "các giá trị lồng nhau sâu quá 50 cấp", "values are nested more than 50 levels deep"),
        ("a: &a [1,2,3,4,5,6,7,8,9]\n"
         + "".join(f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n"
                   for old, new in itertools.pairwise("abcdefghijklmnop")), 6,
         "có hơn 500000 giá trị", "there are more than 500000 values"),
        ("a: 1\nb: 0x" + "f" * 4000, 2, "số quá lớn", "the number is too large"),
        ("a: " + "9" * 5000, 1, "không đọc được giá trị", "the value cannot be read"),
        ("a: !!bool maybe", 1, "không đọc được giá trị", "the value cannot be read"),
        ("a: !!int ''", 1, "không đọc được giá trị", "the value cannot be read"),
        ('a: "\\0"', 1, "có ký tự không hợp lệ", "a character is not valid"),
        ('a: "\\ud800"', 1, "có ký tự không hợp lệ", "a character is not valid"),
        ("a: 1\nb: \a", 2, "có ký tự không hợp lệ", "a character is not valid"),
        ("a: !!binary aGk=", 1, "không dùng được thẻ 'tag:yaml.org,2002:binary'",
         "could not determine a constructor for the tag 'tag:yaml.org,2002:binary'"),
        ("? [a]\n: b", 1, "khóa phải là văn bản", "found unhashable key"),
        ("a: 1\n---\nb: 1", 2, "tệp có hơn một tài liệu ('---')", "but found another document"),
    ],
)  # fmt: skip
def test_a_text_that_no_file_may_hold(text: str, line: int, vi: str, en: str) -> None:
    """Values without end, or that nothing can be done with, are refused with their line."""
    with pytest.raises(DocumentError) as caught:
        read_document(text, "p.yaml")

    assert caught.value.problems == (
        Problem("p.yaml", line, "", Text(f"sai cú pháp YAML: {vi}", f"not valid YAML: {en}")),
    )


def test_what_is_just_deep_enough_is_read() -> None:
    """Fifty levels are no mistake of the text."""
    assert read_document("a: " + "[" * 48 + "1" + "]" * 48, "p.yaml").content is not None


@pytest.mark.parametrize(
    "text",
    ["1e3", "1.5E-3", "10", "0x1f", "no", "null", "~", "12.5", "", "a: b", "ư\x85\ufffe", "\u2028"],
)
def test_what_is_written_is_read_as_the_same(text: str) -> None:
    """Text stays text, by the rules of what reads it."""
    value = {"a": [text, 1, 1.5, True, None], "b": []}

    assert read_yaml(write_yaml(value)).content == value


def test_a_place_has_its_line() -> None:
    """Lines are found for keys, list entries and nested values."""
    text = "a: 1\nb:\n  - x\n  - {c: 2}\n"
    lines = read_document(text, "a.yaml").lines
    assert lines["b", 1, "c"] == 4
    assert ("b", 9) not in lines


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
        ("a: *b", "dùng *b nhưng chưa có &b", "found undefined alias 'b'"),
        ("a: &b 1\nc: &b 1", "second occurrence", "second occurrence"),
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
