"""TESS: irregular names, copies."""

from collections import Counter

import pytest

from ser.data.corpora.tess import Tess
from ser.errors import UserError
from tests.tiny_corpora import real_corpus, write_tiny_tess, write_tone


@pytest.fixture
def root(tmp_path):
    return write_tiny_tess(tmp_path / "tess")


def test_emotions_speakers_and_words(root):
    scan = Tess(str(root)).scan()
    assert not scan.notes
    emotions = Counter(utterance.emotion for utterance in scan.utterances)
    assert emotions == dict.fromkeys(("angry", "disgust", "fearful", "happy", "neutral", "sad", "surprised"), 6)
    assert Counter(utterance.speaker for utterance in scan.utterances) == {"tess_oaf": 21, "tess_yaf": 21}
    assert {utterance.word for utterance in scan.utterances} == {"back", "bite", "dog"}
    assert {utterance.gender for utterance in scan.utterances} == {"female"}


def test_oa_bite_neutral_is_the_elder_actress(root):
    found = [u for u in Tess(str(root)).scan().utterances if u.path.stem == "OA_bite_neutral"]
    (utterance,) = found
    assert (utterance.speaker, utterance.word, utterance.emotion) == ("tess_oaf", "bite", "neutral")
    assert utterance.statement == "say_the_word_bite"


@pytest.mark.parametrize(
    ("name", "speaker", "word", "emotion"),
    [
        ("oaf_BACK_ANGRY.WAV", "tess_oaf", "back", "angry"),
        ("Yaf_ring_Pleasant_Surprised.flac", "tess_yaf", "ring", "surprised"),
        ("YAF_ring_pleasant_surprise.wav", "tess_yaf", "ring", "surprised"),
        ("YAF_ring_PS.wav", "tess_yaf", "ring", "surprised"),
        ("YAF_fear_fear.wav", "tess_yaf", "fear", "fearful"),
        ("YA_sad_Sad.wav", "tess_yaf", "sad", "sad"),
    ],
)
def test_spellings(tmp_path, name, speaker, word, emotion):
    write_tone(tmp_path / "some folder" / name)
    (utterance,) = Tess(str(tmp_path)).scan().utterances
    assert (utterance.speaker, utterance.word, utterance.emotion) == (speaker, word, emotion)


def test_other_names_are_noted(root):
    for name in ("03-01-05-01-01-01-01.wav", "OAF_angry.wav", "MAF_back_angry.wav", "OAF_back_furious.wav"):
        write_tone(root / "OAF_angry" / name)
    scan = Tess(str(root)).scan()
    assert len(scan.utterances) == 42
    assert scan.notes[0].startswith("4 audio files skipped") and scan.notes[0].endswith(", …")


def test_kaggle_copies_are_used_once(tmp_path):
    outer = tmp_path / "TESS Toronto emotional speech set data"
    write_tiny_tess(outer, words=["back"], kaggle_copy=True)
    scan = Tess(str(tmp_path)).scan()
    assert len(scan.utterances) == 14
    assert scan.notes == ("14 second copies skipped",)


def test_a_mended_name_is_no_second_recording(root):
    odd = root / "OAF_neutral" / "OA_bite_neutral.wav"
    (root / "mended").mkdir()
    (root / "mended" / "OAF_bite_neutral.wav").write_bytes(odd.read_bytes())
    scan = Tess(str(root)).scan()
    assert len(scan.utterances) == 42 and scan.notes == ("1 second copy skipped",)


def test_two_recordings_with_one_name_are_an_error(root):
    other = write_tone(root / "other" / "OAF_back_angry.wav", pitch=500)
    with pytest.raises(UserError) as error:
        Tess(str(root)).scan()
    assert str(other) in str(error.value) and str(root / "OAF_angry" / other.name) in str(error.value)


def test_missing_root_says_where_what_and_how(tmp_path):
    with pytest.raises(UserError) as error:
        Tess(str(tmp_path / "nowhere")).scan()
    for part in (str(tmp_path / "nowhere"), "OAF_angry", "10.5683/SP2/E8H2MF", "2800", "270 MB", "BY-NC-ND"):
        assert part in str(error.value)


@pytest.mark.corpus
def test_the_real_corpus():
    scan = Tess(str(real_corpus("tess"))).scan()
    assert len(scan.utterances) == 2800 and not scan.notes
    assert set(Counter(u.emotion for u in scan.utterances).values()) == {400}
    assert Counter(u.speaker for u in scan.utterances) == {"tess_oaf": 1400, "tess_yaf": 1400}
    for speaker in ("tess_oaf", "tess_yaf"):
        assert len({u.word for u in scan.utterances if u.speaker == speaker}) == 200
