"""From a file to one clean waveform: formats, damage, resampling, trim, level."""

import ctypes
import os
import struct
import sys
import warnings
from contextlib import suppress
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from ser.data.audio.decode import BadRecording, decode, read
from ser.data.audio.prepare import AudioSettings, load, prepare, set_level, voiced_range
from ser.data.audio.silence import without_c_warnings
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


@settings(max_examples=150)
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


@pytest.mark.parametrize(
    ("format", "subtype"),
    [("WAV", "PCM_16"), ("WAV", "GSM610"), ("WAV", "MS_ADPCM"), ("WAVEX", "FLOAT"), ("RF64", "PCM_24"),
     ("W64", "PCM_16"), ("AIFF", "PCM_16"), ("AIFF", "FLOAT"),
     ("AU", "PCM_16"), ("AU", "G721_32"), ("CAF", "PCM_16"), ("NIST", "PCM_16"),
     ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")],
)  # fmt: skip
def test_truncated(tmp_path, format, subtype):
    path = write(tmp_path / "tone", tone(duration_s=2), format=format, subtype=subtype)
    data = path.read_bytes()
    load(path, AS_IT_IS)
    for share in (0.3, 0.5, 0.9, 0.999):
        path.write_bytes(data[: int(share * len(data))])
        assert bad(path).startswith("truncated"), share


def test_ogg_that_ends_between_two_pages(tmp_path):
    """Nothing is missing of any page, and the last one does not say that it is the last."""
    path = write(tmp_path / "tone.ogg", tone(duration_s=2))
    data = path.read_bytes()
    assert data.count(b"OggS") == 3
    path.write_bytes(data[: data.rindex(b"OggS")])
    assert bad(path).startswith("truncated")
    path.write_bytes(data + b"what other programs leave behind")
    assert len(load(path, AS_IT_IS)) == 32000


@settings(max_examples=60)
@given(st.data())
def test_no_cut_anywhere_goes_unnoticed(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    suffix = data.draw(st.sampled_from([".wav", ".flac", ".ogg"]))
    path = write(folder / f"cut{suffix}", tone(duration_s=0.1))
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 2))])
    bad(path, AudioSettings(trim_db=None, min_duration_s=0.0))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("subtype", "width"), [("PCM_U8", 1), ("PCM_16", 2), ("PCM_24", 3), ("FLOAT", 4)])
def test_less_than_a_frame_missing_is_no_damage(tmp_path, subtype, width, channels):
    """Some writers count the padding of an odd chunk, or the header, as samples."""
    path = write(tmp_path / "tone.wav", np.stack([tone()] * channels, axis=1), subtype=subtype)
    data, expected = bytearray(path.read_bytes()), read(path)[0]
    at = data.rindex(b"data") + 4
    (length,) = struct.unpack_from("<I", data, at)
    for more in range(1, 45):
        struct.pack_into("<I", data, at, length + more)
        path.write_bytes(data)
        if more < width * channels:
            np.testing.assert_array_equal(read(path)[0], expected)
        else:
            assert bad(path).startswith("truncated")


@pytest.mark.parametrize(("format", "subtype"), [("WAV", "GSM610"), ("AU", "G721_32"), ("AU", "G723_24")])
def test_codecs_that_can_only_be_read_from_the_start(tmp_path, format, subtype):
    path = write(tmp_path / "tone", tone(8000), 8000, format=format, subtype=subtype)
    found, sample_rate = decode(path)
    assert sample_rate == 8000 and 4000 <= len(found) < 4500
    assert loudest_frequency(found, 8000) == pytest.approx(PITCH, abs=3)
    assert np.abs(found).max() == pytest.approx(0.3, abs=0.05)


@settings(max_examples=100)
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
    path.write_bytes(data[:-2])
    assert "truncated" in bad(path)


def with_flac_length(path, length):
    data = bytearray(path.read_bytes())
    data[21:26] = (int.from_bytes(data[21:26], "big") >> 36 << 36 | length).to_bytes(5, "big")
    path.write_bytes(data)


def test_flac_whose_header_promises_more_than_any_memory_holds(tmp_path):
    path = write(tmp_path / "tone.flac", tone())
    with_flac_length(path, 2**36 - 1)
    assert "header" in bad(path)


