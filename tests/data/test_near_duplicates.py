"""Near-copies: every altered copy is found, no other pair is, and what was found is kept."""

import json
import os
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile

from ser.data import near_duplicates as module
from ser.data.audio.decode import decode
from ser.data.audio.prepare import AudioSettings
from ser.data.corpora.demo_speakers import codes, utter
from ser.data.corpora.demo_voice import SAMPLE_RATE
from ser.data.corpora.ravdess_tess import RavdessTess
from ser.data.near_duplicates import find_near_copies, near_copies, propose
from ser.data.store.hashes import hash_files
from ser.data.store.waveforms import open_store
from tests.data.planted import PLANTED, write_planted
from tests.tiny_corpora import real_corpus, write_tone

AUDIO = AudioSettings(sample_rate=16000)
ORIGINALS = len(PLANTED)  # one for each way to copy


def open_(paths, cache, audio=AUDIO):
    return open_store(paths, hash_files(paths, cache), audio, cache, "voices")


def stems(waveforms, paths, found):
    """Who is a copy of whom, by file name."""
    name = {content: path.stem for content, path in reversed(list(zip(waveforms.contents, paths, strict=True)))}
    return [(name[first], name[second]) for first, second, _ in found]


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    """Utterances of three synthetic speakers: takes of the same sentence among them."""
    root = tmp_path_factory.mktemp("voices")
    paths = []
    for k in range(ORIGINALS):
        actor, code = 1 + k % 3, list(codes())[4 * (k // 3) + k % 4]
        paths.append(root / f"original {k:02}.wav")
        soundfile.write(paths[-1], utter(actor, *code), SAMPLE_RATE, subtype="PCM_16")
    return paths


@pytest.fixture(scope="module")
def planted(voices, tmp_path_factory):
    """The voices, and a copy of each, altered in one of the ways."""
    root = tmp_path_factory.mktemp("planted")
    copies = [write_planted(root / f"copy {k:02}", name, *soundfile.read(voices[k])) for k, name in enumerate(PLANTED)]
    return [*voices, *copies]


AUDIOS = {
    "trimmed": AUDIO,
    "whole": AudioSettings(trim_db=None),
    "peak at 22.05 kHz": AudioSettings(sample_rate=22050, level="peak"),
    "offset at 8 kHz": AudioSettings(sample_rate=8000, level="rms", offset_s=0.2),
}


@pytest.fixture(scope="module", params=AUDIOS)
def found(request, planted, tmp_path_factory):
    audio = AUDIOS[request.param]
    waveforms = open_(planted, tmp_path_factory.mktemp("cache"), audio)
    return stems(waveforms, planted, find_near_copies(waveforms, audio.sample_rate))


@pytest.mark.parametrize("k", range(ORIGINALS), ids=list(PLANTED))
def test_a_planted_copy_is_found(found, k):
    assert (f"original {k:02}", f"copy {k:02}") in found


def test_nothing_else_is_found(found):
    assert all(first[-2:] == second[-2:] for first, second in found)


def test_takes_of_one_sentence_are_no_copies(tmp_path):
    takes = [code for code in codes() if code[0] in (1, 4)]
    paths = [tmp_path / f"{k}.wav" for k in range(len(takes))]
    for path, code in zip(paths, takes, strict=True):
        soundfile.write(path, utter(2, *code), SAMPLE_RATE)
    assert find_near_copies(open_(paths, tmp_path / "cache"), 16000) == []


def test_copies_of_copies_are_all_named(voices, tmp_path):
    spoken = soundfile.read(voices[0])
    paths = [voices[0], *(write_planted(tmp_path / name, name, *spoken) for name in ("quieter", "padded", "8 kHz"))]
    waveforms = open_(paths, tmp_path / "cache")
    found = find_near_copies(waveforms, 16000)
    assert [pair[:2] for pair in found] == [
        (waveforms.contents[i], waveforms.contents[j]) for i in range(4) for j in range(i + 1, 4)
    ]
    assert all(0.95 < similarity <= 1 for *_, similarity in found)


def test_identical_samples_count_as_one_recording(voices, tmp_path):
    copies = [shutil.copy(voices[0], tmp_path / f"{k}.wav") and tmp_path / f"{k}.wav" for k in range(3)]
    quieter = write_planted(tmp_path / "quieter", "quieter", *soundfile.read(voices[0]))
    waveforms = open_([*copies, quieter, voices[1]], tmp_path / "cache")
    assert [pair[:2] for pair in find_near_copies(waveforms, 16000)] == [(waveforms.contents[0], waveforms.contents[3])]


def test_a_short_piece_of_a_long_recording_is_found(voices, tmp_path):
    long = tmp_path / "long.wav"
    soundfile.write(long, np.concatenate([soundfile.read(path)[0] for path in voices[:8]]), SAMPLE_RATE)
    paths = [voices[9], voices[5], long]
    waveforms = open_(paths, tmp_path / "cache")
    assert stems(waveforms, paths, find_near_copies(waveforms, 16000)) == [("original 05", "long")]


def test_bad_and_short_recordings_are_passed_over(tmp_path):
    paths = [write_tone(tmp_path / f"{k}.wav", 100 + k, duration_s=0.1 + 0.05 * k) for k in range(3)]
    (tmp_path / "empty.wav").write_bytes(b"")
    waveforms = open_([*paths, tmp_path / "empty.wav"], tmp_path / "cache")
    assert 3 in waveforms.bad and find_near_copies(waveforms, 16000) == []
    nothing = open_([tmp_path / "empty.wav"], tmp_path / "cache")
    assert find_near_copies(nothing, 16000) == []


def test_it_is_a_function_of_the_recordings(planted, tmp_path):
    """Not of chance, of threads, or of the order of recordings."""
    one = open_(planted, tmp_path / "cache")
    assert find_near_copies(one, 16000) == find_near_copies(one, 16000)
    reversed_ = find_near_copies(open_(planted[::-1], tmp_path / "cache"), 16000)
    pairs = {frozenset(pair[:2]): pair.similarity for pair in find_near_copies(one, 16000)}
    assert {frozenset(pair[:2]) for pair in reversed_} == set(pairs)
    assert all(pair.similarity == pytest.approx(pairs[frozenset(pair[:2])], abs=1e-3) for pair in reversed_)


# ---- candidates ----------------------------------------------------------------------------------------------------


def prints(rng, count, length=100):
    return [(rng.integers(0, 1 << 24, length, dtype=np.uint32), np.ones(length, bool)) for _ in range(count)]


def test_candidates_share_words_at_one_distance():
    rng = np.random.default_rng(0)
    some = prints(rng, 3)
    shifted = np.concatenate([some[1][0][7:], rng.integers(0, 1 << 24, 20, dtype=np.uint32)])
    scattered = some[2][0][rng.permutation(100)]  # its words, but not in their order
    some += [(shifted, np.ones(113, bool)), (scattered, np.ones(100, bool))]
    assert [pair for pair in propose(some) if 4 not in pair[:2]] == [(1, 3, 7)]


def test_the_distance_is_that_of_most_words():
    rng = np.random.default_rng(0)
    ((words, voiced),) = prints(rng, 1)
    other = np.concatenate([words[:10], words[:60], words[:10]])
    assert propose([(words, voiced), (other, np.ones(80, bool))]) == [(0, 1, -10)]


def test_words_without_voice_do_not_count():
    ((words, voiced),) = prints(np.random.default_rng(0), 1)
    assert propose([(words, voiced), (words, ~voiced)]) == []


def test_memory_is_bounded(monkeypatch):
    """A word that stands everywhere is not compared everywhere; rarer ones still find the copy."""
    rng = np.random.default_rng(0)
    some = [(np.concatenate([np.zeros(50, np.uint32), words]), np.ones(150, bool)) for words, _ in prints(rng, 200)]
    some.append(some[3])
    monkeypatch.setattr(module, "MOST_VOTES", 100_000)
    sizes = []
    unique = np.unique
    monkeypatch.setattr(np, "unique", lambda keys, **more: (sizes.append(len(keys)), unique(keys, **more))[1])
    assert (3, 200, 0) in propose(some)
    assert sizes[0] < 120_000


# ---- what is kept --------------------------------------------------------------------------------------------------


@pytest.fixture
def searched(monkeypatch):
    """How often recordings were really compared."""
    searches = []
    find = find_near_copies
    monkeypatch.setattr(module, "find_near_copies", lambda *args: (searches.append(1), find(*args))[1])
    return searches


@pytest.fixture
def pair(voices, tmp_path):
    """A store of three recordings, two of which are near-copies."""
    quieter = write_planted(tmp_path / "quieter", "quieter", *soundfile.read(voices[0]))
    return open_([voices[0], voices[1], quieter], tmp_path / "cache")


def test_a_second_search_searches_nothing(pair, searched):
    first = near_copies(pair, 16000)
    assert len(first) == 1 and near_copies(pair, 16000) == first == find_near_copies(pair, 16000)
    assert len(searched) == 1


def test_of_two_at_once_one_searches(pair, searched):
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: near_copies(pair, 16000), range(2))
    assert len(first) == 1 and first == second and len(searched) == 1


def test_finding_nothing_is_kept_too(voices, tmp_path, searched):
    waveforms = open_(voices[:2], tmp_path / "cache")
    assert near_copies(waveforms, 16000) == near_copies(waveforms, 16000) == [] and len(searched) == 1


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "3", "{}", '{"pairs": []}', '{"pairs": 3, "seal": ""}', "\x00" * 9]
)
def test_what_is_damaged_is_searched_again(pair, searched, text):
    first = near_copies(pair, 16000)
    (pair.folder / "near_copies.json").write_text(text)
    assert near_copies(pair, 16000) == near_copies(pair, 16000) == first and len(searched) == 2


