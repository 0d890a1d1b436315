"""From a file to one clean waveform: formats, damage, resampling, trim, level."""

import os
import struct
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from ser.data.audio.decode import BadRecording, decode, read
from ser.data.audio.prepare import AudioSettings, load, prepare, set_level, voiced_range
from ser.errors import UserError
from tests.tiny_corpora import real_corpus

PITCH = 440.0  # Hz
AS_IT_IS = AudioSettings(trim_db=None)


def tone(sample_rate=16000, duration_s=0.5, pitch=PITCH, peak=0.3):
    time = np.arange(int(duration_s * sample_rate)) / sample_rate
    return (peak * np.sin(2 * np.pi * pitch * time)).astype(np.float32)


def loudest_frequency(waveform, sample_rate):
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform))))
    return spectrum.argmax() * sample_rate / len(waveform)


def write(path, samples, sample_rate=16000, **keys):
    soundfile.write(path, samples, sample_rate, **keys)
    return path


# ---- trim ----------------------------------------------------------------------------------------------------------


def bursts(seed, pieces, longest=6000):
    """Stretches of noise, tone or silence at levels from full scale to -100 dB."""
    rng = np.random.default_rng(seed)
    parts = []
    for _ in range(pieces):
        length = int(rng.integers(1, longest))
        gain = 0.0 if rng.random() < 0.2 else 10 ** rng.uniform(-5, 0)
        kind = rng.standard_normal(length) if rng.random() < 0.5 else np.sin(np.arange(length) * rng.uniform(0.01, 2))
        parts.append(gain * kind)
    return np.concatenate(parts).astype(np.float32)


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 2**32), st.integers(1, 12), st.floats(5, 90))
def test_trim_is_librosas(seed, pieces, trim_db):
    waveform = bursts(seed, pieces)
    _, expected = librosa.effects.trim(waveform, top_db=trim_db)
    assert voiced_range(waveform, trim_db) == tuple(expected)


@pytest.mark.parametrize("length", [1, 2, 511, 512, 513, 1023, 1024, 2047, 2048, 2049, 5000])
def test_trim_of_short_waveforms_is_librosas(length):
    waveform = bursts(length, 1, 10)[:1].repeat(length) * np.linspace(0, 1, length, dtype=np.float32)
    _, expected = librosa.effects.trim(waveform, top_db=20)
    assert voiced_range(waveform, 20) == tuple(expected)


@pytest.mark.corpus
@pytest.mark.parametrize(("corpus", "every"), [("ravdess", 24), ("tess", 40)])
def test_trim_of_real_recordings_is_librosas(corpus, every):
    paths = sorted(real_corpus(corpus).rglob("*.flac"))[::every]
    assert len(paths) >= 60
    for path in paths:
        waveform, _ = decode(path)
        for trim_db in (20.0, 40.0, 60.0):
            _, expected = librosa.effects.trim(waveform, top_db=trim_db)
            assert voiced_range(waveform, trim_db) == tuple(expected), (path, trim_db)


@pytest.mark.corpus
@pytest.mark.parametrize("corpus", ["ravdess", "tess"])
def test_real_recordings_decode_and_resample_as_librosa_does(corpus):
    for path in sorted(real_corpus(corpus).rglob("*.flac"))[::200]:
        expected, _ = librosa.load(path, sr=16000)  # soxr HQ as well
        ours = load(path, AS_IT_IS)
        assert abs(len(ours) - len(expected)) <= 1
        shared = min(len(ours), len(expected))
        np.testing.assert_allclose(ours[:shared], expected[:shared], atol=1e-6)


# ---- formats -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "subtype", "tolerance"),
    [(".wav", "PCM_16", 2**-15), (".wav", "PCM_24", 2**-23), (".wav", "FLOAT", 0), (".flac", "PCM_16", 2**-15),
     (".aiff", "PCM_16", 2**-15), (".ogg", "VORBIS", 0.03), (".mp3", None, 0.03)],
)  # fmt: skip
def test_formats(tmp_path, suffix, subtype, tolerance):
    samples = tone()
    found, sample_rate = decode(write(tmp_path / f"tone{suffix}", samples, subtype=subtype))
    assert sample_rate == 16000 and found.dtype == np.float32 and found.shape == samples.shape
    np.testing.assert_allclose(found, samples, atol=tolerance)


