"""What a run works on: chosen utterances, bad files, fingerprint."""

import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

from ser.data.audio.prepare import AudioSettings, load
from ser.data.corpora.csv_list import CsvList
from ser.data.corpora.folder import Folder
from ser.data.corpora.ravdess import Ravdess
from ser.data.recordings import decode_recordings, find_recordings
from ser.data.selection import Selection
from ser.errors import UserError
from tests.tiny_corpora import ravdess_name, write_tiny_ravdess, write_tone

AUDIO = AudioSettings()


@pytest.fixture
def root(tmp_path):
    return write_tiny_ravdess(tmp_path / "ravdess", actors=(1, 2), duration_s=0.2)


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def find(root, cache, **selection):
    return find_recordings(Ravdess(str(root)), Selection(**selection), cache)


def spoil(root, cache=None, count=1, content=b""):
    """Damages the first recordings of actor 1, which are neutral, neutral, calm, calm, …"""
    paths = sorted((root / "Actor_01").iterdir())[:count]
    for path in paths:
        path.write_bytes(content)
    return paths


def test_the_chosen_are_a_part_of_the_corpus(root, cache):
    recordings = find(root, cache, emotions=["happy", "sad"])
    assert len(recordings.paths) == len(recordings.hashes) == 32  # the store is keyed by the whole corpus
    assert len(recordings.utterances) == len(recordings.labels) == len(recordings.chosen) == 8
    assert recordings.classes == ("happy", "sad")
    for i, utterance, label in zip(recordings.chosen, recordings.utterances, recordings.labels, strict=True):
        assert recordings.paths[i] == utterance.path and recordings.classes[label] == utterance.emotion


def test_decoded_rows_are_the_utterances_waveforms(root, cache):
    decoded = decode_recordings(find(root, cache, emotions=["happy", "sad"]), AUDIO, cache)
    for utterance, row in zip(decoded.utterances, decoded.rows, strict=True):
        np.testing.assert_array_equal(decoded.waveforms[row], load(utterance.path, AUDIO))
        assert utterance.content == decoded.waveforms.contents[row]
    assert len(decoded.labels) == 8 and not decoded.notes


@pytest.mark.parametrize("count", [1, 2, 32])
def test_bad_files_stop_the_run_and_all_are_named(root, cache, count):
    bad = [*spoil(root, count=min(count, 16)), *(sorted((root / "Actor_02").iterdir()) if count > 16 else [])]
    for path in bad:
        path.write_bytes(b"" if path is bad[0] else b"no audio, whatever its name says")
    with pytest.raises(UserError) as error:
        decode_recordings(find(root, cache), AUDIO, cache)
    message = str(error.value)
    assert message.startswith(f"{count} recording{'s' * (count > 1)} cannot be used")
    assert all(f"{path}: " in message for path in bad) and f"{bad[0]}: empty file" in message
    assert "dataset.on_bad_file=skip" in message.splitlines()[0]
    if count > 20:  # the summary comes last, where a terminal shows it
        assert "31 text in place of the recording, 1 empty file" in message.splitlines()[-1]


def test_bad_files_are_skipped_and_counted_by_reason(root, cache):
    bad = [*spoil(root, count=2), write_tone(root / "Actor_02" / ravdess_name(5, 2), duration_s=0.01)]
    decoded = decode_recordings(find(root, cache, on_bad_file="skip"), AUDIO, cache)
    assert len(decoded.utterances) == len(decoded.labels) == len(decoded.rows) == 29
    assert not {utterance.path for utterance in decoded.utterances} & set(bad)
    names = [f"{path.parent.name}/{path.name}" for path in (*bad[:2], bad[2])]
    assert decoded.notes == (f"3 bad files left out: 2 empty file, 1 too short ({', '.join(names)})",)
    for utterance, row in zip(decoded.utterances, decoded.rows, strict=True):
        np.testing.assert_array_equal(decoded.waveforms[row], load(utterance.path, AUDIO))


