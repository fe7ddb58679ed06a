"""One point: its line by direction, its devices, its tests, its PC and agent."""

from collections.abc import Iterator, Sequence
from typing import Final

from grafana_foundation_sdk.builders import dashboard

from diemcau_dashboards.parts import (
    Column,
    Head,
    Look,
    Override,
    Panel,
    Query,
    band,
    curves,
    fixed,
    listing,
    named_line,
    named_series,
    named_texts,
    tile,
    timeline,
)
from diemcau_dashboards.queries import BITS, POINT, coded, loss_ratio, milliseconds
from diemcau_dashboards.shell import (
    BOARD_PAGE,
    POINT_PAGE,
    POINT_UID,
    TESTS_LINK,
    hub_variable,
    make_dashboard,
    point_variable,
    server_variable,
    tests_annotation,
    with_links,
)
from diemcau_dashboards.words import (
    BLUE,
    CAUSE_WORDS,
    CHECK_WORDS,
    DEVICE_WORDS,
    DIRECTION_WORDS,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    ROLE_WORDS,
    WORKS,
    YELLOW,
    YES_NO,
)
from diemcau_dashboards.words import (
    coded as code_words,
)
from diemcau_server.speech.wording import SEVERITY

_STATE: Final = coded("diemcau_point_state", "state", SEVERITY, POINT, "point")
_DIRECTIONS: Final = named_texts(DIRECTION_WORDS)
_LAST_TEST: Final = "Số liệu của lần kiểm tra gần nhất, còn giá trị trong 12 giờ."


def point() -> dashboard.Dashboard:
    """Return the dashboard *Một điểm cầu*."""
    made = make_dashboard(
        POINT_UID, "Một điểm cầu",
        "Đường truyền từng chiều, thiết bị, lần kiểm tra, máy tính và agent của một điểm cầu.",
        "now-6h",
    )  # fmt: skip
    made = with_links(made, [POINT_PAGE, BOARD_PAGE, TESTS_LINK])
    for variable in (hub_variable(), point_variable(many=False), server_variable(shown=False)):
        made = made.with_variable(variable)
    made = made.annotation(tests_annotation())
    for title, panels in (
        ("Tình trạng của ${point:text}", [*_now(), *_over_time()]),
        ("Đường truyền", _line()),
        ("Thiết bị", _devices()),
        ("Lần kiểm tra gần nhất", _tests()),
        ("Máy tính và agent", _machine()),
    ):
        made = made.with_row(dashboard.Row(title))
        for panel in panels:
            made = made.with_panel(panel)
    return made


def _now() -> Sequence[Panel]:
    when = "time() - max(diemcau_{}_timestamp_seconds{{" + POINT + "}})"
    start = f"diemcau_session_start_timestamp_seconds{{{POINT}}}"
    cause = f"max by (cause) (diemcau_point_cause{{{POINT}}})"
    ready = f"avg_over_time(diemcau_point_ready{{{POINT}}}[$__range])"
    return [
        tile(
            Head("Trạng thái", "Trạng thái lúc này.", 5, 4),
            [Query(_STATE, now=True)],
            Look(words=code_words(SEVERITY)),
        ),
        listing(
            Head("Nguyên nhân", "Vì sao điểm cầu chưa sẵn sàng.", 5, 4),
            [Query(cause)],
            [Column("cause", "Nguyên nhân", Look("string", words=CAUSE_WORDS))],
            sort="Nguyên nhân",
        ),
        tile(
            Head("Phiên họp sau", "Thời gian còn lại đến phiên họp kế tiếp của điểm cầu.", 4, 4),
            [Query(f"min(clamp_min({start} - time(), 0))", now=True)],
            Look("dthms", steps=((None, BLUE),), empty="không có"),
        ),
        tile(
            Head("Báo cáo cuối cách đây", "Theo đồng hồ của máy chủ.", 3, 4),
            [Query(when.format("agent_last_report"), now=True)],
            Look("s", decimals=0, steps=((None, GREEN), (60, YELLOW), (90, RED))),
        ),
        tile(
            Head(
                "Kiểm tra cuối cách đây",
                "Lần kiểm tra gần nhất; sau 12 giờ kết luận của nó không còn giá trị.",
                3,
                4,
            ),
            [Query(when.format("point_last_test"), now=True)],
            Look("dthms", steps=((None, GREEN), (6 * 3600, YELLOW), (12 * 3600, RED))),
        ),
        tile(
            Head("Tỷ lệ sẵn sàng", "Trong khoảng thời gian đang xem.", 4, 4),
            [Query(f"max({ready})", now=True)],
            Look("percentunit", decimals=1, steps=((None, RED), (0.8, YELLOW), (0.95, GREEN))),
        ),
    ]


