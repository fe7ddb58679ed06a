"""The wheel as a room's or the district's machine gets it."""

import json
import os
import re
import subprocess
import sys
import urllib.request
import venv
from email import message_from_bytes
from pathlib import Path
from zipfile import ZipFile

import pytest

from hatch_build import revision
from tests.server.district import FILE
from tests.server.processes import ANY_PORTS, start, stopped, wait_healthy, wait_ready

ROOT = Path(__file__).parents[2]
PACKAGES = {"diemcau_contract", "diemcau_line", "diemcau_agent", "diemcau_server"}
ROOM = """\
schema: diemcau.agent/1
hub: bu-dang
point: bom-bo
broker: {url: "mqtt://127.0.0.1:1883"}
state_directory: state
devices:
- kind: camera
  source: {format: lavfi, url: "testsrc2=size=640x360:rate=30,noise=alls=4:allf=t,realtime"}
- kind: microphone
  source: {format: lavfi, url: "anoisesrc=amplitude=0.02:color=pink:seed=7"}
"""

pytestmark = pytest.mark.packaging


def started(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, away from this environment's own packages."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, encoding="utf-8",
        check=False, timeout=100,
    )  # fmt: skip


def run(*command: str | Path) -> str:
    """Output of a program that must succeed; what it said otherwise is the failure."""
    done = started(*command)
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


def test_the_wheel_holds_the_rules_that_init_writes(wheel: Path) -> None:
    """They stand in deploy/, which no package holds."""
    rules = [*(ROOT / "deploy" / "prometheus" / "rules").iterdir()]
    with ZipFile(wheel) as archive:
        for file in rules:
            built = archive.read(f"diemcau_server/district/files/rules/{file.name}")
            assert built == file.read_bytes()


def test_the_wheel_states_its_licence_and_extras(wheel: Path) -> None:
    """Whoever looks at the metadata sees Apache-2.0 with its text, and both extras."""
    with ZipFile(wheel) as archive:
        metadata = message_from_bytes(archive.read("diemcau-0.1.0.dist-info/METADATA"))
        licence = archive.read("diemcau-0.1.0.dist-info/licenses/LICENSE").decode()

    assert metadata["License-Expression"] == "Apache-2.0"
    assert "Apache License" in licence
    assert {"agent", "server"} <= set(metadata.get_all("Provides-Extra", []))


def test_the_wheel_says_which_commit_it_was_built_from(wheel: Path) -> None:
    """And whether something in the tree was not committed."""
    with ZipFile(wheel) as archive:
        said = archive.read("diemcau_server/revision.txt").decode()

    assert said.removesuffix("\n").removesuffix("-dirty") == commit()


def commit() -> str:
    """First digits of what is checked out."""
    return run("git", "rev-parse", "--short=12", "HEAD").strip()


def test_a_tree_without_git_says_what_it_is_told_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the commit of a repository that it happens to lie in."""
    monkeypatch.delenv("DIEMCAU_REVISION", raising=False)
    inside = tmp_path / "sources"
    inside.mkdir()
    author = ("-c", "user.name=An", "-c", "user.email=an@localhost")
    run("git", "-C", tmp_path, "init", "--quiet")
    run("git", "-C", tmp_path, *author, "commit", "--quiet", "--allow-empty", "-m", "x")

    assert revision(tmp_path) == run("git", "-C", tmp_path, "rev-parse", "--short=12", "@").strip()
    assert revision(inside) == ""
    monkeypatch.setenv("PATH", str(inside))
    assert revision(tmp_path) == ""
    monkeypatch.setenv("DIEMCAU_REVISION", "0123456789ab")
    assert revision(inside) == "0123456789ab"


def told_what_to_install(program: Path, extra: str) -> bool:
    """Say whether a command without its libraries names the extra, in one line, and ends with 2."""
    for language, sentence in (
        ("vi", "Chưa cài các thư viện mà lệnh này cần; hãy chạy:"),
        ("en", "The libraries that this command needs are not installed; run:"),
    ):
        done = started(program, "--lang", language)
        said = f"{program.name}: {sentence} pip install 'diemcau[{extra}]'\n"
        assert (done.returncode, done.stdout, done.stderr) == (2, "", said)
    return True


def test_a_room_looks_at_its_devices_with_its_extra_alone(wheel: Path, tmp_path: Path) -> None:
    """Real frames and samples are judged; the hub's commands name their own extra."""
    programs = installed(wheel, "agent", tmp_path / "agent")
    config = tmp_path / "agent.yaml"
    config.write_text(ROOM, encoding="utf-8")
    agent = programs / "diemcau-agent"

    looked = json.loads(run(agent, "check", "camera", "microphone", "--config", config, "--json"))
    status = started(agent, "status", "--config", config, "--lang", "en")

    found = {row["key"]: row["status"] for row in looked["rows"]}
    assert found == {"camera.main": "ok", "microphone.main": "ok"}
    assert (status.returncode, status.stdout) == (
        3,
        "bu-dang/bom-bo: UNKNOWN\n"
        "the agent does not run: restart the PC, or phone the hub's technician.\n",
    )
    assert told_what_to_install(programs / "diemcau", "server")
    assert told_what_to_install(programs / "diemcau-server", "server")


def test_the_hall_serves_with_its_extra_alone(wheel: Path, tmp_path: Path) -> None:
    """The server answers programs, its own command and browsers; the room's names its extra."""
    programs = installed(wheel, "server", tmp_path / "server")
    config, ready_file = tmp_path / "district.yaml", tmp_path / "ready.json"
    config.write_text(FILE + ANY_PORTS, encoding="utf-8")
    process = start(config, "--ready-file", ready_file, program=[programs / "diemcau-server"])
    try:
        ready = wait_ready(ready_file, process)
        wait_healthy(ready["http"])
        page = urllib.request.urlopen(f"{ready['http']}/?lang=en", timeout=10).read().decode()
        with urllib.request.urlopen(f"{ready['http']}/metrics", timeout=10) as answer:
            metrics = answer.read().decode()
        board = json.loads(run(programs / "diemcau", "status", "--json", "--server", ready["http"]))
        stopped(process)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()

    states = {point["point"]: point["state"] for point in board["points"]}
    assert states["bom-bo"] == "never_seen"
    assert "0/4 points ready" in page
    assert f'revision="{commit()}' in metrics
    assert told_what_to_install(programs / "diemcau-agent", "agent")


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
