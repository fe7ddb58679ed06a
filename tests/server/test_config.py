"""The server's file: what it gives, and what is said of each mistake."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from diemcau_contract.errors import DocumentError
from diemcau_server.__main__ import EXIT_OK, EXIT_USAGE, main
from diemcau_server.config import load_config
from diemcau_server.secret_files import make_token
from tests.server.district import FILE

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
    "default_profile": (":2: default_profile: unknown profile 'q'; known: p",),
    "duplicate_id": (":11: profiles[1].id: duplicate id 'p' (first on line 7)",),
    "duplicate_key": (":3: timezone: key given twice (first on line 2); keep one",),
    "duplicate_point": (":8: hubs[0].points[1].id: duplicate point id 'bom-bo' (first on line 7)",),
    "limit_out_of_range": (":11: profiles[0].limits.loss_ratio.bad: must be at most 1 (got 1.5)",),
    "limits_reversed": (
        ":11: profiles[0].limits.loss_ratio: warn (0.5) must not be above bad (0.1)",
    ),
    "missing_key": (":4: hubs[0].name: missing; this key is required",),
    "out_of_range": (":2: http.port: must be at most 65535 (got 99999)",),
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
    "unknown_key": (":2: http.prot: unknown key; did you mean 'port'?",),
    "wrong_type": (":2: report_interval_seconds: must be a number (got 'often')",),
    "wrong_version": (":1: schema: must be 'diemcau.server/1' (got 'diemcau.server/9')",),
}
"""What is said of each file in ``bad``, without the file's own name."""


def test_every_bad_file_has_its_message() -> None:
    """A new bad file must come with what is said of it."""
    assert {file.stem for file in BAD.glob("*.yaml")} == set(MESSAGES)


@pytest.mark.parametrize("name", MESSAGES)
def test_each_mistake_is_named_with_its_place(name: str) -> None:
    """All mistakes of a file are told at once, each with its line and what is allowed."""
    file = BAD / f"{name}.yaml"
    with pytest.raises(DocumentError) as caught:
        load_config(file)
    told = tuple(str(problem).removeprefix(str(file)) for problem in caught.value.problems)
    assert told == tuple(text.replace("{bad}", str(BAD)) for text in MESSAGES[name])


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


@pytest.mark.parametrize(
    ("mode", "content", "what"),
    [
        (0o640, "word", "is open to others (0640); chmod 600 it"),
        (0o604, "word", "is open to others (0604); chmod 600 it"),
        (0o600, " \n", "is empty"),
    ],
)
def test_a_secret_file_that_is_no_secret_is_refused(
    tmp_path: Path, mode: int, content: str, what: str
) -> None:
    """A token file that others can read, or that is empty, is a problem of the file."""
    token = tmp_path / "token"
    token.write_text(content, encoding="utf-8")
    token.chmod(mode)
    file = tmp_path / "district.yaml"
    file.write_text(FILE, encoding="utf-8")
    with pytest.raises(DocumentError) as caught:
        load_config(file)
    assert str(caught.value) == f"{file}: http.token_file: secret file {token} {what}"


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
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--check-only`` answers in one line and makes nothing."""
    file = tmp_path / "district.yaml"
    file.write_text(FILE, encoding="utf-8")
    assert main(["run", "--config", str(file), "--check-only"]) == EXIT_OK
    assert capsys.readouterr().out == f"{file}: cấu hình hợp lệ\n"
    assert main(["run", "--config", str(file), "--check-only", "--lang", "en"]) == EXIT_OK
    assert capsys.readouterr().out == f"{file}: the configuration is valid\n"
    assert [one.name for one in tmp_path.iterdir()] == ["district.yaml"]


@pytest.mark.parametrize(
    ("language", "headline"),
    [("vi", "Tệp cấu hình có 4 lỗi:"), ("en", "Configuration has 4 problems:")],
)
def test_problems_are_listed_under_a_headline(
    language: str, headline: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command lists every problem on stderr and ends with 2."""
    file = BAD / "all_at_once.yaml"
    assert main(["run", "--config", str(file), "--lang", language]) == EXIT_USAGE
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines()[0] == headline
    assert len(shown.err.splitlines()) == 5
