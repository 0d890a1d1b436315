"""The waveform store: decoded once, keyed by content and settings, never half of one."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ser.cli import main
from ser.data.audio.prepare import AudioSettings, load, load_with_hash
from ser.data.store import waveforms as store
from ser.data.store.array_store import clear_entries, list_entries, read_entry
from ser.data.store.hashes import hash_files
from ser.data.store.waveforms import open_store
from ser.errors import UserError
from tests.tiny_corpora import write_tone

AUDIO = AudioSettings(sample_rate=8000)
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def paths(tmp_path):
    """Five tones, two of them the same samples in different files, and two files that cannot be used."""
    root = tmp_path / "corpus"
    found = [write_tone(root / f"{i}.wav", 100 + 20 * i, duration_s=0.2 + 0.05 * i) for i in range(4)]
    shutil.copy(found[1], root / "copy.wav")
    (root / "empty.wav").write_bytes(b"")
    (root / "text.wav").write_text("no audio at all, though it is called so")
    return [*found, root / "copy.wav", root / "empty.wav", root / "text.wav"]


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def decoded(monkeypatch):
    """Names of the files that were decoded."""
    names = []
    monkeypatch.setattr(
        store, "load_with_hash", lambda path, audio: (names.append(path.name), load_with_hash(path, audio))[1]
    )
    return names


def open_(paths, cache, audio=AUDIO, name="tones"):
    return open_store(paths, hash_files(paths, cache), audio, cache, name)


def entry(cache):
    (found,) = (folder for folder in (cache / "waveforms").iterdir() if folder.is_dir())
    return found


def check(waveforms, paths, audio=AUDIO):
    """Waveforms are what decoding gives, bit for bit."""
    assert len(waveforms) == len(paths)
    for i in range(5):
        np.testing.assert_array_equal(waveforms[i], load(paths[i], audio))
        assert waveforms.lengths[i] == len(waveforms[i])
    assert waveforms.bad == {5: "empty file", 6: waveforms.bad[6]} and waveforms.bad[6].startswith("text in place")


def test_a_second_opening_decodes_nothing(paths, cache, decoded):
    check(open_(paths, cache), paths)
    assert sorted(decoded) == sorted(path.name for path in paths)
    check(open_(paths, cache), paths)
    assert len(decoded) == len(paths)


def test_equal_samples_have_equal_contents_and_bad_files_none(paths, cache):
    contents = open_(paths, cache).contents
    assert contents[1] == contents[4] and len(set(contents[:4])) == 4 and contents[5:] == ["", ""]


def test_waveforms_are_read_only(paths, cache):
    with pytest.raises(ValueError, match="read-only"):
        open_(paths, cache)[0][0] = 1


@pytest.mark.parametrize(
    "change",
    [{"sample_rate": 16000}, {"trim_db": 20.0}, {"trim_db": None}, {"level": "rms"}, {"offset_s": 0.05}],
)
def test_another_setting_is_another_entry(paths, cache, decoded, change):
    open_(paths, cache)
    changed = replace(AUDIO, **change)
    check(open_(paths, cache, changed), paths, changed)
    assert len(decoded) == 2 * len(paths) and len(list_entries(cache)) == 2


@pytest.mark.parametrize("change", [{"duration_s": 3.0}, {"duration_s": 1.0, "padding_is_signal": True}])
def test_the_duration_is_not_part_of_it(paths, cache, decoded, change):
    open_(paths, cache)
    check(open_(paths, cache, replace(AUDIO, **change)), paths)
    assert len(decoded) == len(paths)


def test_min_duration_is_part_of_it(paths, cache):
    assert len(open_(paths, cache).bad) == 2
    assert len(open_(paths, cache, replace(AUDIO, min_duration_s=10.0)).bad) == 7


def test_a_changed_file_is_another_entry(paths, cache):
    before = open_(paths, cache)[2].copy()
    write_tone(paths[2], 333.0, duration_s=0.3)
    after = open_(paths, cache)
    check(after, paths)
    assert len(before) != len(after[2]) or not np.array_equal(before, after[2])
    assert len(list_entries(cache)) == 2


def test_equal_size_and_later_time_is_noticed(paths, cache):
    open_(paths, cache)
    stat = paths[0].stat()
    samples = bytearray(paths[0].read_bytes())
    samples[2000] ^= 1
    paths[0].write_bytes(samples)
    os.utime(paths[0], ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000))
    check(open_(paths, cache), paths)


def test_touched_or_moved_files_are_the_same_entry(paths, cache, decoded):
    open_(paths, cache)
    os.utime(paths[0])
    moved = paths[0].parent.rename(paths[0].parent.with_name("elsewhere"))
    check(open_([moved / path.name for path in paths], cache), [moved / path.name for path in paths])
    assert len(decoded) == len(paths)


# ---- damage --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [0, 4, 1000])
def test_truncated_samples_are_never_used(paths, cache, decoded, cut):
    open_(paths, cache)
    samples = entry(cache) / "values.f32"
    os.truncate(samples, 0 if not cut else samples.stat().st_size - cut)
    assert list_entries(cache) == []
    check(open_(paths, cache), paths)
    assert len(decoded) == 2 * len(paths)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "3", "{}", '{"lengths": null}', '{"lengths": [], "contents": [], "bad": {}}', "\x00" * 50],
)
def test_a_damaged_index_is_never_used(paths, cache, text):
    open_(paths, cache)
    (entry(cache) / "index.json").write_text(text)
    assert list_entries(cache) == []
    check(open_(paths, cache), paths)


def test_a_missing_half_is_never_used(paths, cache):
    for name in ("index.json", "values.f32"):
        open_(paths, cache)
        (entry(cache) / name).unlink()
        check(open_(paths, cache), paths)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_changed_byte_of_the_index_goes_unnoticed(paths, cache, data):
    open_(paths, cache)
    index = entry(cache) / "index.json"
    whole = index.read_bytes()
    at, byte = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 255))
    index.write_bytes(whole[:at] + bytes([byte]) + whole[at + 1 :])
    if byte == whole[at]:
        return
    found = read_entry(entry(cache))
    assert found is None or json.loads(index.read_bytes()) == json.loads(whole)  # white space may differ
    check(open_(paths, cache), paths)


SLOW_WRITER = """
import sys, time
from pathlib import Path
from ser.data.audio.prepare import AudioSettings
from ser.data.store.hashes import hash_files
from ser.data.store.waveforms import open_store
paths, cache = [Path(path) for path in sys.argv[2:]], Path(sys.argv[1])
def slowly(decoded):
    for i, each in enumerate(decoded):
        yield each
        print(i, flush=True)
        time.sleep({pause})
