"""The archive for machines without network: made by one command, installed without any."""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from scripts import bundle
from scripts.bundle import ROOT, wanted

LOCK = (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8")

pytestmark = pytest.mark.packaging


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """Output of a program that must succeed."""
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, encoding="utf-8", check=False,
        timeout=110,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def without_network(*command: str | Path) -> list[str | Path]:
    """Return how to run a program with no network at all, where we may; pip's own switch else."""
    away = ["unshare", "--net"] if os.name == "posix" and os.geteuid() == 0 else []
    settings = ("PIP_NO_INDEX=1", "PIP_CONFIG_FILE=/dev/null", "PIP_NO_COMPILE=1", "BIN=")
    return [*away, "env", *settings, f"PYTHON={sys.executable}", *command]


def unpacked(archive: Path, folder: Path) -> Path:
    """The folder that is in the archive."""
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    (found,) = folder.iterdir()
    return found


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive for this machine."""
    folder = tmp_path_factory.mktemp("dist")
    made = run(sys.executable, "scripts/bundle.py", "--output", folder)
    return Path(made.strip())


def test_a_machine_without_network_installs_and_runs_it(archive: Path, tmp_path: Path) -> None:
    """Unpack, one command, and all three programs work with the shipped example."""
    folder = unpacked(archive, tmp_path)
    target, programs = tmp_path / "opt", tmp_path / "bin"
    programs.mkdir()
    told = run(*without_network("env", f"BIN={programs}", "sh", folder / "install.sh", target))

    assert told.strip().endswith("diemcau 0.1.0")
    for name in ("diemcau", "diemcau-server", "diemcau-agent"):
        assert run(programs / name, "--version").strip() == f"{name} 0.1.0"
    example = folder / "config" / "bu-dang.yaml"
    run(programs / "diemcau-server", "run", "--check-only", "--config", example)


def test_a_changed_file_is_not_installed(archive: Path, tmp_path: Path) -> None:
    """What a stick or a stranger has changed is told before anything is installed."""
    folder = unpacked(archive, tmp_path)
    with (folder / "run.txt").open("a", encoding="utf-8") as stream:
        stream.write("# changed\n")
    target = tmp_path / "opt"
    done = subprocess.run(
        ["sh", folder / "install.sh", target], capture_output=True, text=True, check=False,
        env={**os.environ, "LC_ALL": "C", "BIN": ""},
    )  # fmt: skip

    assert done.returncode != 0
    assert "run.txt: FAILED" in done.stdout + done.stderr
    assert not target.exists()


def test_another_python_than_its_own_is_named_before_anything_is_installed(
    archive: Path, tmp_path: Path
) -> None:
    """The wheels are for one version; pip's own words for that are of no use to anybody."""
    folder = unpacked(archive, tmp_path)
    other, target = tmp_path / "python", tmp_path / "opt"
    other.write_text("#!/bin/sh\necho 3.99\n", encoding="utf-8")
    other.chmod(0o755)
    done = subprocess.run(
        ["sh", folder / "install.sh", target], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHON": str(other), "BIN": ""},
    )  # fmt: skip

    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert done.returncode == 1
    assert f"This bundle is for Python {version}, here is 3.99" in done.stderr
    assert not target.exists()


def test_it_carries_what_the_hall_and_its_monitoring_read(archive: Path, tmp_path: Path) -> None:
    """Rules beside Prometheus' file, routes, dashboards, broker files, and every manual."""
    folder = unpacked(archive, tmp_path)
    carried = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}

    for part in ("prometheus", "alertmanager", "grafana/dashboards", "grafana/provisioning",
                 "mosquitto", "systemd"):  # fmt: skip
        files = [path for path in (ROOT / "deploy" / part).rglob("*") if path.is_file()]
        assert files
        assert {path.relative_to(ROOT).as_posix() for path in files} <= carried
    assert {"deploy/README.md", "deploy/README.vi.md", "docs/room-pc.vi.md", "README.vi.md",
            "install.sh", "config/names.yaml", "SHA256SUMS"} <= carried  # fmt: skip
    assert not [name for name in carried if name.endswith((".pyc", "compose.yaml"))]
    assert f"{(folder / 'python-version').read_text(encoding='ascii').strip()}." in sys.version


def test_it_carries_no_password_that_stands_beside_the_examples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody's mail password, token or store stays where it is; all that git has is carried."""
    tree, folder = tmp_path / "tree", tmp_path / "bundle"
    folder.mkdir()
    for name in ("deploy", "config", "docs"):
        shutil.copytree(ROOT / name, tree / name)
    for name in ("README.md", "README.vi.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    strays = (
        "deploy/alertmanager/smtp-password", "deploy/grafana/admin-password", "config/token",
        "config/broker-password", "config/state/diemcau.sqlite", "config/codec.pass",
        "deploy/mosquitto/broker.key",
    )  # fmt: skip
    for name in strays:
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_text("of one district", encoding="utf-8")
    monkeypatch.setattr(bundle, "ROOT", tree)
    bundle._copy_papers(folder, "linux")  # without wheels, which take long

    carried = [path for path in folder.rglob("*") if path.is_file()]
    assert not [path for path in carried if path.read_bytes() == b"of one district"]
    assert not {(folder / name).exists() for name in strays} - {False}
    kept = [path for path in (ROOT / "config").iterdir() if path.suffix == ".yaml"]
    assert all((folder / "config" / path.name).exists() for path in kept)
    assert (folder / "deploy" / "alertmanager" / "alertmanager.yml").exists()


def test_each_system_gets_what_the_lock_holds_for_it() -> None:
    """Markers are judged for the room's system, not for the one that makes the archive."""
    names = {
        system: {pin.split("==")[0].split("[")[0] for pin in wanted(LOCK, system, "3.12")}
        for system in ("linux", "windows")
    }

    assert {"pycaw", "comtypes", "tzdata", "colorama"} <= names["windows"] - names["linux"]
    assert names["linux"] - names["windows"] >= {"pulsectl"}
    assert {"aiohttp", "av", "pydantic", "hatchling"} <= names["linux"] & names["windows"]
    assert all(" --hash=sha256:" in pin for pin in wanted(LOCK, "windows", "3.12"))
    assert not [pin for pin in wanted(LOCK, "windows", "3.12") if ";" in pin]
