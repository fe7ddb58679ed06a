"""Opens the database and brings it to this version's tables."""

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.util.exc import CommandError
from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from diemcau_contract.causes import Text
from diemcau_server.errors import StoreError

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_TIMEOUT_MS = 5000
_SQLITE_LEAST = (3, 35)
"""The first with RETURNING, by which the store knows which reports are new; RHEL 9 has 3.34."""


def resolved_url(url: str, state_directory: Path, password: str | None) -> URL:
    """Return the URL with its driver; a SQLite file is taken relative to ``state_directory``."""
    parsed = make_url(url)
    if parsed.drivername == "sqlite":
        file = state_directory / (parsed.database or "diemcau.sqlite")
        return URL.create("sqlite+aiosqlite", database=str(file))
    return parsed.set(drivername="postgresql+asyncpg", password=password or parsed.password)


async def open_engine(url: URL) -> AsyncEngine:
    """Connect and migrate.

    Raises:
        StoreError: with a sentence that names the database, never its password.
    """
    shown = url.database if url.drivername.startswith("sqlite") else url.render_as_string()
    try:
        engine = create_async_engine(url)
    except ModuleNotFoundError as error:
        message = Text(
            f"kho dữ liệu {shown}: hãy cài diemcau[postgresql]",
            f"store {shown}: install diemcau[postgresql]",
        )
        raise StoreError(message) from error
    if url.drivername.startswith("sqlite"):
        _refuse_old_sqlite(shown)
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_migrate)
    except (SQLAlchemyError, CommandError, OSError) as error:
        await engine.dispose()
        message = Text(
            f"không mở được kho dữ liệu {shown}: {_reason(error).vi}",
            f"store {shown} cannot be opened: {_reason(error).en}",
        )
        raise StoreError(message) from error
    return engine


def _refuse_old_sqlite(shown: str | None) -> None:
    """Say before the first report what would else fail at each of them."""
    if sqlite3.sqlite_version_info >= _SQLITE_LEAST:
        return
    least, has = ".".join(map(str, _SQLITE_LEAST)), sqlite3.sqlite_version
    message = Text(
        f"không mở được kho dữ liệu {shown}: Python này dùng SQLite {has}, cần {least} trở lên; "
        "hãy dùng bản Python khác, hoặc PostgreSQL (store.url)",
        f"store {shown} cannot be opened: this Python has SQLite {has}, {least} or later is "
        "needed; take another Python, or PostgreSQL (store.url)",
    )
    raise StoreError(message)


def _prepare_sqlite(connection: DBAPIConnection, _record: object) -> None:
    """Set WAL, and FULL: what was acknowledged must outlive a power cut."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
    cursor.close()


def _migrate(connection: Connection) -> None:
    config = AlembicConfig()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _reason(error: Exception) -> Text:
    if isinstance(error, CommandError):
        return Text(
            f"các bảng thuộc phiên bản khác, mới hơn ({error})",
            f"its tables are of another, newer version ({error})",
        )
    origin = getattr(error, "orig", None) or error
    if isinstance(origin, sqlite3.DatabaseError) and "not a database" in str(origin):
        return Text("tệp không phải là cơ sở dữ liệu SQLite", "it is not a SQLite database")
    said = str(origin).splitlines()[0]
    return Text(said, said)
