"""The user's own folder, read by a pattern."""

import pytest

from ser.data.corpora.folder import Folder, compile_pattern
from ser.errors import UserError
from tests.tiny_corpora import write_tone


def fill(root, *paths):
    """Empty files: a scan reads names only."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return str(root)


def scan(root, pattern):
    return Folder(str(root), pattern).scan()


def test_emotion_folders(tmp_path):
    fill(tmp_path, "Anger/1.wav", "happiness/1.FLAC", "home sick/2.mp3", "Anger/notes.txt")
    found = scan(tmp_path, "{emotion}/*")
    assert [(u.key, u.emotion, u.speaker, u.corpus) for u in found.utterances] == [
        ("Anger/1.wav", "angry", None, "folder"),
        ("happiness/1.FLAC", "happy", None, "folder"),
        ("home sick/2.mp3", "home_sick", None, "folder"),
    ]
    assert found.notes == ()


def test_equal_names_in_two_folders_are_two_recordings(tmp_path):
    fill(tmp_path, "sad/1.wav", "happy/1.wav")
    assert len(scan(tmp_path, "{emotion}/*").utterances) == 2


@pytest.mark.parametrize(
    ("pattern", "path", "fields"),
    [
        ("{speaker}/{emotion}/*", "ann/joy/1.wav", {"speaker": "ann", "emotion": "joy"}),
        ("{speaker}_{word}_{emotion}.wav", "OAF_back_ps.WAV", {"speaker": "OAF", "word": "back", "emotion": "ps"}),
        ("{speaker}_{emotion}", "bob_sad.flac", {"speaker": "bob", "emotion": "sad"}),
        ("{speaker}_{word}_{emotion}", "a_b_pleasant_surprise.wav", {"word": "b", "emotion": "pleasant_surprise"}),
        ("{speaker}/{speaker}-{emotion}.wav", "s1/s1-sad.wav", {"speaker": "s1", "emotion": "sad"}),
        ("**/{emotion}/*", "a/b/sad/1.wav", {"emotion": "sad"}),
        ("**/{emotion}/*", "sad/1.wav", {"emotion": "sad"}),
        ("**{emotion}.wav", "deep/down/x.wav", None),  # a field to the right of ** gets what is left
        ("{emotion}/", "sad/1.wav", {"emotion": "sad"}),
        ("./{emotion}/*.*", "sad/1.b.wav", {"emotion": "sad"}),
        ("{_}_{emotion}_{repetition}", "x_sad_07.wav", {"emotion": "sad", "repetition": "07"}),
        ("{gender}/{intensity}/{statement}/{emotion}?", "f/strong/kids/sad1.wav", {"gender": "f", "statement": "kids"}),
        ("data (v1.0)/{emotion}/*", "data (v1.0)/sad/1.wav", {"emotion": "sad"}),  # no character is special by chance
    ],
)
def test_patterns(pattern, path, fields):
    match = compile_pattern(pattern).fullmatch(path)
    assert match
    assert fields is None or fields.items() <= match.groupdict().items()


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("{emotion}/*", "a/sad/1.wav"),
        ("{speaker}/{emotion}/*", "sad/1.wav"),
        ("{speaker}/{speaker}-{emotion}.wav", "s1/s2-sad.wav"),
        ("{emotion}.wav", "sad.flac"),
        ("{emotion}_{repetition}", "sad_two.wav"),
        ("{emotion}/1.wav", "sad/1xwav"),
    ],
)
def test_patterns_that_do_not_match(pattern, path):
    assert not compile_pattern(pattern).fullmatch(path)


def test_all_fields(tmp_path):
    fill(tmp_path, "F/Ann/Strong/Dog_Fear_02.wav")
    (utterance,) = scan(tmp_path, "{gender}/{speaker}/{intensity}/{word}_{emotion}_{repetition}").utterances
    assert (utterance.speaker, utterance.gender, utterance.emotion) == ("folder_Ann", "female", "fearful")
    assert (utterance.word, utterance.statement, utterance.repetition) == ("dog", "dog", 2)
    assert utterance.intensity == "strong"


def test_strangers_are_noted(tmp_path):
    fill(tmp_path, "sad/1.wav", "happy/1.wav", "stray.wav")
    assert scan(tmp_path, "{emotion}/*").notes == ("1 audio file skipped (the pattern does not match): stray.wav",)


def test_a_pattern_that_matches_nothing_shows_two_paths(tmp_path):
    fill(tmp_path, "ann/sad/1.wav", "ann/sad/2.wav", "bob/sad/1.wav")
    with pytest.raises(UserError, match=r"none of the 3 audio files .* example ann/sad/1.wav and ann/sad/2.wav"):
        scan(tmp_path, "{emotion}/*")


def test_a_folder_without_audio(tmp_path):
    fill(tmp_path, "sad/1.m4a")
    with pytest.raises(UserError, match=r"No audio files \(.aif.*wav\) under"):
        scan(tmp_path, "{emotion}/*")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("{speaker}/*", "has no {emotion}"),
        ("", "has no {emotion}"),
        ("{emotoin}/*", "unknown field {emotoin}. Did you mean 'emotion'"),
        ("{emotion:03}/*", "unknown field {emotion:03}"),
        ("{emotion}/{}", "unknown field {}"),
        ("{emotion/*", "unpaired brace"),
        ("emotion}/*", "unpaired brace"),
    ],
)
def test_wrong_patterns(tmp_path, pattern, message):
    with pytest.raises(UserError) as error:
        Folder(str(tmp_path), pattern)
    assert message in str(error.value)


def test_missing_root(tmp_path):
    with pytest.raises(UserError, match="nowhere does not exist"):
        scan(tmp_path / "nowhere", "{emotion}/*")


def test_a_speaker_spelt_in_two_ways_is_one(tmp_path):
    """As two people one might be trained on and the other tested."""
    names = ["Ann_happy", "ann_sad", "Zo\u00eb_happy", "Zoe\u0308_sad", "01_happy", "1_sad", "10_sad", "bob_sad"]
    for name in names:
        write_tone(tmp_path / f"{name}.wav", 200)
    scan = Folder(str(tmp_path), "{speaker}_{emotion}").scan()
    assert len({u.speaker for u in scan.utterances}) == 5
    (remark,) = [note for note in scan.notes if "counted as one" in note]
    assert all(name in remark for name in ("folder_Ann and folder_ann", "folder_01 and folder_1"))
    assert "bob" not in remark and "folder_10" not in remark
