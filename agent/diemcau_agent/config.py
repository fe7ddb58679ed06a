"""The agent's file (SPEC 7): what it may say, and the plain values that the agent works with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
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
from diemcau_contract.broker_url import BrokerSection, broker_url, check_host
from diemcau_contract.causes import Language
from diemcau_contract.documents import checked, read_document, unreadable_problem
from diemcau_contract.errors import DocumentError, ValueMistake
from diemcau_contract.identifiers import Identifier

_FORMATS: Final = {
    "camera": ("v4l2", "dshow", "rtsp", "lavfi"),
    "microphone": ("system", "lavfi"),
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
    format: Literal["v4l2", "dshow", "rtsp", "lavfi", "system"]
    url: Annotated[str, Field(min_length=1, max_length=2000)] | None = None

    @model_validator(mode="after")
    def _has_url(self) -> Self:
        if self.url is None and self.format != "system":
            raise ValueMistake(
                f"nguồn dạng {self.format} cần có url",
                f"a source of format {self.format} needs a url",
            )
        return self


class _Device(_Strict):
    kind: Literal["camera", "microphone"]
    role: Identifier = "main"
    source: _Source
    width: Annotated[int, Field(ge=16, le=7680)] | None = None
    height: Annotated[int, Field(ge=16, le=4320)] | None = None
    frames_per_second: Annotated[float, Field(ge=1, le=120)] | None = None

    @field_validator("source")
    @classmethod
    def _source_of_kind(cls, source: _Source, info: ValidationInfo) -> _Source:
        allowed = _FORMATS.get(info.data.get("kind", ""), (source.format,))
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
        if value is not None and info.data.get("kind") == "microphone":
            raise ValueMistake("chỉ dùng cho camera", "is asked of cameras only")
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
    devices: tuple[_Device, ...] = Field(default=(), max_length=64)

    @field_validator("devices")
    @classmethod
    def _no_doubles(cls, devices: tuple[_Device, ...]) -> tuple[_Device, ...]:
        keys = [(device.kind, device.role) for device in devices]
        doubled = sorted({f"{kind} {role}" for kind, role in keys if keys.count((kind, role)) > 1})
        if doubled:
            names = ", ".join(doubled)
            raise ValueMistake(
                f"mỗi loại và vai trò chỉ ghi một lần; bị trùng: {names}",
                f"each kind and role once; doubled: {names}",
            )
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
        devices=tuple(_expected(device) for device in document.devices),
    )


def _broker(broker: BrokerSection, path: Path) -> Broker:
    url = broker_url(broker.url)
    password = None
    if broker.password_file is not None:
        secret = beside(path, broker.password_file).read_text(encoding="utf-8")
        password = secret.strip().splitlines()[0]
    return Broker(
        host=url.host,
        port=url.port,
        tls=url.tls,
        username=broker.username,
        password=password,
        ca_file=beside(path, broker.ca_file) if broker.ca_file else None,
    )


def _expected(device: _Device) -> ExpectedDevice:
    return ExpectedDevice(device.kind, device.role, _settings(device))


def _settings(device: _Device) -> Mapping[str, Any]:
    """Return what the device's probe asks for; a system microphone is named by a pattern."""
    source = device.source
    if device.kind == "microphone":
        key = "device" if source.format == "system" else "url"
        return {"format": source.format, key: source.url}
    wanted = {
        "width": device.width,
        "height": device.height,
        "frames_per_second": device.frames_per_second,
    }
    asked = {key: value for key, value in wanted.items() if value is not None}
    return {"format": source.format, "url": source.url, **asked}
