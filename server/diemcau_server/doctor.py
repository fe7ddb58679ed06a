"""``diemcau doctor``: what the hall's machine lacks to serve, and the line that mends it."""

import asyncio
import errno
import http.client
import importlib.util
import json
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from diemcau_contract.causes import Text
from diemcau_contract.errors import DocumentError
from diemcau_contract.needs import (
    DISK_LEAST_BYTES,
    Need,
    acl_need,
    clock_need,
    disk_need,
    gibibytes,
    loop_need,
    same,
    shown_path,
)
from diemcau_contract.topics import Up, all_up, doctors, up
from diemcau_line.clock import sync_state
from diemcau_server.config import ServerConfig, load_config
from diemcau_server.district.told import END_DEBIANS_BROKER
from diemcau_server.link import BrokerAddress, Refusal, RefusalKind, try_login
from diemcau_server.store.disk import kept_bytes, store_bytes, store_file

_HEALTH_SECONDS: Final = 3.0
_OPEN_SECONDS: Final = 3.0
_WINDOWS: Final = sys.platform == "win32"
_NOBODY: Final = "doctor"
"""A point of no district: the server keeps aside what would come from it."""


def server_needs(file: Path) -> Iterator[Need]:
    """Look at everything that the server of ``file`` needs; its mistakes are the first need."""
    name = Text("Tệp cấu hình của máy chủ", "The server's file")
    try:
        config = load_config(file)
    except DocumentError as error:
        lines = Text(*("; ".join(one.in_language(language) for one in error.problems)
                       for language in ("vi", "en")))  # fmt: skip
        mend = f"diemcau-server run --check-only --config {shown_path(file)}"
        yield Need("config", name, there=False, detail=lines, mend=mend)
        yield clock_need(synchronised=sync_state().synchronised)
        return
    yield Need("config", name, there=True, detail=same(str(file)))
    yield clock_need(synchronised=sync_state().synchronised)
    yield _driver_need(config)
    yield _state_need(config.state_directory)
    yield _disk_need(config)
    yield from port_needs(config)
    with asyncio.Runner() as runner:
        yield loop_need(watches_sockets=isinstance(runner.get_loop(), asyncio.SelectorEventLoop))
        yield from runner.run(_broker_needs(config))


def port_needs(config: ServerConfig) -> Iterator[Need]:
    """Say whether our own server has its ports, or could take them."""
    host, port = config.http.host, config.http.port
    health = _health(_reachable(host), port)
    name = Text(f"Cổng TCP {port} (trang và API)", f"TCP port {port} (pages and API)")
    if health is None:
        yield _free_need("http_port", name, socket.SOCK_STREAM, (host, port))
        for port in range(config.measure.port, config.measure.port + config.measure.processes):
            name = Text(f"Cổng UDP {port} (đo đường truyền)", f"UDP port {port} (line test)")
            yield _free_need("measure_port", name, socket.SOCK_DGRAM, (config.measure.host, port))
        return
    yield Need("http_port", name, there=True, detail=Text("máy chủ đang chạy", "the server runs"))
    name = Text("Các phần của máy chủ", "The server's parts")
    trouble = Text("; ".join(one.vi for one in health), "; ".join(one.en for one in health))
    # On Windows it writes no file of its own, and nothing into the system's log.
    mend = "" if _WINDOWS else "journalctl -u diemcau-server -p warning"
    advice = Text(
        "xem cửa sổ đang chạy diemcau-server", "look at the window in which diemcau-server runs"
    )
    yield Need("server", name, not health, trouble, mend, advice)


async def _broker_needs(config: ServerConfig) -> list[Need]:
    """Enter as the server does, try what its account must not do, then try without an account."""
    name = Text("Đăng nhập máy chủ MQTT", "Login at the MQTT broker")
    if config.broker.url == "embedded":
        detail = Text("broker kèm theo, chỉ để thử", "the embedded broker, for trying out only")
        return [Need("broker", name, None, detail)]
    broker = config.broker
    address = BrokerAddress.of(
        broker.url, broker.username, config.broker_password, config.broker_ca_file
    )
    hub = config.hubs[0].id
    permitted, forbidden = doctors(hub), up(hub, _NOBODY, Up.REPORT)
    refusal, heard = await try_login(address, permitted, forbidden)
    if refusal is not None:
        mend, advice = _login_mend(config, address, refusal)
        return [Need("broker", name, there=False, detail=refusal.text, mend=mend, advice=advice)]
    stranger, _ = await try_login(replace(address, username=None, password=None))
    needs = [
        Need("broker", name, there=True, detail=same(str(address))),
        _hearing_need(broker.username, permitted, there=heard.permitted),
        acl_need(heard=heard.forbidden, hears=heard.permitted, topic=forbidden),
        Need(
            "broker_anonymous",
            Text("Người lạ không vào được broker", "Strangers cannot enter the broker"),
            stranger is not None,
            advice=Text(
                "đặt allow_anonymous false trong mosquitto.conf, rồi khởi động lại broker",
                "set allow_anonymous false in mosquitto.conf, then restart the broker",
            ),
        ),
    ]
    own = _own_broker(config)
    if stranger is None and own is not None:
        return [_of_another(need, own) if need.there is False else need for need in needs]
    return needs


