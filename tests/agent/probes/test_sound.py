"""The sound classifier against synthetic rooms."""

from collections.abc import Callable

import numpy as np
import pytest

from diemcau_agent.signal import sound
from tests.agent.probes import scenes

SEEDS = (1, 20, 303, 4004, 50005)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scene", [scenes.speech, scenes.quiet_room, scenes.fan_noise])
def test_clean_rooms_raise_no_alarm(scene: Callable[[int], scenes.Samples], seed: int) -> None:
    """Speech and a quiet room are both fine."""
    assert sound.classify(sound.measure(scene(seed), scenes.RATE_HZ)) == ()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("scene", "cause"),
    [
        (scenes.digital_silence, "digital_silence"),
        (scenes.clipping, "clipping"),
        (scenes.mains_hum, "hum"),
        (scenes.loud_noise, "noisy"),
        (scenes.too_quiet, "too_quiet"),
    ],
)
def test_each_fault_has_its_own_cause(
    scene: Callable[[int], scenes.Samples], cause: str, seed: int
) -> None:
    """Every fault is named, and nothing else with it."""
    assert sound.classify(sound.measure(scene(seed), scenes.RATE_HZ)) == (cause,)


@pytest.mark.parametrize("offset", [-0.5, 0.2, 0.9])
def test_a_constant_voltage_beneath_the_sound_is_no_clipping(offset: float) -> None:
    """A converter's offset is not heard, and turning the gain down does not mend it."""
    wave = scenes.quiet_room(1) + np.float32(offset)

    assert sound.classify(sound.measure(wave, scenes.RATE_HZ)) == ()


def _tone(hertz: float, amplitude: float) -> scenes.Samples:
    time = np.arange(2 * scenes.RATE_HZ) / scenes.RATE_HZ
    return (amplitude * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def test_levels_are_those_of_a_known_tone() -> None:
    """A sine of amplitude 0.1 has -23.0 dBFS RMS and -20 dBFS peak."""
    measures = sound.measure(_tone(1000, 0.1), scenes.RATE_HZ)
    assert measures.rms_dbfs == pytest.approx(-23.01, abs=0.01)
    assert measures.peak_dbfs == pytest.approx(-20.0, abs=0.01)


@pytest.mark.parametrize(("hertz", "hum"), [(50, True), (100, True), (200, False), (440, False)])
def test_a_clean_tone_is_hum_only_at_mains_pitch(hertz: int, *, hum: bool) -> None:
    """A test tone that happens to lie on a harmonic is not hum."""
    assert ("hum" in sound.classify(sound.measure(_tone(hertz, 0.1), scenes.RATE_HZ))) is hum


def test_too_little_sound_is_refused() -> None:
    """Less than half a second cannot be judged."""
    with pytest.raises(ValueError, match="half a second"):
        sound.measure(np.zeros(100, np.float32), scenes.RATE_HZ)


@pytest.mark.parametrize("hertz", [50, 220, 440, 997, 3000])
@pytest.mark.parametrize("amplitude", [0.06, 0.125, 0.5, 0.9])
def test_a_tone_that_dwells_at_its_peak_is_not_cut(hertz: int, amplitude: float) -> None:
    """Only flat tops are, however loud the tone."""
    assert sound.measure(_tone(hertz, amplitude), scenes.RATE_HZ).clipped_ratio <= 0.0


def test_single_impulses_of_one_height_are_not_cut() -> None:
    """A top is flat over some samples, an impulse has one."""
    impulses = np.where(np.arange(2 * scenes.RATE_HZ) % 20 == 0, 0.3, 0.0).astype(np.float32)

    assert sound.measure(impulses, scenes.RATE_HZ).clipped_ratio <= 0.0


@pytest.mark.parametrize("height", [0.1, 0.5, 0.95])
def test_a_top_cut_below_full_scale_is_clipping(height: float) -> None:
    """What the mixing desk has cut cannot be mended by turning it down."""
    cut = np.clip(3 * _tone(300, height), -height, height)

    assert "clipping" in sound.classify(sound.measure(cut, scenes.RATE_HZ))


@pytest.mark.parametrize("dbfs", [-90, -75, -60])
def test_noise_after_the_cut_hides_no_flat_top(dbfs: int) -> None:
    """Every preamplifier after the mixing desk adds some."""
    noise = np.random.default_rng(9).normal(size=2 * scenes.RATE_HZ) * 10 ** (dbfs / 20)
    cut = np.clip(3 * _tone(300, 0.4), -0.4, 0.4) + noise.astype(np.float32)

    assert "clipping" in sound.classify(sound.measure(cut, scenes.RATE_HZ))
