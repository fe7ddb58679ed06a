"""Put all that a machine without network needs into one archive: wheels from the lock, installer.

``make bundle`` is for this machine's system and Python; ``make bundle ARGS='--system windows
--python 3.12'`` for another. The wheels are those of the lock, by their hashes.
"""

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

ROOT: Final = Path(__file__).resolve().parent.parent
_PLATFORMS: Final[Mapping[str, Sequence[str]]] = {
    "linux": ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
    "windows": ("win_amd64",),
}
_MARKERS: Final[Mapping[str, Mapping[str, str]]] = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"},
    "windows": {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"},
}
_FORMATS: Final[Mapping[str, str]] = {"linux": "tar", "windows": "zip"}
"""Wheels are compressed already."""
_NOT_CARRIED: Final = (
    "diemcau_dashboards", "__pycache__", "Containerfile", "compose.yaml", "install.sh", "windows",
)  # fmt: skip
"""Of deploy/: what is code, needs the whole tree, or stands at the top already."""
_SECRET: Final = ("*password*", "*secret*", "*.pass", "*.key", "token", "state")
"""What somebody may have put beside the examples: of one district, and nobody else's."""


def wanted(lock: str, system: str, python: str) -> Iterator[str]:
    """Yield the pins of ``lock`` that this system needs, with their hashes, without markers.

    pip judges markers by the machine that it runs on, so they are judged here.
    """
    machine = "x86_64" if system == "linux" else "AMD64"
    environment = {
        **_MARKERS[system],
        "python_version": python,
        "python_full_version": f"{python}.0",
        "platform_machine": machine,
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }
    plain = re.sub(r"(?m)^\s*#.*\n", "", lock).replace("\\\n", " ")
    for line in filter(None, map(str.strip, plain.splitlines())):
        pin, *hashes = re.split(r"\s+--hash=", line)
        requirement = Requirement(pin)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            requirement.marker = None
            yield f"{requirement} " + " ".join(f"--hash={one}" for one in hashes)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the archive and say where it is."""
    asked = _parser().parse_args(arguments)
    asked.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        wheels = Path(work) / "wheels"
        _run("-m", "hatchling", "build", "--target", "wheel", "--directory", str(wheels))
        (own,) = wheels.glob("diemcau-*.whl")
        name = f"diemcau-{own.name.split('-')[1]}-{asked.system}-py{asked.python}"
        folder = Path(work) / name
        folder.mkdir()
        wheels = wheels.rename(folder / "wheels")
        _fetch(folder, asked.system, asked.python)
        _copy_papers(folder, asked.system)
        (folder / "python-version").write_text(f"{asked.python}\n", encoding="ascii")
        _write_sums(folder)
        kind = _FORMATS[asked.system]
        made = shutil.make_archive(str(asked.output / name), kind, work, name)
    print(made)  # noqa: T201  # a command's output


def _fetch(folder: Path, system: str, python: str) -> None:
    lock = (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8")
    pins = folder / "run.txt"
    pins.write_text("\n".join(wanted(lock, system, python)) + "\n", encoding="utf-8")
    platforms = [word for one in _PLATFORMS[system] for word in ("--platform", one)]
    _run(
        *("-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"),
        *("--only-binary", ":all:", "--require-hashes", "--requirement", str(pins)),
        *("--python-version", python, "--implementation", "cp", *platforms),
        *("--dest", str(folder / "wheels")),
    )


def _copy_papers(folder: Path, system: str) -> None:
    """Copy the installer to the top; below, what the hall and its monitoring read, and manuals."""
    deploy = ROOT / "deploy"
    if system == "windows":
        shutil.copytree(deploy / "windows", folder / "windows")
    else:
        shutil.copy(deploy / "install.sh", folder)
    for name, left_out in (("deploy", _NOT_CARRIED), ("config", ()), ("docs", ())):
        ignored = shutil.ignore_patterns(*left_out, *_SECRET)
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("README.md", "README.vi.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)


def _write_sums(folder: Path) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = (
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n"
        for path in files
    )
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def _run(*words: str) -> None:
    subprocess.run([sys.executable, *words], cwd=ROOT, check=True, stdout=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    here = "windows" if sys.platform == "win32" else "linux"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    parser.add_argument("--system", choices=sorted(_PLATFORMS), default=here)
    parser.add_argument("--python", default=version, metavar="X.Y", help="its Python (%(default)s)")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", metavar="FOLDER")
    return parser


if __name__ == "__main__":
    main()
