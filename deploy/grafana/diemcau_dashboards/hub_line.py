"""The hub's own line: what it carried in the tests, and who is to blame for what is lost."""

from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.builders import dashboard

from diemcau_contract.causes import LINE_CAUSES
from diemcau_dashboards.parts import (
    Column,
    Head,
    Look,
    Panel,
    Query,
    bars,
    curves,
    listing,
    named_line,
    named_series,
    named_texts,
    tile,
    timeline,
)
from diemcau_dashboards.queries import BITS, HUB, coded, loss_ratio, named
from diemcau_dashboards.shell import (
    BOARD_PAGE,
    OF_ROW,
    TESTS_LINK,
    hub_variable,
    make_dashboard,
    server_variable,
    tests_annotation,
    with_links,
)
from diemcau_dashboards.words import (
    BLUE,
    CAUSE_WORDS,
    DIRECTION_WORDS,
    GREEN,
    HUB_LINE_SEVERITY,
    ORANGE,
    PURPLE,
    RED,
    TEST_KIND_WORDS,
    TEST_WORDS,
    YELLOW,
    YES_NO,
)
from diemcau_dashboards.words import (
    coded as code_words,
)

_VERDICT: Final = coded("diemcau_hub_line_state", "verdict", HUB_LINE_SEVERITY, HUB, "hub")
_LOSING_RATIO: Final = 0.01
"""From here on a point counts as losing: the alert on loss has the same limit."""
_BY_POINT: Final = "hub, point, direction"
_LOSS: Final = loss_ratio(HUB, _BY_POINT)
_LINE_WORDS: Final = tuple(one for one in CAUSE_WORDS if one.value in LINE_CAUSES)


def hub_line() -> dashboard.Dashboard:
    """Return the dashboard *Đường truyền hội trường*."""
    made = make_dashboard(
        "diemcau-hub-line", "Đường truyền hội trường",
        "Đường truyền chung của hội trường: tải được bao nhiêu, mất gói là do đường chung hay do "
        "đường riêng của điểm cầu.", "now-24h",
    )  # fmt: skip
    made = with_links(made, [BOARD_PAGE, TESTS_LINK])
    for variable in (hub_variable(), server_variable(shown=False)):
        made = made.with_variable(variable)
    made = made.annotation(tests_annotation())
    for title, panels in (
        ("Lần kiểm tra gần nhất", [*_last_test(), *_carried()]),
        ("Lỗi ở đâu", _attribution()),
        ("Các lần kiểm tra từ khi máy chủ khởi động", _tests()),
    ):
        made = made.with_row(dashboard.Row(title))
        for panel in panels:
            made = made.with_panel(panel)
    return made


def _last_test() -> Sequence[Panel]:
    age = f"time() - max(diemcau_hub_line_last_test_timestamp_seconds{{{HUB}}})"
    carried, offered = (
        f"max by (direction) (diemcau_hub_line_{what}_bytes_per_second{{{HUB}}})"
        for what in ("carried", "offered")
    )
    return [
        tile(
            Head("Đường truyền hội trường", "Kết luận của lần kiểm tra gần nhất.", 6, 4),
            [Query(_VERDICT, now=True)],
            Look(words=code_words(HUB_LINE_SEVERITY), empty="chưa kiểm tra trong 12 giờ qua"),
        ),
        tile(
            Head(
                "Kiểm tra cuối cách đây",
                "Lần kiểm tra gần nhất; sau 12 giờ kết luận của nó không còn giá trị.",
                4,
                4,
            ),
            [Query(age, now=True)],
            Look("dthms", steps=((None, GREEN), (6 * 3600, YELLOW), (12 * 3600, RED))),
        ),
        tile(
            Head("Tải được", "Phần lưu lượng của mọi điểm cầu cùng lúc đi qua được.", 8, 4),
            [Query(f"{carried} / ({offered} > 0)", "{{direction}}", now=True)],
            Look("percentunit", 1, steps=((None, RED), (0.98, YELLOW), (0.99, GREEN))),
            name=True,
            overrides=named_texts(DIRECTION_WORDS),
        ),
        tile(
            Head("Đang kiểm tra", "Có một lần kiểm tra đang chiếm đường truyền không.", 6, 4),
            [Query(f"max(diemcau_test_lock_held{{{HUB}}})", now=True)],
            Look(words=YES_NO, colour=BLUE),
        ),
    ]


