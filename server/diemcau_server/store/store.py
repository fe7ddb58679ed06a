"""Reads and writes of the server; each write is one transaction."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Self

from pydantic import ValidationError
from sqlalchemy import URL, Column, Table, delete, func, insert, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from diemcau_contract.causes import Text
from diemcau_contract.messages import Report
from diemcau_contract.result import TestResult
from diemcau_server.capacity import LineCapacity
from diemcau_server.errors import StoreError
from diemcau_server.state import (
    Judged,
    JudgedHubLine,
    PointKey,
    Restored,
    judged_of,
    newer_hub_line,
    test_end,
)
from diemcau_server.store import tables
from diemcau_server.store.capacities import capacity_of, capacity_row
from diemcau_server.store.engine import open_engine
from diemcau_server.store.rows import (
    MAX_QUARANTINED,
    Committed,
    Quarantined,
    ReceivedReport,
    TestSummary,
)

_TESTS_LOOKED_BACK = 50
"""How many ended tests are searched at the start for each point's last verdict."""


class Store:
    """The open database. All methods raise StoreError when it cannot be used."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        insertion = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert
        # What comes back are the new ones; a count of rows is -1 with PostgreSQL's driver.
        self._insert_reports = (
            insertion(tables.reports).on_conflict_do_nothing().returning(tables.reports.c.seq)
        )
        upsert = insertion(tables.points)
        self._upsert_points = upsert.on_conflict_do_update(
            index_elements=["hub", "point"],
            set_={name: upsert.excluded[name] for name in ("last_report_at", "body")},
        )
        self._insert_capacity = insertion(tables.capacities)

    @classmethod
    async def open(cls, url: URL) -> Self:
        """Open the database and bring it to this version's tables.

        Raises:
            StoreError: when it cannot be opened or is of a newer version.
        """
        return cls(await open_engine(url))

    async def close(self) -> None:
        """Close every connection; SQLite folds its log into the file."""
        await self._engine.dispose()

    async def commit_reports(
        self,
        received: Sequence[ReceivedReport],
        newest: Sequence[ReceivedReport] = (),
        aside: Sequence[Quarantined] = (),
    ) -> Committed:
        """Write reports, the ``newest`` of each point, and messages kept aside; all or nothing.

        A report that is there already (same point, boot and seq) is left as it is.
        """
        accepted = 0
        async with self._writing() as connection:
            if received:
                done = await connection.execute(self._insert_reports, [_row(r) for r in received])
                accepted = len(done.all())
            if newest:
                await connection.execute(self._upsert_points, [_point_row(r) for r in newest])
            if aside:
                await self._keep_aside(connection, aside)
        return Committed(accepted, len(received) - accepted)

    async def drop_reports(self, before: datetime, most: int) -> int:
        """Delete the oldest reports received before a moment, ``most`` at once; return how many.

        The newest of each point stays, in its own table.
        """
        table = tables.reports
        key = tuple(table.primary_key.columns)
        old = select(*key).where(table.c.received_at < before.timestamp())
        oldest = old.order_by(table.c.received_at).limit(most)
        async with self._writing() as connection:
            done = await connection.execute(delete(table).where(tuple_(*key).in_(oldest)))
            return done.rowcount

    async def save_test(self, result: TestResult, detail: Mapping[str, Any] | str) -> None:
        """Keep an ended test with the evidence behind it."""
        row = {
            "test": result.test,
            "hub": result.hub,
            "session": result.session,
            "profile": result.profile,
            "started_at": result.started_at.timestamp(),
            "verdict": str(result.verdict),
            "result": result.model_dump_json(by_alias=True),
            "detail": detail if isinstance(detail, str) else json.dumps(detail, ensure_ascii=False),
        }
        async with self._writing() as connection:
            await connection.execute(insert(tables.tests), row)

    async def save_capacity(self, hub: str, point: str, found: LineCapacity) -> None:
        """Keep the capacity of a line, in the place of an older one."""
        await self._upsert_capacities([capacity_row(hub, point, found)])

    async def save_capacity_tried(self, hub: str, points: Sequence[str], moment: datetime) -> None:
        """Note when the schedule was done with ``points``."""
        tried = moment.timestamp()
        rows: list[dict[str, object]] = [
            {"hub": hub, "point": point, "tried_at": tried} for point in points
        ]
        if rows:
            await self._upsert_capacities(rows)

    async def test_json(self, test: str) -> str | None:
        """Return the result of a test as JSON text, or None."""
        return await self._one_text(tables.tests.c.result, test)

    async def test_detail_json(self, test: str) -> str | None:
        """Return the evidence of a test as JSON text, or None."""
        return await self._one_text(tables.tests.c.detail, test)

    async def test(self, test: str) -> TestResult | None:
        """Return the result of a test, or None."""
        text = await self.test_json(test)
        return TestResult.model_validate_json(text) if text is not None else None

    async def tests(self, limit: int, hub: str | None = None) -> tuple[TestSummary, ...]:
        """Return the last ``limit`` tests (of ``hub``), the newest first."""
        table = tables.tests
        columns = (table.c.test, table.c.hub, table.c.session, table.c.profile)
        query = select(*columns, table.c.started_at, table.c.verdict)
        if hub is not None:
            query = query.where(table.c.hub == hub)
        async with self._reading() as connection:
            rows = await connection.execute(
                query.order_by(table.c.started_at.desc(), table.c.test.desc()).limit(limit)
            )
            return tuple(
                TestSummary(r.test, r.hub, r.session, r.profile, _moment(r.started_at), r.verdict)
                for r in rows
            )

    async def restored(self) -> tuple[Restored, ...]:
        """Return what is known of every point: newest report, last verdict, last capacity."""
        judged = await self._last_results()
        async with self._reading() as connection:
            rows = (await connection.execute(select(tables.points))).all()
            lines = (await connection.execute(select(tables.capacities))).all()
        found = {PointKey(r.hub, r.point): r for r in rows}
        capacity = {PointKey(r.hub, r.point): r for r in lines}
        return tuple(
            Restored(
                key=key,
                last_report_at=_moment(found[key].last_report_at) if key in found else None,
                report=_read_report(found[key].body) if key in found else None,
                judged=judged.get(key),
                capacity=capacity_of(capacity[key]) if key in capacity else None,
                capacity_tried_at=_moment_or_none(capacity[key].tried_at)
                if key in capacity
                else None,
            )
            for key in dict.fromkeys([*found, *judged, *capacity])
        )

    async def hub_lines(self) -> dict[str, JudgedHubLine]:
        """Return the last verdict on each hub's own line."""
        found: dict[str, JudgedHubLine] = {}
        for result in reversed(await self._recent_results()):
            found[result.hub] = newer_hub_line(found.get(result.hub), result)
        return found

    async def count(self, table: Table) -> int:
        """Return the number of rows of one of ``tables``."""
        async with self._reading() as connection:
            return int(await connection.scalar(select(func.count()).select_from(table)) or 0)

    async def _upsert_capacities(self, rows: Sequence[dict[str, object]]) -> None:
        """Write the columns that ``rows`` have, all the same ones; others stay as they are."""
        upsert = self._insert_capacity
        changed = {name: upsert.excluded[name] for name in rows[0] if name not in {"hub", "point"}}
        statement = upsert.on_conflict_do_update(index_elements=["hub", "point"], set_=changed)
        async with self._writing() as connection:
            await connection.execute(statement, rows)

    async def _last_results(self) -> dict[PointKey, Judged]:
        judged: dict[PointKey, Judged] = {}
        for result in await self._recent_results():
            for one in result.points:
                key = PointKey(result.hub, one.point)
                judged.setdefault(key, judged_of(result.test, one, test_end(result)))
        return judged

    async def _recent_results(self) -> list[TestResult]:
        """Return the last ended tests, the newest first."""
        table = tables.tests
        query = select(table.c.result).order_by(table.c.started_at.desc())
        async with self._reading() as connection:
            texts = (await connection.scalars(query.limit(_TESTS_LOOKED_BACK))).all()
        results = []
        for text in texts:
            try:
                results.append(TestResult.model_validate_json(text))
            except ValidationError:
                continue  # written by another version: its verdicts are no longer understood
        return results

    async def _one_text(self, column: Column[str], test: str) -> str | None:
        async with self._reading() as connection:
            text = await connection.scalar(select(column).where(tables.tests.c.test == test))
        return None if text is None else str(text)

    async def _keep_aside(self, connection: AsyncConnection, aside: Sequence[Quarantined]) -> None:
        table = tables.quarantine
        await connection.execute(insert(table), [_aside_row(item) for item in aside])
        kept = select(table.c.id).order_by(table.c.id.desc()).limit(MAX_QUARANTINED)
        oldest = select(func.min(kept.subquery().c.id)).scalar_subquery()
        await connection.execute(delete(table).where(table.c.id < oldest))

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            raise StoreError(_sentence(error)) from error

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._engine.connect() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            raise StoreError(_sentence(error)) from error


