"""What is said of each kind of mistake in a configuration file, in both languages (SPEC 7).

A sentence says what is allowed, in the words of whoever writes the file.
"""

import errno
import re
from collections.abc import Mapping, Sequence
from typing import Final

from pydantic_core import ErrorDetails

from diemcau_contract.causes import Text
from diemcau_contract.errors import ValueMistake
from diemcau_contract.words import ID_PATTERN

_CREDENTIALS: Final = re.compile(r"//.*@", re.DOTALL)
"""User and password within an address: a log must not learn them from a mistake. A password may
hold any sign, so that only the last ``@`` ends it."""

_ID: Final = Text(
    "không phải mã hợp lệ; chỉ dùng a-z, 0-9 và '-', nhiều nhất 63 ký tự",
    "not an id; use a-z, 0-9 and '-', at most 63 characters",
)
_WHOLE: Final = Text("phải là số nguyên", "must be a whole number")
_NUMBER: Final = Text("phải là số", "must be a number")
_BOOL: Final = Text("phải là true hoặc false", "must be true or false")
_LIST: Final = Text("phải là danh sách", "must be a list")
_MAPPING: Final = Text("phải gồm các khóa bên trong", "must be a mapping of keys")
_DATE: Final = Text(
    "phải là ngày giờ như 2026-03-14T07:30:00",
    "must be a date and time such as 2026-03-14T07:30:00",
)
_SENTENCES: Final[Mapping[str, Text]] = {
    "string_type": Text("phải là văn bản", "must be text"),
    "string_too_short": Text(
        "phải có ít nhất {min_length} ký tự", "must have at least {min_length} character(s)"
    ),
    "string_too_long": Text(
        "được có nhiều nhất {max_length} ký tự", "must have at most {max_length} characters"
    ),
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "bool_type": _BOOL,
    "bool_parsing": _BOOL,
    "greater_than": Text("phải lớn hơn {gt}", "must be above {gt}"),
    "greater_than_equal": Text("không được nhỏ hơn {ge}", "must be at least {ge}"),
    "less_than": Text("phải nhỏ hơn {lt}", "must be below {lt}"),
    "less_than_equal": Text("không được lớn hơn {le}", "must be at most {le}"),
    "literal_error": Text("phải là {expected_vi}", "must be {expected}"),
    "tuple_type": _LIST,
    "list_type": _LIST,
    "too_short": Text("phải có ít nhất {min_length} mục", "must have at least {min_length} entry"),
    "too_long": Text(
        "được có nhiều nhất {max_length} mục", "must have at most {max_length} entries"
    ),
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "dict_type": _MAPPING,
    "dataclass_type": _MAPPING,
    "datetime_type": _DATE,
    "datetime_parsing": _DATE,
    "datetime_from_date_parsing": _DATE,
    "datetime_object_invalid": _DATE,
}

_SYNTAX: Final[Sequence[tuple[str, str]]] = (
    (r"mapping values are not allowed here", "dấu ':' ở chỗ không được có"),
    (r"could not find expected ':'", "thiếu dấu ':' sau tên khóa"),
    (r"found character '\\t' that cannot .*", "có dấu Tab; hãy thụt lề bằng dấu cách"),
    (r"found character (.+) that cannot .*", "không được bắt đầu bằng ký tự {0}"),
    (r"found unexpected end of stream", "tệp hết giữa chừng, thiếu dấu đóng"),
    (r"expected <block end>, but found (.+)", "thụt lề sai, gặp {0}"),
    (r"expected the node content, but found (.+)", "thiếu giá trị, gặp {0}"),
    (r"expected (',' or '.'), but got (.+)", "thiếu {0}, gặp {1}"),
    (r"a value contains itself", "giá trị chứa chính nó"),
    (r"values are nested more than (\d+) levels deep", "các giá trị lồng nhau sâu quá {0} cấp"),
    (r"there are more than (\d+) values", "có hơn {0} giá trị"),
    (r"the number is too large", "số quá lớn"),
    (r"the value cannot be read", "không đọc được giá trị"),
    (r"but found another document", "tệp có hơn một tài liệu ('---')"),
    (r"found unhashable key", "khóa phải là văn bản"),
    (r"a character is not valid", "có ký tự không hợp lệ"),
    (r"could not determine a constructor for the tag (.+)", "không dùng được thẻ {0}"),
    (r"found undefined alias '(.+)'", "dùng *{0} nhưng chưa có &{0}"),
)
"""The library's words for the mistakes that are made most, and Vietnamese ones."""

