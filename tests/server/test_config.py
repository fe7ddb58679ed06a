"""The server's file: what it gives, and what is said of each mistake."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from diemcau_contract.causes import Language, Text
from diemcau_contract.errors import DocumentError
from diemcau_server.__main__ import EXIT_OK, EXIT_USAGE, main
from diemcau_server.config import load_config
from diemcau_server.secret_files import make_token
from tests.privileges import make_unreadable, run_bound_by_modes
from tests.server.district import FILE, district

BAD = Path(__file__).parent / "bad"
REAL = Path(__file__).parents[2] / "config" / "bu-dang.yaml"

MESSAGES: Mapping[str, tuple[str, ...]] = {
    "all_at_once": (
        ":2: htp: unknown key; did you mean 'http'?",
        ":3: http.port: must be at most 65535 (got 99999)",
        ":4: broker.password_file: secret file {bad}/no-such-file cannot be "
        "read: No such file or directory",
        ":14: profiles[1].id: duplicate id 'p' (first on line 10)",
    ),
    "bad_id": (
        ":4: hubs[0].id: not an id; use a-z, 0-9 and '-', at most 63 characters (got 'Bù Đăng')",
    ),
    "broker_url": (
        ":2: broker.url: must be 'embedded', mqtt://HOST[:PORT] or "
        "mqtts://HOST[:PORT] (got 'http://broker:1883')",
    ),
    "cycle": (":3: not valid YAML: a value contains itself",),
    "dates": (
        ":7: hubs[0].points[0].maintenance_until: the year must be 2000 to 2199 (got '0001-01-01')",
        ":15: sessions[0].start: there is no such date or time (got '2026-02-31T07:30:00')",
        ":15: sessions[0].end: there is no such date or time (got '2026-03-01 25:00:00')",
        ":16: sessions[1].start: the year must be 2000 to 2199 (got '0001-01-01T00:00:00')",
        ":16: sessions[1].end: the year must be 2000 to 2199 (got '9999-12-31T23:59:59-12:00')",
        ":17: sessions[2].start: must be a date and time such as 2026-03-14T07:30:00 "
        "(got 20260314)",
        ":17: sessions[2].end: the year must be 2000 to 2199 (got '2200-01-01')",
        ":18: sessions[3].end: must be after start (2026-03-14T07:30:00Z)",
        ":19: sessions[4].end: must be after start (2026-03-14T11:00:00)",
        ":20: unknown: unknown key; allowed: broker, default_profile, http, hubs, measure, "
        "profiles, report_interval_seconds, schema, sessions, silent_after_seconds, "
        "state_directory, store, timezone",
    ),
    "default_profile": (":2: default_profile: unknown profile 'q'; known: p",),
    "duplicate_id": (":11: profiles[1].id: duplicate id 'p' (first on line 7)",),
    "duplicate_key": (":3: timezone: key given twice (first on line 2); keep one",),
    "duplicate_point": (":8: hubs[0].points[1].id: duplicate point id 'bom-bo' (first on line 7)",),
    "hosts": (
        ":2: http.host: is no host name and no IP address (got 'a..b')",
        ":3: measure.host: must have at least 1 character(s) (got '')",
        ":3: measure.advertise_host: is no host name and no IP address (got 'a..b')",
    ),
    "keep_reports": (":2: store.keep_reports_days: must be at least 8 (got 7)",),
    "limit_out_of_range": (":11: profiles[0].limits.loss_ratio.bad: must be at most 1 (got 1.5)",),
    "limits_reversed": (
        ":11: profiles[0].limits.loss_ratio: warn (0.5) must not be above bad (0.1)",
    ),
    "missing_key": (":4: hubs[0].name: missing; this key is required",),
    "out_of_range": (":2: http.port: must be at most 65535 (got 99999)",),
    "process_ports": (
        ":2: measure: 7 processes need the ports 65530 to 65536; the last port is 65535",
    ),
    "processes_out_of_range": (":2: measure.processes: must be at least 1 (got 0)",),
    "quiet_hours": (
        ":2: measure.capacity_schedule.start: must be a time such as '01:30' (got '25:00')",
        ":2: measure.capacity_schedule.end: must be a time such as '01:30' (got 3)",
        ":2: measure.capacity_schedule.every_days: must be at least 1 (got 0)",
    ),
    "quiet_hours_none": (":2: measure.capacity_schedule: start and end must not be the same",),
    "secret_missing": (
        ":2: broker.password_file: secret file {bad}/no-such-file cannot be "
        "read: No such file or directory",
    ),
    "session": (
        ":12: sessions[0].hub: unknown hub 'bu-dan'; did you mean 'bu-dang'?",
        ":13: sessions[1].profile: unknown profile 'pp'; did you mean 'p'?",
        ":13: sessions[1].end: must be after start (2026-03-14 07:00:00)",
        ":14: sessions[2].form: must be 'line' or 'meet' (got 'phone')",
        ":14: sessions[2].start: must be a date and time such as 2026-03-14T07:30:00 (got 'soon')",
        ":14: sessions[2].points[0]: unknown point of bu-dang 'bombo'; did you mean 'bom-bo'?",
        ":14: sessions[2].units[0]: unknown unit of bu-dang 'x'; known: none",
    ),
    "store_password": (
        ":2: store.url: must hold no password; name a file by password_file "
        "(got 'postgresql://***@db/diemcau')",
    ),
    "syntax": (":4: not valid YAML: expected the node content, but found '<stream end>'",),
    "timezone": (
        ":2: timezone: unknown timezone 'Asia/Bu_Dang'; expected a name such as 'Asia/Ho_Chi_Minh'",
    ),
    "too_deep": (":2: not valid YAML: values are nested more than 50 levels deep",),
    "types": (
        ":2: http.port: must be a whole number (got '8080')",
        ":2: http.ndt7: must be true or false (got 'yes')",
        ":3: measure.processes: must be a whole number (got 2.0)",
        ":3: measure.packets_per_second: must be a number (got True)",
        ":3: measure.max_bits_per_second: must be a number (got '1e9')",
        ":4: default_profile: must be text (got 7)",
        ":6: hubs[0].name: must be text (got 5)",
        ":6: hubs[0].points[0].enabled: must be true or false (got 1)",
        ":10: profiles[0].up.audio_bits_per_second: must be a whole number (got '64000')",
        ":10: profiles[0].down.audio_bits_per_second: must be a whole number (got '64000')",
    ),
    "unknown_key": (":2: http.prot: unknown key; did you mean 'port'?",),
    "wrong_type": (":2: report_interval_seconds: must be a number (got 'often')",),
    "wrong_version": (":1: schema: must be 'diemcau.server/1' (got 'diemcau.server/9')",),
}
"""What is said of each file in ``bad``, without the file's own name."""

VIETNAMESE: Mapping[str, tuple[str, ...]] = {
    "all_at_once": (
        ":2: htp: không có khóa này; có phải ý bạn là 'http'?",
        ":3: http.port: không được lớn hơn 65535 (đang là 99999)",
        ":4: broker.password_file: tệp bí mật {bad}/no-such-file không đọc được: không có tệp này",
        ":14: profiles[1].id: trùng mã 'p' (lần đầu ở dòng 10)",
    ),
    "bad_id": (
        ":4: hubs[0].id: không phải mã hợp lệ; chỉ dùng a-z, 0-9 và '-', nhiều nhất 63 ký tự "
        "(đang là 'Bù Đăng')",
    ),
    "broker_url": (
        ":2: broker.url: phải là 'embedded', mqtt://HOST[:PORT] hoặc mqtts://HOST[:PORT] "
        "(đang là 'http://broker:1883')",
    ),
    "cycle": (":3: sai cú pháp YAML: giá trị chứa chính nó",),
    "dates": (
        ":7: hubs[0].points[0].maintenance_until: năm phải từ 2000 đến 2199 (đang là '0001-01-01')",
        ":15: sessions[0].start: ngày hoặc giờ này không có trong lịch "
        "(đang là '2026-02-31T07:30:00')",
        ":15: sessions[0].end: ngày hoặc giờ này không có trong lịch "
        "(đang là '2026-03-01 25:00:00')",
        ":16: sessions[1].start: năm phải từ 2000 đến 2199 (đang là '0001-01-01T00:00:00')",
        ":16: sessions[1].end: năm phải từ 2000 đến 2199 (đang là '9999-12-31T23:59:59-12:00')",
        ":17: sessions[2].start: phải là ngày giờ như 2026-03-14T07:30:00 (đang là 20260314)",
        ":17: sessions[2].end: năm phải từ 2000 đến 2199 (đang là '2200-01-01')",
        ":18: sessions[3].end: phải sau start (2026-03-14T07:30:00Z)",
        ":19: sessions[4].end: phải sau start (2026-03-14T11:00:00)",
        ":20: unknown: không có khóa này; chỉ có: broker, default_profile, http, hubs, measure, "
        "profiles, report_interval_seconds, schema, sessions, silent_after_seconds, "
        "state_directory, store, timezone",
    ),
    "default_profile": (":2: default_profile: không tìm thấy 'q' trong các mức đo; đang có: p",),
    "duplicate_id": (":11: profiles[1].id: trùng mã 'p' (lần đầu ở dòng 7)",),
    "duplicate_key": (":3: timezone: khóa bị ghi hai lần (lần đầu ở dòng 2); chỉ giữ một",),
    "duplicate_point": (":8: hubs[0].points[1].id: trùng mã điểm cầu 'bom-bo' (lần đầu ở dòng 7)",),
    "hosts": (
        ":2: http.host: không phải tên máy hay địa chỉ IP (đang là 'a..b')",
        ":3: measure.host: phải có ít nhất 1 ký tự (đang là '')",
        ":3: measure.advertise_host: không phải tên máy hay địa chỉ IP (đang là 'a..b')",
    ),
    "keep_reports": (":2: store.keep_reports_days: không được nhỏ hơn 8 (đang là 7)",),
    "limit_out_of_range": (
        ":11: profiles[0].limits.loss_ratio.bad: không được lớn hơn 1 (đang là 1.5)",
    ),
    "limits_reversed": (
        ":11: profiles[0].limits.loss_ratio: warn (0.5) không được lớn hơn bad (0.1)",
    ),
    "missing_key": (":4: hubs[0].name: thiếu khóa bắt buộc này",),
    "out_of_range": (":2: http.port: không được lớn hơn 65535 (đang là 99999)",),
    "process_ports": (
        ":2: measure: 7 tiến trình cần các cổng 65530 đến 65536; cổng lớn nhất là 65535",
    ),
    "processes_out_of_range": (":2: measure.processes: không được nhỏ hơn 1 (đang là 0)",),
    "quiet_hours": (
        ":2: measure.capacity_schedule.start: phải là giờ và phút, ví dụ '01:30' (đang là '25:00')",
        ":2: measure.capacity_schedule.end: phải là giờ và phút, ví dụ '01:30' (đang là 3)",
        ":2: measure.capacity_schedule.every_days: không được nhỏ hơn 1 (đang là 0)",
    ),
    "quiet_hours_none": (":2: measure.capacity_schedule: start và end phải khác nhau",),
    "secret_missing": (
        ":2: broker.password_file: tệp bí mật {bad}/no-such-file không đọc được: không có tệp này",
    ),
    "session": (
        ":12: sessions[0].hub: không tìm thấy 'bu-dan' trong các hội trường; "
        "có phải ý bạn là 'bu-dang'?",
        ":13: sessions[1].profile: không tìm thấy 'pp' trong các mức đo; có phải ý bạn là 'p'?",
        ":13: sessions[1].end: phải sau start (2026-03-14 07:00:00)",
        ":14: sessions[2].form: phải là 'line' hoặc 'meet' (đang là 'phone')",
        ":14: sessions[2].start: phải là ngày giờ như 2026-03-14T07:30:00 (đang là 'soon')",
        ":14: sessions[2].points[0]: không tìm thấy 'bombo' trong các điểm cầu của bu-dang; "
        "có phải ý bạn là 'bom-bo'?",
        ":14: sessions[2].units[0]: không tìm thấy 'x' trong các đơn vị của bu-dang; "
        "chưa khai báo mã nào",
    ),
    "store_password": (
        ":2: store.url: không được chứa mật khẩu; ghi mật khẩu vào một tệp, chỉ tệp bằng "
        "password_file (đang là 'postgresql://***@db/diemcau')",
    ),
    "syntax": (":4: sai cú pháp YAML: thiếu giá trị, gặp cuối tệp",),
    "timezone": (":2: timezone: không có múi giờ 'Asia/Bu_Dang'; ghi tên như 'Asia/Ho_Chi_Minh'",),
    "too_deep": (":2: sai cú pháp YAML: các giá trị lồng nhau sâu quá 50 cấp",),
    "types": (
        ":2: http.port: phải là số nguyên (đang là '8080')",
        ":2: http.ndt7: phải là true hoặc false (đang là 'yes')",
        ":3: measure.processes: phải là số nguyên (đang là 2.0)",
        ":3: measure.packets_per_second: phải là số (đang là True)",
        ":3: measure.max_bits_per_second: phải là số (đang là '1e9')",
        ":4: default_profile: phải là văn bản (đang là 7)",
        ":6: hubs[0].name: phải là văn bản (đang là 5)",
        ":6: hubs[0].points[0].enabled: phải là true hoặc false (đang là 1)",
        ":10: profiles[0].up.audio_bits_per_second: phải là số nguyên (đang là '64000')",
        ":10: profiles[0].down.audio_bits_per_second: phải là số nguyên (đang là '64000')",
    ),
    "unknown_key": (":2: http.prot: không có khóa này; có phải ý bạn là 'port'?",),
    "wrong_type": (":2: report_interval_seconds: phải là số (đang là 'often')",),
    "wrong_version": (":1: schema: phải là 'diemcau.server/1' (đang là 'diemcau.server/9')",),
}
"""The same in Vietnamese."""


