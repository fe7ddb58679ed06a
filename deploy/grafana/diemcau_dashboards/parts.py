"""Panels as the dashboards use them: few kinds, each with all that its viewer needs.

Sizes are in Grafana's grid: 24 columns, a row of some 30 pixels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    prometheus,
    statetimeline,
    timeseries,
)
from grafana_foundation_sdk.builders import stat as stat_builder
from grafana_foundation_sdk.builders import table as table_builder
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from diemcau_dashboards.words import Shown

DATASOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
Panel = Builder[models.Panel]
_NAMES: Final = "ABCDEFGHIJ"
Steps = Sequence[tuple[float | None, str]]
"""Colours from a value on; the first has no value."""

_Any = TypeVar(
    "_Any",
    bargauge.Panel, stat_builder.Panel, statetimeline.Panel, table_builder.Panel, timeseries.Panel,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Query:
    """An expression; ``now`` asks for its last value alone, not for the whole time range."""

    expr: str
    legend: str = ""
    now: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """What stands over a panel, and its size."""

    title: str
    about: str
    width: int
    height: int = 8


@dataclass(frozen=True, slots=True)
class Look:
    """How values are shown; ``empty`` is the text where there are none."""

    unit: str = "short"
    decimals: int | None = None
    words: Sequence[Shown] = ()
    steps: Steps = ()
    colour: str | None = None
    empty: str = "chưa có"
    link: str | None = None
    """Address that a click on a value opens."""
    link_title: str = "Xem điểm cầu này"


@dataclass(frozen=True, slots=True)
class Column:
    """A table's column: the field that it shows, and how; ``filled`` colours the whole cell."""

    field: str
    title: str
    look: Look = Look(unit="string")
    width: int | None = None
    filled: bool = False


@dataclass(frozen=True, slots=True)
class Override:
    """What one series or column has of its own."""

    field: str
    properties: tuple[tuple[str, object], ...]
    pattern: bool = False
    """Whether ``field`` is a regular expression, between slashes."""


def _head(panel: _Any, head: Head) -> _Any:
    return (
        panel.title(head.title)
        .description(head.about)
        .datasource(DATASOURCE)
        .span(head.width)
        .height(head.height)
    )


def _queries(panel: _Any, queries: Sequence[Query], *, as_table: bool = False) -> _Any:
    for name, query in zip(_NAMES, queries, strict=False):
        target = prometheus.Dataquery().expr(query.expr).ref_id(name).datasource(DATASOURCE)
        target = target.instant() if query.now or as_table else target.range()
        if as_table:
            target = target.format(PromQueryFormat.TABLE)
        elif query.legend:
            target = target.legend_format(query.legend)
        panel = panel.with_target(target)
    return panel


def _look(panel: _Any, look: Look) -> _Any:
    panel = panel.unit(look.unit).no_value(look.empty)
    if look.decimals is not None:
        panel = panel.decimals(look.decimals)
    if look.words:
        panel = panel.mappings([_mapping(look.words)])
    steps = look.steps or ((None, look.colour or "text"),)
    panel = panel.thresholds(
        dashboard.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value, colour) for value, colour in steps])
    )
    if look.link:
        panel = panel.data_links([dashboard.DashboardLink(look.link_title).url(look.link)])
    return panel


def _mapping(words: Sequence[Shown]) -> models.ValueMap:
    return models.ValueMap(
        {
            one.value: models.ValueMappingResult(one.text, one.colour, index=place)
            for place, one in enumerate(words)
        }
    )


def _overridden(panel: _Any, overrides: Iterable[Override]) -> _Any:
    for one in overrides:
        values = [models.DynamicConfigValue(name, value) for name, value in one.properties]
        override = panel.override_by_regexp if one.pattern else panel.override_by_name
        panel = override(one.field, values)
    return panel


def named_series(words: Iterable[Shown]) -> tuple[Override, ...]:
    """Give series that bear a word of a closed list its text and colour."""
    return tuple(
        Override(
            one.value,
            (
                ("displayName", one.text),
                *((("color", fixed(one.colour)),) if one.colour else ()),
            ),
        )
        for one in words
    )


def named_texts(words: Iterable[Shown]) -> tuple[Override, ...]:
    """As ``named_series``, where colours come from the values."""
    return tuple(Override(one.value, (("displayName", one.text),)) for one in words)


def named_line(series: str, title: str, colour: str, *, dashed: bool = False) -> Override:
    """Give a line its name, colour and stroke."""
    stroke = (("custom.lineStyle", {"fill": "dash", "dash": [10, 10]}),) if dashed else ()
    return Override(series, (("displayName", title), ("color", fixed(colour)), *stroke))


def fixed(colour: str) -> dict[str, str]:
    """Return the setting of one colour for a whole series."""
    return {"mode": "fixed", "fixedColor": colour}


def band(lower: str, upper: str, colour: str) -> tuple[Override, ...]:
    """Fill the space between two series: the usual delay and what 5 % of packets exceed."""
    return (
        Override(lower, (("color", fixed(colour)), ("custom.lineWidth", 2))),
        Override(
            upper,
            (
                ("color", fixed(colour)),
                ("custom.lineWidth", 1),
                ("custom.fillOpacity", 25),
                ("custom.fillBelowTo", lower),
            ),
        ),
    )


