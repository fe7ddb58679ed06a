"""The file of names from which a district's files are written."""

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from diemcau_contract.broker_url import check_host
from diemcau_contract.documents import Document, checked, read_document, unreadable_problem
from diemcau_contract.errors import DocumentError, Problem, ValueMistake
from diemcau_contract.identifiers import Identifier
from diemcau_contract.room_devices import DeviceSource, RoomDevice, RoomDevices
from diemcau_contract.texts import Text

_LETTERS_OF_AN_ID = re.compile(r"[^a-z0-9]+")
_ID_CHARACTERS = 63
_NO_NAME = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]")
"""Names stand in comments too: on one line, also by what YAML takes for a line's end, and without
what no YAML may hold."""
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")

Port = Annotated[int, Field(ge=1024, le=65_535)]
"""The units have no capability: what lies below belongs to root."""


def _readable(name: str) -> str:
    seen = any(sign.isprintable() and not sign.isspace() for sign in name)
    if not seen or _NO_NAME.search(name):
        raise ValueMistake(
            "tên phải nằm trên một dòng, đọc được, không có ký tự điều khiển",
            "must be a name that can be read, on one line, without control characters",
        )
    return name


Name = Annotated[str, Field(max_length=80), AfterValidator(_readable)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NamedHub(_Section):
    """The district hall."""

    id: Identifier
    name: Name


class NamedPoint(_Section):
    """A room; ``devices`` as the agent's file wants them, None: as all rooms have them."""

    id: Identifier
    name: Name
    devices: RoomDevices | None = None


class Ports(_Section):
    """Where the hall listens."""

    http: Port = 8080
    broker: Port = 1883
    measure: Port = 8620

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if self.http == self.broker:
            raise ValueMistake(
                f"http và broker đều dùng TCP {self.http}: phải khác nhau",
                f"http and broker both take TCP {self.http}: they must differ",
            )
        return self


def id_of(name: str) -> str:
    """Return the id that a name alone stands for: ``Xã Đak Nhau`` is ``xa-dak-nhau``."""
    plain = unicodedata.normalize("NFD", name.lower().replace("đ", "d"))
    letters = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return _LETTERS_OF_AN_ID.sub("-", letters).strip("-")[:_ID_CHARACTERS].strip("-")


def _named(value: object) -> object:
    if isinstance(value, str) and not id_of(value):
        raise ValueMistake(
            "tên này không cho ra mã nào (mã chỉ gồm a-z, 0-9); ghi rõ: {id: …, name: …}",
            "this name gives no id (of a-z and 0-9); write {id: …, name: …}",
        )
    if value is None or isinstance(value, bool | int | float):
        raise ValueMistake(
            "YAML không đọc chữ này là tên; ghi trong dấu nháy kép",
            "YAML does not read this as a name; write it in double quotes",
        )
    return _spelled_out(value)


def _spelled_out(value: object) -> object:
    return {"id": id_of(value), "name": value} if isinstance(value, str) else value


def _doubled(document: Document) -> Iterator[Problem]:
    """Name both points of one id: their names may differ and give the same."""
    points = document.at(("points",))
    first: dict[str, tuple[object, int]] = {}
    for index, written in enumerate(points if isinstance(points, list) else ()):
        point = _spelled_out(written)
        identifier = point.get("id") if isinstance(point, dict) else None
        if not isinstance(point, dict) or not isinstance(identifier, str) or not identifier:
            continue
        name, place = point.get("name"), ("points", index)
        if identifier not in first:
            first[identifier] = (name, document.lines.get(place, 0))
            continue
        other, line = first[identifier]
        what = Text(
            f"mã {identifier!r} của {name!r} trùng với {other!r} ở dòng {line}; "
            "ghi rõ mã khác nhau: {id: …, name: …}",
            f"the id {identifier!r} of {name!r} is also that of {other!r} on line {line}; "
            "write out ids that differ: {id: …, name: …}",
        )
        yield document.problem(place, what)


def _reached(host: str) -> str:
    try:
        check_host(host)
        good = _HOST.fullmatch(host)
    except ValueMistake:
        good = None
    if not good:
        raise ValueMistake(
            "phải là tên máy hay địa chỉ IPv4, không kèm cổng",
            "must be a host name or an IPv4 address, without a port",
        )
    return host


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueMistake(
            "không có múi giờ này; ví dụ: Asia/Ho_Chi_Minh",
            "is no time zone; for example: Asia/Ho_Chi_Minh",
        )
    return name


Points = Annotated[
    tuple[Annotated[NamedPoint, BeforeValidator(_named)], ...],
    Field(min_length=1),
]


class Names(_Section):
    """The file as it is written; ``address`` is the hall's, as rooms reach it."""

    schema_: Literal["diemcau.names/1"] = Field(alias="schema")
    hub: Annotated[NamedHub, BeforeValidator(_named)]
    address: Annotated[str, AfterValidator(_reached)]
    timezone: Annotated[str, AfterValidator(_known_zone)] = "Asia/Ho_Chi_Minh"
    profile: Literal["h323-720p", "h323-1080p", "meet-hd"] = "h323-720p"
    ports: Ports = Ports()
    devices: RoomDevices = (
        RoomDevice(kind="camera", source=DeviceSource(format="v4l2", url="/dev/video0")),
        RoomDevice(kind="microphone", source=DeviceSource(format="system")),
    )
    points: Points


def load_names(file: Path) -> Names:
    """Read the file of names.

    Raises:
        DocumentError: with every mistake, by its line.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError([unreadable_problem(error, str(file))]) from error
    document = read_document(text, str(file))
    problems = list(_doubled(document))
    try:
        names = checked(document, Names)
    except DocumentError as error:
        problems = sorted([*error.problems, *problems], key=lambda problem: problem.line)
        raise DocumentError(problems) from error
    if problems:
        raise DocumentError(problems)
    return names
