"""What files are, and which of them deserve a look: each planted problem is found, with the right reason."""

import re

import numpy as np
import pytest
import soundfile

from ser.data.audio.decode import BadRecording, FileFacts
from ser.data.audio.prepare import AudioSettings
from ser.data.corpora.folder import Folder
from ser.data.corpora.ravdess import Ravdess
from ser.data.corpora.tess import Tess
from ser.data.recordings import find_recordings
from ser.data.selection import Selection
from ser.data.store.waveforms import open_store
from ser.reports.exploration.examples import draw_examples
from ser.reports.exploration.inspection import block_levels, clipped_share, inspect_recordings, measure
from ser.reports.exploration.outliers import KINDS, find_suspicious, robust_z
from tests.tiny_corpora import real_corpus, write_tone

AUDIO = AudioSettings()


def inspect(corpus, cache):
    """All recordings of a corpus, and what is suspicious in them: key → [(kind, reason)]."""
    found = find_recordings(corpus, Selection(), cache)
    recordings = inspect_recordings(found, open_store(found.paths, found.hashes, AUDIO, cache, "own"), AUDIO)
    reasons = {}
    for suspicion in find_suspicious(recordings):
        key = recordings[suspicion.index].utterance.key
        reasons.setdefault(key, []).append((suspicion.kind, suspicion.reason))
    return recordings, reasons


@pytest.fixture
def root(tmp_path):
    """24 sound recordings of 0.5 to 0.6 s in two emotions."""
    for k in range(24):
        write_tone(tmp_path / "own" / ("angry", "sad")[k % 2] / f"{k:02}.wav", 120 + 5 * k, duration_s=0.5 + 0.004 * k)
    return tmp_path / "own"


@pytest.fixture
def reasons(root, tmp_path):
    return lambda: inspect(Folder(str(root), "{emotion}/*"), tmp_path / "cache")[1]


def change(path, make):
    """Rewrites a recording by what `make` does to its samples."""
    samples, sample_rate = soundfile.read(path)
    soundfile.write(path, make(samples), sample_rate, subtype="PCM_16")


# ---- one file ------------------------------------------------------------------------------------------------------


def test_levels_durations_and_silence_of_a_known_signal(tmp_path):
    """One second of a sine between half a second and a second of silence, on an offset, at 8 kHz in two channels."""
    time = np.arange(8000) / 8000
    tone = np.r_[np.zeros(4000), 0.5 * np.sin(2 * np.pi * 200 * time), np.zeros(8000)] + 0.02
    soundfile.write(tmp_path / "a.wav", np.stack([tone, tone], axis=1), 8000, subtype="PCM_24")
    found = measure(tmp_path / "a.wav", silence_db=20)
    assert found.facts == FileFacts(8000, 2, "PCM_24")
    assert found.duration_s == 2.5
    frame_s = 2048 / 8000  # the frames that find the ends reach out by half of theirs
    assert found.leading_s == pytest.approx(0.5, abs=frame_s) and found.trailing_s == pytest.approx(1.0, abs=frame_s)
    assert found.silent_share == pytest.approx(0.6, abs=0.05)
    assert found.peak_db == pytest.approx(20 * np.log10(0.52), abs=0.01)
    assert found.dc_offset == pytest.approx(0.02, abs=1e-4)
    assert found.floor_db == -100 and found.clipped == 0
    assert found.rms_db == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=1.5)  # some silence within the frames


def test_noise_floor_of_known_noise(tmp_path):
    rng = np.random.default_rng(0)
    noise = 0.001 * rng.standard_normal(32000)
    noise[8000:24000] += 0.3 * np.sin(np.arange(16000))
    soundfile.write(tmp_path / "a.wav", noise, 16000, subtype="FLOAT")
    assert measure(tmp_path / "a.wav").floor_db == pytest.approx(-60, abs=1)


@pytest.mark.parametrize("num_samples", [1, 2, 100, 511, 513])
def test_the_shortest_recordings_have_a_level(num_samples):
    assert np.isfinite(block_levels(np.ones(num_samples, dtype=np.float32))).all()
    assert clipped_share(np.full((num_samples, 1), 0.1, dtype=np.float32)) == 0


