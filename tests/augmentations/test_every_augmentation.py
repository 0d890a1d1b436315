"""What every augmentation of waveforms and of features keeps, whatever it does."""

import copy

import numpy as np
import pytest
import torch

from ser.augmentations import background, base, level, noise, pitch, reverberation, shift, speed, stretch
from ser.augmentations.offsets import LevelOffset, RandomFloor
from ser.augmentations.placement import RandomCrop, RandomPlacement
from ser.augmentations.spectrogram import SpecAugment
from ser.augmentations.warping import FrequencyWarp, TimeWarp
from ser.frontends.log_mel import LogMel
from ser.frontends.normaliser import Normaliser
from ser.frontends.stft import Stft
from tests.augmentations.signals import RATE, generator, noisy_batch

SOUNDS = [np.random.default_rng(i).standard_normal(n).astype(np.float32) for i, n in enumerate((700, 3000, 20000))]
ROOMS = [np.float32([0, 0, 1, 0.5, 0.25]), np.float32([0.1, -0.9, 0.3])]
WAVEFORM = {
    "white": lambda p: noise.Noise(p=p),
    "coloured": lambda p: noise.Noise(exponent=[0.5, 2], p=p),
    "gain": lambda p: level.Gain([3, 6], p=p),
    "polarity": lambda p: level.Polarity(p=p),
    "shift": lambda p: shift.Shift(RATE, [0.01, 0.02], p=p),
    "shift_zeros": lambda p: shift.Shift(RATE, [0.01, 0.02], wrap=False, p=p),
    "speed": lambda p: speed.Speed([1.05, 1.2], p=p),
    "stretch": lambda p: stretch.TimeStretch(RATE, [0.7, 0.9], p=p),
    "pitch": lambda p: pitch.PitchShift(RATE, [1, 3], p=p),
    "room": lambda p: reverberation.Reverberation(RATE, p=p),
    "recorded_room": lambda p: reverberation.RecordedReverberation("rooms", ROOMS, p=p),
    "background": lambda p: background.Background("sounds", SOUNDS, p=p),
}
FEATURES = {
    "spec": lambda p: SpecAugment(2, 0.5, 2, 0.5, p=p),
    "time_warp": lambda p: TimeWarp(0.2, p=p),
    "frequency_warp": lambda p: FrequencyWarp([1.1, 1.3], p=p),
    "level_offset": lambda p: LevelOffset(p=p),
    "random_floor": lambda p: over_a_floor(RandomFloor(p=p)),
    "crop": lambda p: RandomCrop(6, p=p),
    "placement": lambda p: RandomPlacement(p=p),
}
CHANGES_LENGTH = {"speed", "stretch", "crop"}
LENGTHS = [4000, 2500, 4000, 1, 0, 800, 3999, 2]
every_waveform = pytest.mark.parametrize("name", WAVEFORM)
every = pytest.mark.parametrize("name", [*WAVEFORM, *FEATURES])


def over_a_floor(augmentation):
    frontend = LogMel(16000, Stft(512, 256), n_mels=24, log_offset=1e-3, top_db=None)
    augmentation.attach(frontend, Normaliser("none", 1))
    return augmentation


def made(name, p=1.0):
    return (WAVEFORM | FEATURES)[name](p)


def batch_for(name, seed=0):
    if name in WAVEFORM:
        return noisy_batch(LENGTHS, seed)
    frames = torch.tensor([40, 25, 40, 1, 3, 12, 39, 2])
    features = torch.randn(8, 24, 40, generator=generator(seed))
    if name == "placement":
        features[:, :, 5:] = -1.0  # silence
    return features * (torch.arange(40) < frames[:, None, None]), frames


def changed_clips(before, after):
    width = max(before.shape[-1], after.shape[-1])
    pad = lambda x: torch.nn.functional.pad(x, (0, width - x.shape[-1]))  # noqa: E731
    return (pad(before) != pad(after)).flatten(1).any(dim=1)


def test_all_are_here():
    """Every class of the package that augments stands in one of the tables."""
    known = {type(made(name)) for name in [*WAVEFORM, *FEATURES]}

    def below(kind):
        return {found for child in kind.__subclasses__() for found in {child, *below(child)}}

    found = {kind for kind in below(base.Augmentation) if kind.__module__.startswith("ser.")}
    assert found - {base.WaveformAugmentation} == known


@every
def test_the_generator_alone_decides(name):
    x, lengths = batch_for(name)
    torch.manual_seed(1)
    first, first_lengths = made(name)(x, lengths, generator(7))
    torch.manual_seed(2)
    again, again_lengths = made(name)(x, lengths, generator(7))
    assert torch.equal(first, again) and torch.equal(first_lengths, again_lengths)
    other, _ = made(name, 0.5)(x, lengths, generator(8))
    another, _ = made(name, 0.5)(x, lengths, generator(9))
    assert other.shape != another.shape or not torch.equal(other, another)


