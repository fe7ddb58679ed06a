"""``--explain``: the numbers that a probe saw, with the limits that they were held against."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from diemcau_agent.probes.host import CPU_MOST_RATIO, MEMORY_MOST_RATIO
from diemcau_agent.signal.limits import EchoLimits, PictureLimits, SoundLimits
from diemcau_contract.causes import WORDING, Cause, Language, Text, wording
from diemcau_contract.messages import DeviceResult, HostState, Value
from diemcau_contract.needs import DISK_LEAST_BYTES
from diemcau_contract.profiles import Limits
from diemcau_contract.value_words import label, number
from diemcau_contract.words import DeviceKind

_CLASSES: Final = {
    DeviceKind.CAMERA: PictureLimits,
    DeviceKind.MICROPHONE: SoundLimits,
    DeviceKind.SPEAKER: EchoLimits,
}
_BELOW, _ABOVE = Text("dưới", "below"), Text("trên", "above")
_OTHER_THAN: Final = Text("khác", "other than")
_WHEN, _AND = Text("khi", "where"), Text("và", "and")


@dataclass(frozen=True, slots=True)
class Side:
    """On which side of which limit a value lies."""

    value: str
    side: Text
    limit: float

    def said(self, language: Language) -> str:
        """Say it, without the value's name."""
        return f"{self.side.in_language(language)} {number(self.value, self.limit, language)}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A value on one side of a limit is a cause, where all conditions hold."""

    cause: str
    side: Side
    conditions: tuple[Side, ...] = ()

    def said(self, language: Language) -> str:
        """Say it beside the value."""
        named = WORDING[Cause(self.cause)].name.in_language(language)
        text = f"{named}: {self.side.said(language)}"
        if not self.conditions:
            return text
        joined = f" {_AND.in_language(language)} ".join(
            f"{_name(one.value, language)} {one.said(language)}" for one in self.conditions
        )
        return f"{text} ({_WHEN.in_language(language)} {joined})"


def _name(value: str, language: Language) -> str:
    """Return what a value is called, without the range that stands behind it."""
    return label(value).in_language(language).partition(" (")[0]


# By cause: the value, its side and its limit; then the same of what must hold besides.
RULES: Final[Sequence[tuple[str, tuple[str, Text, str], *tuple[tuple[str, Text, str], ...]]]] = (
    ("black", ("luma", _BELOW, "black_luma"), ("gradient", _BELOW, "smooth_gradient")),
    (
        "black",
        ("luma", _BELOW, "black_luma"),
        ("gradient", _BELOW, "covered_gradient"),
        ("deviation", _BELOW, "black_deviation"),
    ),
    ("dark", ("luma", _BELOW, "dark_luma")),
    ("no_signal", ("deviation", _BELOW, "flat_deviation")),
    ("covered", ("gradient", _BELOW, "smooth_gradient"), ("luma", _ABOVE, "black_luma")),
    (
        "covered",
        ("gradient", _BELOW, "covered_gradient"),
        ("deviation", _BELOW, "covered_deviation"),
        ("luma", _ABOVE, "dark_luma"),
    ),
    ("overexposed", ("bright_ratio", _ABOVE, "bright_ratio")),
    ("overexposed", ("luma", _ABOVE, "bright_luma"), ("deviation", _ABOVE, "flat_deviation")),
    ("blurred", ("blur", _ABOVE, "blur")),
    (
        "blurred",
        ("edge_ratio", _BELOW, "edge_ratio"),
        ("gradient", _BELOW, "blurred_gradient"),
    ),
    ("frozen", ("still_ratio", _ABOVE, "frozen_ratio")),
    ("low_fps", ("frames_per_second", _BELOW, "rate_least")),
    ("low_fps", ("new_frames_per_second", _BELOW, "rate_least")),
    ("volume_zero", ("volume_ratio", _BELOW, "volume_least_ratio")),
    ("digital_silence", ("peak_to_peak_bits", _BELOW, "silence_bits")),
    ("clipping", ("clipped_ratio", _ABOVE, "clipping_ratio")),
    ("hum", ("hum_ratio", _ABOVE, "hum_ratio"), ("hum_dbfs", _ABOVE, "hum_dbfs")),
    ("noisy", ("block_p10_dbfs", _ABOVE, "noisy_dbfs")),
    ("too_quiet", ("block_p95_dbfs", _BELOW, "quiet_dbfs")),
    ("chirp_not_heard", ("score_db", _BELOW, "score_db")),
    ("cpu_busy", ("held_up_seconds", _ABOVE, "held_up_seconds")),
)