@pytest.mark.parametrize("suffix", [".wav", ".aiff", ".flac"])
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bits_are_the_floats_that_libsndfile_makes(tmp_path, suffix, channels):
    samples = np.random.default_rng(0).integers(-(2**15), 2**15, (5000, channels)).astype(np.int16)
    samples[:2] = [[-(2**15)] * channels, [2**15 - 1] * channels]
    path = write(tmp_path / f"loud{suffix}", samples, subtype="PCM_16")
    expected, _ = soundfile.read(path, dtype="float32", always_2d=True)
    found, facts = read(path)
    assert found.dtype == np.float32 and facts.channels == channels
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
def test_stereo_becomes_the_mean_of_both(tmp_path, suffix):
    left, right = tone(), tone(pitch=1000.0)
    found, _ = decode(write(tmp_path / f"stereo{suffix}", np.stack([left, right], axis=1)))
    assert found.shape == left.shape
    np.testing.assert_allclose(found, (left + right) / 2, atol=0.02 if suffix == ".ogg" else 1e-4)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
@pytest.mark.parametrize("sample_rate", [8000, 16000, 24414, 48000, 96000])
def test_length_and_pitch_survive_resampling(tmp_path, suffix, sample_rate):
    path = write(tmp_path / f"tone{suffix}", tone(sample_rate), sample_rate)
    for wanted in (16000, 22050):
        waveform = load(path, AudioSettings(sample_rate=wanted, trim_db=None))
        assert abs(len(waveform) - 0.5 * wanted) <= 1
        assert loudest_frequency(waveform, wanted) == pytest.approx(PITCH, abs=2)  # one bin
        assert np.abs(waveform[1000:-1000]).max() == pytest.approx(0.3, rel=0.01)


def test_what_lies_above_half_the_new_rate_is_gone(tmp_path):
    path = write(tmp_path / "high.wav", tone(48000, pitch=12000.0), 48000)
    assert np.abs(load(path, AS_IT_IS)[500:-500]).max() < 1e-4 * 0.3  # -80 dB


# ---- damage --------------------------------------------------------------------------------------------------------


