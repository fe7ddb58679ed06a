"""Alerts of Prometheus' rules as a table; empty where the rules are not loaded."""

from diemcau_dashboards.parts import Column, Head, Look, Panel, Query, listing
from diemcau_dashboards.queries import milliseconds
from diemcau_dashboards.words import ALERT_STATE_WORDS, ALERT_WORDS, SEVERITY_WORDS


def alert_table(head: Head, selector: str, *, of_points: bool) -> Panel:
    """Return the alerts that wait or fire now, and since when their cause is seen."""
    by = "alertname, name, severity" if of_points else "alertname, severity"
    return listing(
        head,
        [
            Query(f"max by ({by}, alertstate) (ALERTS{{{selector}}})"),
            Query(milliseconds(f"max by ({by}) (ALERTS_FOR_STATE{{{selector}}})")),
        ],
        [
            Column("alertname", "Cảnh báo", Look("string", words=ALERT_WORDS)),
            *([Column("name", "Điểm cầu")] if of_points else []),
            Column("alertstate", "Tình trạng", Look("string", words=ALERT_STATE_WORDS)),
            Column("Value #B", "Từ lúc", Look("time:HH:mm DD/MM"), width=120),
            Column("severity", "Mức", Look("string", words=SEVERITY_WORDS)),
        ],
        sort="Từ lúc",
        empty="không có cảnh báo",
    )
