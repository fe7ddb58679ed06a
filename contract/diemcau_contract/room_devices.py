"""The devices expected in a room, as an agent's file and a district's file of names list them."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from diemcau_contract.broker_url import check_host
from diemcau_contract.errors import ValueMistake
from diemcau_contract.identifiers import Identifier

Kind = Literal["codec", "display", "camera", "microphone", "speaker"]
Format = Literal["v4l2", "dshow", "lavfi", "rtsp", "system", "pjlink", "sip", "h323", "xapi"]

FORMATS: Final[Mapping[Kind, tuple[Format, ...]]] = {
    "codec": ("sip", "h323", "xapi"),
    "display": ("system", "pjlink"),
    "camera": ("v4l2", "dshow", "lavfi", "rtsp"),
    "microphone": ("system", "lavfi"),
    "speaker": ("system",),
}
"""Forms of source by kind of device: those of the agent's probes, held equal by a test."""

_SCHEMES: Final[Mapping[str, tuple[str, ...]]] = {
    "pjlink": ("pjlink://",),
    "sip": ("sip://",),
    "h323": ("h323://",),
    "xapi": ("http://", "https://"),
    "rtsp": ("rtsp://", "rtsps://"),
}
"""Forms of a source that are reached by an address, with what the address begins with."""

_WITH_LOGIN: Final[Mapping[str, tuple[Format, ...]]] = {
    "username": ("xapi", "rtsp"),
    "password_file": ("pjlink", "xapi", "rtsp"),
    "ca_file": ("xapi",),
}
_HOST: Final = re.compile(r"[0-9a-f:.]+(?:%[\w.-]+)?|[\w.-]+", re.IGNORECASE)
"""An IPv6 address with its zone, or a name; what ``check_host`` does not look at."""
_SIP_QUERIES: Final = {"", "transport=tcp", "transport=udp"}


