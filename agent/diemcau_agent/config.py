"""The agent's file (SPEC 7): what it may say, and the plain values that the agent works with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from diemcau_agent.config_files import beside, file_problems
from diemcau_agent.devices import ExpectedDevice
from diemcau_agent.errors import ConfigError
from diemcau_agent.openings import Openings
from diemcau_agent.signal_config import Limits, checked_hours
from diemcau_contract.broker_url import BrokerSection, broker_url, check_host
from diemcau_contract.causes import Language
from diemcau_contract.documents import checked, read_document, unreadable_problem
from diemcau_contract.errors import DocumentError, ValueMistake
from diemcau_contract.identifiers import Identifier
from diemcau_contract.room_devices import RoomDevice, RoomDevices, listening_pattern
from diemcau_contract.words import HANDBOOK_ORDER, DeviceKind


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
    devices: RoomDevices = ()


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


def _in_handbook_order(devices: tuple[RoomDevice, ...]) -> list[RoomDevice]:
    return sorted(devices, key=lambda device: HANDBOOK_ORDER.index(DeviceKind(device.kind)))


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


def _expected(device: RoomDevice, path: Path, document: _Document) -> ExpectedDevice:
    settings = {**_settings(device, path), **document.limits.settings(device.kind)}
    if device.kind == "speaker":
        settings |= {
            "microphone": listening_pattern(device, document.devices),
            "echo_canceller": device.echo_canceller,
            "quiet_hours": list(document.quiet_hours),
        }
    return ExpectedDevice(device.kind, device.role, settings)


def _settings(device: RoomDevice, path: Path) -> Mapping[str, Any]:
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