def test_every_bad_file_has_its_message() -> None:
    """A new bad file must come with what is said of it."""
    assert {file.stem for file in BAD.glob("*.yaml")} == set(MESSAGES) == set(VIETNAMESE)


@pytest.mark.parametrize(("language", "messages"), [("en", MESSAGES), ("vi", VIETNAMESE)])
@pytest.mark.parametrize("name", MESSAGES)
def test_each_mistake_is_named_with_its_place(
    name: str, language: Language, messages: Mapping[str, tuple[str, ...]]
) -> None:
    """All mistakes of a file are told at once, each with its line and what is allowed."""
    file = BAD / f"{name}.yaml"
    with pytest.raises(DocumentError) as caught:
        load_config(file)
    said = [problem.in_language(language) for problem in caught.value.problems]
    told = tuple(line.removeprefix(str(file)) for line in said)
    assert told == tuple(text.replace("{bad}", str(BAD)) for text in messages[name])


def test_a_password_in_an_address_is_never_repeated() -> None:
    """The message on a password in the store's URL does not show it."""
    with pytest.raises(DocumentError) as caught:
        load_config(BAD / "store_password.yaml")
    assert "secret" not in str(caught.value)


def test_a_file_that_is_not_there_is_one_problem(tmp_path: Path) -> None:
    """A missing file is told in one line, without a line number."""
    with pytest.raises(DocumentError) as caught:
        load_config(tmp_path / "no.yaml")
    assert str(caught.value) == f"{tmp_path / 'no.yaml'}: cannot be read: No such file or directory"
    (problem,) = caught.value.problems
    assert problem.what.vi == "không đọc được: không có tệp này"