def test_flac_written_to_a_pipe_never_got_its_length(tmp_path, monkeypatch):
    monkeypatch.setattr("ser.data.audio.decode.PIECE", 5000)
    path = write(tmp_path / "tone.flac", np.stack([tone(), tone(pitch=1000.0)], axis=1))
    expected, _ = read(path)
    with_flac_length(path, 0)
    np.testing.assert_array_equal(read(path)[0], expected)
    with monkeypatch.context() as patch:
        patch.setattr("ser.data.audio.decode.MOST_SAMPLES", 10_000)
        assert bad(path).startswith("too long")
    path.write_bytes(path.read_bytes()[:-100])
    assert bad(path).startswith("truncated")


# ---- MP3 -----------------------------------------------------------------------------------------------------------


def mp3(path, mode, sample_rate=16000):
    """An MP3 that becomes harder to code half way, and where its second frame starts: the first counts the others."""
    noise = np.random.default_rng(0).normal(0, 0.1, 3 * sample_rate)
    noise[: sample_rate // 2] *= 0.01
    write(path, noise, sample_rate, format="MP3", bitrate_mode=mode, compression_level=0.5)
    data = path.read_bytes()
    return data, data.index(data[:2], max(data.find(b"Xing"), data.find(b"Info")) + 100)


@pytest.mark.parametrize("before", [b"", b"ID3\x04\0\0\0\0\x40\0" + bytes(8192), bytes(500), b"cut within a frame"])
@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_mp3_that_does_not_count_its_frames_is_decoded_whole(tmp_path, mode, before):
    path = tmp_path / "noise.mp3"
    data, second = mp3(path, mode)
    expected, delay = decode(path)[0], 1105  # samples that an encoder adds, and a first frame has taken away again
    path.write_bytes(before + data[second:] + b"TAG" + bytes(125))
    found, _ = decode(path)
    assert len(found) >= delay + len(expected)
    np.testing.assert_allclose(found[delay:][2000 : len(expected)], expected[2000:], atol=1e-5)


def test_nothing_that_libmpg123_prints_reaches_the_user(tmp_path, capfd):
    path = tmp_path / "noise.mp3"
    data, second = mp3(path, "VARIABLE")
    damaged = bytearray(data)
    damaged[second + 400 : second + 430] = bytes(range(30))
    for content in (data[: len(data) // 2], bytes(damaged), data[second + 50 :], b"ID3\x03\0\0\x7f\x7f\x7f\x7f" + data):
        path.write_bytes(content)
        with pytest.warns() as noticed, suppress(BadRecording):  # noqa: PT031
            warnings.warn("one at least", stacklevel=1)
            load(path, AS_IT_IS)
        assert len(noticed) == 1
    assert capfd.readouterr().err == ""


def test_other_lines_of_stderr_are_not_lost_meanwhile(capfd):
    libc = ctypes.CDLL(None)
    with without_c_warnings():
        with without_c_warnings():
            pass
        print("Python's", file=sys.stderr, flush=True)
        libc.perror(b"C's within")
    libc.perror(b"C's behind")
    assert [line.split(":")[0] for line in capfd.readouterr().err.splitlines()] == ["Python's", "C's behind"]


# ---- what is no recording ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"RIFF", "not readable as audio"),
        (np.random.default_rng(0).bytes(5000), "not readable as audio (Format not recognised)"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "Git LFS pointer: git lfs pull"),
        (b"/annex/objects/SHA256E-s31--4d.wav\n", "git-annex pointer: git annex get"),
        (b"\0\0\0\x20ftypM4A \0\0\0\0isom" + bytes(900), "MPEG-4 (M4A: convert ffmpeg"),
        (b"\xff\xf1\x50\x80\x2e\x7f\xfc" + bytes(range(256)), "AAC: convert"),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9" + bytes(90), "Windows Media WMA: convert"),
        (b"#!AMR\n\x3c\x91", "AMR: convert"),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01", "Matroska WebM: convert"),
        (b"PK\x03\x04\x14\0\0\0", "ZIP archive: unpack"),
        (b"%PDF-1.4\n%\xe2\xe3\xcf\xd3", "PDF document: download"),
        (b"\0\x05\x16\x07\0\x02\0\0Mac OS X", "AppleDouble: remove"),
        (bytes(9000), "zero bytes only: download"),
        (b"<!DOCTYPE html>\n<html><head><title>Quota\nexceeded</title>", "HTML page 'Quota exceeded': download"),
        (b'\n<?xml version="1.0"?><Error><Code>AccessDenied', "XML AccessDenied: download"),
        (b'{"error": "not [found]"}', 'JSON {"error": "not [found]"}: download'),
        ("Überlastet.\r\n\x1b[2J".encode() * 100, "text 'Überlastet. [2J: download"),
        ("Too many requests".encode("utf-16"), "text 'Too many requests': download"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("suffix", [".wav", ".mp3"])
def test_what_is_no_recording_is_told_with_what_to_do(tmp_path, content, reason, suffix):
    path = tmp_path / f"no{suffix}"
    path.write_bytes(content)
    found = bad(path)
    assert all(word in found for word in reason.replace(": ", " ").split(" ")), found
    assert "\x1b" not in found and "\n" not in found and found.count(":") <= 3


def test_channels_that_cancel_each_other(tmp_path):
    left = tone()
    path = write(tmp_path / "balanced.wav", np.stack([left, -left], axis=1))
    assert "channels that cancel each other" in bad(path) and "audio.channel=1" in bad(path)
    np.testing.assert_allclose(load(path, AudioSettings(trim_db=None, channel=1)), left, atol=1e-4)
    np.testing.assert_allclose(load(path, AudioSettings(trim_db=None, channel=2)), -left, atol=1e-4)
    assert "has 2 channels" in bad(path, AudioSettings(channel=3))
    assert "silent" in bad(write(path, np.zeros((8000, 2))))
    np.testing.assert_allclose(load(write(path, left), AudioSettings(trim_db=None, channel=2)), left, atol=1e-4)


def test_a_path_longer_than_libsndfile_takes(tmp_path):
    folder = tmp_path.joinpath(*["n" * 200] * 7)
    folder.mkdir(parents=True)
    for suffix in (".wav", ".flac", ".mp3"):
        (folder / f"a{suffix}").write_bytes(write(tmp_path / f"a{suffix}", tone()).read_bytes())
        assert len(load(folder / f"a{suffix}", AS_IT_IS)) == 8000


def test_missing_file_and_folder(tmp_path):
    assert "No such file" in bad(tmp_path / "nowhere.wav")
    assert "not readable as audio" in bad(tmp_path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_sample_that_is_no_number(tmp_path, value):
    samples = np.stack([tone(), tone()], axis=1)
    samples[100] = value, -value  # of which NumPy warns where it takes their mean
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "NaN or infinite" in bad(write(tmp_path / "nan.wav", samples, subtype="FLOAT"))


@pytest.mark.parametrize(("subtype", "scale", "what"), [
    ("FLOAT", 2**15, "16-bit integers"), ("DOUBLE", 2**23, "24-bit integers"), ("DOUBLE", 2**31, "32-bit integers"),
    ("FLOAT", 1e38, "out of range"), ("FLOAT", 10, None),
])  # fmt: skip
def test_floats_that_were_never_divided(tmp_path, subtype, scale, what):
    path = write(tmp_path / "loud.wav", scale * tone().astype(np.float64), subtype=subtype)
    if what is None:
        assert np.abs(load(path, AS_IT_IS)).max() == pytest.approx(3, rel=0.01)  # too loud, and no more than that
    else:
        reason = bad(path)
        assert reason.startswith("floats ") and what in reason and "full scale is 1" in reason
        assert what == "out of range" or reason.endswith(f"divide them by {scale}")


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


@settings(max_examples=30)
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


def test_less_than_a_sample():
    with pytest.raises(UserError, match="audio.duration_s=1e-06 is shorter than one sample"):
        AudioSettings(duration_s=1e-6)


def test_what_may_be_null():
    assert AudioSettings(trim_db=None, duration_s=None).num_samples is None
    assert AudioSettings(sample_rate=8000, duration_s=2.5).num_samples == 20000


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
