"""The server's file: one YAML document, checked whole, then frozen (SPEC 7.1)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from diemcau_contract.broker_url import BrokerSection, broker_url, check_host
from diemcau_contract.documents import checked, read_document, unreadable_problem
from diemcau_contract.errors import DocumentError, ValueMistake
from diemcau_contract.identifiers import Identifier
from diemcau_contract.messages import OUTBOX_DAYS
from diemcau_contract.profiles import Profile
from diemcau_server import config_checks, secret_files
from diemcau_server.ca_file import ca_problems
from diemcau_server.moments import DEFAULT_TIMEZONE, Moment, in_utc

EMBEDDED = "embedded"
PORT_MAX = 65_535
Port = Annotated[int, Field(ge=0, le=PORT_MAX)]
Name = Annotated[str, Field(min_length=1, max_length=80)]


def _broker_url(url: str) -> str:
    if url == EMBEDDED:
        return url
    if not url.lower().startswith(("mqtt://", "mqtts://")):
        raise ValueMistake(
            "phải là 'embedded', mqtt://HOST[:PORT] hoặc mqtts://HOST[:PORT]",
            "must be 'embedded', mqtt://HOST[:PORT] or mqtts://HOST[:PORT]",
        )
    broker_url(url)
    return url


def _host(host: str) -> str:
    check_host(host)
    return host


Host = Annotated[str, Field(min_length=1), AfterValidator(_host)]


def _store_url(url: str) -> str:
    if re.fullmatch(r"postgresql://[^@\s]*:[^@\s]*@\S+", url):
        raise ValueMistake(
            "không được chứa mật khẩu; ghi mật khẩu vào một tệp, chỉ tệp bằng password_file",
            "must hold no password; name a file by password_file",
        )
    if not re.fullmatch(r"sqlite:///\S+|postgresql://\S+", url):
        raise ValueMistake(
            "phải là sqlite:///FILE hoặc postgresql://USER@HOST[:PORT]/DATABASE",
            "must be sqlite:///FILE or postgresql://USER@HOST[:PORT]/DATABASE",
        )
    return url


_HOUR_MINUTES = 60
_DAY_MINUTES = 24 * _HOUR_MINUTES


def _day_time(value: object) -> object:
    """Read HH:MM; YAML 1.1 takes 22:00 without quotes as a number to the base of 60."""
    if isinstance(value, int) and _HOUR_MINUTES <= value < _DAY_MINUTES:
        return time(*divmod(value, _HOUR_MINUTES))
    if isinstance(value, str) and re.fullmatch(r"([01]?\d|2[0-3]):[0-5]\d", value):
        return time.fromisoformat(value.zfill(len("00:00")))
    raise ValueMistake("phải là giờ và phút, ví dụ '01:30'", "must be a time such as '01:30'")


DayTime = Annotated[time, BeforeValidator(_day_time)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HttpConfig(_Section):
    """Where the API and the pages listen; actions need the token in ``token_file``.

    ``ndt7`` lets whoever reaches the port fill the hub's line for ten seconds (decision 0020).
    """

    host: Host = "127.0.0.1"
    port: Port = 8080
    token_file: str = Field(default="token", min_length=1)
    ndt7: bool = False


class BrokerConfig(BrokerSection):
    """The MQTT broker: ``embedded`` (loopback only), ``mqtt://host:port``, ``mqtts://host:port``.

    ``port`` counts for ``embedded`` alone; 0 takes a free one.
    """

    url: Annotated[str, AfterValidator(_broker_url)] = EMBEDDED
    port: Port = 1883


class StoreConfig(_Section):
    """SQLite file (relative to the state directory) or PostgreSQL; no password in the URL.

    Reports are kept for longer than they wait in an outbox: else one that comes again is new.
    """

    url: Annotated[str, AfterValidator(_store_url)] = "sqlite:///diemcau.sqlite"
    password_file: str | None = None
    keep_reports_days: int = Field(default=30, ge=OUTBOX_DAYS + 1, le=3660)


class CapacitySchedule(_Section):
    """Quiet hours, in the district's time, in which every line is measured each so many days.

    ``end`` before ``start`` is on the next day.
    """

    start: DayTime
    end: DayTime
    every_days: int = Field(default=7, ge=1, le=366)

    @model_validator(mode="after")
    def _has_hours(self) -> Self:
        if self.start == self.end:
            raise ValueMistake("start và end phải khác nhau", "start and end must not be the same")
        return self


class MeasureConfig(_Section):
    """The measuring end's UDP ports, the light flow that points keep to it, and its bound.

    Each of ``processes`` has a port of its own, from ``port`` on; with port 0 free ones.
    """

    host: Host = "127.0.0.1"
    port: Port = 8620
    processes: int = Field(default=1, ge=1, le=16)
    advertise_host: Host | None = None
    packets_per_second: float = Field(default=2, gt=0, le=50)
    max_bits_per_second: float = Field(default=1e9, ge=1e5, le=1e11)
    capacity_max_bits_per_second: int = Field(default=250_000_000, ge=1_000_000, le=10**9)
    capacity_schedule: CapacitySchedule | None = None

    @property
    def capacity_most_bits_per_second(self) -> int:
        """The most that one line is tried at: never above the bound of all together."""
        return min(self.capacity_max_bits_per_second, int(self.max_bits_per_second))

    @model_validator(mode="after")
    def _ports_exist(self) -> Self:
        last = self.port + self.processes - 1
        if self.port and last > PORT_MAX:
            raise ValueMistake(
                f"{self.processes} tiến trình cần các cổng {self.port} đến {last}; "
                f"cổng lớn nhất là {PORT_MAX}",
                f"{self.processes} processes need the ports {self.port} to {last}; "
                f"the last port is {PORT_MAX}",
            )
        return self


class PointConfig(_Section):
    """A bridge point."""

    id: Identifier
    name: Name
    enabled: bool = True
    maintenance_until: Moment | None = None


class UnitConfig(_Section):
    """A room without an agent, which joins by Google Meet."""

    id: Identifier
    name: Name


class HubLineConfig(_Section):
    """What the hall's own line carries by its contract; ``up`` is from the points to the hall."""

    up_bits_per_second: float = Field(ge=1e5, le=1e11)
    down_bits_per_second: float = Field(ge=1e5, le=1e11)