def bad(path, audio=AS_IT_IS):
    with pytest.raises(BadRecording) as error:
        load(path, audio)
    assert str(path) not in str(error.value), "the caller names the file"
    return str(error.value)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".aiff"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_truncated(tmp_path, suffix, share):
    path = write(tmp_path / f"tone{suffix}", tone(), subtype="PCM_16")
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    assert ("not readable as audio" if suffix == ".flac" else "truncated") in bad(path)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_no_cut_anywhere_goes_unnoticed(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    suffix = data.draw(st.sampled_from([".wav", ".flac"]))
    path = write(folder / f"cut{suffix}", tone(duration_s=0.1), subtype="PCM_16")
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    bad(path, AudioSettings(trim_db=None, min_duration_s=0.0))


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_damaged_bytes_raise_nothing_else(tmp_path_factory, data):
    """Whatever the damage, the file is read or is a bad recording; in the header, where lengths stand, most of all."""
    folder = tmp_path_factory.getbasetemp()
    suffix = data.draw(st.sampled_from([".wav", ".flac", ".aiff", ".ogg"]))
    path = write(folder / f"damaged{suffix}", tone(duration_s=0.1))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, min(len(content), 80) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        assert np.isfinite(load(path, AS_IT_IS)).all()
    except BadRecording as error:
        assert str(error)


@pytest.mark.parametrize(
    ("riff", "length"),
    [(0, 0), (36, 0), (0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF - 36), (0x7FFFF024, 0x7FFFF000), (0, None)],
)
def test_wav_written_to_a_pipe_never_got_its_lengths(tmp_path, riff, length):
    samples = tone()
    path = write(tmp_path / "streamed.wav", samples, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    assert data[36:40] == b"data"
    struct.pack_into("<I", data, 4, riff)
    if length is not None:
        struct.pack_into("<I", data, 40, length)
    path.write_bytes(data)
    np.testing.assert_allclose(decode(path)[0], samples, atol=1e-4)


def test_wav_that_says_truly_that_it_is_empty(tmp_path):
    """Its data chunk has length 0 and another chunk follows, which is not taken for samples."""
    chunks = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16) + b"data" + struct.pack("<I", 0)
    chunks += b"LIST" + struct.pack("<I", 4000) + b"A" * 4000
    path = tmp_path / "empty.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks)
    assert bad(path) == "holds no samples"


@pytest.mark.parametrize("more", [b"hello", 4001 * b"long "])
def test_chunks_before_the_samples_are_passed_over(tmp_path, more):
    """Few or many bytes of them: the samples may begin far behind what is read first."""
    path = write(tmp_path / "tone.wav", tone(), subtype="PCM_16")
    data = path.read_bytes()
    odd = b"LIST" + struct.pack("<I", len(more)) + more + b"\0"  # of odd length, hence padded
    data = data[:4] + struct.pack("<I", len(data) + len(odd) - 8) + data[8:12] + odd + data[12:]
    path.write_bytes(data)
    assert len(load(path, AS_IT_IS)) == 8000
    path.write_bytes(data[:-1])
    assert "truncated" in bad(path)


def test_flac_whose_header_promises_more_than_any_memory_holds(tmp_path):
    path = write(tmp_path / "tone.flac", tone())
    data = bytearray(path.read_bytes())
    for length in (b"\x0f\xff\xff\xff\xff", b"\x00\x00\x00\x00\x00"):  # 36 bits; 0 is what a pipe leaves
        data[21] = data[21] & 0xF0 | length[0]
        data[22:26] = length[1:]
        path.write_bytes(data)
        assert "header" in bad(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty file"), (b"This is a text.\n" * 100, "not readable as audio"), (b"RIFF", "not readable as audio")],
)
def test_no_audio_in_a_file_called_wav(tmp_path, content, reason):
    path = tmp_path / "text.wav"
    path.write_bytes(content)
    assert reason in bad(path)


def test_missing_file_and_folder(tmp_path):
    assert "No such file" in bad(tmp_path / "nowhere.wav")
    assert "not readable as audio" in bad(tmp_path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_sample_that_is_no_number(tmp_path, value):
    samples = tone()
    samples[100] = value
    assert "NaN or infinite" in bad(write(tmp_path / "nan.wav", samples, subtype="FLOAT"))


@pytest.mark.parametrize("peak", [0.0, 3e-5, 9e-5])
def test_silent(tmp_path, peak):
    path = write(tmp_path / "silent.wav", tone(peak=peak), subtype="FLOAT")
    assert "silent" in bad(path) and "silent" in bad(path, AudioSettings())


def test_quiet_speech_is_not_silent(tmp_path):
    load(write(tmp_path / "quiet.wav", tone(peak=2e-4), subtype="FLOAT"), AudioSettings())


def test_too_short(tmp_path):
    path = write(tmp_path / "short.wav", tone(duration_s=0.05))
    reason = bad(path, AudioSettings(trim_db=None, min_duration_s=0.1))
    assert reason.startswith("too short: 0.050 s") and "min_duration_s is 0.1" in reason
    assert len(load(path, AudioSettings(trim_db=None, min_duration_s=0.05))) == 800
    assert "too short: 0.000 s" in bad(path, AudioSettings(offset_s=1.0, min_duration_s=0.0))


def test_no_samples(tmp_path):
    assert bad(write(tmp_path / "none.wav", np.zeros(0))) == "holds no samples"


# ---- preparation ---------------------------------------------------------------------------------------------------


def test_offset_is_counted_in_seconds_of_the_file():
    waveform = np.r_[tone(48000, pitch=300.0), tone(48000, pitch=900.0)]
    found = prepare(waveform, 48000, AudioSettings(offset_s=0.5, trim_db=None))
    assert abs(len(found) - 8000) <= 1 and loudest_frequency(found, 16000) == pytest.approx(900, abs=2)


def test_trim_takes_what_librosa_would():
    waveform = np.r_[np.zeros(8000), tone(), np.zeros(8000)].astype(np.float32)
    np.testing.assert_array_equal(
        prepare(waveform, 16000, AudioSettings(trim_db=30)), librosa.effects.trim(waveform, top_db=30)[0]
    )
    assert len(prepare(waveform, 16000, AS_IT_IS)) == len(waveform)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), st.floats(1e-3, 2.0))
