"""The agent's file (SPEC 7): what it may say, and the plain values that the agent works with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from diemcau_agent.config_files import beside, file_problems
from diemcau_agent.devices import ExpectedDevice
from diemcau_agent.errors import ConfigError
from diemcau_agent.openings import Openings
from diemcau_agent.probes.address import SCHEMES, checked_address
from diemcau_agent.probes.table import HANDBOOK_ORDER, formats, formats_of
from diemcau_agent.signal_config import Limits, checked_hours, listening_pattern
from diemcau_contract.broker_url import BrokerSection, broker_url, check_host
from diemcau_contract.causes import Language
from diemcau_contract.documents import checked, read_document, unreadable_problem
from diemcau_contract.errors import DocumentError, ValueMistake
from diemcau_contract.identifiers import Identifier

if TYPE_CHECKING:
    _Kind: TypeAlias = str
    _Format: TypeAlias = str
else:
    # The words of the table: a new probe brings its own.
    _Kind, _Format = Literal[HANDBOOK_ORDER], Literal[formats()]

_WITH_LOGIN: Final = {
    "username": ("xapi", "rtsp"),
    "password_file": ("pjlink", "xapi", "rtsp"),
    "ca_file": ("xapi",),
}


@dataclass(frozen=True, slots=True)
class Broker:
    """How to reach and enter the broker."""

    host: str
    port: int
    tls: bool
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """The agent's file, checked; paths are absolute."""

    file: Path
    hub: str
    point: str
    broker: Broker
    state_directory: Path
    language: Language
    measure_address: tuple[str, int] | None
    """Where to measure instead of where the hub says."""
    opening_allowed: bool
    devices: tuple[ExpectedDevice, ...]

    def openings(self) -> Openings:
        """Return the room's own switch and log."""
        return Openings(self.state_directory, allowed_by_file=self.opening_allowed)


def load_config(file: Path) -> AgentConfig:
    """Read the agent's file and the secret that it names.

    Raises:
        ConfigError: with every problem found.
    """
    path = file.absolute()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([unreadable_problem(error, str(file))]) from error
    try:
        document = read_document(text, str(file))
    except DocumentError as error:
        raise ConfigError(error.problems) from error
    problems = list(file_problems(document, path))
    try:
        content = checked(document, _Document)
    except DocumentError as error:
        found = [*error.problems, *problems]
        raise ConfigError(sorted(found, key=lambda problem: problem.line)) from error
    if problems:
        raise ConfigError(problems)
    return _config(content, path)


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _address(text: str) -> str:
    try:
        parts = urlsplit(f"//{text}")
        good = bool(parts.hostname and parts.port) and parts.netloc == text and "@" not in text
        check_host(parts.hostname or "")
    except ValueError:
        good = False
    if not good:
        raise ValueMistake(
            "phải là HOST:PORT, cổng từ 1 đến 65535", "must be HOST:PORT, the port 1 to 65535"
        )
    return text


class _Measure(_Strict):
    address: Annotated[str, AfterValidator(_address)] | None = None