def test_a_changed_pair_is_noticed(pair, searched):
    first = near_copies(pair, 16000)
    file = pair.folder / "near_copies.json"
    kept = json.loads(file.read_text())
    kept["pairs"][0][2] = 0.5
    file.write_text(json.dumps(kept))
    assert near_copies(pair, 16000) == first and len(searched) == 2


def test_what_other_code_found_is_searched_again(pair, searched, change_source):
    near_copies(pair, 16000)
    change_source("models/cnn2d.py")
    assert near_copies(pair, 16000) and len(searched) == 1
    change_source("data/store/fingerprints.py")
    assert near_copies(pair, 16000) and len(searched) == 2


def test_a_cache_that_cannot_be_written_is_no_error(pair, searched, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module, "FileLock", refuse)
    monkeypatch.setattr(os, "replace", refuse)
    assert len(near_copies(pair, 16000)) == len(near_copies(pair, 16000)) == 1
    assert len(searched) == 2 and not list(pair.folder.glob("*near_copies*"))


def test_a_cleared_store_is_no_error(pair):
    shutil.rmtree(pair.folder)
    assert len(near_copies(pair, 16000)) == 1


# ---- the real recordings -------------------------------------------------------------------------------------------


def check_real(utterances, tmp_path):
    """Among some of the real recordings, and of each corpus one altered in each way, just these are found."""
    rng = np.random.default_rng(0)
    paths, originals, copies = [u.path for u in utterances], [], []
    for corpus in ("ravdess", "tess"):
        of_corpus = [u.path for u in utterances if u.corpus == corpus]
        for name, i in zip(PLANTED, rng.permutation(len(of_corpus)), strict=False):
            originals.append(of_corpus[i])
            copies.append(write_planted(tmp_path / f"{corpus} {name}", name, *decode(of_corpus[i])))
    waveforms = open_(paths + copies, tmp_path / "cache")
    path = dict(zip(reversed(waveforms.contents), reversed(paths + copies), strict=True))
    content = dict(zip(paths + copies, waveforms.contents, strict=True))
    found = {(path[first], path[second]) for first, second, _ in find_near_copies(waveforms, 16000)}
    planted = set(zip(originals, copies, strict=True))
    planted -= {
        pair for pair in planted if content[pair[0]] == content[pair[1]]
    }  # only silence was cut that is trimmed
    assert sorted(found - planted) == [], "false alarms"
    assert sorted(planted - found) == [], "missed"


@pytest.mark.corpus
@pytest.mark.slow
def test_no_false_alarm_among_the_4240_real_recordings(tmp_path):
    """Not for takes of a sentence, nor for a word in several emotions."""
    check_real(RavdessTess(str(real_corpus("ravdess").parent)).scan().utterances, tmp_path)


@pytest.mark.corpus
def test_the_real_corpora_hold_one_pair_of_identical_samples(tmp_path):
    root = real_corpus("ravdess")
    folder = root / "Actor_07"
    paths = sorted(path for path in folder.iterdir() if path.suffix in (".wav", ".flac"))
    waveforms = open_(paths, tmp_path)
    assert find_near_copies(waveforms, 16000) == []
    (twice,) = [content for content, count in Counter(waveforms.contents).items() if count > 1]
    named = [path.stem for path, content in zip(paths, waveforms.contents, strict=True) if content == twice]
    assert named == ["03-01-03-01-02-01-07", "03-01-03-01-02-02-07"]