_UNREADABLE: Final[Mapping[int, str]] = {
    errno.ENOENT: "không có tệp này",
    errno.EACCES: "không có quyền đọc",
    errno.EPERM: "không có quyền đọc",
    errno.EISDIR: "đây là thư mục",
    errno.ENOTDIR: "đường dẫn đi qua một tệp",
}
_UNWRITABLE: Final[Mapping[int, str]] = {
    errno.ENOENT: "không tạo được ở đây",
    errno.EACCES: "không có quyền ghi",
    errno.EPERM: "không có quyền ghi",
    errno.EEXIST: "đây là một tệp",
    errno.EISDIR: "đây là thư mục",
    errno.ENOTDIR: "đường dẫn đi qua một tệp",
    errno.ENAMETOOLONG: "tên quá dài",
    errno.EROFS: "ổ đĩa chỉ cho đọc",
    errno.ENOSPC: "ổ đĩa đã đầy",
}


def mistake_text(detail: ErrorDetails) -> Text:
    """Say what is wrong with a value, and what it is unless that is a whole section."""
    if detail["type"] == "missing":
        return Text("thiếu khóa bắt buộc này", "missing; this key is required")
    sentence = _allowed(detail)
    value = detail["input"]
    if isinstance(value, dict | list | tuple):
        return sentence
    shown = _CREDENTIALS.sub("//***@", repr(value))
    return Text(f"{sentence.vi} (đang là {shown})", f"{sentence.en} (got {shown})")


def unknown_key_text(near: Sequence[str], allowed: Sequence[str]) -> Text:
    """Say that a key is unknown, with the one that was meant or those that are allowed."""
    if near:
        return Text(
            f"không có khóa này; có phải ý bạn là {near[0]!r}?",
            f"unknown key; did you mean {near[0]!r}?",
        )
    if allowed:
        keys = ", ".join(allowed)
        return Text(f"không có khóa này; chỉ có: {keys}", f"unknown key; allowed: {keys}")
    return Text("không có khóa này", "unknown key")


def doubled_key_text(first_line: int) -> Text:
    """Say that a key stands twice in one section."""
    return Text(
        f"khóa bị ghi hai lần (lần đầu ở dòng {first_line}); chỉ giữ một",
        f"key given twice (first on line {first_line}); keep one",
    )


def syntax_text(what: str) -> Text:
    """Say that a file is no YAML; of a rare mistake, the YAML library's own words."""
    return Text(f"sai cú pháp YAML: {_syntax_in_vietnamese(what)}", f"not valid YAML: {what}")


def unreadable_text(error: OSError | UnicodeDecodeError) -> Text:
    """Say why a file cannot be read."""
    if isinstance(error, UnicodeDecodeError):
        return Text("không phải văn bản UTF-8", "not UTF-8 text")
    reason = error.strerror or str(error)
    return Text(_UNREADABLE.get(error.errno or 0, reason), reason)


def unwritable_text(error: OSError) -> Text:
    """Say why a file or a directory cannot be made or written."""
    reason = error.strerror or str(error)
    return Text(_UNWRITABLE.get(error.errno or 0, reason), reason)


def _allowed(detail: ErrorDetails) -> Text:
    context = detail.get("ctx", {})
    mistake = context.get("error")
    if isinstance(mistake, ValueMistake):
        return mistake.text
    kind = detail["type"]
    if kind == "string_pattern_mismatch" and context.get("pattern") == ID_PATTERN:
        return _ID
    if kind in _SENTENCES:
        values = {key: _whole(value) for key, value in context.items()}
        values["expected_vi"] = _in_vietnamese(str(context.get("expected", "")))
        sentence = _SENTENCES[kind]
        return Text(sentence.vi.format(**values), sentence.en.format(**values))
    message = detail["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    return Text(f"giá trị không hợp lệ: {message}", message)


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _syntax_in_vietnamese(what: str) -> str:
    for pattern, words in _SYNTAX:
        if found := re.fullmatch(pattern, what, re.DOTALL):
            return words.format(*map(_in_vietnamese, found.groups()))
    return what


def _in_vietnamese(part: str) -> str:
    return part.replace(" or ", " hoặc ").replace("'<stream end>'", "cuối tệp")
