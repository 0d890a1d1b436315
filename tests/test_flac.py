"""FLAC, which two libraries read: dr_flac where it is sure, libsndfile everywhere else, with the same outcome."""

import platform
import struct

import numpy as np
import pytest
import soundfile

import ser.flac
from ser.data.audio.decode import BadRecording, read


@pytest.fixture
def without_miniaudio(monkeypatch):
    """Calls a function as if miniaudio were not installed."""

    def call(function, *arguments):
        with monkeypatch.context() as patch:
            patch.setattr(ser.flac, "_miniaudio", lambda: None)
            return function(*arguments)

    return call


def outcome(path):
    """What `read` gives or says."""
    try:
        samples, facts = read(path)
    except BadRecording as error:
        return None, str(error)
    return samples, facts


def flac_file(path, rng, subtype="PCM_16", channels=1, sample_rate=16000):
    samples = 0.3 * np.sin(np.outer(np.arange(9000), 0.05 * np.arange(1, channels + 1)))
    soundfile.write(path, samples + 0.01 * rng.standard_normal(samples.shape), sample_rate, subtype=subtype)
    return path


def test_miniaudio_is_there():
    if platform.machine() == "aarch64":
        pytest.skip("no wheel of miniaudio for this machine")
    assert ser.flac._miniaudio() is not None


@pytest.mark.parametrize("subtype", ["PCM_S8", "PCM_16", "PCM_24"])
@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("sample_rate", [8000, 24414, 96000])
def test_flac_is_read_as_libsndfile_reads_it(tmp_path, without_miniaudio, subtype, channels, sample_rate):
    path = flac_file(tmp_path / "a.flac", np.random.default_rng(channels), subtype, channels, sample_rate)
    assert ser.flac.decode_flac(path.read_bytes(), 10**6) is not None, "it is dr_flac that reads it"
    samples, facts = read(path)
    expected, expected_facts = without_miniaudio(read, path)
    assert facts == expected_facts and samples.dtype == expected.dtype
    np.testing.assert_array_equal(samples, expected)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_flac_never_gives_other_samples(tmp_path, without_miniaudio, seed):
    """Where both read it they agree; where dr_flac alone does, its samples are those of the undamaged file."""
    rng = np.random.default_rng(seed)
    path = flac_file(tmp_path / "a.flac", rng, ["PCM_16", "PCM_24"][seed % 2], 1 + seed // 2)
    whole, (original, _) = path.read_bytes(), read(path)
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            damaged[rng.integers(60 if rng.random() < 0.3 else len(damaged))] = rng.integers(256)
        path.write_bytes(damaged[: rng.integers(len(damaged))] if rng.random() < 0.2 else damaged)
        samples, facts = outcome(path)
        expected, expected_facts = without_miniaudio(outcome, path)
        refused += samples is None
        if expected is None and samples is not None:
            np.testing.assert_array_equal(samples, original)
        else:
            assert facts == expected_facts
            np.testing.assert_array_equal(samples, expected)
    assert refused > 50


def test_a_flac_that_promises_too_much(tmp_path):
    """A file of 150 bytes that says it holds 2^36 samples in eight channels, and one that says 2^29 of one."""
    for channels, promised in ((8, 2**36 - 1), (1, 2**29)):
        packed = (16000 << 44 | (channels - 1) << 41 | 15 << 36 | promised).to_bytes(8, "big")
        header = b"fLaC\x80\x00\x00\x22" + struct.pack(">HH", 4096, 4096) + bytes(6) + packed + bytes(16)
        (tmp_path / "a.flac").write_bytes(header + b"\xff\xf8" + bytes(100))
        _, reason = outcome(tmp_path / "a.flac")
        assert "its header" in reason or "not readable" in reason
