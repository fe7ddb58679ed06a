import subprocess
import sys
from pathlib import Path

import pytest

from diemcau_agent.__main__ import CONFIG_VARIABLE, default_config


def test_the_variable_comes_before_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is that of the variable, else ./agent.yaml."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agent.yaml").touch()

    assert default_config({}) == Path("agent.yaml")
    assert default_config({CONFIG_VARIABLE: "/etc/room.yaml"}) == Path("/etc/room.yaml")


def test_no_file_at_all_is_said_with_what_to_do(tmp_path: Path) -> None:
    """Staff who type ``diemcau-agent status`` in the wrong folder read one clear line, exit 2."""
    done = subprocess.run(
        [sys.executable, "-m", "diemcau_agent", "status"],
        cwd=tmp_path, env={"PATH": ""}, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (
        2,
        "lỗi: không có tệp ./agent.yaml: chỉ rõ bằng --config hoặc biến DIEMCAU_AGENT_CONFIG\n",
    )