class _Source(_Strict):
    format: _Format
    url: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    username: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    password_file: Annotated[str, Field(min_length=1)] | None = None
    ca_file: Annotated[str, Field(min_length=1)] | None = None

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str | None, info: ValidationInfo) -> str | None:
        form = info.data.get("format")
        if url is None or form not in SCHEMES:
            return url
        try:
            checked_address(form, url)
        except ValueError as error:
            # The text is not repeated: it may hold a password.
            rest = "HOST[:PORT]/PATH" if form == "rtsp" else "HOST[:PORT]"
            begins = " | ".join(f"{scheme}{rest}" for scheme in SCHEMES[form])
            raise ValueMistake(
                f"phải là {begins}, không kèm tài khoản", f"must be {begins}, without a login"
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


class _Device(_Strict):
    kind: _Kind
    role: Identifier = "main"
    source: _Source
    width: Annotated[int, Field(ge=16, le=7680)] | None = None
    height: Annotated[int, Field(ge=16, le=4320)] | None = None
    frames_per_second: Annotated[float, Field(ge=1, le=120)] | None = None
    input: Annotated[str, Field(pattern=r"^[1-6][0-9A-Z]$")] | None = None
    microphone: Identifier | None = None
    echo_canceller: bool | None = None

    @field_validator("source")
    @classmethod
    def _source_of_kind(cls, source: _Source, info: ValidationInfo) -> _Source:
        allowed = formats_of(info.data.get("kind", "")) or (source.format,)
        if source.format not in allowed:
            kind = info.data["kind"]
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
        if value is not None and isinstance(source, _Source) and source.format != "pjlink":
            raise ValueMistake(
                "chỉ dùng cho máy chiếu (pjlink)", "is asked of projectors (pjlink) only"
            )
        return value


class _Document(_Strict):
    schema_: Literal["diemcau.agent/1"] = Field(alias="schema")
    hub: Identifier
    point: Identifier
    broker: BrokerSection
    state_directory: Annotated[str, Field(min_length=1)]
    language: Language = "vi"
    measure: _Measure = _Measure()
    opening_allowed: bool = True
    quiet_hours: tuple[Annotated[str, AfterValidator(checked_hours)], ...] = ()
    limits: Limits = Limits()
    devices: tuple[_Device, ...] = Field(default=(), max_length=64)

    @field_validator("devices")
    @classmethod
    def _fit_together(cls, devices: tuple[_Device, ...]) -> tuple[_Device, ...]:
        keys = [(device.kind, device.role) for device in devices]
        doubled = sorted({f"{kind} {role}" for kind, role in keys if keys.count((kind, role)) > 1})
        if doubled:
            names = ", ".join(doubled)
            raise ValueMistake(
                f"mỗi loại và vai trò chỉ ghi một lần; bị trùng: {names}",
                f"each kind and role once; doubled: {names}",
            )
        for speaker in (device for device in devices if device.kind == "speaker"):
            listening_pattern(speaker.microphone or "main", devices)
        return devices


def _config(document: _Document, path: Path) -> AgentConfig:
    address = document.measure.address
    parts = urlsplit(f"//{address}") if address else None
    return AgentConfig(
        file=path,
        hub=document.hub,
        point=document.point,
        broker=_broker(document.broker, path),
        state_directory=beside(path, document.state_directory),
        language=document.language,
        measure_address=(parts.hostname or "", parts.port or 0) if parts else None,
        opening_allowed=document.opening_allowed,
        devices=tuple(
            _expected(device, path, document) for device in _in_handbook_order(document.devices)
        ),
    )


def _in_handbook_order(devices: tuple[_Device, ...]) -> list[_Device]:
    return sorted(devices, key=lambda device: HANDBOOK_ORDER.index(device.kind))


def _broker(broker: BrokerSection, path: Path) -> Broker:
    url = broker_url(broker.url)
    return Broker(
        host=url.host,
        port=url.port,
        tls=url.tls,
        username=broker.username,
        password=_secret(broker.password_file, path),
        ca_file=beside(path, broker.ca_file) if broker.ca_file else None,
    )


def _secret(name: str | None, path: Path) -> str | None:
    if name is None:
        return None
    return beside(path, name).read_text(encoding="utf-8").strip().splitlines()[0]


def _expected(device: _Device, path: Path, document: _Document) -> ExpectedDevice:
    settings = {**_settings(device, path), **document.limits.settings(device.kind)}
    if device.kind == "speaker":
        settings |= {
            "microphone": listening_pattern(device.microphone or "main", document.devices),
            "echo_canceller": device.echo_canceller,
            "quiet_hours": list(document.quiet_hours),
        }
    return ExpectedDevice(device.kind, device.role, settings)


def _settings(device: _Device, path: Path) -> Mapping[str, Any]:
    """Return what the device's probe asks for; one of the system is named by a pattern."""
    source = device.source
    wanted = {
        "device" if source.format == "system" else "url": source.url,
        "width": device.width,
        "height": device.height,
        "frames_per_second": device.frames_per_second,
        "input": device.input,
        "username": source.username,
        "password": _secret(source.password_file, path),
        "ca_file": str(beside(path, source.ca_file)) if source.ca_file else None,
    }
    asked = {key: value for key, value in wanted.items() if value is not None}
    return {"format": source.format, **asked}
