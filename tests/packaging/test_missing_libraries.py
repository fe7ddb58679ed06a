import subprocess
import sys

import pytest

from diemcau_agent import entry as agent_entry
from diemcau_server import entry as server_entry

LIBRARIES = {*agent_entry._LIBRARIES, *server_entry._LIBRARIES}


@pytest.mark.parametrize(
    ("module", "program", "extra"),
    [
        ("diemcau_server.cli", "diemcau", "server"),
        ("diemcau_server", "diemcau-server", "server"),
        ("diemcau_agent", "diemcau-agent", "agent"),
    ],
)
def test_a_module_without_its_libraries_says_what_to_install(
    module: str, program: str, extra: str
) -> None:
    """``python -m`` ends as the installed command does: one sentence, exit code 2, no trace."""
    absent = f"import runpy, sys; sys.modules.update(dict.fromkeys({sorted(LIBRARIES)}))"
    begin = f"sys.argv = ['x', '--version']; runpy.run_module({module!r}, run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", f"{absent}; {begin}"], env={"LANG": "en_US.UTF-8"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout, done.stderr) == (
        2,
        "",
        f"{program}: The libraries that this command needs are not installed; "
        f"run: pip install 'diemcau[{extra}]'\n",
    )
