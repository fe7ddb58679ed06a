from collections.abc import Callable, Iterator

import pytest

from diemcau_server.cli.main import run
from tests.server.cli.recorded import TOKEN, Recorded, serving

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    """A server with recorded answers on loopback."""
    with serving(Recorded()) as server:
        yield server


@pytest.fixture
def command(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """``diemcau`` against that server; gives exit code, standard output, standard error."""
    monkeypatch.setenv("DIEMCAU_SERVER", recorded.address)
    monkeypatch.setenv("DIEMCAU_TOKEN", TOKEN)
    monkeypatch.setenv("TZ", "Asia/Ho_Chi_Minh")
    for name in ("LANG", "LC_ALL", "COLUMNS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return call
