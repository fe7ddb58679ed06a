"""The section ``broker`` of the server's file: what it takes, and what is said of the rest."""

import shutil
from pathlib import Path

import pytest

from diemcau_contract.causes import Language, Text
from diemcau_server.__main__ import EXIT_USAGE, main
from tests.server.district import FILE, district

AUTHORITY = Path(__file__).parents[1] / "authority.pem"
NO_URL = Text(
    "không phải URL hợp lệ, như mqtt://HOST[:PORT] với cổng từ 1 đến 65535",
    "is not a URL such as mqtt://HOST[:PORT] with a port of 1 to 65535",
)
NO_HOST = Text(
    "phải là mqtt://HOST[:PORT] hoặc mqtts://HOST[:PORT]",
    "must be mqtt://HOST[:PORT] or mqtts://HOST[:PORT]",
)
NO_MORE = Text(
    "chỉ được gồm mqtt:// hoặc mqtts://, tên máy và cổng (1 đến 65535)",
    "must hold nothing but scheme, host and port (1 to 65535)",
)


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("mqtt://h:99999", NO_URL),
        ("mqtt://h:abc", NO_URL),
        ("mqtt://[::1", NO_URL),
        ("mqtt://a..b", NO_URL),
        ("mqtt://:1883", NO_HOST),
        ("mqtt://h:0", NO_MORE),
        ("mqtt://h x", NO_MORE),
        ("mqtts://h/path", NO_MORE),
    ],
)
@pytest.mark.parametrize("language", ["vi", "en"])
def test_a_broker_that_cannot_be_reached_is_no_valid_file(
    language: Language, url: str, what: Text, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the session with the broker would trip over is told at the start; exit code 2."""
    file = tmp_path / "district.yaml"
    file.write_text(f"{FILE}broker: {{url: '{url}'}}\n", encoding="utf-8")
    assert main(["run", "--config", str(file), "--lang", language, "--check-only"]) == EXIT_USAGE
    said = f"{file}:{FILE.count(chr(10)) + 1}: broker.url: {what.in_language(language)}"
    got = {"vi": "đang là", "en": "got"}[language]
    assert capsys.readouterr().err.splitlines()[1:] == [f"  {said} ({got} '{url}')"]


@pytest.mark.parametrize(
    ("broker", "content", "what"),
    [
        ("{url: 'mqtts://h', ca_file: ca.pem}", None,
         Text("{ca} không đọc được: không có tệp này", "{ca} cannot be read: "
              "No such file or directory")),
        ("{url: 'mqtts://h', ca_file: ca.pem}", "no certificate",
         Text("{ca} không chứa chứng chỉ PEM nào dùng được",
              "{ca} holds no usable PEM certificate")),
        ("{url: 'mqtt://h', ca_file: ca.pem}", None,
         Text("chỉ dùng với mqtts:// (đang là 'ca.pem')",
              "is of use with mqtts:// only (got 'ca.pem')")),
        ("{url: 'mqtts://h', password_file: ca.pem}", None,
         Text("cần có username đi kèm (đang là 'ca.pem')",
              "needs a username beside it (got 'ca.pem')")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("language", ["vi", "en"])
def test_the_files_of_the_broker_are_looked_at(
    language: Language,
    broker: str,
    content: str | None,
    what: Text,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A certificate authority that is not there, or none, is a problem of its line; exit code 2."""
    file, ca = tmp_path / "district.yaml", tmp_path / "ca.pem"
    if content is not None:
        ca.write_text(content, encoding="utf-8")
    file.write_text(f"{FILE}broker: {broker}\n", encoding="utf-8")
    assert main(["run", "--log", "text", "--config", str(file), "--lang", language]) == EXIT_USAGE
    key = "ca_file" if "ca_file" in broker else "password_file"
    said = what.in_language(language).format(ca=ca)
    place = f"{file}:{FILE.count(chr(10)) + 1}: broker.{key}"
    assert capsys.readouterr().err.splitlines()[1] == f"  {place}: {said}"


def test_a_certificate_authority_is_taken(tmp_path: Path) -> None:
    """A file with a certificate, whatever else it says, is the broker's authority."""
    shutil.copy(AUTHORITY, tmp_path)
    config = district(tmp_path, f"{FILE}broker: {{url: 'mqtts://h', ca_file: {AUTHORITY.name}}}\n")
    assert config.broker_ca_file == tmp_path / AUTHORITY.name