@every
def test_without_a_generator_it_draws_from_the_global_one(name):
    x, lengths = batch_for(name)
    torch.manual_seed(3)
    first, _ = made(name)(x, lengths)
    torch.manual_seed(3)
    assert torch.equal(first, made(name)(x, lengths)[0])


@every
def test_p_of_0_is_the_identity_and_draws_nothing(name):
    x, lengths = batch_for(name)
    random = generator(5)
    after, after_lengths = made(name, 0.0)(x, lengths, random)
    assert torch.equal(after, x) and torch.equal(after_lengths, lengths)
    assert torch.equal(random.get_state(), generator(5).get_state())


@every
def test_p_of_1_changes_every_clip_that_can_be_changed(name):
    x, lengths = batch_for(name)
    before = x.clone()
    after, _ = made(name)(x, lengths, generator(1))
    assert torch.equal(x, before), "it works on a copy"
    assert changed_clips(x, after)[lengths >= 12].all()


@every
def test_p_is_drawn_for_each_clip_and_the_others_come_back_bit_for_bit(name):
    x, lengths = batch_for(name)
    if name in WAVEFORM:
        x, lengths = noisy_batch([600 + i for i in range(200)])
    else:
        x, lengths = x[:1].repeat(200, 1, 1), lengths[:1].repeat(200)
    after, after_lengths = made(name, 0.3)(x, lengths, generator(2))
    changed = changed_clips(x, after)
    assert 35 <= int(changed.sum()) <= 85, "60 of 200, six deviations to each side"
    assert torch.equal(after_lengths[~changed], lengths[~changed])


@every_waveform
def test_lengths_are_right_and_padding_is_zero(name):
    x, lengths = noisy_batch(LENGTHS)
    for p in (0.5, 1.0):
        after, after_lengths = made(name, p)(x, lengths, generator(3))
        assert after_lengths.dtype == torch.int64 and after.dtype == torch.float32
        assert int(after_lengths.max()) <= after.shape[1]
        padding = torch.arange(after.shape[1]) >= after_lengths[:, None]
        assert (after[padding] == 0).all()
        assert torch.equal(after_lengths == 0, lengths == 0), "no clip vanishes, and none comes from nothing"
        if name not in CHANGES_LENGTH:
            assert torch.equal(after_lengths, lengths) and after.shape == x.shape


@every
def test_what_batch_mates_hold_makes_no_difference(name):
    x, lengths = batch_for(name)
    other, _ = batch_for(name, seed=99)
    mixed = torch.cat([x[:1], other[1:]])
    first, _ = made(name)(x, lengths, generator(4))
    second, _ = made(name)(mixed, lengths, generator(4))
    assert torch.equal(first[0], second[0]) and not torch.equal(first[1], second[1])


EXTREMES = {
    "silence": torch.zeros(1, 3000),
    "full scale": torch.ones(1, 3000),
    "alternating": torch.tensor([1.0, -1.0]).repeat(1500)[None],
    "tiny": torch.full((1, 3000), 1e-30),
    "huge": torch.full((1, 3000), 1e12),
    "one sample": torch.ones(1, 1),
    "two samples": torch.ones(1, 2),
    "a click": torch.eye(3000)[:1],
}


@every_waveform
@pytest.mark.parametrize("kind", EXTREMES)
def test_extreme_inputs_stay_finite(name, kind):
    x = EXTREMES[kind]
    for seed in range(3):
        after, lengths = made(name)(x, torch.tensor([x.shape[1]]), generator(seed))
        assert after.isfinite().all() and lengths.min() >= 1
        if kind == "silence":
            assert (after == 0).all(), "a silent clip stays silent"


@every_waveform
def test_a_batch_of_empty_clips_is_left_alone(name):
    x, lengths = torch.zeros(3, 0), torch.zeros(3, dtype=torch.int64)
    after, after_lengths = made(name)(x, lengths, generator())
    assert torch.equal(after, x) and torch.equal(after_lengths, lengths)


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("shape", [(3, 1, 1), (2, 1, 30), (2, 24, 1), (2, 24, 2), (1, 2, 3)])
def test_small_features_stay_finite(name, shape):
    frames = torch.full(shape[:1], shape[2])
    for seed in range(5):
        after, after_frames = made(name)(torch.randn(shape), frames, generator(seed))
        assert after.isfinite().all() and after.shape == shape
        assert torch.equal(after_frames, frames) or name in CHANGES_LENGTH


@every
def test_a_copy_is_itself(name):
    """`ser train run.dry_run=true` copies a classifier: gigabytes of backgrounds must not be copied with it."""
    augmentation = made(name)
    assert copy.deepcopy([augmentation])[0] is augmentation
