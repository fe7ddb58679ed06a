"""Commands that obey file modes although the tests run as root."""

import os
import subprocess
import sys
from pathlib import Path

OVERRIDES = "-dac_override,-dac_read_search"
"""What lets root read any file, see capabilities(7)."""


def run_bound_by_modes(module: str, *arguments: str) -> tuple[int, str, str]:
    """Run a program of ours that may read only what modes allow; return code, output and errors."""
    bound = ["setpriv", f"--bounding-set={OVERRIDES}"] if os.geteuid() == 0 else []
    ran = subprocess.run(
        [*bound, sys.executable, "-m", module, *arguments],
        capture_output=True, encoding="utf-8", timeout=60, check=False,
    )  # fmt: skip
    return ran.returncode, ran.stdout, ran.stderr


def make_unreadable(path: Path, how: str) -> None:
    """Make ``path`` a file that nobody may read (``closed``), or a ``folder``."""
    if how == "folder":
        path.mkdir(mode=0o700)
    else:
        path.write_text("word\n", encoding="utf-8")
        path.chmod(0)
