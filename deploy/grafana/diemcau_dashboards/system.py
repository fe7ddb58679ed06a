"""The server itself: scraped, connected, committing, and how much it takes; the fleet of agents."""

from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.builders import dashboard

from diemcau_dashboards.alerts import alert_table
from diemcau_dashboards.parts import (
    Column,
    Head,
    Look,
    Panel,
    Query,
    curves,
    listing,
    named_series,
    tile,
    timeline,
)
from diemcau_dashboards.queries import SERVER, milliseconds, named
from diemcau_dashboards.shell import HEALTH_LINK, make_dashboard, server_variable, with_links
from diemcau_dashboards.words import (
    AUTH_WORDS,
    BLUE,
    CERTIFICATE_WORDS,
    GREEN,
    MESSAGE_WORDS,
    PACKET_WORDS,
    RED,
    REJECT_WORDS,
    YELLOW,
    Shown,
)

_UP: Final = (Shown("0", "không", RED), Shown("1", "có", GREEN))
_DAY: Final = 86_400
_CERTIFICATE: Final = ((None, RED), (14 * _DAY, YELLOW), (30 * _DAY, GREEN))
"""The alert comes with fourteen days left."""
_PER_SECOND: Final = Look("ops", 2)
_ELSEWHERE: Final = "kho dữ liệu không phải là tệp SQLite"


def system() -> dashboard.Dashboard:
    """Return the dashboard *Hệ thống*."""
    made = make_dashboard(
        "diemcau-system", "Hệ thống",
        "Máy chủ diemcau, việc nhận báo cáo, broker MQTT và các agent.", "now-6h",
    )  # fmt: skip
    made = with_links(made, [HEALTH_LINK]).with_variable(server_variable(shown=True))
    for title, panels in (
        ("Lúc này", _now()),
        ("Cảnh báo", [_alerts()]),
        ("Nhận báo cáo", _ingest()),
        ("Broker và API", _broker()),
        ("Đo đường truyền", _measuring()),
        ("Máy chủ", _process()),
        ("Agent", _agents()),
    ):
        made = made.with_row(dashboard.Row(title))
        for panel in panels:
            made = made.with_panel(panel)
    return made


def _rate(metric: str, by: str = "") -> str:
    grouped = f"sum by ({by})" if by else "sum"
    return f"{grouped} (rate(diemcau_{metric}{{{SERVER}}}[$__rate_interval]))"


def _most(metric: str) -> str:
    return f"max(diemcau_{metric}{{{SERVER}}})"


def _now() -> Sequence[Panel]:
    up = f"min(up{{{SERVER}}})"
    started = f"time() - max(process_start_time_seconds{{{SERVER}}})"
    version = f"max by (version) (diemcau_build_info{{{SERVER}}})"
    return [
        tile(
            Head("Prometheus đọc được", "Prometheus có đọc được số liệu của máy chủ không.", 4, 4),
            [Query(up, now=True)], Look(words=_UP),
        ),
        tile(
            Head("Nối với broker", "Máy chủ có phiên với broker MQTT không.", 4, 4),
            [Query(f"min(diemcau_mqtt_connected{{{SERVER}}})", now=True)], Look(words=_UP),
        ),
        tile(
            Head("Đã chạy được", "Từ lần khởi động gần nhất của máy chủ.", 4, 4),
            [Query(started, now=True)], Look("dtdhms", 0, colour=BLUE),
        ),
        tile(
            Head("Chờ ghi", "Số báo cáo đang chờ ghi vào kho.", 4, 4),
            [Query(_most("ingest_queue_length"), now=True)],
            Look(decimals=0, steps=((None, GREEN), (500, YELLOW), (5000, RED))),
        ),
        tile(
            Head("Lỗi kho dữ liệu", "Số lần kho từ chối ghi từ khi máy chủ khởi động.", 4, 4),
            [Query(_most("store_errors_total"), now=True)],
            Look(decimals=0, steps=((None, GREEN), (1, RED))),
        ),
        listing(
            Head("Phiên bản", "Phiên bản của máy chủ.", 4, 4),
            [Query(version)], [Column("version", "Phiên bản")], sort="Phiên bản",
        ),
    ]  # fmt: skip


