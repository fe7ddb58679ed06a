"""Which commit this program was built from."""

from importlib import resources


def built_from() -> str:
    """Return what the build has written beside this file; empty where nobody knows."""
    file = resources.files("diemcau_server") / "revision.txt"
    return file.read_text(encoding="ascii").strip() if file.is_file() else ""