open_store(paths, hash_files(paths, cache), AudioSettings(sample_rate=8000), cache, "tones", slowly)
print("done")
"""


def start_writer(paths, cache, pause):
    command = [sys.executable, "-c", SLOW_WRITER.replace("{pause}", str(pause)), str(cache), *map(str, paths)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def test_what_a_killed_writer_leaves_is_never_used(paths, cache, decoded):
    writer = start_writer(paths, cache, pause=60)
    assert writer.stdout.readline() == "0\n"  # the first waveform is written, the others are not
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    left = [folder.name for folder in (cache / "waveforms").iterdir() if folder.is_dir()]
    assert len(left) == 1 and left[0].endswith(".partial")
    assert list_entries(cache) == []
    check(open_(paths, cache), paths)
    assert len(decoded) == len(paths)
    assert not list((cache / "waveforms").glob("*.partial")), "the next writer clears it away"


def test_two_processes_at_once_decode_once_and_agree(paths, cache):
    writers = [start_writer(paths, cache, pause=0.05) for _ in range(2)]
    outputs = [writer.communicate(timeout=60)[0].splitlines() for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0]
    numbers = [str(i) for i in range(len(paths))]
    assert sorted(outputs, key=len) == [["done"], [*numbers, "done"]]
    check(open_(paths, cache), paths)


# ---- a disk that is full -------------------------------------------------------------------------------------------


def refused(paths, cache):
    with pytest.raises(UserError) as error:
        open_(paths, cache)
    assert list((cache / "waveforms").glob("*/")) == [], "nothing is left of it"
    assert "ser store list" in str(error.value) and "SER_CACHE" in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", ["values.f32", "index.json"])
def test_disk_full(paths, cache, monkeypatch, name):
    true = Path.open

    def open_path(self, mode="r", *others, **keys):
        writing = self.name == name and "w" in mode
        return true(
            Path("/dev/full") if writing else self, mode, *others, **keys
        )  # refuses every write, as a full disk

    monkeypatch.setattr(Path, "open", open_path)
    assert "the disk is full" in refused(paths, cache)
    monkeypatch.undo()
    check(open_(paths, cache), paths)


def test_a_real_limit_on_file_size(paths, cache):
    """The system itself refuses to write more than 4 kB."""
    code = SLOW_WRITER.replace("{pause}", "0")
    code = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n" + code
    command = [sys.executable, "-c", code, str(cache), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(REPOSITORY)})
    assert "UserError: Cannot write the waveform store" in done.stderr and "done" not in done.stdout
    assert list((cache / "waveforms").glob("*/")) == []


def test_a_cache_that_cannot_be_made(paths, cache):
    cache.write_text("a file where the folder should be")
    with pytest.raises(UserError, match="Cannot write the waveform store"):
        open_(paths, cache)


@pytest.mark.parametrize("cause", ["gone", "no memory"])
def test_a_file_that_cannot_be_read_for_a_while_is_no_bad_file(paths, cache, monkeypatch, cause):
    hashes = hash_files(paths, cache)
    with monkeypatch.context() as patch:
        if cause == "gone":
            paths[2].rename(paths[2].with_suffix(".away"))
        else:
            patch.setattr("ser.data.audio.decode._all_samples", lambda recording: exec("raise MemoryError"))
        with pytest.raises(UserError, match="Cannot read .*: .*Nothing was kept of the waveform store"):
            open_store(paths, hashes, AudioSettings(), cache, "tiny")
    if cause == "gone":
        paths[2].with_suffix(".away").rename(paths[2])
    assert hash_files(paths, cache) == hashes and list_entries(cache) == []
    assert 2 not in open_store(paths, hashes, AudioSettings(), cache, "tiny").bad


def test_an_error_that_the_system_tells_once_is_heard(paths, cache, monkeypatch):
    """Of values that could not be written in the background; the fsync at the end says nothing of them."""
    monkeypatch.setattr(store, "WRITEBACK", 1000)
    real, calls = os.fsync, []

    def first_fails(number):
        calls.append(number)
        if len(calls) == 1:
            raise OSError(28, "No space left on device")
        real(number)

    monkeypatch.setattr(os, "fsync", first_fails)
    with pytest.raises(UserError, match="the disk is full"):
        open_store(paths, hash_files(paths, cache), AudioSettings(), cache, "tiny")
    assert list_entries(cache) == []


def test_a_bug_while_decoding_leaves_nothing_and_is_not_hidden(paths, cache, monkeypatch):
    def fail(path, audio):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(store, "load_with_hash", fail)
    with pytest.raises(ZeroDivisionError):
        open_(paths, cache)
    assert list((cache / "waveforms").glob("*/")) == []


# ---- batches, list, clear ------------------------------------------------------------------------------------------


def test_batches_are_zero_padded(paths, cache):
    waveforms = open_(paths, cache)
    batch, lengths = waveforms.batch([3, 0])
    assert batch.shape == (2, len(waveforms[3])) and batch.dtype == np.float32 and lengths.dtype == np.int64
    np.testing.assert_array_equal(batch[1, : lengths[1]], waveforms[0])
    assert not batch[1, lengths[1] :].any() and lengths.tolist() == [len(waveforms[3]), len(waveforms[0])]


@pytest.mark.parametrize("width", [100, 2000, 9000])
def test_batches_of_a_given_width_are_cut_or_padded(paths, cache, width):
    waveforms = open_(paths, cache)
    batch, lengths = waveforms.batch(np.array([0, 3]), width)
    assert batch.shape == (2, width)
    for row, length, i in zip(batch, lengths, (0, 3), strict=True):
        assert length == min(width, len(waveforms[i]))
        np.testing.assert_array_equal(row[:length], waveforms[i][:length])
        assert not row[length:].any()


def test_a_store_of_bad_files_only(paths, cache):
    waveforms = open_(paths[5:], cache)
    assert len(waveforms) == 2 and set(waveforms.bad) == {0, 1} and len(waveforms[0]) == 0
    assert len(open_(paths[5:], cache)) == 2


def test_list_and_clear(paths, cache):
    assert list_entries(cache) == [] and clear_entries(cache) == (0, 0, 0)
    open_(paths, cache, name="older")
    folder = entry(cache)
    index = json.loads((folder / "index.json").read_text())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", index["created"])
    time.sleep(1.01)
    open_(paths[:3], cache, AudioSettings(sample_rate=16000), name="newer")
    newer, older = list_entries(cache)
    assert (newer.name, newer.recordings, older.name, older.recordings) == ("newer", 3, "older", 7)
    assert older.folder == folder and older.settings["sample_rate"] == 8000 and "duration_s" not in older.settings
    assert older.size == sum(file.stat().st_size for file in folder.iterdir())
    assert clear_entries(cache) == (2, newer.size + older.size, 0)
    assert list_entries(cache) == [] and list(cache.iterdir()) == []


def test_clearing_takes_half_written_entries_too(paths, cache):
    open_(paths, cache)
    entry(cache).rename(entry(cache).with_suffix(".partial"))
    assert list_entries(cache) == []
    clear_entries(cache)
    assert not (cache / "waveforms").exists()


def test_open_waveforms_survive_clearing(paths, cache):
    waveforms = open_(paths, cache)
    clear_entries(cache)
    check(waveforms, paths)


def test_long_recordings_are_decoded_one_by_one(tmp_path, monkeypatch):
    """So many files at a time that threads need not wait for one another, and never more than fit into memory."""
    monkeypatch.setattr(store, "BATCH_BYTES", 100)
    paths = [tmp_path / f"{i}.wav" for i in range(8)]
    for path, size in zip(paths, (10, 20, 30, 40, 500, 10, 10), strict=False):  # the last one is missing
        path.write_bytes(bytes(size))
    assert list(store._batches(paths, 3)) == [paths[:3], paths[3:5], paths[5:8]]
    assert list(store._batches(paths, 8)) == [paths[:4], paths[4:5], paths[5:]]
    assert list(store._batches([], 3)) == []


def test_what_a_process_writes_just_now_is_not_cleared(paths, cache, capsys, monkeypatch):
    opened = open_(paths, cache)
    with FileLock(opened.folder.with_suffix(".lock"), thread_local=False):
        assert clear_entries(cache) == (0, 0, 1)
        monkeypatch.setenv("SER_CACHE", str(cache))
        assert main(["store", "clear"]) == 0 and "1 that a process writes just now is left" in capsys.readouterr().out
    assert read_entry(opened.folder) is not None
    count, _, busy = clear_entries(cache)
    assert (count, busy) == (1, 0) and not (cache / "waveforms").exists()