def _alerts() -> Panel:
    about = "Cảnh báo về máy chủ. Dòng luôn có cho biết Prometheus đang xét các luật cảnh báo."
    return alert_table(
        Head("Cảnh báo của máy chủ", about, 24, 5), 'scope="server"', of_points=False
    )


def _quantile(metric: str, level: float) -> Query:
    buckets = _rate(f"{metric}_seconds_bucket", "le")
    return Query(f"histogram_quantile({level}, {buckets})", f"p{level * 100:.0f}")


def _ingest() -> Sequence[Panel]:
    kept = f"sum by (reason) (diemcau_ingest_quarantined_total{{{SERVER}}})"
    return [
        curves(
            Head("Thông điệp mỗi giây", "Theo điều đã xảy ra với chúng.", 6),
            [Query(_rate("ingest_messages_total", "result"), "{{result}}")], _PER_SECOND,
            overrides=named_series(MESSAGE_WORDS),
        ),
        curves(
            Head("Thời gian một lần ghi", "Của một giao dịch vào kho dữ liệu.", 6),
            [_quantile("ingest_batch", 0.5), _quantile("ingest_batch", 0.95)], Look("s", 1),
        ),
        curves(
            Head("Tuổi của báo cáo khi ghi xong", "Theo đồng hồ của hội trường.", 6),
            [_quantile("ingest_lag", 0.5), _quantile("ingest_lag", 0.95)], Look("s", 1),
        ),
        curves(
            Head("Thông điệp để riêng", "Tổng số từ khi máy chủ khởi động, theo lý do.", 6),
            [Query(kept, "{{reason}}")], Look(decimals=0), overrides=named_series(REJECT_WORDS),
        ),
    ]  # fmt: skip


def _broker() -> Sequence[Panel]:
    ends = f"max by (of) (diemcau_certificate_expiry_timestamp_seconds{{{SERVER}}})"
    left = f"{ends} - time()"
    refused = f"sum by (kind) (diemcau_auth_failures_total{{{SERVER}}})"
    lost = f"sum(increase(diemcau_mqtt_reconnects_total{{{SERVER}}}[$__rate_interval]))"
    return [
        curves(
            Head("Phiên với broker", "1 là đang nối; mỗi lần mất phiên được đếm.", 8),
            [Query(_most("mqtt_connected"), "đang nối"), Query(lost, "mất phiên")],
            Look(decimals=0),
        ),
        curves(
            Head("Yêu cầu bị từ chối", "Yêu cầu đến API thiếu mã hoặc sai mã.", 8),
            [Query(refused, "{{kind}}")],
            Look(decimals=0),
            overrides=named_series(AUTH_WORDS),
        ),
        listing(
            Head(
                "Chứng chỉ TLS",
                "Chứng chỉ của broker như máy chủ thấy khi nối lần gần nhất, và của nơi cấp. Trống "
                "khi broker không dùng TLS. Hết hạn thì mọi điểm cầu mất kết nối cùng lúc.",
                8,
            ),
            [Query(left), Query(milliseconds(ends))],
            [
                Column("of", "Chứng chỉ", Look("string", words=CERTIFICATE_WORDS)),
                Column("Value #A", "Còn lại", Look("dtdhms", 0, steps=_CERTIFICATE), filled=True),
                Column("Value #B", "Hết hạn", Look("time:DD/MM/YYYY")),
            ],
            sort="Còn lại",
            descending=False,
            empty="broker không dùng TLS",
        ),
    ]


def _measuring() -> Sequence[Panel]:
    up = f"min by (process) (diemcau_measure_up{{{SERVER}}})"
    missed = f"sum by (process) (diemcau_measure_socket_drops_total{{{SERVER}}})"
    dropped = f"sum by (reason) (diemcau_measure_rejected_total{{{SERVER}}})"
    return [
        timeline(
            Head("Tiến trình đo", "Có đang chạy và nghe ở cổng đo không.", 6),
            Query(up, "tiến trình {{process}}"),
            Look(words=_UP),
        ),
        curves(
            Head("Bộ xử lý của tiến trình đo", "Mỗi tiến trình dùng nhiều nhất một nhân.", 6),
            [Query(_rate("measure_cpu_seconds_total", "process"), "tiến trình {{process}}")],
            Look("percentunit", 1),
        ),
        curves(
            Head("Gói không kịp nhận", "Gói đến nhanh hơn mức tiến trình đo nhận được.", 6),
            [Query(missed, "tiến trình {{process}}")],
            Look(decimals=0),
        ),
        curves(
            Head("Gói đo bị bỏ", "Gói đến cổng đo mà máy chủ không nhận, theo lý do.", 6),
            [Query(dropped, "{{reason}}")],
            Look(decimals=0),
            overrides=named_series(PACKET_WORDS),
        ),
    ]


