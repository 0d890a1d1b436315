"""WAV and raw PCM from a pipe: the same samples as from a file, in any pieces, and a sentence for what is wrong."""

import io
import struct

import numpy as np
import pytest
import soundfile

from ser.data.audio.decode import BadRecording
from ser.data.audio.pcm_stream import ENCODINGS, Pcm, read_stream
from ser.errors import UserError
from tests.tiny_corpora import write_tone

WRITTEN = {"u8": "PCM_U8", "s16le": "PCM_16", "s24le": "PCM_24", "s32le": "PCM_32", "f32le": "FLOAT", "f64le": "DOUBLE"}


def wav(subtype="PCM_16", rate=16000, channels=1, seconds=0.5) -> bytes:
    time = np.arange(int(seconds * rate)) / rate
    samples = np.stack([0.5 * np.sin(2 * np.pi * 200 * (k + 1) * time) for k in range(channels)], axis=1)
    with io.BytesIO() as file:
        soundfile.write(file, samples, rate, subtype=subtype, format="WAV")
        return file.getvalue()


def dribbled(data: bytes, size: int):
    """A pipe that gives so many bytes at a time."""
    file = io.BytesIO(data)
    return lambda most: file.read(min(most, size))


def samples_of(data: bytes, size: int = 1000, **options) -> np.ndarray:
    return np.concatenate([samples for samples, _ in read_stream(dribbled(data, size), **options)])


def data_at(data: bytes) -> int:
    return data.index(b"data") + 8


@pytest.mark.parametrize("subtype", WRITTEN.values())
@pytest.mark.parametrize("size", [1, 7, 65536])
def test_a_wav_is_read_as_from_a_file(subtype, size):
    data = wav(subtype, channels=2, seconds=0.05)
    expected, _ = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    np.testing.assert_allclose(samples_of(data, size), expected.mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(samples_of(data, size, channel=2), expected[:, 1], atol=1e-6)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_raw_pcm_is_what_the_options_say(encoding):
    data = wav(WRITTEN.get(encoding, "PCM_16"), channels=2)
    expected, _ = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    raw = data[data_at(data) :][: ENCODINGS[encoding][0] * expected.size]
    if encoding == "s16be":
        raw = np.frombuffer(raw, "<i2").astype(">i2").tobytes()
    found = list(read_stream(dribbled(raw, 999), Pcm(8000, 2, encoding)))
    assert {rate for _, rate in found} == {8000}
    np.testing.assert_allclose(np.concatenate([block for block, _ in found]), expected.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF, 0x7FFFFFF0, 0x80000000])
def test_a_recorder_that_does_not_know_its_end_is_read_to_the_end(length):
    data = bytearray(wav())
    data[data_at(data) - 4 : data_at(data)] = struct.pack("<I", length)
    assert len(samples_of(bytes(data))) == 8000


def test_wavs_one_after_the_other_are_one_stream():
    chunk = b"LIST" + struct.pack("<I", 6) + b"INFOab"
    assert len(samples_of(wav() + chunk + wav() + wav())) == 3 * 8000


def heard(data: bytes, **options) -> tuple[int, str]:
    """Samples that were given, and what ended them."""
    count = 0
    with pytest.raises((UserError, BadRecording)) as raised:
        for samples, _ in read_stream(dribbled(data, 1000), **options):
            count += len(samples)
    return count, str(raised.value)


def test_what_is_wrong_is_one_sentence_and_loses_nothing():
    good = wav()
    start = data_at(good)
    other = bytearray(good)
    other[start - 20 + 4 : start - 20 + 8] = struct.pack("<I", 99)  # bytes a second
    cases = [
        (b"", {}, 0, "stream is empty"),
        (b"RIFF", {}, 0, "stream is no WAV"),
        (good[:30], {}, 0, "its format is cut off"),
        (good[:40], {}, 0, "ends within the header"),
        (good[:start], {}, 0, "ends after 0.0 s; its header says 0.5 s"),
        (good[:-4000], {}, 6000, "ends after 0.4 s; its header says 0.5 s"),
        (good + wav(rate=8000), {}, 8000, "changes its format after 0.5 s: 8000 Hz, 1 channel, s16le"),
        (good + wav(channels=2), {}, 8000, "changes its format"),
        (good + b"\0\1\2\3" * 400, {}, 8000, "disagrees with the stream"),
        (bytes(other), {}, 0, "disagrees with itself"),
        (good, {"raw": Pcm(8000)}, 0, "is not what the options say: 16000 Hz"),
        (wav("ULAW"), {}, 0, "samples of kind 7 with 8 bits"),
        (b"\x00\x01" * 5000, {}, 0, "stream is no WAV. Of raw PCM give the format, such as --rate 16000"),
        (struct.pack("<f", float("nan")) * 100, {"raw": Pcm(16000, 1, "f32le")}, 0, "NaN"),
    ]
    for data, options, count, words in cases:
        found, sentence = heard(data, **options)
        assert found == count and words in sentence and "\n" not in sentence, (words, found, sentence)


def test_other_formats_are_named(tmp_path):
    samples, rate = soundfile.read(write_tone(tmp_path / "a.wav"))
    soundfile.write(tmp_path / "a.flac", samples, rate)
    _, sentence = heard((tmp_path / "a.flac").read_bytes())
    assert "is no WAV" in sentence and "ffmpeg" in sentence
    _, sentence = heard(b"\0\0\0\x18ftypM4A " + bytes(100))
    assert "MPEG-4" in sentence
