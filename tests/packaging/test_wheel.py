"""The wheel as a room's or the district's machine gets it."""

import os
import re
import subprocess
import sys
import venv
from email import message_from_bytes
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"diemcau_contract", "diemcau_line", "diemcau_agent", "diemcau_server"}
COMMANDS = {"agent": ["diemcau-agent"], "server": ["diemcau", "diemcau-server"]}

pytestmark = pytest.mark.packaging


def run(*command: str | Path) -> str:
    """Output of a program that must succeed; what it said otherwise is the failure."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built once from this tree."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder)
    (built,) = folder.glob("*.whl")
    return built


def installed(wheel: Path, extra: str, folder: Path) -> Path:
    """Programs' folder of a fresh environment with the wheel and one extra, at locked versions."""
    builder = venv.EnvBuilder(symlinks=os.name != "nt")
    builder.create(folder)
    context = builder.ensure_directories(folder)
    run(
        *(sys.executable, "-m", "uv", "pip", "install", "--quiet"),
        *("--python", context.env_exe, "--constraint", "requirements/run.txt"),
        f"diemcau[{extra}] @ {wheel.as_uri()}",
    )
    return Path(context.bin_path)


def test_the_wheel_holds_the_four_packages_and_nothing_else(wheel: Path) -> None:
    """Nothing generic, no test and no configuration lands in site-packages."""
    with ZipFile(wheel) as archive:
        names = archive.namelist()

    top = {name.split("/", 1)[0] for name in names}
    assert top == {*PACKAGES, "diemcau-0.1.0.dist-info"}
    assert not [name for name in names if "__pycache__" in name]


def test_every_file_of_the_packages_is_in_the_wheel(wheel: Path) -> None:
    """Data files (schemas, texts, type markers) are shipped beside the code."""
    with ZipFile(wheel) as archive:
        shipped = {name for name in archive.namelist() if ".dist-info/" not in name}

    tracked = run("git", "ls-files", "--", "contract", "line", "agent", "server").splitlines()
    inside = {path.split("/", 1)[1] for path in tracked if path.split("/")[1] in PACKAGES}
    assert inside <= shipped


def test_the_wheel_states_its_licence_and_extras(wheel: Path) -> None:
    """Whoever looks at the metadata sees Apache-2.0 with its text, and both extras."""
    with ZipFile(wheel) as archive:
        metadata = message_from_bytes(archive.read("diemcau-0.1.0.dist-info/METADATA"))
        licence = archive.read("diemcau-0.1.0.dist-info/licenses/LICENSE").decode()

    assert metadata["License-Expression"] == "Apache-2.0"
    assert "Apache License" in licence
    assert {"agent", "server"} <= set(metadata.get_all("Provides-Extra", []))


@pytest.mark.parametrize("extra", COMMANDS)
def test_commands_run_with_their_extra_alone(extra: str, wheel: Path, tmp_path: Path) -> None:
    """A room's machine has no server libraries and the district's has no camera libraries."""
    programs = installed(wheel, extra, tmp_path / extra)

    for command in COMMANDS[extra]:
        assert command in run(programs / command, "--help")


@pytest.mark.parametrize("name", ["run.txt", "dev.txt"])
def test_a_lock_pins_every_package_by_hash_and_names_no_address(name: str) -> None:
    """A lock can be installed from any mirror or folder, and only as it was checked."""
    lock = (ROOT / "requirements" / name).read_text()

    pins = re.split(r"\n(?=\S)", re.sub(r"(?m)^\s*#.*\n", "", lock).strip())
    assert not re.search(r"://|--index|--find-links", lock)
    assert [
        pin
        for pin in pins
        if not re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+.*--hash=sha256:", pin, re.DOTALL)
    ] == []
