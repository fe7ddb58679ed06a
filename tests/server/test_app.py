"""The server as a process: it starts whole, tells where it is, and stops clean."""

import asyncio
import json
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from diemcau_contract.codec import decode_down
from diemcau_contract.messages import MAX_MESSAGE_BYTES, Ack, Settings
from diemcau_contract.topics import Down, all_down
from diemcau_server import retention
from diemcau_server.app import Server
from diemcau_server.config import load_config
from diemcau_server.doctor import _health
from diemcau_server.link import BrokerAddress
from diemcau_server.store import ReceivedReport, Store
from diemcau_server.store.engine import resolved_url
from diemcau_server.store.tables import reports
from tests.brokers import free_port
from tests.server.district import FILE
from tests.server.processes import (
    ANY_PORTS,
    PATIENCE_SECONDS,
    fetch,
    start,
    stopped,
    wait_ready,
)
from tests.server.reports import TOPIC, payload, report


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[dict[str, Any], "subprocess.Popen[str]"]]:
    """A server on free ports with its own embedded broker."""
    file = tmp_path / "district.yaml"
    file.write_text(FILE + ANY_PORTS, encoding="utf-8")
    process = start(file, "--ready-file", str(tmp_path / "ready.json"))
    yield wait_ready(tmp_path / "ready.json", process), process
    if process.poll() is None:
        process.kill()
        process.communicate()


async def converse(broker: str) -> tuple[Settings, Ack]:
    """Be a point: send a report, return the settings and the acknowledgement that come."""
    address = BrokerAddress.of(broker)
    got: dict[str, Any] = {}
    async with aiomqtt.Client(address.host, address.port) as point:
        await point.subscribe(all_down("bu-dang", "bom-bo"), qos=1)
        await point.publish(
            TOPIC.format(point="bom-bo"), payload(report(1, taken_at=datetime.now(UTC))), qos=1
        )
        hello = {
            "schema": "diemcau.hello/1", "hub": "bu-dang", "point": "bom-bo",
            "boot_id": "0123456789abcdef", "connection": 1, "online": True, "version": "0",
        }  # fmt: skip
        await point.publish("diemcau/v1/bu-dang/bom-bo/up/hello", json.dumps(hello), qos=1)
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for message in point.messages:
                kind = str(message.topic).rsplit("/", 1)[1]
                assert isinstance(message.payload, bytes)
                got[kind] = decode_down(Down(kind), message.payload)
                if len(got) == 2:
                    break
    return got["settings"], got["ack"]


def test_a_server_starts_serves_and_stops(
    running: tuple[dict[str, Any], "subprocess.Popen[str]"],
) -> None:
    """Health, settings, acknowledgement, metrics; then SIGTERM ends it with 0 and no trace."""
    ready, process = running
    assert Path(ready["token_file"]).stat().st_mode & 0o777 == 0o600
    settings, ack = asyncio.run(converse(ready["broker"]))
    assert settings.measure is not None
    assert settings.measure.port == ready["measure_port"]
    assert ack.ranges == ((1, 1),)
    status, body = fetch(ready["http"] + "/healthz")
    assert (status, json.loads(body)["status"]) == (200, "ok")
    status, text = fetch(ready["http"] + "/metrics")
    assert status == 200
    assert b'diemcau_ingest_messages_total{result="accepted"} 1.0' in text
    assert b"\ndiemcau_store_disk_free_bytes " in text
    assert b"\ndiemcau_store_bytes " in text
    assert json.loads(stopped(process).splitlines()[-1])["message"] == "stopped"


def test_the_doctor_hears_in_both_languages_what_does_not_work(tmp_path: Path) -> None:
    """A server without its broker says so; the doctor shows it in its reader's language."""
    file = tmp_path / "district.yaml"
    broker = f"broker: {{url: 'mqtt://127.0.0.1:{free_port()}'}}\n"
    file.write_text(f"{FILE}http: {{port: 0}}\n{broker}", encoding="utf-8")
    process = start(file, "--ready-file", str(tmp_path / "ready.json"))
    address = wait_ready(tmp_path / "ready.json", process)["http"]
    status, body = fetch(address + "/healthz")
    told = _health("127.0.0.1", int(address.rsplit(":", 1)[1]))
    stopped(process)
    (problem,) = json.loads(body)["problems"]

    assert status == 503
    assert told is not None
    assert "broker" in problem["en"]
    assert [(one.vi != one.en, "broker" in one.vi) for one in told] == [(True, True)]