def test_what_clips(tmp_path):
    loud = 1.5 * np.sin(np.arange(16000) / 20)[:, None]
    cut = np.clip(loud, -1, 1)
    assert clipped_share(cut) == pytest.approx(np.mean(np.abs(loud) >= 1), abs=0.01)
    assert clipped_share(0.5 * cut) == pytest.approx(clipped_share(cut), abs=1e-3), "made quieter afterwards"
    assert clipped_share(loud / 1.5) == 0, "its peak reaches full scale once in a while"
    assert clipped_share(np.stack([cut[:, 0], 0.1 * cut[:, 0]], axis=1)) == pytest.approx(clipped_share(cut) / 2)


def test_the_channel_is_measured_that_is_used(tmp_path):
    tone = np.sin(np.arange(16000) / 20)
    soundfile.write(tmp_path / "a.wav", np.stack([0.5 * tone, -0.5 * tone, 0.05 * tone], axis=1), 16000)
    assert [round(measure(tmp_path / "a.wav", channel=channel).rms_db) for channel in (1, 2, 3)] == [-9, -9, -29]


def test_nan_cannot_be_measured(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.array([0.1, np.nan, 0.2]), 16000, subtype="FLOAT")
    with pytest.raises(BadRecording, match="NaN"):
        measure(tmp_path / "a.wav")


# ---- a corpus ------------------------------------------------------------------------------------------------------


def test_a_clean_corpus_gives_none(reasons):
    assert reasons() == {}


PLANTED = {
    "clipped": (lambda samples: np.clip(20 * samples, -1, 1), "flat tops"),
    "offset": (lambda samples: samples + 0.05, r"\+0\.05"),
    "quiet": (lambda samples: 0.01 * samples, "very quiet: -5"),
    "silence": (lambda samples: np.r_[samples[:1600], np.zeros(30000), samples[1600:]], "mostly silence: 7"),
    "short": (lambda samples: samples[:2200], r"very short: 0\.1"),
    "long": (lambda samples: np.tile(samples, 5), r"very long: 2\."),
    "unusable": (lambda samples: 0 * samples, "cannot be used: silent"),
}  # fmt: skip

# an uneven wave that is clipped has a mean of its own; nothing else comes with a problem
FOLLOWING = {"clipped": ("loud", "offset"), "silence": ("long",)}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_problem_is_found_with_its_reason(root, reasons, kind):
    make, words = PLANTED[kind]
    change(root / "sad" / "07.wav", make)
    found = reasons()
    assert list(found) == ["sad/07.wav"]
    kinds = dict(found["sad/07.wav"])
    assert kind in kinds
    assert set(kinds) <= {kind, *FOLLOWING.get(kind, ())}
    assert re.search(words, kinds[kind])


def test_a_loud_recording_among_quiet_ones(root, reasons):
    for path in root.rglob("*.wav"):
        if path.stem != "07":
            change(path, lambda samples: 0.05 * samples)
    assert [kind for kind, _ in reasons()["sad/07.wav"]] == ["loud"]


def test_odd_formats_are_named_with_what_is_usual(root, reasons):
    write_tone(root / "sad" / "07.wav", duration_s=0.5, channels=2)
    write_tone(root / "sad" / "09.wav", duration_s=0.5, sample_rate=44100)
    assert reasons() == {
        "sad/09.wav": [("rate", "44,100 Hz, nearly all others: 16,000 Hz")],
        "sad/07.wav": [("channels", "stereo, nearly all others: mono")],
    }


def test_a_corpus_of_two_formats_has_no_odd_ones(root, reasons):
    for path in (root / "sad").iterdir():
        write_tone(path, duration_s=0.5, sample_rate=22050)
    assert reasons() == {}


def test_copies_name_each_other_and_say_when_their_labels_differ(root, reasons):
    (root / "sad" / "copy.wav").write_bytes((root / "angry" / "02.wav").read_bytes())
    assert reasons() == {
        "angry/02.wav": [("copy", "same samples as sad/copy.wav, labelled sad")],
        "sad/copy.wav": [("copy", "same samples as angry/02.wav, labelled angry")],
    }


def test_damaged_files_are_named_with_what_is_wrong(root, reasons):
    victim = root / "sad" / "07.wav"
    victim.write_bytes(victim.read_bytes()[:3000])
    (root / "angry" / "02.wav").write_bytes(b"")
    samples, sample_rate = soundfile.read(root / "angry" / "04.wav")
    soundfile.write(root / "angry" / "04.wav", 2.0**15 * samples, sample_rate, subtype="FLOAT")
    found = reasons()
    assert "cannot be used: floats in the range of 16-bit integers" in dict(found["angry/04.wav"])["unusable"]
    assert found["angry/02.wav"] == [("unusable", "cannot be used: empty file")]
    ((kind, reason),) = found["sad/07.wav"]
    assert kind == "unusable" and "truncated" in reason


