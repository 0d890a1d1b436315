"""Users' arrays: taken for what they are, or refused with the reason."""

import numpy as np
import pytest
import soundfile
import torch

from ser.data.audio.decode import BadRecording
from ser.errors import UserError
from ser.inference.arrays import mono, rate


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_32"])
def test_pcm_is_divided_as_libsndfile_does(tmp_path, subtype):
    kind = {"PCM_U8": "uint8", "PCM_16": "int16", "PCM_32": "int32"}[subtype]
    limits = np.iinfo(kind)
    samples = np.random.default_rng(0).integers(limits.min, limits.max, 1000, dtype=kind, endpoint=True)
    samples[:2] = limits.min, limits.max
    sound = samples.astype(np.int64) - (128 if kind == "uint8" else 0)
    wide = (sound << (32 - 8 * samples.itemsize)).astype(np.int32)  # what soundfile takes for any width
    soundfile.write(tmp_path / "a.wav", wide, 16000, subtype=subtype)
    expected, _ = soundfile.read(tmp_path / "a.wav", dtype="float32")
    np.testing.assert_array_equal(mono(samples), expected)


def test_channels_are_averaged_and_floats_stay():
    waveform = np.array([[0.5, -0.25, 0.0], [0.0, 0.25, 1.0]])
    np.testing.assert_array_equal(mono(waveform), np.array([0.25, 0.0, 0.5], dtype=np.float32))
    assert mono([0.5, 0.25]).dtype == np.float32
    quiet = np.linspace(-1.5, 1.5, 7, dtype=np.float32)  # above full scale by a little, as float files may be
    np.testing.assert_array_equal(mono(quiet), quiet)


@pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.bfloat16, torch.int16])
def test_tensors_of_any_kind(kind):
    tensor = torch.tensor([0.5, -0.25, 0.0])
    tensor = (tensor * 32768).to(kind) if kind == torch.int16 else tensor.to(kind)
    assert mono(tensor).tolist() == [0.5, -0.25, 0.0]
    leaf = torch.tensor([0.5, 0.25], requires_grad=True)
    assert mono(leaf * 2).tolist() == [1.0, 0.5]


@pytest.mark.parametrize(
    ("waveform", "words"),
    [
        (np.zeros(0), "empty"),
        (np.zeros((2, 0)), "empty"),
        (0.5, r"shape \(\)"),
        (np.zeros((1, 2, 3)), r"shape \(1, 2, 3\)"),
        (np.zeros((16000, 2)), "transpose theirs with waveform.T"),
        (np.array([0.0, np.nan]), "NaN"),
        (np.array([0.0, np.inf]), "NaN or infinite"),
        (np.array([0, 20000]), "int64"),
        (np.array([0, 20000], dtype=np.uint16), "uint16"),
        (np.array([True, False]), "bool"),
        (np.array([1j, 0]), "complex128"),
        (np.array([0.0, 20000.0]), "divide them by 32768"),
        (["a", "b"], "give floats"),
        ([[0.0, 1.0], [0.0]], "cannot be read as an array"),
        (None, "shape"),
        (torch.eye(3).to_sparse(), "cannot be read as an array"),
    ],
    ids=str,
)
def test_what_is_no_waveform(waveform, words):
    with pytest.raises(UserError, match=words):
        mono(waveform)


@pytest.mark.parametrize("sample_rate", [16000, 16000.0, np.int64(16000), np.float32(16000), torch.tensor(16000)])
def test_sample_rates(sample_rate):
    assert rate(sample_rate) == 16000 and isinstance(rate(sample_rate), int)


@pytest.mark.parametrize("sample_rate", [0, -16000, 16, 44.1, 22050.5, True, None, "CD", [1, 2], float("nan"), 10**9])
def test_what_is_no_sample_rate(sample_rate):
    with pytest.raises(UserError, match="sample_rate="):
        rate(sample_rate)


def test_a_channel_is_chosen_as_in_files():
    stereo = np.array([[0.5, 0.25, 0.5], [-0.5, -0.25, -0.5]], dtype=np.float32)
    np.testing.assert_array_equal(mono(stereo, 2), stereo[1])
    for channel, reason in ((None, "cancel each other"), (3, "has 2 channels")):
        with pytest.raises(BadRecording, match=reason):
            mono(stereo, channel)