def _login_mend(config: ServerConfig, address: BrokerAddress, refusal: Refusal) -> tuple[str, Text]:
    """Return the command that shows why the login fails, or what to do where none does."""
    host, port = address.host, address.port
    match refusal.kind:
        case RefusalKind.LOGIN:
            return "", _password_advice(config)
        case RefusalKind.HOST_NAME:
            return f"nslookup {host}" if _WINDOWS else f"getent hosts {host}", same("")
        case RefusalKind.CERTIFICATE:
            return "", Text(
                f"ca_file phải là chứng chỉ của nơi cấp cho broker, và chứng chỉ của broker phải "
                f"có {host} và còn hạn",
                f"ca_file must be the certificate of the broker's authority, and the broker's "
                f"own must name {host} and be in date",
            )
        case RefusalKind.TLS:
            return "", Text(
                f"cổng {port} của broker không dùng TLS: ghi mqtt:// trong broker.url, hoặc đặt "
                f"certfile và keyfile dưới listener {port} trong mosquitto.conf",
                f"port {port} of the broker has no TLS: write mqtt:// in broker.url, or set "
                f"certfile and keyfile below listener {port} in mosquitto.conf",
            )
        case RefusalKind.OTHER if _opens(host, port):
            return "", _talk_advice(port, tls=address.tls)
        case RefusalKind.OTHER:
            shows = (
                f"Test-NetConnection {host} -Port {port}" if _WINDOWS else f"nc -vz {host} {port}"
            )
            return shows, same("")


def _opens(host: str, port: int) -> bool:
    """Say whether something listens there: then a command that shows it would show nothing."""
    with suppress(OSError), socket.create_connection((host, port), _OPEN_SECONDS):
        return True
    return False


def _talk_advice(port: int, *, tls: bool) -> Text:
    """Say what to try where the port opens and nobody gets through all the same."""
    if tls:
        return Text(
            f"cổng {port} mở được mà vẫn lỗi: nhật ký của broker cho biết lý do; trong "
            f"mosquitto.conf, dưới listener {port}, đừng đặt require_certificate true, và cho "
            "phép TLS 1.2 trở lên (tls_version, ciphers)",
            f"port {port} opens and it still fails: the broker's log says why; below listener "
            f"{port} in mosquitto.conf do not set require_certificate true, and permit TLS 1.2 "
            "or later (tls_version, ciphers)",
        )
    return Text(
        f"cổng {port} mở được mà vẫn lỗi: thử mqtts:// trong broker.url",
        f"port {port} opens and it still fails: try mqtts:// in broker.url",
    )


def _password_advice(config: ServerConfig) -> Text:
    """Say where the two passwords stand that must be the same."""
    user, name = config.broker.username, config.broker.password_file
    if user is None or name is None:
        return Text(
            f"ghi username và password_file trong mục broker của {config.file}",
            f"give username and password_file in the section broker of {config.file}",
        )
    file = config.file.resolve().parent / name
    return Text(
        f"{file} phải chứa mật khẩu của {user} trong tệp mà dòng password_file của "
        f"mosquitto.conf chỉ đến (đặt lại: mosquitto_passwd TỆP {user}); rồi khởi động lại broker",
        f"{file} must hold the password that {user} has in the file that password_file in "
        f"mosquitto.conf names (set it anew: mosquitto_passwd FILE {user}); then restart the "
        "broker",
    )


def _own_broker(config: ServerConfig) -> Path | None:
    """Return the broker's file that init has put beside ours, where it forbids strangers."""
    file = config.file.resolve().parent.parent / "broker" / "mosquitto.conf"
    with suppress(OSError, UnicodeDecodeError):
        if "allow_anonymous false" in file.read_text(encoding="utf-8").splitlines():
            return file
    return None


def _of_another(need: Need, own: Path) -> Need:
    """Say that it is not the broker of ``own`` that answers: strangers enter it."""
    detail = Text(
        f"broker đang trả lời không phải broker của {own}: tệp đó cấm người lạ",
        f"the broker that answers is not that of {own}, which forbids strangers",
    )
    advice = Text(
        "dừng broker kia, rồi khởi động lại broker của thư mục này",
        "stop the other broker, then restart this folder's own",
    )
    mend = "" if _WINDOWS else f"{END_DEBIANS_BROKER}; sudo systemctl restart diemcau-broker"
    return replace(need, detail=detail, mend=mend, advice=advice)