def explained(
    result: DeviceResult, settings: Mapping[str, object], language: Language
) -> Iterator[str]:
    """Yield one line a value: what it is, the number, its limits if it has any; then the causes.

    Args:
        result: what the probe found.
        settings: the device's own; its ``limits`` are those that differ from the usual ones.
        language: of the words; codes of causes stand beside them.
    """
    rules = tuple(_device_rules(result.kind, settings))
    return _explained(result.kind, result.values, rules, result.causes, language)


def explained_host(host: HostState, language: Language) -> Iterator[str]:
    """Yield the same of the PC."""
    rules = (
        Rule("cpu_busy", Side("cpu_ratio", _ABOVE, CPU_MOST_RATIO)),
        Rule("memory_low", Side("memory_ratio", _ABOVE, MEMORY_MOST_RATIO)),
        Rule("disk_low", Side("disk_free_bytes", _BELOW, DISK_LEAST_BYTES)),
    )
    return _explained("host", host_values(host), rules, host.causes, language)


def explained_line(
    values: Mapping[str, Value], causes: Sequence[Cause], language: Language
) -> Iterator[str]:
    """Yield the same of the light flow to the hub."""
    most = Limits().loss_ratio.bad
    rules = (
        Rule("own_line_up", Side("loss_ratio_up", _ABOVE, most)),
        Rule("own_line_down", Side("loss_ratio_down", _ABOVE, most)),
    )
    return _explained("line", values, rules, causes, language)


def host_values(host: HostState) -> dict[str, Value]:
    """Return the numbers of the PC by their names."""
    return host.model_dump(mode="json", exclude={"status", "causes"})


def _explained(
    device: str,
    values: Mapping[str, Value],
    rules: Sequence[Rule],
    causes: Sequence[Cause],
    language: Language,
) -> Iterator[str]:
    labels = {name: label(name).in_language(language) for name in values}
    width = max(map(len, labels.values()), default=0)
    for name, value in values.items():
        limits = "; ".join(rule.said(language) for rule in rules if rule.side.value == name)
        shown = number(name, value, language)
        yield f"  {labels[name]:<{width}}  {shown:>12}  {limits}".rstrip()
    for cause in causes:
        words = wording(cause, device, values)
        said, why = words.name.in_language(language), words.why.in_language(language)
        yield f"  → {said} ({cause}): {why}"


def _device_rules(kind: DeviceKind, settings: Mapping[str, object]) -> Iterator[Rule]:
    if kind not in _CLASSES:
        return
    changed = settings.get("limits", {})
    limits: Any = _CLASSES[kind](**changed if isinstance(changed, dict) else {})
    names = {one.name for one in fields(limits)}
    for cause, judged, *besides in RULES:
        sides = (judged, *besides)
        if all(field in names for _, _, field in sides):
            first, *rest = (Side(name, side, getattr(limits, field)) for name, side, field in sides)
            yield Rule(cause, first, tuple(rest))
    for name in ("width", "height"):
        if isinstance(asked := settings.get(name), int):
            yield Rule("wrong_size", Side(name, _OTHER_THAN, asked))
    if isinstance(wanted := settings.get("frames_per_second"), int | float):
        for name in ("frames_per_second", "new_frames_per_second"):
            yield Rule("low_fps", Side(name, _BELOW, wanted * limits.rate_ratio))
