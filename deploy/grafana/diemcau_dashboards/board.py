"""The board: every point of a hub at a glance, the worst first."""

from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as models

from diemcau_dashboards.alerts import alert_table
from diemcau_dashboards.parts import (
    Column,
    Head,
    Look,
    Panel,
    Query,
    listing,
    named_series,
    tile,
    timeline,
)
from diemcau_dashboards.queries import HUB, POINTS, coded, milliseconds, named
from diemcau_dashboards.shell import (
    BOARD_PAGE,
    OF_ROW,
    OF_SERIES,
    hub_variable,
    make_dashboard,
    point_variable,
    server_variable,
    with_links,
)
from diemcau_dashboards.words import (
    CAUSE_WORDS,
    DEVICE_WORDS,
    GREEN,
    ORANGE,
    RED,
    ROLE_WORDS,
    STATE_WORDS,
    YELLOW,
    Shown,
)
from diemcau_dashboards.words import (
    coded as code_words,
)
from diemcau_server.speech.wording import SEVERITY

_STATE: Final = coded("diemcau_point_state", "state", SEVERITY, POINTS, "hub, point")
_NOT_READY: Final = f"diemcau_point_ready{{{POINTS}}} == 0"
_LOOKED_BACK: Final = "12h:15s"
"""A verdict counts for twelve hours; 15 s is how often the server is read."""

_WHEN: Final = Look(unit="time:HH:mm DD/MM")
_NAME: Final = Column("name", "Điểm cầu", Look(unit="string", link=OF_ROW), width=190)
_BEFORE_SESSION: Final = ((None, RED), (1800, ORANGE), (3600, GREEN))
"""Thirty minutes before a session it is too late for a carrier, sixty are what a visit takes."""


def board() -> dashboard.Dashboard:
    """Return the dashboard *Điểm cầu*."""
    made = make_dashboard(
        "diemcau-board", "Điểm cầu",
        "Mọi điểm cầu của một hội trường: điểm nào chưa sẵn sàng, vì sao, từ lúc nào.", "now-6h",
    )  # fmt: skip
    made = with_links(made, [BOARD_PAGE])
    for variable in (hub_variable(), point_variable(many=True), server_variable(shown=False)):
        made = made.with_variable(variable)
    made = made.with_variable(_tiles_variable())
    for panel in (_countdown(), _attendance(), _states(), _tiles(), _sessions(), _alerts()):
        made = made.with_panel(panel)
    for panel in (_troubles(), _devices(), _history()):
        made = made.with_panel(panel)
    return made


def _tiles_variable() -> dashboard.CustomVariable:
    usual = models.VariableOption(selected=True, text="64", value="64")
    return (
        dashboard.CustomVariable("tiles")
        .label("Số ô nhiều nhất")
        .description("Khi hội trường có nhiều điểm cầu hơn, chỉ hiện các điểm cần xử lý trước")
        .values("16,32,64,128")
        .current(usual)
    )


def _countdown() -> Panel:
    start = f"diemcau_session_start_timestamp_seconds{{{HUB}}}"
    return tile(
        Head("Phiên họp kế tiếp sau", "Thời gian còn lại đến phiên họp gần nhất.", 6, 4),
        [Query(f"min(({start} > time()) - time())", now=True)],
        Look(unit="dthms", steps=_BEFORE_SESSION, empty="không có phiên nào"),
    )


def _attendance() -> Panel:
    ready = f"sum(diemcau_point_ready{{{HUB}}}) / sum(diemcau_point_enabled{{{HUB}}} == 1)"
    return tile(
        Head("Sẵn sàng", "Tỷ lệ điểm cầu sẵn sàng ngay lúc này, trên số điểm cầu đang dùng.", 4, 4),
        [Query(ready, now=True)],
        Look(unit="percentunit", decimals=0, steps=((None, RED), (0.8, YELLOW), (1, GREEN))),
    )


def _states() -> Panel:
    return tile(
        Head("Số điểm cầu theo trạng thái", "Chỉ các trạng thái đang có điểm cầu.", 14, 4),
        [Query(f"sum by (state) (diemcau_point_state{{{HUB}}}) > 0", "{{state}}", now=True)],
        Look(decimals=0),
        name=True,
        overrides=named_series(STATE_WORDS),
    )


def _tiles() -> Panel:
    worst = f"sort_desc(topk($tiles, {named(_STATE, POINTS)}))"
    return tile(
        Head(
            "Từng điểm cầu, điểm cần xử lý trước đứng trước",
            "Mỗi ô là một điểm cầu và trạng thái của nó. Bấm vào ô để xem điểm cầu đó.", 24, 9,
        ),
        [Query(worst, "{{name}}", now=True)],
        Look(words=code_words(SEVERITY), link=OF_SERIES, empty="chưa có điểm cầu nào"),
        name=True,
    )  # fmt: skip