def _hearing_need(username: str | None, topic: str, *, there: bool) -> Need:
    """Say whether this account hears what points say: it may say one thing as if it were one."""
    user = username or "anonymous"
    return Need(
        "broker_hearing",
        Text("Tài khoản này nghe được các điểm cầu", "This account hears the points"),
        there,
        advice=Text(
            f"trong acl_file, dưới user {user}, ghi đủ hai dòng: topic read {all_up()} và "
            f"topic write {topic}; rồi khởi động lại broker",
            f"below user {user} in acl_file, have both lines: topic read {all_up()} and "
            f"topic write {topic}; then restart the broker",
        ),
    )


def _driver_need(config: ServerConfig) -> Need:
    postgresql = config.store.url.startswith("postgresql:")
    module = "asyncpg" if postgresql else "aiosqlite"
    extra = "server,postgresql" if postgresql else "server"
    name = Text("Trình điều khiển cơ sở dữ liệu", "Database driver")
    there = importlib.util.find_spec(module) is not None
    return Need("driver", name, there, same(module), f"pip install 'diemcau[{extra}]'")


def _state_need(folder: Path) -> Need:
    name = Text("Thư mục dữ liệu", "State directory")
    nearest = _nearest(folder)
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        detail = same(f"{nearest}: {error.strerror or error}")
        mend = _giving(folder, there=nearest == folder)
        advice = Text(
            "đặt state_directory là một thư mục riêng", "give state_directory a folder of its own"
        )
        return Need("state", name, there=False, detail=detail, mend=mend, advice=advice)
    return Need("state", name, there=True, detail=same(str(folder)))


def _disk_need(config: ServerConfig) -> Need:
    """Hold the disk against what the store will still take there, and what must be left then.

    With less than that left an alert fires: a disk that passes never comes to it by reports alone.
    """
    file = store_file(config)
    folder = file.parent if file else config.state_directory
    to_come = max(0, kept_bytes(config) - store_bytes(file)) if file else 0
    least = DISK_LEAST_BYTES + to_come
    need = disk_need(str(folder), shutil.disk_usage(_nearest(folder)).free, least)
    if not to_come:
        return need
    days, size = config.store.keep_reports_days, gibibytes(least)
    advice = Text(
        f"{need.advice.vi} cho đủ {size.vi}, hoặc giảm store.keep_reports_days (đang là {days})",
        f"{need.advice.en} for {size.en} in all, or lower store.keep_reports_days (now {days})",
    )
    return replace(need, advice=advice)


def _giving(folder: Path, *, there: bool) -> str:
    """Return what gives ``folder`` to the server's user, never one above it nor one of the system.

    Directly below the root lie the system's own folders.
    """
    if not there:
        return f"sudo install -d -o diemcau {shown_path(folder)}"
    below = folder.parts[1:]
    return f"sudo chown -R diemcau: {shown_path(folder)}" if len(below) > 1 else ""


def _nearest(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that is there and may be seen."""
    for one in (folder, *folder.parents):
        with suppress(OSError):
            if one.exists():
                return one
    return Path(folder.anchor)


def _free_need(key: str, name: Text, kind: socket.SocketKind, address: tuple[str, int]) -> Need:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with closing(socket.socket(family, kind)) as probe:
        if kind is socket.SOCK_STREAM and not _WINDOWS:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            flag = "t" if kind is socket.SOCK_STREAM else "u"
            taken = error.errno == errno.EADDRINUSE
            mend = f"sudo ss -Hlnp{flag} 'sport = :{address[1]}'" if taken else "ip -brief address"
            mend = "netstat -abno" if _WINDOWS else mend
            return Need(
                key, name, there=False, detail=same(error.strerror or str(error)), mend=mend
            )
    return Need(key, name, there=True, detail=Text("còn trống", "free"))


def _health(host: str, port: int) -> list[Text] | None:
    """Return what our running server complains of, None where none answers as ours."""
    connection = http.client.HTTPConnection(host, port, timeout=_HEALTH_SECONDS)
    with closing(connection):
        try:
            connection.request("GET", "/healthz")
            content = json.loads(connection.getresponse().read())
            return [_problem(one) for one in content["problems"]]
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
            return None


def _problem(one: str | dict[str, str]) -> Text:
    """Take what a running server says; one of before its update says it in one language."""
    return same(one) if isinstance(one, str) else Text(str(one["vi"]), str(one["en"]))


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # only read
