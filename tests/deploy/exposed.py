"""Print /metrics of a district in which everything was measured: for ``promtool check metrics``."""

import asyncio
import sys
import tempfile
from pathlib import Path

from diemcau_server.metrics import Metrics
from tests.server.reports import Clock
from tests.server.series import full_board, scraped

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        board = full_board(Path(folder))
    sys.stdout.buffer.write(asyncio.run(scraped(Metrics(board, Clock()))))