class HubConfig(_Section):
    """A district hall with its points and units."""

    id: Identifier
    name: Name
    line: HubLineConfig | None = None
    points: tuple[PointConfig, ...] = ()
    units: tuple[UnitConfig, ...] = ()


class SessionConfig(_Section):
    """One class of a conference. ``points`` left out means every enabled point of the hub."""

    id: Identifier
    hub: Identifier
    name: Name
    form: Literal["line", "meet"]
    profile: Identifier
    start: Moment
    end: Moment
    points: tuple[Identifier, ...] | None = None
    units: tuple[Identifier, ...] = ()


class ServerDocument(_Section):
    """The file as it is written."""

    schema_: Literal["diemcau.server/1"] = Field(alias="schema")
    timezone: str = DEFAULT_TIMEZONE
    http: HttpConfig = HttpConfig()
    broker: BrokerConfig = BrokerConfig()
    store: StoreConfig = StoreConfig()
    state_directory: str = Field(default="state", min_length=1)
    measure: MeasureConfig = MeasureConfig()
    report_interval_seconds: float = Field(default=30, ge=1, le=3600)
    silent_after_seconds: float = Field(default=90, ge=3, le=3600)
    default_profile: Identifier
    hubs: tuple[HubConfig, ...] = Field(min_length=1)
    sessions: tuple[SessionConfig, ...] = ()
    profiles: tuple[Profile, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """The file, checked: ids are unique, references hold, times are UTC, secrets are read.

    ``token`` is None where its file is still to be made (see ``secret_files.make_token``).
    """

    file: Path
    timezone: ZoneInfo
    http: HttpConfig
    token_file: Path
    token: str | None
    broker: BrokerConfig
    broker_password: str | None
    broker_ca_file: Path | None
    store: StoreConfig
    store_password: str | None
    state_directory: Path
    measure: MeasureConfig
    report_interval_seconds: float
    silent_after_seconds: float
    default_profile: str
    hubs: tuple[HubConfig, ...]
    sessions: tuple[SessionConfig, ...]
    profiles: tuple[Profile, ...]

    def hub(self, identifier: str) -> HubConfig | None:
        """Return the hub, or None."""
        return next((hub for hub in self.hubs if hub.id == identifier), None)

    def point(self, hub: str, identifier: str) -> PointConfig | None:
        """Return the point of ``hub``, or None."""
        section = self.hub(hub)
        points = section.points if section else ()
        return next((point for point in points if point.id == identifier), None)

    def session(self, identifier: str) -> SessionConfig | None:
        """Return the session, or None."""
        return next((item for item in self.sessions if item.id == identifier), None)

    def profile(self, identifier: str) -> Profile | None:
        """Return the profile, or None."""
        return next((item for item in self.profiles if item.id == identifier), None)


def load_config(path: Path) -> ServerConfig:
    """Read and check the server's file.

    Raises:
        DocumentError: with every problem of the file and of the secret files that it names.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError([unreadable_problem(error, str(path))]) from error
    document = read_document(text, str(path))
    base = path.resolve().parent
    secrets, found = secret_files.read_all(document, base)
    problems = [*config_checks.cross_problems(document), *found, *ca_problems(document, base)]
    content = None
    try:
        content = checked(document, ServerDocument)
    except DocumentError as error:
        problems = [*error.problems, *problems]
    else:
        address = _broker_address(content.broker)
        problems += config_checks.port_problems(document, content.http.port, address)
    if problems or content is None:
        raise DocumentError(sorted(dict.fromkeys(problems), key=lambda problem: problem.line))
    return _frozen(content, path, secrets)


def _broker_address(broker: BrokerConfig) -> tuple[str, int]:
    if broker.url == EMBEDDED:
        return "127.0.0.1", broker.port
    parts = broker_url(broker.url)
    return parts.host, parts.port


def _frozen(document: ServerDocument, path: Path, secrets: Mapping[str, str]) -> ServerConfig:
    base = path.resolve().parent
    zone = ZoneInfo(document.timezone)
    ca_file = document.broker.ca_file
    return ServerConfig(
        file=path,
        timezone=zone,
        http=document.http,
        token_file=base / document.http.token_file,
        token=secrets.get("http.token_file"),
        broker=document.broker,
        broker_password=secrets.get("broker.password_file"),
        broker_ca_file=base / ca_file if ca_file else None,
        store=document.store,
        store_password=secrets.get("store.password_file"),
        state_directory=base / document.state_directory,
        measure=document.measure,
        report_interval_seconds=document.report_interval_seconds,
        silent_after_seconds=document.silent_after_seconds,
        default_profile=document.default_profile,
        hubs=_hubs_in_utc(document.hubs, zone),
        sessions=_sessions_in_utc(document.sessions, zone),
        profiles=document.profiles,
    )


def _hubs_in_utc(hubs: Sequence[HubConfig], zone: ZoneInfo) -> tuple[HubConfig, ...]:
    return tuple(
        hub.model_copy(update={"points": tuple(_point_in_utc(point, zone) for point in hub.points)})
        for hub in hubs
    )


def _point_in_utc(point: PointConfig, zone: ZoneInfo) -> PointConfig:
    if point.maintenance_until is None:
        return point
    return point.model_copy(update={"maintenance_until": in_utc(point.maintenance_until, zone)})


def _sessions_in_utc(
    sessions: Sequence[SessionConfig], zone: ZoneInfo
) -> tuple[SessionConfig, ...]:
    return tuple(
        item.model_copy(update={"start": in_utc(item.start, zone), "end": in_utc(item.end, zone)})
        for item in sessions
    )