def test_levels(seed, gain):
    waveform = (gain * np.random.default_rng(seed).standard_normal(4000)).astype(np.float32)
    assert np.abs(set_level(waveform, "peak")).max() == pytest.approx(1, rel=1e-6)
    assert np.sqrt(np.mean(set_level(waveform, "rms").astype(np.float64) ** 2)) == pytest.approx(0.1, rel=1e-6)
    np.testing.assert_array_equal(set_level(waveform, "none"), waveform)


@pytest.mark.parametrize("level", ["none", "peak", "rms"])
def test_levels_are_applied_and_float32(tmp_path, level):
    waveform = load(write(tmp_path / "tone.wav", tone()), AudioSettings(level=level))
    expected = {"none": 0.3, "peak": 1.0, "rms": 0.1 * np.sqrt(2)}[level]
    assert waveform.dtype == np.float32 and np.abs(waveform).max() == pytest.approx(expected, rel=0.01)


# ---- settings ------------------------------------------------------------------------------------------------------

NAN = float("nan")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("sample_rate", value) for value in (999, 0, -16000, 16000.5, "16000", None, NAN, True, [16000])),
        *(("offset_s", value) for value in (-0.1, "1", None, NAN, float("inf"))),
        *(("min_duration_s", value) for value in (-0.1, "1", None, NAN)),
        *(("trim_db", value) for value in (0, -40, "40", NAN, True)),
        *(("duration_s", value) for value in (0, -1, "3", NAN, float("inf"), 1e-6, [3])),
        *(("padding_is_signal", value) for value in ("yes", None, 1)),
        *(("level", value) for value in ("loud", None, 3)),
    ],
)
def test_settings_out_of_range_name_the_key_and_the_value(key, value):
    with pytest.raises(UserError) as error:
        AudioSettings(**{key: value})
    assert f"audio.{key}={value}" in str(error.value)


def test_a_near_miss_of_a_level_is_named():
    with pytest.raises(UserError, match="Did you mean 'peak'"):
        AudioSettings(level="peek")


def test_what_may_be_null_and_whole_floats():
    assert AudioSettings(trim_db=None, duration_s=None).num_samples is None
    assert AudioSettings(sample_rate=8000, duration_s=2.5).num_samples == 20000
    assert AudioSettings(sample_rate=16000.0, duration_s=3).num_samples == 48000


def test_a_recording_that_no_memory_holds_is_a_bad_file(tmp_path, monkeypatch):
    """Small files can stand for days: packed silence, or a header that says one sample a second."""
    monkeypatch.setattr("ser.data.audio.decode.MOST_SAMPLES", 100_000)
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 60_000)
    soundfile.write(tmp_path / "stereo.flac", np.stack([samples, samples], axis=1), 16000)
    soundfile.write(tmp_path / "slow.wav", samples, 8000)
    soundfile.write(tmp_path / "fine.wav", samples, 16000)
    for name in ("stereo.flac", "slow.wav"):
        with pytest.raises(BadRecording, match=r"too long \(1\.2 times"):
            load(tmp_path / name, AS_IT_IS)
    assert len(load(tmp_path / "fine.wav", AS_IT_IS)) == 60_000


def test_a_name_that_is_no_text(tmp_path):
    name = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav")
    soundfile.write(tmp_path / "a.wav", np.full(8000, 0.25), 16000)
    (tmp_path / "a.wav").rename(name)
    assert len(decode(Path(name))[0]) == 8000
