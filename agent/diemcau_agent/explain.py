"""``--explain``: the numbers that a probe saw, each with the limits that it was held against."""

from collections.abc import Iterator, Mapping
from typing import Final

from diemcau_agent.signal.limits import EchoLimits, PictureLimits, SoundLimits
from diemcau_contract.causes import WORDING, Cause, Language, Text, wording
from diemcau_contract.messages import DeviceResult
from diemcau_contract.value_words import label, number
from diemcau_contract.words import DeviceKind

_CLASSES: Final = {
    DeviceKind.CAMERA: PictureLimits,
    DeviceKind.MICROPHONE: SoundLimits,
    DeviceKind.SPEAKER: EchoLimits,
}
_BELOW, _ABOVE = Text("dưới", "below"), Text("trên", "above")
_LIMITS: Final[Mapping[str, tuple[tuple[str, Text, str], ...]]] = {
    "luma": (("black", _BELOW, "black_luma"), ("dark", _BELOW, "dark_luma")),
    "deviation": (("no_signal", _BELOW, "flat_deviation"),),
    "gradient": (("black", _BELOW, "smooth_gradient"), ("covered", _BELOW, "covered_gradient")),
    "bright_ratio": (("overexposed", _ABOVE, "bright_ratio"),),
    "blur": (("blurred", _ABOVE, "blur"),),
    "still_ratio": (("frozen", _ABOVE, "frozen_ratio"),),
    "peak_to_peak_bits": (("digital_silence", _BELOW, "silence_bits"),),
    "clipped_ratio": (("clipping", _ABOVE, "clipping_ratio"),),
    "hum_ratio": (("hum", _ABOVE, "hum_ratio"),),
    "block_p10_dbfs": (("noisy", _ABOVE, "noisy_dbfs"),),
    "block_p95_dbfs": (("too_quiet", _BELOW, "quiet_dbfs"),),
    "score_db": (("chirp_not_heard", _BELOW, "score_db"),),
}
"""By value: a cause, on which side of which limit it lies."""


def explained(
    result: DeviceResult, settings: Mapping[str, object], language: Language
) -> Iterator[str]:
    """Yield one line a value: what it is, the number, the limits; then causes and why.

    Args:
        result: what the probe found.
        settings: the device's own; its ``limits`` are those that differ from the usual ones.
        language: of the words; codes of causes stand beside them.
    """
    labels = {name: label(name).in_language(language) for name in result.values}
    width = max(map(len, labels.values()), default=0)
    for name, value in result.values.items():
        limits = "; ".join(_limits(result.kind, name, settings, language))
        shown = number(name, value, language)
        yield f"  {labels[name]:<{width}}  {shown:>12}  {limits}".rstrip()
    for cause in result.causes:
        words = wording(cause, result.kind, result.values)
        said, why = words.name.in_language(language), words.why.in_language(language)
        yield f"  → {said} ({cause}): {why}"


def _limits(
    kind: DeviceKind, name: str, settings: Mapping[str, object], language: Language
) -> Iterator[str]:
    if kind not in _CLASSES:
        return
    changed = settings.get("limits", {})
    limits = _CLASSES[kind](**changed if isinstance(changed, dict) else {})
    for cause, side, field in _LIMITS.get(name, ()):
        limit = number(name, getattr(limits, field), language)
        named = WORDING[Cause(cause)].name.in_language(language)
        yield f"{named}: {side.in_language(language)} {limit}"