def _process() -> Sequence[Panel]:
    cpu = f"max(rate(process_cpu_seconds_total{{{SERVER}}}[$__rate_interval]))"
    memory = f"max(process_resident_memory_bytes{{{SERVER}}})"
    scrape = f"max(scrape_duration_seconds{{{SERVER}}})"
    return [
        curves(
            Head("Bộ xử lý", "Phần của một nhân mà tiến trình máy chủ dùng.", 8),
            [Query(cpu, "bộ xử lý")], Look("percentunit", 1),
        ),
        curves(
            Head("Bộ nhớ", "Bộ nhớ thường trú của tiến trình máy chủ.", 8),
            [Query(memory, "bộ nhớ")], Look("bytes", 1),
        ),
        curves(
            Head("Vòng lặp bị chậm", "Chậm nhất trong 30 giây; trên 0,5 giây là quá tải.", 8),
            [Query(_most("event_loop_lag_seconds"), "chậm")], Look("s", 1),
        ),
        curves(
            Head("Thời gian đọc số liệu", "Do Prometheus đo, và do máy chủ tự đo khi viết.", 8),
            [Query(scrape, "Prometheus đọc"), Query(_most("render_seconds"), "máy chủ viết")],
            Look("s", 1),
        ),
        curves(
            Head("Ổ đĩa của kho dữ liệu", "Chỗ trống; dưới 2 GB là sắp đầy.", 8),
            [Query(_most("store_disk_free_bytes"), "còn trống")],
            Look("bytes", 1, empty=_ELSEWHERE),
        ),
        curves(
            Head("Kho dữ liệu", "Tệp SQLite kèm nhật ký ghi; chỗ đã xóa được dùng lại.", 8),
            [Query(_most("store_bytes"), "kho")], Look("bytes", 1, empty=_ELSEWHERE),
        ),
    ]  # fmt: skip


def _agents() -> Sequence[Panel]:
    versions = f"count by (version, os) (diemcau_agent_info{{{SERVER}}})"
    connected = f"sum(diemcau_agent_connected{{{SERVER}}})"
    waiting = f"topk(10, max by (hub, point) (diemcau_agent_outbox_messages{{{SERVER}}}))"
    clocks = f"topk(10, abs(max by (hub, point) (diemcau_agent_clock_offset_seconds{{{SERVER}}})))"
    return [
        curves(
            Head("Agent đang nối", "Số agent có phiên với broker, và tổng số báo cáo chờ gửi.", 8),
            [Query(connected, "đang nối"),
             Query(f"sum(diemcau_agent_outbox_messages{{{SERVER}}})", "báo cáo chờ gửi")],
            Look(decimals=0),
        ),
        listing(
            Head("Phiên bản agent", "Số agent theo phiên bản và hệ điều hành.", 8),
            [Query(versions)],
            [
                Column("version", "Phiên bản"),
                Column("os", "Hệ điều hành"),
                Column("Value", "Số agent", Look(decimals=0)),
            ],
            sort="Số agent",
        ),
        listing(
            Head("Chờ gửi nhiều nhất, đồng hồ lệch nhiều nhất", "Mười điểm cầu của mỗi loại.", 8),
            [Query(named(waiting, SERVER)), Query(named(clocks, SERVER))],
            [
                Column("name", "Điểm cầu"),
                Column("hub", "Hội trường"),
                Column("Value #A", "Báo cáo chờ", Look(decimals=0)),
                Column("Value #B", "Đồng hồ lệch", Look("s", 3)),
                Column("point", "Mã"),
            ],
            sort="Báo cáo chờ",
        ),
    ]  # fmt: skip