def test_a_recording_that_is_clipped_throughout(root, reasons):
    change(root / "sad" / "07.wav", lambda samples: np.where(samples < 0, -1.0, 1.0))
    assert dict(reasons()["sad/07.wav"])["clipped"].startswith("clipped: 100 % of")


def test_few_recordings_are_not_compared(root, reasons):
    for path in sorted(root.rglob("*.wav"))[8:]:
        path.unlink()
    change(root / "angry" / "02.wav", lambda samples: 0.01 * samples)
    (root / "sad" / "01.wav").write_bytes((root / "angry" / "00.wav").read_bytes())
    assert {kind for found in reasons().values() for kind, _ in found} == {"copy"}


def test_kinds_are_told_in_their_order(root, tmp_path):
    change(root / "sad" / "01.wav", lambda samples: 0.01 * samples)
    change(root / "sad" / "23.wav", lambda samples: 0 * samples)
    write_tone(root / "sad" / "07.wav", duration_s=0.5, channels=2)
    recordings, _ = inspect(Folder(str(root), "{emotion}/*"), tmp_path / "cache")
    kinds = [suspicion.kind for suspicion in find_suspicious(recordings)]
    assert kinds == ["unusable", "channels", "quiet"] == sorted(kinds, key=list(KINDS).index)


def test_robust_z_of_equal_values_is_zero():
    assert robust_z(np.full(20, 3.0), 0.1).tolist() == [0] * 20


# ---- examples ------------------------------------------------------------------------------------------------------


def test_examples_are_one_voice_a_gender_and_one_sentence(tiny_ravdess, tmp_path):
    recordings, _ = inspect(Ravdess(str(tiny_ravdess)), tmp_path)
    cells = draw_examples(recordings, set(), seed=0)
    assert list(cells)[:4] == [("female", "neutral"), ("male", "neutral"), ("female", "calm"), ("male", "calm")]
    assert len(cells) == 16
    drawn = [recordings[i].utterance for i in cells.values()]
    assert {(gender, emotion) for gender, emotion in cells} == {(u.gender, u.emotion) for u in drawn}
    assert len({u.statement for u in drawn}) == 1 and len({u.speaker for u in drawn}) == 2
    assert cells == draw_examples(recordings, set(), seed=0)
    assert any(cells != draw_examples(recordings, set(), seed) for seed in range(1, 5))


def test_suspicious_recordings_are_examples_only_where_there_is_no_other(root, tmp_path):
    (root / "sad" / "01.wav").write_bytes(b"")
    recordings, _ = inspect(Folder(str(root), "{emotion}/*"), tmp_path / "cache")
    sound = [i for i, recording in enumerate(recordings) if recording.bad is None]
    (kept,) = (i for i in sound if recordings[i].utterance.key == "sad/05.wav")
    cells = draw_examples(recordings, set(sound) - {kept}, seed=0)
    assert cells[None, "sad"] == kept
    assert recordings[cells[None, "angry"]].bad is None


# ---- the real corpora ----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.corpus
def test_what_is_odd_in_the_real_ravdess(tmp_path):
    """Five stereo files and the identical pair of actor 07 are named, and most files are not."""
    recordings, reasons = inspect(Ravdess(str(real_corpus("ravdess"))), tmp_path)
    kinds = [kind for found in reasons.values() for kind, _ in found]
    assert kinds.count("channels") == 5 and kinds.count("copy") == 2
    pair = sorted(key for key, found in reasons.items() if "copy" in dict(found))
    assert [key.rpartition("/")[2].partition(".")[0] for key in pair] == [
        "03-01-03-01-02-01-07",
        "03-01-03-01-02-02-07",
    ]
    assert len(recordings) == 1440 and len(reasons) < 60


@pytest.mark.slow
@pytest.mark.corpus
def test_what_is_odd_in_the_real_tess(tmp_path):
    _, reasons = inspect(Tess(str(real_corpus("tess"))), tmp_path)
    odd = [reason for found in reasons.values() for kind, reason in found if kind == "rate"]
    assert odd == ["96,000 Hz, nearly all others: 24,414 Hz"]
    assert len(reasons) < 112, "4 % of the corpus"
