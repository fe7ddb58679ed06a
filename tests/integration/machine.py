"""A machine of its own within this one: a real systemd on top, its own users, files and network.

It has namespaces for all of that. What stands below ``/etc`` may be changed and is gone at the end;
the programs stand in ``/opt/diemcau`` as ``deploy/install.sh`` has them, over this Python and tree.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from tests.integration.district import wait_until

ROOT: Final = Path(__file__).parents[2]
_SYSTEMD: Final = Path("/lib/systemd/systemd")
_PROGRAMS: Final = ("unshare", "nsenter", "setpriv", "mount", "umount", "useradd", "systemctl")
_PATH: Final = "/opt/diemcau/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PACKAGES: Final = ("agent", "contract", "line", "server")
_COMMANDS: Final = ("diemcau", "diemcau-agent", "diemcau-server")
_UNITS: Final = "/etc/systemd/system:/run/machine/units"
"""Those that a test installs, and the few targets below; none of this machine's own."""
_TARGETS: Final = ("sysinit", "basic", "shutdown", "umount", "multi-user", "network", "timers")
_TARGET: Final = "[Unit]\nDefaultDependencies=no\n"
_ENDS_SECONDS: Final = 20
_SHOWN_CHARACTERS: Final = 4000


def missing() -> str:
    """Say what this machine lacks for another within it, or return an empty text."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs root (namespaces)"
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    lacking = [name for name in _PROGRAMS if shutil.which(name, path=path) is None]
    if not _SYSTEMD.exists():
        lacking.append(str(_SYSTEMD))
    if lacking:
        return f"programs missing: {', '.join(lacking)}"
    return "" if _unified() is not None else "no cgroup2 is mounted"


class Machine:
    """The machine that runs; commands are run in it as root."""

    def __init__(self, init: int) -> None:
        self._init = init

    def run(
        self, *command: str, user: str | None = None, check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end and return what it says."""
        done = subprocess.run(
            self._inside(command, user), env=_environment(), capture_output=True,
            encoding="utf-8", check=False, timeout=100,
        )  # fmt: skip
        if check:
            assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    def start(self, *command: str, user: str) -> "subprocess.Popen[bytes]":
        """Start a program of one of its users."""
        return subprocess.Popen(
            self._inside(command, user), env=_environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def write(self, path: str, text: str) -> None:
        """Write a file of the machine's own."""
        inside = self.inside(path)
        inside.parent.mkdir(parents=True, exist_ok=True)
        inside.write_text(text, encoding="utf-8")

    def inside(self, path: str) -> Path:
        """Return where a file of the machine is seen from without."""
        return Path(f"/proc/{self._init}/root{path}")

    def unit(self, name: str) -> Mapping[str, str]:
        """Return what systemd knows of a unit."""
        shown = self.run("systemctl", "show", name).stdout
        return dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)

    def wait_for(self, unit: str, **wanted: str) -> None:
        """Wait until a unit's properties have these values."""
        wait_until(
            f"{unit}: {wanted}\n{self.run('systemctl', 'status', unit, check=False).stdout}",
            lambda: wanted.items() <= self.unit(unit).items(),
        )

    def _inside(self, command: Sequence[str], user: str | None) -> list[str]:
        entered = [
            "nsenter", f"--target={self._init}", "--mount", "--pid", "--net", "--uts", "--ipc",
            "--cgroup", "--wd=/",
        ]  # fmt: skip
        if user is not None:
            command = ("runuser", "--user", user, "--", *command)
        return [*entered, *command]


@contextmanager
def booted(folder: Path) -> Iterator[Machine]:
    """Yield a machine; with its end everything in it ends. ``folder`` is for its messages."""
    unified = _unified()
    assert unified is not None
    group = unified / f"diemcau-machine-{os.getpid()}"
    group.mkdir()

    log = folder / "systemd.log"
    with log.open("wb") as sink:
        outer = subprocess.Popen(
            ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group),
             "setpriv", "--pdeathsig=KILL",
             "unshare", "--mount", "--pid", "--fork", "--uts", "--ipc", "--net", "--cgroup",
             "--kill-child=KILL", sys.executable, "-m", __spec__.name],
            cwd=ROOT, env=_environment(), stdin=subprocess.DEVNULL, stdout=sink,
            stderr=sink,
        )  # fmt: skip
    machine = None
    try:
        machine = Machine(_first_process(outer.pid))
        ready = ("systemctl", "is-active", "--quiet", "multi-user.target")
        wait_until("systemd", lambda: machine.run(*ready, check=False).returncode == 0)
        yield machine
    except BaseException:
        said = [log, *([machine.inside("/run/machine/log")] if machine else [])]
        for file in filter(Path.exists, said):
            text = file.read_text(encoding="utf-8", errors="replace")
            sys.stderr.write(text[-_SHOWN_CHARACTERS:])
        raise
    finally:
        outer.kill()  # with it the first process ends, and with that all of its namespace
        outer.wait(_ENDS_SECONDS)
        wait_until("the end of all in the machine", lambda: _emptied(group))