class DeviceSource(BaseModel):
    """How a device is reached; one of the system by a pattern of its name, or as its default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Format
    url: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    username: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    password_file: Annotated[str, Field(min_length=1)] | None = None
    ca_file: Annotated[str, Field(min_length=1)] | None = None

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str | None, info: ValidationInfo) -> str | None:
        form = info.data.get("format", "")
        if url is None or form not in _SCHEMES:
            return url
        try:
            _check_address(form, url)
        except ValueError as error:
            # The text is not repeated: it may hold a password.
            rest = "HOST[:PORT]/PATH" if form == "rtsp" else "HOST[:PORT]"
            begins = " | ".join(f"{scheme}{rest}" for scheme in _SCHEMES[form])
            raise ValueMistake(
                f"phải là {begins}, không kèm tài khoản; HOST là một tên máy hoặc một địa chỉ IP",
                f"must be {begins}, without a login; HOST is one host name or IP address",
            ) from error
        return url

    @field_validator("username", "password_file", "ca_file")
    @classmethod
    def _has_login(cls, value: str | None, info: ValidationInfo) -> str | None:
        formats = _WITH_LOGIN[info.field_name or ""]
        if value is not None and info.data.get("format", formats[0]) not in formats:
            names_vi, names_en = " hoặc ".join(formats), " or ".join(formats)
            raise ValueMistake(
                f"chỉ dùng với nguồn dạng {names_vi}", f"is of use with format {names_en} only"
            )
        return value

    @model_validator(mode="after")
    def _has_url(self) -> Self:
        if self.url is None and self.format != "system":
            raise ValueMistake(
                f"nguồn dạng {self.format} cần có url",
                f"a source of format {self.format} needs a url",
            )
        return self


class RoomDevice(BaseModel):
    """One device, and what is asked of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    role: Identifier = "main"
    source: DeviceSource
    width: Annotated[int, Field(ge=16, le=7680)] | None = None
    height: Annotated[int, Field(ge=16, le=4320)] | None = None
    frames_per_second: Annotated[float, Field(ge=1, le=120)] | None = None
    input: Annotated[str, Field(pattern=r"^[1-6][0-9A-Z]$")] | None = None
    microphone: Identifier | None = None
    echo_canceller: bool | None = None

    @field_validator("source")
    @classmethod
    def _source_of_kind(cls, source: DeviceSource, info: ValidationInfo) -> DeviceSource:
        kind = info.data.get("kind")
        if kind is not None and source.format not in FORMATS[kind]:
            allowed = FORMATS[kind]
            raise ValueMistake(
                f"{kind} không có dạng {source.format}; dùng {' hoặc '.join(allowed)}",
                f"format {source.format} is none of a {kind}; use {' or '.join(allowed)}",
            )
        return source

    @field_validator("width", "height", "frames_per_second")
    @classmethod
    def _of_a_camera(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and info.data.get("kind", "camera") != "camera":
            raise ValueMistake("chỉ dùng cho camera", "is asked of cameras only")
        return value

    @field_validator("microphone", "echo_canceller")
    @classmethod
    def _of_a_speaker(cls, value: object, info: ValidationInfo) -> object:
        if value is not None and info.data.get("kind", "speaker") != "speaker":
            raise ValueMistake("chỉ dùng cho loa (speaker)", "is of use with speakers only")
        return value

    @field_validator("input")
    @classmethod
    def _of_a_projector(cls, value: str | None, info: ValidationInfo) -> str | None:
        source = info.data.get("source")
        if value is not None and isinstance(source, DeviceSource) and source.format != "pjlink":
            raise ValueMistake(
                "chỉ dùng cho máy chiếu (pjlink)", "is asked of projectors (pjlink) only"
            )
        return value


def listening_pattern(speaker: RoomDevice, devices: Sequence[RoomDevice]) -> str | None:
    """Return the name pattern of the microphone, among a room's devices, that hears the speaker.

    The default input where the file names no microphone at all.

    Raises:
        ValueMistake: there are others, but not this one, or it is a stand-in.
    """
    role = speaker.microphone or "main"
    microphones = [device for device in devices if device.kind == "microphone"]
    for device in microphones:
        if device.role == role and device.source.format == "system":
            return device.source.url
    if microphones:
        raise ValueMistake(
            f"loa được thử bằng micro {role}, nhưng không có micro {role} dạng system",
            f"microphone {role} listens to the speaker, but there is none of format system",
        )
    return None


def _check_address(source_format: str, url: str) -> None:
    """See that ``url`` is ``SCHEME://HOST[:PORT]``; only that of a stream has a path and a query.

    Raises:
        ValueError: it is not, or has a login, which belongs in a file of its own.
    """
    parts = urlsplit(url)
    if f"{parts.scheme}://" not in _SCHEMES[source_format] or not parts.hostname or parts.port == 0:
        raise ValueError("not SCHEME://HOST[:PORT]")
    if "@" in parts.netloc or "@" in parts.fragment:
        raise ValueError("with a login")
    # Letters of one hostname may come in parts (NFD), as some keyboards write Vietnamese.
    host = unicodedata.normalize("NFC", parts.hostname)
    if not _HOST.fullmatch(host) or re.search(r"\s", url):
        raise ValueError("no host name and no address")
    check_host(parts.hostname)
    if source_format == "rtsp":
        return
    allowed = _SIP_QUERIES if source_format == "sip" else {""}
    if "@" in url or parts.path.strip("/") or parts.query not in allowed or parts.fragment:
        raise ValueError("more than SCHEME://HOST[:PORT]")


def _as_tuple(value: object) -> object:
    """Take a list for a tuple: behind a validator of ours, types are Python's and strict."""
    return tuple(value) if isinstance(value, list) else value


def _fit_together(devices: tuple[RoomDevice, ...]) -> tuple[RoomDevice, ...]:
    keys = [f"{device.kind} {device.role}" for device in devices]
    doubled = ", ".join(sorted({key for key in keys if keys.count(key) > 1}))
    if doubled:
        raise ValueMistake(
            f"mỗi loại và vai trò chỉ ghi một lần; bị trùng: {doubled}",
            f"each kind and role once; doubled: {doubled}",
        )
    for device in devices:
        if device.kind == "speaker":
            listening_pattern(device, devices)
    return devices


RoomDevices = Annotated[
    tuple[RoomDevice, ...],
    Field(max_length=64),
    BeforeValidator(_as_tuple),
    AfterValidator(_fit_together),
]
"""All devices of one room: each kind and role once, and a microphone for each speaker."""