def unreadable(root):
    """Beside the folders' files: a second copy that is cut off; then a link to nothing, to itself, and a pipe."""
    cut = root / "again" / ravdess_name(5, 2)
    cut.parent.mkdir()
    cut.write_bytes((root / "Actor_02" / cut.name).read_bytes()[:-500])
    nowhere, itself, pipe = sorted((root / "Actor_01").glob("03-01-0[12]-*"))[1:]
    for path in (nowhere, itself, pipe):
        path.unlink()
    nowhere.symlink_to(root / "nowhere.wav")
    itself.symlink_to(itself.name)
    os.mkfifo(pipe)
    return cut, nowhere, itself, pipe


def test_what_cannot_be_opened_is_skipped_and_named(root, cache):
    bad = unreadable(root)
    found = find(root, cache, on_bad_file="skip")
    decoded = decode_recordings(found, AUDIO, cache)
    assert len(decoded.utterances) == len(decoded.labels) == 29 and not {u.path for u in decoded.utterances} & {*bad}
    (note,) = decoded.notes
    assert note.startswith("4 bad files left out: 2 a link that leads nowhere, 1 not a regular file, 1 truncated (")
    assert found.unreadable.keys() == {*bad}
    for utterance, row in zip(decoded.utterances, decoded.rows, strict=True):
        np.testing.assert_array_equal(decoded.waveforms[row], load(utterance.path, AUDIO))
    for path in bad:
        path.unlink()
    assert find(root, cache).fingerprint() == found.fingerprint(), "taken away for good, it is the same run"


def test_what_cannot_be_opened_stops_the_run_and_all_are_named(root, cache):
    bad = [*unreadable(root), *spoil(root)]
    with pytest.raises(UserError, match="^5 recordings cannot be used") as error:
        decode_recordings(find(root, cache), AUDIO, cache)
    assert all(f"{path}: " in str(error.value) for path in bad)
    assert len(decode_recordings(find(root, cache, emotions=["happy", "sad"]), AUDIO, cache).utterances) == 8


def test_nothing_but_links_that_lead_nowhere(root, cache):
    for path in root.rglob("*.wav"):
        path.unlink()
        path.symlink_to("nowhere")
    with pytest.raises(UserError, match="32 bad files no recording is left"):
        decode_recordings(find(root, cache, on_bad_file="skip"), AUDIO, cache)


def test_a_link_that_leads_nowhere_in_a_list_of_recordings(root, cache):
    (root / "gone.wav").symlink_to("nowhere")
    paths = [path.relative_to(root) for path in sorted(root.rglob("03-01-0[34]*.wav"))]
    rows = [f"{path},{'sad' if '-04-' in path.name else 'happy'},{path.parent.name}" for path in paths]
    (root / "list.csv").write_text("\n".join(["path,emotion,speaker", *rows, "gone.wav,sad,x"]))
    found = find_recordings(CsvList(str(root / "list.csv")), Selection(on_bad_file="skip"), cache)
    assert decode_recordings(found, AUDIO, cache).notes[0].startswith("1 bad file left out: 1 a link that leads")


def test_a_class_that_is_nearly_another_is_remarked_upon(tmp_path, cache):
    for take in range(30):
        write_tone(tmp_path / "own" / "happy" / f"{take}.wav", duration_s=0.2)
        write_tone(tmp_path / "own" / "sad" / f"{take}.wav", duration_s=0.2)
    write_tone(tmp_path / "own" / "hapy" / "x.wav", duration_s=0.2)
    found = find_recordings(Folder(str(tmp_path / "own"), "{emotion}/*"), Selection(), cache)
    assert found.classes == ("happy", "sad", "hapy") and "dataset.merge={hapy: happy}" in found.notes[0]
    merged = find_recordings(Folder(str(tmp_path / "own"), "{emotion}/*"), Selection(merge={"hapy": "happy"}), cache)
    assert merged.classes == ("happy", "sad") and not merged.notes


