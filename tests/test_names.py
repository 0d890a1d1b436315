"""Names of files that are no text: the same words for them everywhere, and in every locale."""

import os
import subprocess
import sys

import pytest

from ser.data.corpora.csv_list import CsvList
from ser.data.corpora.folder import Folder
from ser.errors import UserError, readable
from tests.conftest import REPO
from tests.tiny_corpora import write_tone

LATIN = b"w\xfctend.wav"
PATTERN = "{speaker}/{emotion}/*"


@pytest.fixture
def root(tmp_path):
    """Two speakers, two emotions; in Latin-1 one file, one speaker's folder, one emotion's folder; one UTF-8 name."""
    root = tmp_path / "own"
    for speaker in ("ann", "joerg"):
        for emotion in ("sad", "froehlich"):
            for take in range(4):
                write_tone(root / speaker / emotion / f"{take}.wav", 150 + 20 * take, duration_s=0.3)
        (root / speaker / "froehlich").rename(root / speaker / os.fsdecode(b"fr\xf6hlich"))
    (root / "joerg").rename(root / os.fsdecode(b"j\xf6rg"))
    (root / "ann" / "sad" / "0.wav").rename(root / "ann" / "sad" / os.fsdecode(LATIN))
    (root / "ann" / "sad" / "1.wav").rename(root / "ann" / "sad" / "wütend.wav")
    return root


def test_messages_show_them():
    assert str(UserError(f"Cannot read {os.fsdecode(LATIN)} …")) == "Cannot read w\\xfctend.wav …"
    assert readable("half a pair \ud83d") == "half a pair \\xed\\xa0\\xbd"


def test_keys_and_fields_are_text(root):
    utterances = Folder(str(root), PATTERN).scan().utterances
    keys = [utterance.key for utterance in utterances]
    assert "ann/sad/w\\xfctend.wav" in keys and "ann/sad/wütend.wav" in keys and keys == sorted(keys)
    assert {utterance.emotion for utterance in utterances} == {"sad", "fr_xf6hlich"}
    assert {utterance.speaker for utterance in utterances} == {"folder_ann", "folder_j\\xf6rg"}


def test_they_are_the_same_in_a_locale_that_knows_ascii_only(root, tmp_path):
    code = (
        "import sys; from pathlib import Path; from ser.data.corpora.folder import Folder; "
        "from ser.data.store.hashes import hash_files; "
        f"found = Folder(sys.argv[1], '{PATTERN}').scan().utterances; "
        "hashes = hash_files([u.path for u in found], Path(sys.argv[2])); "
        "print(ascii([(u.key, u.speaker, digest) for u, digest in zip(found, hashes)]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPO), "LC_ALL": "C", "PYTHONUTF8": "0"}
    environment["PYTHONCOERCECLOCALE"] = "0"
    done = subprocess.run(
        [sys.executable, "-c", code, root, tmp_path / "cache"], capture_output=True, text=True, env=environment
    )
    from ser.data.store.hashes import hash_files

    found = Folder(str(root), PATTERN).scan().utterances
    hashes = hash_files([utterance.path for utterance in found], tmp_path / "cache")
    expected = [(u.key, u.speaker, digest) for u, digest in zip(found, hashes, strict=True)]
    assert done.stdout.strip() == ascii(expected), done.stderr


@pytest.mark.parametrize("cell", [LATIN, b"w\\xfctend.wav"], ids=["as the system has it", "as shown"])
def test_lists_may_name_them(root, cell):
    (root / "list.csv").write_bytes(b"path,emotion,speaker\nann/sad/" + cell + b",sad,ann\n")
    (utterance,) = CsvList(str(root / "list.csv")).scan().utterances
    assert os.fsencode(utterance.path.name) == LATIN and utterance.key == "ann/sad/w\\xfctend.wav"


def test_a_run_on_them_from_end_to_end(ser, root, in_tmp):
    bad = root / "ann" / "sad" / os.fsdecode(b"b\xf6se.wav")
    bad.write_bytes(b"")
    shown = b"\n".join(
        os.fsencode(path.relative_to(root)) + {"2": b",test", "3": b",dev"}.get(path.stem, b",train")
        for path in root.rglob("*.wav")
    )
    (in_tmp / "list.csv").write_bytes(b"file,set\n" + shown)
    command = [
        "train", "dataset=folder", f"dataset.root={root}", f"dataset.pattern='{PATTERN}'", "dataset.on_bad_file=skip",
        "split=file", "split.file=list.csv", "model=mlp", "model.hidden=[8]", "trainer=cpu", "trainer.max_epochs=1",
    ]  # fmt: skip
    code, out, err = ser(*command)
    assert code == 0, err
    assert "1 bad file left out: 1 empty file (sad/b\\xf6se.wav)" in " ".join(out.split())
    (run,) = (in_tmp / "runs").glob("folder-*")
    assert "j\\xf6rg" in (run / "predictions.csv").read_text("utf-8")
    assert "b\\xf6se.wav: empty file" in (run / "train.log").read_text("utf-8")
    assert "Already trained" in ser(*command)[1], "the same run"