def _over_time() -> Sequence[Panel]:
    checks = f"max by (check) (diemcau_point_check_ok{{{POINT}}})"
    return [
        timeline(
            Head("Diễn biến trạng thái", "Trạng thái theo thời gian.", 24, 3),
            Query(_STATE, "trạng thái"),
            Look(words=code_words(SEVERITY)),
        ),
        timeline(
            Head("Từng mục theo dõi", "Mỗi mục mà báo cáo của agent trả lời được.", 24, 8),
            Query(checks, "{{check}}"),
            Look(words=WORKS),
            overrides=named_series(CHECK_WORDS),
        ),
    ]


def _quantiles(metric: str, selector: str, stats: Sequence[str]) -> list[Query]:
    return [Query(f'max by (stat) ({metric}{{{selector},stat="{stat}"}})', stat) for stat in stats]


def _line() -> Sequence[Panel]:
    delays = "diemcau_link_queue_delay_seconds"
    up, down = (f'{POINT},direction="{direction}"' for direction in ("up", "down"))
    usual = Look("s", decimals=1)
    return [
        curves(
            Head(
                "Trễ khứ hồi",
                "Của luồng nhẹ luôn chạy giữa điểm cầu và hội trường: dải màu từ p50 đến p95.", 8,
            ),
            _quantiles("diemcau_link_round_trip_seconds", POINT, ("min", "p50", "p95", "max")),
            usual,
            overrides=[
                *band("p50", "p95", PURPLE),
                Override("min", (("color", fixed(GREY)),)),
                Override("max", (("color", fixed(RED)), ("custom.drawStyle", "points"))),
            ],
        ),
        curves(
            Head("Trễ hàng đợi, chiều lên", "Từ điểm cầu về hội trường; dải màu p50 đến p95.", 8),
            _quantiles(delays, up, ("p50", "p95")),
            usual,
            overrides=band("p50", "p95", BLUE),
        ),
        curves(
            Head("Trễ hàng đợi, chiều xuống", "Từ hội trường về điểm cầu; dải p50 đến p95.", 8),
            _quantiles(delays, down, ("p50", "p95")),
            usual,
            overrides=band("p50", "p95", ORANGE),
        ),
        curves(
            Head("Mất gói", "Tỷ lệ gói của luồng nhẹ bị mất, đếm chính xác trên từng chiều.", 12),
            [Query(loss_ratio(POINT, "direction"), "{{direction}}")],
            Look("percentunit", decimals=2),
            overrides=named_series(DIRECTION_WORDS),
        ),
        curves(
            Head(
                "Năng lực đo được và mức cần",
                "Nét đứt là mức mà phiên họp cần; nét liền là năng lực đo được gần nhất, còn giá "
                "trị trong 24 giờ.", 12,
            ),
            [
                _bits("link_throughput", "đo được, {{direction}}"),
                _bits("link_required", "cần, {{direction}}"),
            ],
            Look("bps", decimals=1),
            overrides=[
                named_line("đo được, up", "đo được, chiều lên", BLUE),
                named_line("đo được, down", "đo được, chiều xuống", ORANGE),
                named_line("cần, up", "cần, chiều lên", BLUE, dashed=True),
                named_line("cần, down", "cần, chiều xuống", ORANGE, dashed=True),
            ],
        ),
    ]  # fmt: skip


def _bits(name: str, legend: str) -> Query:
    rate = f"max by (direction) (diemcau_{name}_bytes_per_second{{{POINT}}})"
    return Query(f"{rate} * {BITS}", legend)