def test_bad_files_that_the_run_does_not_use_do_not_matter(root, cache):
    spoil(root, count=2)  # neutral
    decoded = decode_recordings(find(root, cache, emotions=["happy", "sad"]), AUDIO, cache)
    assert len(decoded.utterances) == 8 and not decoded.notes


def test_a_class_whose_files_are_all_bad_is_named(root, cache):
    for actor in (1, 2):
        for path in (root / f"Actor_0{actor}").glob("03-01-05-*"):
            path.write_bytes(b"")
    with pytest.raises(UserError, match="leaving out 4 bad files no recording is left of: angry"):
        decode_recordings(find(root, cache, on_bad_file="skip"), AUDIO, cache)


def test_nothing_usable_at_all(root, cache):
    for path in root.rglob("*.wav"):
        path.write_bytes(b"")
    with pytest.raises(UserError, match="32 bad files"):
        decode_recordings(find(root, cache, on_bad_file="skip"), AUDIO, cache)


def test_other_emotions_share_one_entry_of_the_store(root, cache, monkeypatch):
    decode_recordings(find(root, cache), AUDIO, cache)
    monkeypatch.setattr("ser.data.store.waveforms.load_with_hash", lambda *_: pytest.fail("decoded again"))
    decode_recordings(find(root, cache, emotions=["happy", "sad"]), AUDIO, cache)


# ---- fingerprint ---------------------------------------------------------------------------------------------------


def test_the_fingerprint_does_not_depend_on_where_the_corpus_lies(root, cache, tmp_path):
    before = find(root, cache).fingerprint()
    copy = shutil.copytree(root, tmp_path / "elsewhere" / "RAVDESS copy")
    assert find(copy, tmp_path / "other cache").fingerprint() == before == find(root, cache).fingerprint()


def test_nor_on_recordings_that_are_not_used(root, cache):
    before = find(root, cache, emotions=["happy", "sad"]).fingerprint()
    spoil(root, count=1)
    assert find(root, cache, emotions=["happy", "sad"]).fingerprint() == before
    assert find(root, cache).fingerprint() != before


@pytest.mark.parametrize("change", ["content", "label", "name", "fewer"])
def test_the_fingerprint_changes_with_what_the_run_sees(root, cache, change):
    before = find(root, cache).fingerprint()
    (path, other) = sorted((root / "Actor_01").iterdir())[:2]
    if change == "content":
        write_tone(path, pitch=333.0)
    elif change == "name":  # another take
        path.rename(path.with_name(ravdess_name(1, 1, repetition=2)))
    elif change == "fewer":
        other.unlink()
    selection = {"merge": {"calm": "neutral"}} if change == "label" else {}
    assert find(root, cache, **selection).fingerprint() != before


def test_the_fingerprint_changes_with_the_speaker(tmp_path, cache):
    """Equal files at equal relative paths, read by two patterns: only who speaks differs."""
    for place in ("happy/x", "happy/y", "sad/x", "sad/y"):
        write_tone(tmp_path / "mine" / place / "1.wav")
    found = {
        find_recordings(Folder(str(tmp_path / "mine"), pattern), Selection(), cache).fingerprint()
        for pattern in ("{emotion}/{speaker}/*", "{emotion}/{_}/*")
    }
    assert len(found) == 2


def test_every_field_that_a_split_may_look_at_counts(root, cache):
    recordings = find(root, cache)
    before = recordings.fingerprint()
    first, *others = recordings.utterances
    for field in ("key", "emotion", "speaker", "gender", "intensity", "statement", "word", "part"):
        changed = replace(recordings, utterances=(replace(first, **{field: "another"}), *others))
        assert changed.fingerprint() != before, field
    assert replace(recordings, labels=(1, *recordings.labels[1:])).fingerprint() != before
    assert replace(recordings, notes=("a remark",)).fingerprint() == before
