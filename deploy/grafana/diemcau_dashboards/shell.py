"""What all dashboards have in common: variables, links between them and to the server."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as models

from diemcau_dashboards.parts import DATASOURCE
from diemcau_dashboards.queries import HUB

TAG: Final = "diemcau"
SERVER_URL: Final = "http://${server}"
"""``server`` is the address by which Prometheus reads the server (label ``instance``)."""

POINT_UID: Final = "diemcau-point"
_KEPT: Final = "${datasource:queryparam}&${hub:queryparam}&${__url_time_range}"


def point_link(point: str) -> str:
    """Return the address of a point's dashboard; ``point`` is the Grafana macro of its id."""
    return f"/d/{POINT_UID}/mot-diem-cau?{_KEPT}&var-point={point}"


OF_SERIES: Final = point_link("${__field.labels.point}")
OF_ROW: Final = point_link("${__data.fields.point}")


@dataclass(frozen=True, slots=True)
class ServerLink:
    """A link to the server's own address; ``path`` may name variables."""

    title: str
    path: str
    tooltip: str


BOARD_PAGE: Final = ServerLink(
    "Bảng điểm cầu", "/?hub=${hub}",
    "Máy chủ đang thấy từng điểm cầu thế nào, kèm việc cần làm trước tiên",
)  # fmt: skip
POINT_PAGE: Final = ServerLink(
    "Trang của điểm cầu", "/points/${hub}/${point}",
    "Phòng họp này đang thế nào, và cán bộ xã chạm vào đâu trước",
)  # fmt: skip
TESTS_LINK: Final = ServerLink(
    "Các lần kiểm tra", "/api/v1/tests", "Các lần kiểm tra mà máy chủ còn lưu (JSON)"
)
HEALTH_LINK: Final = ServerLink(
    "Sức khỏe máy chủ", "/healthz", "Bộ phận nào của máy chủ đang có vấn đề (JSON)"
)


def make_dashboard(uid: str, title: str, about: str, since: str) -> dashboard.Dashboard:
    """Return a dashboard without panels and variables of its own, looking back from now."""
    others = dashboard.DashboardLink("Bảng khác").type(models.DashboardLinkType.DASHBOARDS)
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(about)
        .tags([TAG])
        .readonly()
        .timezone("browser")
        .time(since, "now")
        .refresh("30s")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(others.tags([TAG]).include_vars(include_vars=True).keep_time(keep_time=True))
        .with_variable(
            dashboard.DatasourceVariable("datasource")
            .label("Nguồn dữ liệu")
            .description("Prometheus đọc số liệu của máy chủ diemcau")
            .type("prometheus")
            .current(
                models.VariableOption(
                    selected=True, text="Prometheus diemcau", value="diemcau-prometheus"
                )
            )
        )
    )


def with_links(board: dashboard.Dashboard, links: Iterable[ServerLink]) -> dashboard.Dashboard:
    """Add links to the server."""
    for link in links:
        board = board.link(
            dashboard.DashboardLink(link.title)
            .type(models.DashboardLinkType.LINK)
            .url(SERVER_URL + link.path)
            .tooltip(link.tooltip)
            .icon("external link")
            .target_blank(target_blank=True)
        )
    return board


def tests_annotation() -> dashboard.AnnotationQuery:
    """Return the marks of the times at which the hub's points were tested."""
    return (
        dashboard.AnnotationQuery()
        .name("Đang kiểm tra")
        .datasource(DATASOURCE)
        .enable(enable=True)
        .icon_color("purple")
        .expr(f"max by (hub) (diemcau_test_lock_held{{{HUB}}}) == 1")
    )


def hub_variable() -> dashboard.QueryVariable:
    """Return the choice of one hub, by its name."""
    hubs = "query_result(max by (hub, name) (diemcau_hub_info))"
    variable = _query_variable("hub", "Hội trường", "Hội trường được xem", hubs)
    return variable.regex(r'/hub="(?<value>[^"]*)",name="(?<text>[^"]*)"/')


def point_variable(*, many: bool) -> dashboard.QueryVariable:
    """Return the choice, by name, of one point of the hub, or of several, all at first."""
    points = f"query_result(max by (name, point) (diemcau_point_info{{{HUB}}}))"
    variable = _query_variable("point", "Điểm cầu", "Điểm cầu được xem", points)
    variable = variable.regex(r'/name="(?<text>[^"]*)",point="(?<value>[^"]*)"/')
    if many:
        everything = models.VariableOption(selected=True, text="Tất cả", value="$__all")
        variable = variable.multi(multi=True).include_all(include_all=True)
        variable = variable.all_value(".*").current(everything)
    return variable


def server_variable(*, shown: bool) -> dashboard.QueryVariable:
    """Return the server's address as Prometheus knows it, for links and for its own series."""
    variable = _query_variable(
        "server",
        "Máy chủ",
        "Địa chỉ mà Prometheus đọc máy chủ",
        "label_values(diemcau_build_info, instance)",
    )
    return variable if shown else variable.hide(models.VariableHide.HIDE_VARIABLE)


def _query_variable(name: str, label: str, about: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .description(about)
        .datasource(DATASOURCE)
        .query({"query": query, "refId": f"variable-{name}"})
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )
