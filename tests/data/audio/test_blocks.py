"""Long recordings in blocks: the same samples as whole, at any rate, and the same reasons where they cannot be used."""

import numpy as np
import pytest
import soundfile
import soxr

from ser.data.audio.blocks import Resampler, read_blocks
from ser.data.audio.decode import BadRecording, decode
from ser.errors import UserError
from tests.tiny_corpora import write_tone


@pytest.mark.parametrize(
    ("suffix", "subtype", "tolerance"),
    [("wav", "PCM_16", 0), ("wav", "FLOAT", 0), ("wav", "PCM_24", 0), ("flac", "PCM_16", 0), ("ogg", "VORBIS", 0),
     ("mp3", "MPEG_LAYER_III", 1e-6)],
)  # fmt: skip
def test_blocks_are_the_recording(tmp_path, suffix, subtype, tolerance):
    samples, rate = soundfile.read(write_tone(tmp_path / "a.wav", duration_s=2.3, channels=2))
    path = tmp_path / f"b.{suffix}"
    soundfile.write(path, samples, rate, subtype=subtype)
    whole, _ = decode(path)
    blocks = list(read_blocks(path, seconds=0.37))
    assert {rate for _, rate in blocks} == {16000} and len(blocks) == 7 and len(blocks[0][0]) == 5920
    np.testing.assert_allclose(np.concatenate([samples for samples, _ in blocks]), whole, atol=tolerance)


def test_one_channel_is_taken_where_the_run_says_so(tmp_path):
    path = write_tone(tmp_path / "a.wav", channels=2)
    samples, _ = soundfile.read(path, dtype="float32")
    np.testing.assert_array_equal(next(read_blocks(path, channel=2))[0], samples[:, 1])


def test_bad_recordings_say_why(tmp_path):
    path = write_tone(tmp_path / "a.wav", duration_s=1)
    (tmp_path / "cut.wav").write_bytes(path.read_bytes()[:-1000])
    (tmp_path / "empty.wav").write_bytes(b"")
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 16000)
    broken = np.zeros(16000)
    broken[12000] = np.nan
    soundfile.write(tmp_path / "nan.wav", broken, 16000, subtype="FLOAT")
    reasons = {"cut": "truncated", "empty": "empty file", "none": "no samples", "nan": "NaN"}
    for name, words in reasons.items():
        with pytest.raises(BadRecording, match=words):
            list(read_blocks(tmp_path / f"{name}.wav", seconds=0.5))


@pytest.mark.parametrize(("rate", "sizes"), [(48000, 4800), (44100, 777), (8000, 16000), (16000, 500)])
def test_a_stream_is_resampled_as_a_whole_recording_is(tmp_path, rate, sizes):
    samples, _ = soundfile.read(write_tone(tmp_path / "a.wav", sample_rate=rate, duration_s=1.5), dtype="float32")
    resampler = Resampler(16000)
    pieces = [resampler(samples[start : start + sizes], rate) for start in range(0, len(samples), sizes)]
    found = np.concatenate([*pieces, resampler.rest()])
    expected = samples if rate == 16000 else soxr.resample(samples, rate, 16000, quality="HQ")
    assert abs(len(found) - len(expected)) <= 1
    np.testing.assert_allclose(found[: len(expected)], expected[: len(found)], atol=1e-5)


def test_a_stream_keeps_its_rate():
    resampler = Resampler(16000)
    resampler(np.zeros(100, np.float32), 8000)
    with pytest.raises(UserError, match="changes its sample rate, from 8000 Hz to 44100 Hz"):
        resampler(np.zeros(100, np.float32), 44100)