def _first_process(outer: int) -> int:
    """Return the process that is the first one in the machine, by its number here."""
    children = Path(f"/proc/{outer}/task/{outer}/children")
    wait_until("the machine's first process", lambda: bool(children.read_text().split()))
    return int(children.read_text().split()[0])


def _emptied(group: Path) -> bool:
    """Take a group of processes away, its own groups first; False while some are left."""
    folders = [path for path in group.rglob("*") if path.is_dir()]
    try:
        for path in (*sorted(folders, reverse=True), group):
            path.rmdir()
    except OSError:
        return False
    return True


def _unified() -> Path | None:
    """Return where groups of processes are shown as systemd wants them (cgroup2)."""
    rows = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    found = [Path(row.split()[1]) for row in rows if row.split()[2] == "cgroup2"]
    return found[0] if found else None


def _environment() -> dict[str, str]:
    """Return what programs of the machine are given."""
    return {
        "PATH": _PATH, "LANG": "C.UTF-8", "SYSTEMD_UNIT_PATH": _UNITS, "SYSTEMD_PAGER": "",
        "LD_LIBRARY_PATH": "/opt/python/lib", "container": "other", "PYTHONPATH": str(ROOT),
    }  # fmt: skip


def _boot() -> None:
    """Make the file system of the machine and become its systemd; runs as its first process."""
    _call("mount", "--make-rprivate", "/")
    _call("mount", "-t", "proc", "proc", "/proc")
    # What systemd would set for all is this machine's own.
    _call("mount", "--bind", "/proc/sys", "/proc/sys")
    _call("mount", "-o", "remount,bind,ro", "/proc/sys")
    _fresh("/run")
    built = _fresh("/run/opt")
    _install(built, Path("/opt"))
    _call("mount", "--move", str(built), "/opt")
    _call("umount", "--recursive", "/sys/fs/cgroup")
    _call("mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup")
    for folder in ("/srv", "/var/lib", "/var/log", "/home"):
        _fresh(folder)
    for folder in ("/tmp", "/var/tmp"):  # noqa: S108  # empty ones of the machine's own
        _fresh(folder, "1777")
    own = Path("/run/machine")
    for name in ("etc", "work", "units"):
        (own / name).mkdir(parents=True)
    _call("mount", "-t", "overlay", "overlay", "-o",
          f"lowerdir=/etc,upperdir={own}/etc,workdir={own}/work", "/etc")  # fmt: skip
    for name in _TARGETS:
        (own / "units" / f"{name}.target").write_text(_TARGET, encoding="utf-8")
    settings = Path("/run/systemd/system.conf.d")
    settings.mkdir(parents=True)
    (settings / "machine.conf").write_text(
        "[Manager]\nDefaultEnvironment=LD_LIBRARY_PATH=/opt/python/lib LANG=C.UTF-8\n",
        encoding="utf-8",
    )
    said = own / "units" / "service.d"
    said.mkdir()
    (said / "log.conf").write_text(f"[Service]\nStandardOutput=append:{own}/log\n"
                                   "StandardError=inherit\n", encoding="utf-8")  # fmt: skip
    _call("ip", "link", "set", "lo", "up")
    os.execv(_SYSTEMD, [  # noqa: S606  # this process becomes it
                        str(_SYSTEMD), "--system", "--unit=multi-user.target",
                        "--log-target=console", "--show-status=no"])  # fmt: skip


def _install(built: Path, folder: Path) -> None:
    """Show this Python, its libraries and this tree in ``built``, which will be ``folder``."""
    libraries = Path(sysconfig.get_path("purelib"))
    for name, shown in (
        ("python", Path(sys.base_prefix)), ("libraries", libraries), ("tree", ROOT),
    ):  # fmt: skip
        (built / name).mkdir()
        _call("mount", "--bind", str(shown), str(built / name))
    home = built / "diemcau"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    own = home / "lib" / version / "site-packages"
    own.mkdir(parents=True)
    (home / "bin").mkdir()
    (home / "pyvenv.cfg").write_text(f"home = {folder}/python/bin\n", encoding="utf-8")
    (home / "bin" / "python").symlink_to(folder / "python" / "bin" / version)
    parts = [folder / "libraries", *(folder / "tree" / name for name in _PACKAGES)]
    (own / "machine.pth").write_text("".join(f"{part}\n" for part in parts), encoding="utf-8")
    for script in entry_points(group="console_scripts"):
        if script.name in _COMMANDS:
            program = home / "bin" / script.name
            start = f"from {script.module} import {script.attr}\n{script.attr}()\n"
            program.write_text(f"#!{folder}/diemcau/bin/python\n{start}", encoding="utf-8")
            program.chmod(0o755)


def _fresh(folder: str, mode: str = "755") -> Path:
    """Give the machine an empty folder of its own in this place."""
    Path(folder).mkdir(exist_ok=True)
    _call("mount", "-t", "tmpfs", "-o", f"mode={mode}", "tmpfs", folder)
    return Path(folder)


def _call(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    _boot()