def test_systemd_hears_that_it_is_ready_and_that_it_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its unit waits for that; only the server itself speaks, none of its processes."""
    file = tmp_path / "district.yaml"
    file.write_text(FILE + ANY_PORTS, encoding="utf-8")
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(PATIENCE_SECONDS)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        process = start(file, "--ready-file", str(tmp_path / "ready.json"))
        said = systemd.recv(100)
        wait_ready(tmp_path / "ready.json", process)
        stopped(process)

        assert (said, systemd.recv(100)) == (b"READY=1", b"STOPPING=1")


def test_promtool_finds_nothing_in_its_metrics(
    running: tuple[dict[str, Any], "subprocess.Popen[str]"],
) -> None:
    """Series of points that never spoke pass Prometheus' own checker, too."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    _, text = fetch(running[0]["http"] + "/metrics")
    check = [promtool, "check", "metrics"]
    done = subprocess.run(check, input=text, capture_output=True, check=False)
    assert b'point="dak-nhau"' in text
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def changed(**changes: Any) -> bytes:
    """Return a point's report with some keys changed."""
    return json.dumps(json.loads(payload(report(2))) | changes).encode()


async def test_reports_older_than_the_file_says_are_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a server that runs; those that are younger stay."""
    monkeypatch.setattr(retention, "LOOK_SECONDS", 0.05)
    file = tmp_path / "district.yaml"
    kept = "store: {url: 'sqlite:///kept.sqlite', keep_reports_days: 10}\n"
    file.write_text(FILE + ANY_PORTS + kept, encoding="utf-8")
    config = load_config(file)
    config.state_directory.mkdir(parents=True)
    store = await Store.open(resolved_url(config.store.url, config.state_directory, None))
    now = datetime.now(UTC)
    for seq, days in enumerate((365, 11, 9, 0), start=1):
        one = report(seq)
        text = payload(one).decode()
        await store.commit_reports([ReceivedReport(one, text, now - timedelta(days=days))])
    server = Server(config)
    await server.start()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await store.count(reports) > 2:  # noqa: ASYNC110  # the server's own task
                await asyncio.sleep(0.05)
        young = await store.commit_reports([ReceivedReport(report(3), "", now)])
        assert young.duplicates == 1
    finally:
        await server.stop()
        await store.close()


BAD_MESSAGES = (
    ("bom-bo", b"\xff{", "not_json"),
    ("bom-bo", b" " * (MAX_MESSAGE_BYTES + 1), "too_large"),
    ("bom-bo", changed(schema="diemcau.report/2"), "wrong_version"),
    ("bom-bo", changed(surprise=1), "invalid"),
    ("dak-nhau", changed(), "wrong_point"),
    ("nobody", changed(point="nobody"), "unknown_point"),
)
"""A point's topic, what is sent to it, and the reason by which it is counted."""
BAD_PACKETS = (
    (b"", "too_short"),
    (b"x" * 40, "too_short"),
    (bytes(65_507), "too_long"),
    (b"\xd1\x65\x6d\x63\x09\x01" + bytes(40), "bad_version"),
    (b"\xff" * 60, "not_ours"),
    (b"\x80" + bytes(60), "unknown_flow"),
)
"""A datagram to the measuring port and the reason by which it is counted."""


def counted(text: bytes, name: str) -> dict[str, float]:
    """Return the values above zero of a counter of the metrics, by its last label."""
    found = re.findall(rf'(?m)^{name}\{{(?:process="1",)?\w+="(\w+)"\}} (\S+)$', text.decode())
    return {label: float(value) for label, value in found if float(value)}