def _devices() -> Sequence[Panel]:
    by = "kind, role"

    def of(name: str) -> str:
        return f"max by ({by}) (diemcau_device_{name}{{{POINT}}})"

    names = ("ok", "present", "busy", "level_ratio", "frames_per_second")
    model = f"max by ({by}, model) (diemcau_device_info{{{POINT}}})"
    queries = [*map(of, names), milliseconds(of("last_change_timestamp_seconds")), model]
    return [
        timeline(
            Head("Thiết bị theo thời gian", "Đỏ là hỏng hoặc không thấy thiết bị.", 12),
            Query(of("ok"), "{{kind}} {{role}}"),
            Look(words=WORKS),
            overrides=[*_by_role()],
        ),
        listing(
            Head(
                "Thiết bị lúc này",
                "Tên sản phẩm là của thiết bị thấy được trong phòng; mức âm thanh và số hình mỗi "
                "giây là của lần kiểm tra gần nhất.", 12,
            ),
            [Query(expr) for expr in queries],
            [
                Column("kind", "Thiết bị", Look("string", words=DEVICE_WORDS)),
                Column("role", "Vị trí", Look("string", words=ROLE_WORDS)),
                Column("model", "Tên sản phẩm"),
                Column("Value #A", "Tình trạng", Look(words=WORKS), filled=True),
                Column("Value #B", "Có mặt", Look(words=YES_NO)),
                Column("Value #C", "Đang được dùng", Look(words=YES_NO)),
                Column("Value #D", "Mức âm thanh", Look("percentunit", decimals=1)),
                Column("Value #E", "Hình/giây", Look("none", decimals=0)),
                Column("Value #F", "Đổi tình trạng lúc", Look("time:HH:mm DD/MM")),
            ],
            sort="Thiết bị",
            descending=False,
        ),
    ]  # fmt: skip


def _by_role() -> Iterator[Override]:
    """Name each device's row; a role that the room's file names stands behind the device."""
    for one in DEVICE_WORDS:
        yield Override(f"{one.value} main", (("displayName", one.text),))
        named = f"{one.text}, ${{__field.labels.role}}"
        yield Override(f"/^{one.value} (?!main$)/", (("displayName", named),), pattern=True)


def _tests() -> Sequence[Panel]:
    def of(name: str) -> Query:
        return Query(
            f"max by (direction) (diemcau_link_{name}{{{POINT}}})", "{{direction}}", now=True
        )

    return [
        tile(
            Head("Mất gói khi tập dượt", _LAST_TEST, 12, 4),
            [of("rehearsal_loss_ratio")],
            Look("percentunit", 2, steps=((None, GREEN), (0.005, YELLOW), (0.01, RED))),
            name=True,
            overrides=_DIRECTIONS,
        ),
        tile(
            Head("Jitter khi tập dượt", _LAST_TEST + " Theo RFC 3550.", 12, 4),
            [of("jitter_seconds")],
            Look("s", 1, steps=((None, GREEN), (0.02, YELLOW), (0.04, RED))),
            name=True,
            overrides=_DIRECTIONS,
        ),
    ]


def _machine() -> Sequence[Panel]:
    def of(name: str, legend: str = "") -> Query:
        return Query(f"max(diemcau_{name}{{{POINT}}})", legend)

    rate = f"max(rate(diemcau_agent_cpu_seconds_total{{{POINT}}}[$__rate_interval]))"
    lost = f"max(increase(diemcau_agent_reconnects_total{{{POINT}}}[$__rate_interval]))"
    return [
        curves(
            Head("Máy tính của phòng", "Phần bộ xử lý và bộ nhớ đang dùng, tính cả máy.", 8),
            [of("room_pc_cpu_ratio", "bộ xử lý"), of("room_pc_memory_ratio", "bộ nhớ")],
            Look("percentunit", decimals=0),
        ),
        curves(
            Head("Ổ đĩa còn trống", "Trên ổ đĩa mà agent lưu báo cáo.", 8),
            [of("room_pc_disk_free_bytes", "còn trống")],
            Look("bytes", decimals=1),
        ),
        curves(
            Head(
                "Đồng hồ lệch", "Đồng hồ máy tính của phòng trừ đồng hồ của hội trường.", 8,
            ),
            [of("agent_clock_offset_seconds", "lệch")],
            Look("s", decimals=3),
            least=None,
        ),
        curves(
            Head(
                "Báo cáo chờ gửi",
                "Báo cáo còn nằm ở điểm cầu, chưa được máy chủ xác nhận.", 8,
            ),
            [of("agent_outbox_messages", "đang chờ"),
             of("agent_outbox_dropped_total", "đã bỏ vì đầy")],
            Look(decimals=0),
        ),
        curves(
            Head("Mất phiên MQTT", "Số lần agent mất phiên với broker.", 8),
            [Query(lost, "mất phiên")],
            Look(decimals=0),
        ),
        curves(
            Head("Agent dùng bao nhiêu", "Phần của một nhân bộ xử lý mà agent dùng.", 8),
            [Query(rate, "bộ xử lý")],
            Look("percentunit", decimals=2),
        ),
    ]  # fmt: skip