def _row(received: ReceivedReport) -> dict[str, object]:
    report = received.report
    return {
        "hub": report.hub,
        "point": report.point,
        "boot_id": report.boot_id,
        "seq": report.seq,
        "taken_at": report.taken_at.timestamp(),
        "received_at": received.received_at.timestamp(),
        "body": received.body,
    }


def _point_row(received: ReceivedReport) -> dict[str, object]:
    return {
        "hub": received.report.hub,
        "point": received.report.point,
        "last_report_at": received.received_at.timestamp(),
        "body": received.body,
    }


def _aside_row(item: Quarantined) -> dict[str, object]:
    return {
        "received_at": item.received_at.timestamp(),
        "topic": item.topic,
        "reason": item.reason,
        "detail": item.detail,
        "payload_bytes": item.payload_bytes,
        "payload": item.payload,
    }


def _read_report(body: str) -> Report | None:
    try:
        return Report.model_validate_json(body)
    except ValidationError:
        return None


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _moment_or_none(seconds: float | None) -> datetime | None:
    return None if seconds is None else _moment(seconds)


def _sentence(error: Exception) -> Text:
    said = str(getattr(error, "orig", None) or error)
    why = said.splitlines()[0] if said else type(error).__name__
    return Text(f"không dùng được kho dữ liệu: {why}", f"the store cannot be used: {why}")