@pytest.mark.parametrize(
    ("mode", "content", "what"),
    [
        (
            0o640,
            b"word",
            Text(
                "đang cho người khác đọc (0640); chạy chmod 600",
                "is open to others (0640); chmod 600 it",
            ),
        ),
        (
            0o604,
            b"word",
            Text(
                "đang cho người khác đọc (0604); chạy chmod 600",
                "is open to others (0604); chmod 600 it",
            ),
        ),
        (0o600, b" \n", Text("đang trống", "is empty")),
        (
            0o600,
            b"\xff",
            Text("không đọc được: không phải văn bản UTF-8", "cannot be read: not UTF-8 text"),
        ),
    ],
)
def test_a_secret_file_that_is_no_secret_is_refused(
    tmp_path: Path, mode: int, content: bytes, what: Text
) -> None:
    """A token file that others can read, that is empty or no text is a problem of the file."""
    token = tmp_path / "token"
    token.write_bytes(content)
    token.chmod(mode)
    file = tmp_path / "district.yaml"
    file.write_text(FILE, encoding="utf-8")
    with pytest.raises(DocumentError) as caught:
        load_config(file)
    (problem,) = caught.value.problems
    assert str(problem) == f"{file}: http.token_file: secret file {token} {what.en}"
    assert problem.what.vi == f"tệp bí mật {token} {what.vi}"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX file modes")