async def misbehave(ready: dict[str, Any]) -> None:
    """Send everything that is bad, then a good report, and wait for its acknowledgement."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for octets, _ in BAD_PACKETS:
            stranger.sendto(octets, ("127.0.0.1", ready["measure_port"]))
    address = BrokerAddress.of(ready["broker"])
    async with aiomqtt.Client(address.host, address.port) as point:
        for name, content, _ in BAD_MESSAGES:
            await point.publish(TOPIC.format(point=name), content, qos=1)
    await converse(ready["broker"])


def test_all_that_is_bad_is_counted_by_name_and_kept_aside(
    running: tuple[dict[str, Any], "subprocess.Popen[str]"],
) -> None:
    """Over the real broker and the real port: exact counts, each message aside, no crash."""
    ready, process = running
    asyncio.run(misbehave(ready))
    packets = {reason: 0.0 for _, reason in BAD_PACKETS}
    for _, reason in BAD_PACKETS:
        packets[reason] += 1
    text = b""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while counted(text, "diemcau_measure_rejected_total") != packets:
        assert time.monotonic() < deadline, counted(text, "diemcau_measure_rejected_total")
        time.sleep(0.2)  # the measuring process is asked for its counters every few seconds
        _, text = fetch(ready["http"] + "/metrics")

    messages = counted(text, "diemcau_ingest_messages_total")
    assert messages == {"accepted": 1, "invalid": len(BAD_MESSAGES), "other": 1}
    quarantined = counted(text, "diemcau_ingest_quarantined_total")
    assert quarantined == {reason: 1 for _, _, reason in BAD_MESSAGES}
    assert fetch(ready["http"] + "/healthz")[0] == 200
    stopped(process)
    store = Path(ready["token_file"]).parent / "state" / "diemcau.sqlite"
    with closing(sqlite3.connect(store)) as opened:
        aside = opened.execute("SELECT topic, reason, payload_bytes FROM quarantine ORDER BY id")
        assert aside.fetchall() == [
            (TOPIC.format(point=point), reason, len(content))
            for point, content, reason in BAD_MESSAGES
        ]


@pytest.mark.parametrize(
    ("section", "kind", "vi", "en"),
    [
        ("http", socket.SOCK_STREAM, "không mở được cổng", "cannot listen on"),
        ("broker", socket.SOCK_STREAM, "broker kèm theo không mở được cổng",
         "the embedded broker cannot listen on"),
        ("measure", socket.SOCK_DGRAM, "bộ đo không mở được cổng UDP",
         "the measuring end cannot listen on UDP"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("language", ["vi", "en"])
def test_a_taken_port_is_told_in_one_line(
    language: str, section: str, kind: socket.SocketKind, vi: str, en: str, tmp_path: Path
) -> None:
    """A server on a taken port ends with 1 and says which, and what to do, without a trace."""
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        port = taken.getsockname()[1]
        ports = f"{FILE}{ANY_PORTS}".replace("{port: 0}", "{host: 127.0.0.1, port: 0}")
        text = re.sub(rf"^({section}: .*port: )0", rf"\g<1>{port}", ports, flags=re.MULTILINE)
        assert text != ports
        file = tmp_path / "district.yaml"
        file.write_text(text, encoding="utf-8")
        server = start(file, "--log", "text", "--lang", language)
        _, log = server.communicate(timeout=PATIENCE_SECONDS)
    told = {
        "vi": f"Máy chủ không chạy được: {vi} 127.0.0.1:{port}: cổng này đang có chương trình khác "
        f"dùng; dừng chương trình đó, hoặc đổi {section}.port trong tệp cấu hình",
        "en": f"The server cannot run: {en} 127.0.0.1:{port}: another program uses this port; "
        f"stop it, or change {section}.port in the configuration",
    }
    assert server.returncode == 1
    assert "Traceback" not in log
    assert log.splitlines()[-1] == told[language]


@pytest.mark.parametrize("journal", ["", "<3>diemcau_server.__main__: "])
@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        ("state_directory: district.yaml/x\n", 1,
         "the server cannot run: cannot make the directory {folder}/district.yaml/x: Not a "
         "directory; change state_directory in the configuration"),
        ("surprise: 1\nmore: 2\n", 2,
         "Configuration has 2 problems: {folder}/district.yaml:{line}: surprise: unknown key; "),
    ],
)  # fmt: skip
def test_a_start_that_fails_is_one_event_of_a_log_that_nobody_watches(
    change: str,
    code: int,
    told: str,
    journal: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error in the form of the others, for programs or the journal, and in English."""
    file = tmp_path / "district.yaml"
    file.write_text(f"{FILE}{ANY_PORTS}{change}", encoding="utf-8")
    if journal:
        monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    server = start(file, "--lang", "vi")
    _, log = server.communicate(timeout=PATIENCE_SECONDS)
    line = f"{FILE}{ANY_PORTS}".count("\n") + 1
    lines = log.splitlines()

    assert server.returncode == code
    assert all(one.startswith("<" if journal else "{") for one in lines)
    level, said = (
        ("error", lines[-1])
        if journal
        else (json.loads(lines[-1])[key] for key in ("level", "message"))
    )
    assert level == "error"
    assert said.startswith(journal + told.format(folder=tmp_path, line=line))


