"""M-Lab's own client for browsers, in a real Chromium, against the real server."""

import http.server
import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.district import District

HERE = Path(__file__).parent / "ndt7"
CLIENT = "node_modules/@m-lab/ndt7/src"
RESULT_SECONDS = 60
"""A limit for a browser that hangs: both tests take 20 s and its start a few."""
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
Told = dict[str, Any]
pytestmark = [pytest.mark.integration, pytest.mark.alone, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the page and the locked client beside it."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed (Debian package npm)")
    folder = tmp_path_factory.mktemp("npm")
    for name in ("package.json", "package-lock.json", "page.html"):
        shutil.copy(HERE / name, folder)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=100
    )
    if done.returncode:
        pytest.skip(f"npm ci could not install @m-lab/ndt7: {done.stderr.strip()[-300:]}")
    for script in (folder / CLIENT).glob("ndt7*.js"):
        shutil.copy(script, folder)
    return folder


@pytest.fixture(scope="module")
def browser() -> str:
    """Give the browser's program."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("chromium is not installed (Debian package chromium)")
    return program


@pytest.fixture(scope="module")
def district(tmp_path_factory: pytest.TempPathFactory) -> Iterator[District]:
    """Run a broker and a server that allows ndt7; no room is needed."""
    running = District(tmp_path_factory.mktemp("district"), ("bom-bo",), ndt7=True)
    try:
        running.start_broker()
        running.start_server()
        yield running
    finally:
        running.stop()


@contextmanager
def pages(folder: Path, results: "queue.Queue[Told]") -> Iterator[int]:
    """Serve ``folder`` on a free port and take what the page posts."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(folder))

        def do_POST(self) -> None:
            """Take a result; the name is the base class's."""
            length = int(self.headers["Content-Length"])
            results.put(json.loads(self.rfile.read(length)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing: the result is the test's."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def result_of(browser: str, profile: Path, url: str, results: "queue.Queue[Told]") -> Told:
    """Open ``url`` in a fresh browser and return what its page posts."""
    log = profile / "chromium.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [browser, *FLAGS, f"--user-data-dir={profile}", url],
            env={**os.environ, "HOME": str(profile)}, stdout=sink, stderr=sink,
        )  # fmt: skip
        try:
            return results.get(timeout=RESULT_SECONDS)
        except queue.Empty:
            pytest.fail(f"the page has posted nothing:\n{log.read_text(errors='replace')[-3000:]}")
        finally:
            process.terminate()
            process.wait(timeout=20)


def test_the_browser_client_completes_download_and_upload(
    client: Path, browser: str, district: District, tmp_path: Path
) -> None:
    """Both tests end without an error, on both sides, with the server's figures in the client."""
    results: queue.Queue[Told] = queue.Queue()
    with pages(client, results) as port:
        url = f"http://127.0.0.1:{port}/page.html?server=127.0.0.1:{district.http_port}"
        told = result_of(browser, tmp_path, url, results)
    metrics = district.get("/metrics")
    shown = json.dumps(told, indent=1) + district.parts["server"].tail()

    assert (told["errors"], told["code"]) == ([], 0), shown
    for direction in ("download", "upload"):
        server = told[direction]["LastServerMeasurement"]
        browsers = told[direction]["LastClientMeasurement"]
        assert (server["Origin"], server["Test"]) == ("server", direction), shown
        assert server["AppInfo"]["NumBytes"] > 1_000_000, shown
        assert browsers["NumBytes"] > 1_000_000, shown
        row = f'diemcau_ndt7_transfers_total{{direction="{direction}",end="'
        counted = [line.removeprefix(row) for line in metrics.splitlines() if line.startswith(row)]
        ends = {line.split('"')[0] for line in counted if not line.endswith(" 0.0")}
        assert ends, shown
        assert not ends & {"cut", "wrong_message"}, shown


def test_the_lock_names_no_registry() -> None:
    """Version and hash are locked, the address is the machine's own affair."""
    text = (HERE / "package-lock.json").read_text()
    locked = json.loads(text)["packages"]["node_modules/@m-lab/ndt7"]

    assert "://" not in text
    assert locked["version"] == "0.1.4"
    assert locked["integrity"].startswith("sha512-")