def tile(
    head: Head, queries: Sequence[Query], look: Look, *, name: bool = False,
    overrides: Iterable[Override] = (),
) -> stat_builder.Panel:  # fmt: skip
    """Return a panel of large values, coloured, one tile a series; ``name`` says whose it is."""
    mode = common_models.BigValueTextMode
    panel = (
        stat_builder.Panel()
        .color_mode(common_models.BigValueColorMode.BACKGROUND)
        .graph_mode(common_models.BigValueGraphMode.NONE)
        .text_mode(mode.VALUE_AND_NAME if name else mode.VALUE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(values=False))
    )
    panel = _overridden(_look(_queries(_head(panel, head), queries), look), overrides)
    return panel.color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))


def curves(
    head: Head, queries: Sequence[Query], look: Look, *, overrides: Iterable[Override] = (),
    least: float | None = 0, stacked: bool = False,
) -> timeseries.Panel:  # fmt: skip
    """Return lines over time; a gap in the data stays a gap."""
    tooltip = common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI)
    legend = (
        common.VizLegendOptions()
        .show_legend(show_legend=True)
        .display_mode(common_models.LegendDisplayMode.LIST)
        .placement(common_models.LegendPlacement.BOTTOM)
    )
    panel = (
        timeseries.Panel()
        .line_width(1)
        .fill_opacity(60 if stacked else 0)
        .show_points(common_models.VisibilityMode.AUTO)
        .span_nulls(span_nulls=False)
        .tooltip(tooltip.sort(common_models.SortOrder.DESCENDING))
        .legend(legend)
    )
    if least is not None:
        panel = panel.min(least)
    if stacked:
        stacking = common.StackingConfig().mode(common_models.StackingMode.NORMAL)
        panel = panel.stacking(stacking.group("A"))
    panel = _overridden(_look(_queries(_head(panel, head), queries), look), overrides)
    classic = models.FieldColorModeId.PALETTE_CLASSIC_BY_NAME
    return panel.color_scheme(dashboard.FieldColor().mode(classic))


def timeline(
    head: Head, query: Query, look: Look, *, overrides: Iterable[Override] = (),
) -> statetimeline.Panel:  # fmt: skip
    """Return a row of coloured states over time for each series, 25 rows a page."""
    panel = (
        statetimeline.Panel()
        .merge_values(merge_values=True)
        .show_value(common_models.VisibilityMode.AUTO)
        .row_height(0.85)
        .fill_opacity(80)
        .line_width(0)
        .per_page(25)
        .legend(common.VizLegendOptions().show_legend(show_legend=False))
    )
    panel = _overridden(_look(_queries(_head(panel, head), [query]), look), overrides)
    return panel.color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))


def bars(
    head: Head, query: Query, look: Look, *, overrides: Iterable[Override] = (),
) -> bargauge.Panel:  # fmt: skip
    """Return a horizontal bar a series, of the last value."""
    panel = (
        bargauge.Panel()
        .orientation(common_models.VizOrientation.HORIZONTAL)
        .display_mode(common_models.BarGaugeDisplayMode.BASIC)
        .show_unfilled(show_unfilled=True)
        .min(0)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(values=False))
    )
    panel = _overridden(_look(_queries(_head(panel, head), [query]), look), overrides)
    return panel.color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))


def listing(
    head: Head, queries: Sequence[Query], columns: Sequence[Column], *,
    sort: str, descending: bool = True, empty: str = "không có",
) -> table_builder.Panel:  # fmt: skip
    """Return a table: the rows of all queries joined by the labels that they share.

    It scrolls, so it carries five hundred rows. A query's own field is ``Value #A`` (B, …), or
    ``Value`` where it is the only one; values that no column shows are left out.
    """
    panel = table_builder.Panel().show_header(show_header=True)
    panel = _queries(_head(panel, head), queries, as_table=True).no_value(empty)
    panel = panel.sort_by([common.TableSortByFieldState().display_name(sort).desc(descending)])
    if len(queries) > 1:
        panel = panel.with_transformation(models.DataTransformerConfig("merge", options={}))
        values = [f"Value #{name}" for name in _NAMES[: len(queries)]]
    else:
        values = ["Value"]
    order = {column.field: place for place, column in enumerate(columns)}
    unseen = dict.fromkeys(("Time", *(value for value in values if value not in order)), True)
    panel = panel.with_transformation(
        models.DataTransformerConfig(
            "organize", options={"excludeByName": unseen, "indexByName": order, "renameByName": {}}
        )
    )
    return _overridden(panel, map(_column, columns))


def _column(column: Column) -> Override:
    look = column.look
    properties: list[tuple[str, object]] = [("displayName", column.title), ("unit", look.unit)]
    if look.decimals is not None:
        properties.append(("decimals", look.decimals))
    if column.width:
        properties.append(("custom.width", column.width))
    if look.words:
        properties.append(("mappings", [_mapping(look.words)]))
    if look.steps:
        steps = [{"value": value, "color": colour} for value, colour in look.steps]
        properties.append(("thresholds", {"mode": "absolute", "steps": steps}))
        properties.append(("color", {"mode": "thresholds"}))
    if column.filled:
        properties.append(("custom.cellOptions", {"type": "color-background", "mode": "basic"}))
    if look.link:
        properties.append(("links", [{"title": look.link_title, "url": look.link}]))
    return Override(column.field, tuple(properties))