BROKEN_PART = """
import sys
from diemcau_server.__main__ import main
from diemcau_server.ingest import Ingest

async def run(self):
    raise ZeroDivisionError("of the test")

Ingest.run = run
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "more", [("--log", "json"), ("--log", "text"), ("--log", "text", "--verbose")]
)
def test_a_part_that_ends_by_a_fault_is_told_with_its_trace(
    more: tuple[str, ...], tmp_path: Path
) -> None:
    """One event with the trace for programs; one sentence for people, a trace if they ask."""
    file = tmp_path / "district.yaml"
    file.write_text(FILE + ANY_PORTS, encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-c", BROKEN_PART, "run", "--config", str(file), "--lang", "en", *more],
        capture_output=True, encoding="utf-8", timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    *_, last = ended.stderr.splitlines()

    assert ended.returncode == 1
    if "json" in more:
        event = json.loads(last)
        assert (event["level"], event["message"]) == (
            "error",
            "the server cannot run: ingest has ended: ZeroDivisionError('of the test')",
        )
        assert "in run\nZeroDivisionError: of the test\n" in event["trace"]
    else:
        assert last == (
            "Fault of the program: ingest has ended: ZeroDivisionError('of the test'). Run it "
            "again with --verbose and send the log."
        )
        assert ("Traceback" in ended.stderr) == ("--verbose" in more)


@pytest.mark.parametrize(
    ("change", "vi", "en"),
    [
        (("state_directory: state", "state_directory: district.yaml/x"),
         "không tạo được thư mục {folder}/district.yaml/x: đường dẫn đi qua một tệp; sửa "
         "state_directory trong tệp cấu hình",
         "cannot make the directory {folder}/district.yaml/x: Not a directory; change "
         "state_directory in the configuration"),
        (("token_file: token", "token_file: /proc/token"),
         "không ghi được tệp mã truy cập /proc/token: không tạo được ở đây",
         "cannot write the token file /proc/token: No such file or directory"),
        (("host: 127.0.0.1", "host: 192.0.2.7"),
         "bộ đo không mở được cổng UDP 192.0.2.7:0: máy này không có địa chỉ đó; sửa "
         "measure.host trong tệp cấu hình",
         "the measuring end cannot listen on UDP 192.0.2.7:0: this machine has no such address; "
         "change measure.host in the configuration"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("language", ["vi", "en"])
def test_a_start_that_fails_is_told_in_one_line(
    language: str, change: tuple[str, str], vi: str, en: str, tmp_path: Path
) -> None:
    """What the system refuses is told in one language, with what to change; exit code 1."""
    file = tmp_path / "district.yaml"
    text = (
        f"{FILE}state_directory: state\n"
        "http: {port: 0, token_file: token}\nbroker: {url: embedded, port: 0}\n"
    )
    file.write_text(text.replace(*change), encoding="utf-8")
    server = start(file, "--log", "text", "--lang", language)
    _, log = server.communicate(timeout=PATIENCE_SECONDS)
    why = {"vi": f"Máy chủ không chạy được: {vi}", "en": f"The server cannot run: {en}"}
    assert server.returncode == 1
    assert log.splitlines()[-1] == why[language].replace("{folder}", str(tmp_path))
    assert "Traceback" not in log