def _sessions() -> Panel:
    def of(name: str, how: str = "max") -> str:
        return f"{how} by (session) (diemcau_session_{name}{{{HUB}}})"

    start = of("start_timestamp_seconds", "min")
    about = f"max by (session, name, profile) (diemcau_session_info{{{HUB}}})"
    left = f"clamp_min({start} - time(), 0)"
    ends = milliseconds(of("end_timestamp_seconds"))
    queries = (about, milliseconds(start), left, ends, of("points"), of("points_ready"))
    running = (Shown("0", "đang họp", GREEN),)
    columns = [
        Column("name", "Phiên họp"),
        Column("Value #C", "Còn lại", Look("dthms", words=running, steps=_BEFORE_SESSION)),
        Column("Value #B", "Bắt đầu", _WHEN),
        Column("Value #D", "Kết thúc", _WHEN),
        Column("Value #E", "Số điểm cầu", Look(decimals=0)),
        Column("Value #F", "Đã sẵn sàng", Look(decimals=0)),
        Column("profile", "Mức truyền"),
        Column("session", "Mã"),
    ]
    return listing(
        Head("Các phiên họp", "Phiên đang họp và phiên kế tiếp của các điểm cầu.", 14, 6),
        [Query(expr) for expr in queries],
        columns,
        sort="Bắt đầu",
        descending=False,
    )


def _alerts() -> Panel:
    about = "Cảnh báo của hội trường và các điểm cầu; lời đầy đủ nằm trong thư cảnh báo."
    return alert_table(Head("Cảnh báo", about, 10, 6), HUB, of_points=True)


def _troubles() -> Panel:
    ready = f"diemcau_point_ready{{{POINTS}}}"
    last_ready = f"max_over_time(timestamp({ready} == 1)[{_LOOKED_BACK}])"
    first_not = f"min_over_time(timestamp({ready} == 0)[{_LOOKED_BACK}])"
    since = f"max by (point) (({last_ready} or {first_not}) and ({_NOT_READY}))"
    cause = f"diemcau_point_cause{{{POINTS}}} and on (hub, point) ({_NOT_READY})"
    states = code_words(SEVERITY)
    return listing(
        Head(
            "Điểm nào có vấn đề, vì sao, từ lúc nào",
            "Các điểm cầu chưa sẵn sàng, và chưa sẵn sàng từ lúc nào (tìm trong 12 giờ gần nhất). "
            "Việc cần làm trước tiên: xem ở Bảng điểm cầu của máy chủ (liên kết ở đầu trang).",
            14, 11,
        ),
        [
            Query(named(f"({_STATE}) > 0", POINTS, "point")),
            Query(f"max by (point, cause) ({cause})"),
            Query(milliseconds(since)),
        ],
        [
            _NAME,
            Column("Value #A", "Trạng thái", Look(words=states), width=150, filled=True),
            Column("cause", "Nguyên nhân", Look("string", words=CAUSE_WORDS)),
            Column("Value #C", "Chưa sẵn sàng từ", _WHEN, width=140),
            Column("point", "Mã"),
        ],
        sort="Trạng thái",
        empty="mọi điểm cầu đều sẵn sàng",
    )  # fmt: skip


def _devices() -> Panel:
    broken = f"diemcau_device_ok{{{POINTS}}} == 0"
    labels = "hub, point, kind, role"
    since = f"diemcau_device_last_change_timestamp_seconds{{{POINTS}}} and on ({labels}) ({broken})"
    by = "point, kind, role"
    return listing(
        Head(
            "Thiết bị hỏng",
            "Thiết bị mà lần xem gần nhất thấy hỏng; cột thời điểm trống khi hỏng từ trước lúc "
            "máy chủ khởi động.", 10, 11,
        ),
        [Query(named(broken, POINTS, by)), Query(milliseconds(f"max by ({by}) ({since})"))],
        [
            _NAME,
            Column("kind", "Thiết bị", Look("string", words=DEVICE_WORDS)),
            Column("role", "Vị trí", Look("string", words=ROLE_WORDS)),
            Column("Value #B", "Từ lúc", _WHEN, width=120),
            Column("point", "Mã"),
        ],
        sort="Điểm cầu",
        descending=False,
        empty="không có thiết bị hỏng",
    )  # fmt: skip


def _history() -> Panel:
    return timeline(
        Head(
            "Diễn biến trạng thái",
            "Trạng thái của từng điểm cầu theo thời gian; chọn điểm cầu ở đầu trang để xem ít hơn.",
            24, 14,
        ),
        Query(named(_STATE, POINTS), "{{name}}"),
        Look(words=code_words(SEVERITY), link=OF_SERIES),
    )  # fmt: skip