def _carried() -> Sequence[Panel]:
    def of(metric: str, legend: str, how: str = "max") -> Query:
        rate = f"{how} by (direction) (diemcau_{metric}_bytes_per_second{{{HUB}}})"
        return Query(f"{rate} * {BITS}", legend + ", {{direction}}")

    lines = [
        named_line(f"{what}, {one.value}", f"{what}, {one.text}", one.colour or BLUE, dashed=dash)
        for what, dash in (("đưa vào", True), ("qua được", False))
        for one in DIRECTION_WORDS
    ]
    plan = [
        named_line(f"cần, {one.value}", f"cần, {one.text}", one.colour or BLUE)
        for one in DIRECTION_WORDS
    ]
    return [
        curves(
            Head(
                "Lưu lượng khi tập dượt",
                "Nét đứt: mọi điểm cầu cùng đưa vào. Nét liền: phần đi qua được.", 12,
            ),
            [of("hub_line_offered", "đưa vào"), of("hub_line_carried", "qua được")],
            Look("bps", 1),
            overrides=lines,
        ),
        curves(
            Head("Tổng mức cần", "Mức mà phiên họp cần khi mọi điểm cầu cùng tham gia.", 6),
            [of("link_required", "cần", "sum")],
            Look("bps", 1),
            overrides=plan,
        ),
        timeline(
            Head("Kết luận theo thời gian", "Kết luận của các lần kiểm tra.", 6),
            Query(_VERDICT, "đường truyền"),
            Look(words=code_words(HUB_LINE_SEVERITY)),
        ),
    ]  # fmt: skip


def _attribution() -> Sequence[Panel]:
    causes = "|".join(sorted(LINE_CAUSES))
    blamed = f'count by (cause) (diemcau_point_cause{{{HUB},cause=~"{causes}"}})'
    share = f"avg by (direction) ({_LOSS} >= bool {_LOSING_RATIO})"
    return [
        curves(
            Head(
                "Số điểm cầu theo nguyên nhân đường truyền",
                "Đường riêng: báo nhà mạng của điểm cầu đó. Đường hội trường: lỗi chung.", 12,
            ),
            [Query(blamed, "{{cause}}")],
            Look(decimals=0),
            overrides=named_series(_LINE_WORDS),
            stacked=True,
        ),
        curves(
            Head(
                "Bao nhiêu điểm cầu cùng mất gói",
                "Tỷ lệ điểm cầu mất từ 1 % gói của luồng nhẹ. Phần lớn cùng mất một lúc: lỗi ở "
                "đường truyền hội trường.", 12,
            ),
            [Query(share, "{{direction}}")],
            Look("percentunit", 0),
            overrides=named_series(DIRECTION_WORDS),
        ),
        *(_spread(one.value, one.text, one.colour or BLUE) for one in DIRECTION_WORDS),
        _worst(),
    ]  # fmt: skip


def _spread(direction: str, name: str, colour: str) -> Panel:
    loss = loss_ratio(f'{HUB},direction="{direction}"', _BY_POINT)
    levels = (("p50", 0.5, colour), ("p90", 0.9, PURPLE), ("cao nhất", 1, RED))
    return curves(
        Head(
            f"Mất gói giữa các điểm cầu, {name}",
            "p50 cao là lỗi chung của hội trường; chỉ mức cao nhất cao là lỗi riêng của vài điểm.",
            6,
        ),
        [Query(f"quantile({level}, {loss})", title) for title, level, _ in levels],
        Look("percentunit", 2),
        overrides=[named_line(title, title, shade) for title, _, shade in levels],
    )  # fmt: skip


def _worst() -> Panel:
    p95 = f'max by (hub, point) (diemcau_link_round_trip_seconds{{{HUB},stat="p95"}})'
    loss = f"topk(20, max by (hub, point) ({loss_ratio(HUB, _BY_POINT, '5m')}))"
    lossy = ((None, "transparent"), (0.005, YELLOW), (_LOSING_RATIO, RED))
    return listing(
        Head("Hai mươi điểm cầu mất gói nhiều nhất", "Mất gói trong 5 phút gần nhất.", 12),
        [
            Query(named(loss, HUB, "point")),
            Query(f"max by (point) ({p95} and on (hub, point) {loss})"),
        ],
        [
            Column("name", "Điểm cầu", Look("string", link=OF_ROW)),
            Column("Value #A", "Mất gói", Look("percentunit", 2, steps=lossy), filled=True),
            Column("Value #B", "Trễ khứ hồi p95", Look("s", 1)),
            Column("point", "Mã"),
        ],
        sort="Mất gói",
    )


def _tests() -> Sequence[Panel]:
    seconds = f"diemcau_test_duration_seconds_bucket{{{HUB}}}"
    return [
        bars(
            Head("Số lần kiểm tra", "Theo loại và kết quả.", 12),
            Query(
                f"sum by (kind, result) (diemcau_test_runs_total{{{HUB}}}) > 0",
                "{{kind}}: {{result}}", now=True,
            ),
            Look("none", 0, colour=BLUE),
            overrides=named_texts(TEST_WORDS),
        ),
        bars(
            Head("Thời lượng kiểm tra (p95)", "95 % số lần không quá mức này.", 12),
            Query(
                # Not a number where no test of a kind has ended.
                f"histogram_quantile(0.95, sum by (le, kind) ({seconds})) >= 0", "{{kind}}",
                now=True,
            ),
            Look("s", 0, colour=ORANGE),
            overrides=named_texts(TEST_KIND_WORDS),
        ),
    ]  # fmt: skip
