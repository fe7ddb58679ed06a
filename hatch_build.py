"""Build hook: what is built says which commit it was built from, where that can be known.

A wheel has Prometheus' rules too, which ``diemcau init`` writes: they stand in ``deploy/``.

A checkout says it by git, an image is built without and is told (``DIEMCAU_REVISION``), the
archive of sources carries it along. An editable installation is no build: its commit changes.
"""

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PLACE = "diemcau_server/revision.txt"
RULES, RULES_PLACE = "deploy/prometheus/rules", "diemcau_server/district/files/rules"


class AddedFilesHook(BuildHookInterface[BuilderConfig]):
    """Adds files to wheel and sources; nothing is written into the tree."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the rules, and the commit unless the tree has its file or it is not known."""
        root = Path(self.root)
        if version == "editable":
            return
        if self.target_name == "wheel":
            build_data["force_include"][str(root / RULES)] = RULES_PLACE
        if (root / "server" / PLACE).exists():
            return
        found = revision(root)
        if not found:
            return
        self.folder = tempfile.TemporaryDirectory()
        file = Path(self.folder.name) / "revision.txt"
        file.write_text(f"{found}\n", encoding="ascii")
        inside = PLACE if self.target_name == "wheel" else f"server/{PLACE}"
        build_data["force_include"][str(file)] = inside


def revision(root: Path) -> str:
    """Return the commit of a tree, with ``-dirty`` where files differ from it; empty: not known."""
    if told := os.environ.get("DIEMCAU_REVISION"):
        return told
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    # A tree without git within another's repository is no commit of that one.
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(root.parent)}
    try:
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