@pytest.mark.parametrize(
    ("how", "language", "said"),
    [
        ("closed", "vi", "không đọc được: không có quyền đọc"),
        ("closed", "en", "cannot be read: Permission denied"),
        ("folder", "vi", "không đọc được: đây là thư mục"),
        ("folder", "en", "cannot be read: Is a directory"),
    ],
)
def test_secrets_that_may_not_be_read_end_the_server(
    how: str, language: str, said: str, tmp_path: Path
) -> None:
    """The system's refusal of each secret is one problem with line and key; exit code 2."""
    for name in ("token", "broker-password", "store-password"):
        make_unreadable(tmp_path / name, how)
    file = tmp_path / "district.yaml"
    lines = (
        "broker: {url: 'mqtt://h', username: hub, password_file: broker-password}",
        "store: {url: 'postgresql://h/diemcau', password_file: store-password}",
        "http: {token_file: token}",
    )
    file.write_text(FILE + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    first = FILE.count("\n") + 1
    ended = run_bound_by_modes(
        "diemcau_server", "run", "--log", "text", "--config", str(file), "--lang", language
    )
    headline, secret = {
        "vi": ("Tệp cấu hình có 3 lỗi:", "tệp bí mật"),
        "en": ("Configuration has 3 problems:", "secret file"),
    }[language]
    told = [
        f"  {file}:{first + line}: {key}: {secret} {tmp_path / name} {said}"
        for line, (key, name) in enumerate(
            [
                ("broker.password_file", "broker-password"),
                ("store.password_file", "store-password"),
                ("http.token_file", "token"),
            ]
        )
    ]
    assert ended == (2, "", "".join(f"{line}\n" for line in (headline, *told)))


def test_the_token_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    """A made token is long, readable by its owner alone, and read at the next start."""
    file = tmp_path / "district.yaml"
    file.write_text(FILE, encoding="utf-8")
    config = load_config(file)
    assert config.token is None
    token = make_token(config.token_file)
    assert len(token) >= 40
    assert config.token_file.stat().st_mode & 0o777 == 0o600
    assert load_config(file).token == token


def test_the_real_district_is_whole() -> None:
    """The shipped file holds the hall, its 16 points, five sessions and three profiles."""
    config = load_config(REAL)
    hub = config.hubs[0]
    assert hub.name == "Hội trường Huyện ủy"
    assert len(hub.points) == 16
    assert [session.form for session in config.sessions] == ["line"] * 3 + ["meet"] * 2
    assert [profile.id for profile in config.profiles] == ["h323-720p", "h323-1080p", "meet-hd"]
    assert config.sessions[0].start == datetime(2026, 3, 14, 0, 30, tzinfo=UTC)
    rates = {
        profile.id: profile.up.audio_bits_per_second + profile.up.video_bits_per_second
        for profile in config.profiles
    }
    assert rates == {"h323-720p": 1_024_000, "h323-1080p": 1_920_000, "meet-hd": 3_200_000}


def test_check_only_says_that_a_file_is_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--check-only`` answers in one line, in the language asked for, and makes nothing."""
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    file = tmp_path / "district.yaml"
    file.write_text(FILE, encoding="utf-8")
    assert main(["run", "--config", str(file), "--check-only"]) == EXIT_OK
    assert capsys.readouterr().out == f"{file}: cấu hình hợp lệ\n"
    assert main(["run", "--config", str(file), "--check-only", "--lang", "en"]) == EXIT_OK
    assert capsys.readouterr().out == f"{file}: the configuration is valid\n"
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    assert main(["run", "--config", str(file), "--check-only"]) == EXIT_OK
    assert capsys.readouterr().out == f"{file}: the configuration is valid\n"
    assert [one.name for one in tmp_path.iterdir()] == ["district.yaml"]


@pytest.mark.parametrize(
    ("language", "headline", "messages"),
    [
        ("vi", "Tệp cấu hình có 4 lỗi:", VIETNAMESE),
        ("en", "Configuration has 4 problems:", MESSAGES),
    ],
)
@pytest.mark.parametrize("more", [["--log", "text"], ["--check-only"]])
def test_problems_are_listed_under_a_headline(
    more: list[str],
    language: str,
    headline: str,
    messages: Mapping[str, tuple[str, ...]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The command lists every problem on stderr, in one language, and ends with 2."""
    file = BAD / "all_at_once.yaml"
    assert main(["run", "--config", str(file), "--lang", language, *more]) == EXIT_USAGE
    shown = capsys.readouterr()
    told = [f"  {file}{text}".replace("{bad}", str(BAD)) for text in messages["all_at_once"]]
    assert (shown.out, shown.err.splitlines()) == ("", [headline, *told])


@pytest.mark.parametrize(("language", "messages"), [("vi", VIETNAMESE), ("en", MESSAGES)])
@pytest.mark.parametrize("name", ["cycle", "dates", "too_deep", "types"])
@pytest.mark.parametrize("more", [["--log", "text"], ["--check-only"]])
def test_no_file_ends_the_command_by_a_fault(
    more: list[str],
    name: str,
    language: str,
    messages: Mapping[str, tuple[str, ...]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Dates beyond the calendar and values without end are mistakes like all others: 2."""
    file = BAD / f"{name}.yaml"
    assert main(["run", "--config", str(file), "--lang", language, *more]) == EXIT_USAGE
    told = [f"  {file}{text}" for text in messages[name]]
    assert capsys.readouterr().err.splitlines()[1:] == told


@pytest.mark.parametrize(
    ("ports", "told"),
    [
        ("http: {port: 1883}\nbroker: {url: embedded}\n", ":25: http.port"),
        ("http: {port: 1883}\nbroker: {url: 'mqtt://localhost'}\n", ":25: http.port"),
        ("broker: {url: 'mqtts://127.0.0.1:8080'}\n", ":25: broker"),
        ("http: {port: 1883}\nbroker: {url: 'mqtt://10.0.0.9'}\n", ""),
        ("http: {port: 1884}\nbroker: {url: 'mqtt://127.0.0.1'}\n", ""),
        ("http: {port: 0}\nbroker: {url: embedded, port: 0}\n", ""),
    ],
)
def test_pages_and_a_broker_on_this_machine_need_a_port_each(
    ports: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Told by --check-only, before the second of them cannot start."""
    file = tmp_path / "server.yaml"
    text = FILE.rstrip("\n") + "\n"
    file.write_text(text + ports, encoding="utf-8")
    code = main(["run", "--config", str(file), "--check-only", "--lang", "en"])
    error = capsys.readouterr().err

    assert code == (EXIT_USAGE if told else 0)
    if told:
        place = told.replace("25", str(text.count("\n") + 1))
        assert f"{file}{place}: TCP port " in error
        assert "is the broker's; pages and API need another one" in error


def test_times_with_and_without_an_offset_are_compared(tmp_path: Path) -> None:
    """A session may be written in either way; a date alone is its first minute."""
    text = FILE.replace("start: 2026-03-14 07:00:00", "start: 2026-03-14T00:00:00Z")
    text = text.replace("end: 2026-03-14 11:00:00", "end: 2026-03-14 07:00:01")
    config = district(tmp_path, text.replace("start: 2026-03-15 07:00:00", "start: 2026-03-15"))
    assert [(one.start.isoformat(), one.end.isoformat()) for one in config.sessions] == [
        ("2026-03-14T00:00:00+00:00", "2026-03-14T00:00:01+00:00"),
        ("2026-03-14T17:00:00+00:00", "2026-03-15T04:00:00+00:00"),
    ]


@pytest.mark.parametrize("start", ["2000-01-01T00:00:00+14:00", "2199-12-31 23:59:59-12:00"])
def test_the_first_and_last_years_are_taken(start: str, tmp_path: Path) -> None:
    """The bounds themselves are no mistake, with any offset."""
    file = FILE.replace("maintenance_until: 2026-03-20 08:00:00", f"maintenance_until: {start}")
    until = district(tmp_path, file).hubs[0].points[4].maintenance_until
    assert until == datetime.fromisoformat(start)
