"""The file of names from which a district's files are written."""

import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from diemcau_contract.documents import parse_document, unreadable_problem
from diemcau_contract.errors import DocumentError, ValueMistake
from diemcau_contract.identifiers import Identifier
from diemcau_contract.room_devices import DeviceSource, RoomDevice, RoomDevices

_LETTERS_OF_AN_ID = re.compile(r"[^a-z0-9]+")
_ID_CHARACTERS = 63
_NAME = "^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$"
"""On one line, also by what YAML takes for a line's end: names stand in comments too."""
_HOST = r"^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$"

Port = Annotated[int, Field(ge=1024, le=65_535)]
"""The units have no capability: what lies below belongs to root."""
Name = Annotated[str, Field(min_length=1, max_length=80, pattern=_NAME)]


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
    return {"id": id_of(value), "name": value} if isinstance(value, str) else value


def _different(points: tuple[NamedPoint, ...]) -> tuple[NamedPoint, ...]:
    counts = Counter(point.id for point in points)
    doubled = ", ".join(sorted(name for name, count in counts.items() if count > 1))
    if doubled:
        raise ValueMistake(
            f"các mã điểm cầu phải khác nhau; bị trùng: {doubled} (ghi rõ: {{id: …, name: …}})",
            f"point ids must differ; doubled: {doubled} (write them out: {{id: …, name: …}})",
        )
    return points


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
    AfterValidator(_different),
]


class Names(_Section):
    """The file as it is written; ``address`` is the hall's, as rooms reach it."""

    schema_: Literal["diemcau.names/1"] = Field(alias="schema")
    hub: Annotated[NamedHub, BeforeValidator(_named)]
    address: Annotated[str, Field(pattern=_HOST)]
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
    return parse_document(text, Names, str(file))
