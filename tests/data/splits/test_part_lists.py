"""Reading divisions: CSV, JSON lines, EmoBox's folders; and what is wrong with them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser.data.corpora.json_lines import folds_in, part_in_name
from ser.data.splits.part_lists import read_parts
from ser.errors import UserError
from tests.made_up import QUICK


def read(file, content):
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [(entry.path, entry.part) for entry in read_parts(file).entries]


def refused(file, content=None):
    with pytest.raises(UserError) as error:
        read(file, content) if content is not None else read_parts(file)
    return str(error.value)


def write_emobox(folder, corpus="ravdess", parts=("train", "test"), fold=1):
    """The lists of one fold as EmoBox names and writes them."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in parts:
        wav = f"downloads/{corpus}/{part}_{fold}.wav"
        facts = {"key": f"{corpus}-{part}", "dataset": corpus, "wav": wav, "type": "raw", "task": "category"}
        line = json.dumps({**facts, "length": 3.7, "emo": "Disgust", "channel": 1})
        (folder / f"{corpus}_{part}_fold_{fold}.jsonl").write_text(line + "\n")
    return folder


# ---- CSV -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        "path,split\na.wav,train\nb.wav,test\n",
        "split;file\ntrain;a.wav\ntest;b.wav\n",
        "sep=\t\nFile Name\tset\tmore\n a.wav \tTraining\tx\n\nb.wav\t TEST\t\n",
        b"\xef\xbb\xbfwav,part\r\na.wav,train\r\nb.wav,test\r\n",
        "name|Subset\na.wav|train\nb.wav|testing".encode("utf-16"),
    ],
)
def test_csv_in_many_forms(tmp_path, content):
    assert read(tmp_path / "list.csv", content) == [("a.wav", "train"), ("b.wav", "test")]


@pytest.mark.parametrize("word", ["val", "valid", "Validation", "DEV", "development", "devel"])
def test_names_of_validation(tmp_path, word):
    assert read(tmp_path / "list.csv", f"path,split\na.wav,{word}") == [("a.wav", "val")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("split\ntrain", ["no column for the recording", "path or file or filename", "Columns found: split"]),
        ("path,speaker\na.wav,x", ["no column for the part", "split or part or set"]),
        ("", ["no column for the recording", "Columns found: none"]),
        ("path,split\n", ["names no recording"]),
        ("path,split\na.wav,train\nb.wav,1", ["list.csv, row 3: the part of b.wav is '1'", "train, val or test"]),
        ("path,split\na,dev\nb.wav,eval\nc,test", ["row 3: the part of b.wav is 'eval'"]),
        ("path,split\na.wav,", ["row 2: the part of a.wav is ''"]),
        ("path,split\n,train", ["row 2 names no recording"]),
        ("path,split\na,b.wav,train", ["row 2: 3 cells under 2 columns"]),
        ("path,path\na,b", ["the column 'path' twice"]),
        (b"path,split\na.wav,\xff\xfe\xfa", ["is not UTF-8 text (line 2)"]),
        (b"\xff\xfepath,splits", ["is not UTF-16 text (line 1)"]),
    ],
)
def test_csv_that_cannot_be_understood(tmp_path, content, words):
    message = refused(tmp_path / "list.csv", content)
    assert str(tmp_path / "list.csv") in message and all(word in message for word in words), message


# ---- JSON lines ----------------------------------------------------------------------------------------------------


def test_json_lines_that_say_the_part(tmp_path):
    content = '{"wav": "a.wav", "split": "train", "key": "x-a"}\n\n{"path": "b.wav", "part": "Valid"}\r\n'
    assert read(tmp_path / "all.jsonl", content) == [("a.wav", "train"), ("b.wav", "val")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"wav": "a.wav", "split": "train"}\n{"wav": ', ["line 2 is not JSON", '"split": "train"']),
        ('{"wav": "a.wav", "split": "train"}\n["a.wav"]', ["line 2 is not a JSON object"]),
        ('{"split": "train"}', ["line 1 names no recording"]),
        ('{"wav": 3, "split": "train"}', ["line 1 names no recording"]),
        ('{"wav": "a.wav"}', ["line 1: the part of a.wav is ''"]),
        ('{"wav": "a.wav", "split": ["train"]}', ["line 1: the part of a.wav is '['train']'"]),
        ("[" * 100_000, ["line 1 is not JSON"]),
        ('{"wav": ' + "9" * 10_000 + "}", ["line 1"]),
        ("\x00\x01", ["line 1 is not JSON"]),
    ],
    ids=range(9),
)
def test_json_lines_that_cannot_be_understood(tmp_path, content, words):
    message = refused(tmp_path / "all.jsonl", content)
    assert str(tmp_path / "all.jsonl") in message and all(word in message for word in words)


@QUICK
@given(st.binary(max_size=200), st.sampled_from(["list.csv", "all.jsonl", "x_test.jsonl"]))
def test_any_file_is_read_or_refused(tmp_path_factory, content, name):
    file = tmp_path_factory.getbasetemp() / name
    try:
        assert read(file, content)
    except UserError as error:
        assert str(file) in str(error)


# ---- EmoBox --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [("train", "test"), ("train", "valid", "test")])
@pytest.mark.parametrize("named", ["folder", "train", "test"])
def test_a_fold_is_named_by_its_folder_or_any_of_its_lists(tmp_path, parts, named):
    folder = write_emobox(tmp_path / "fold_1", parts=parts)
    (folder / "notes.jsonl").write_text("{}")
    (folder / "._ravdess_test_fold_1.jsonl").write_bytes(b"macOS")
    file = folder if named == "folder" else folder / f"ravdess_{named}_fold_1.jsonl"
    found = {(entry.path, entry.part) for entry in read_parts(file).entries}
    assert found == {(f"downloads/ravdess/{p}_1.wav", "val" if p == "valid" else p) for p in parts}


def test_folds_are_in_the_order_of_their_numbers(tmp_path):
    for fold in (1, 2, 10):
        write_emobox(tmp_path / f"fold_{fold}", fold=fold)
    (tmp_path / "fold_x").mkdir()
    (tmp_path / "fold_3").touch()
    assert [folder.name for folder in folds_in(tmp_path)] == ["fold_1", "fold_2", "fold_10"]
    assert folds_in(tmp_path / "fold_1") == folds_in(tmp_path / "fold_3") == folds_in(tmp_path / "nowhere") == []


def test_folders_that_say_too_little_or_too_much(tmp_path):
    assert "holds no lists such as *_train_*.jsonl and *_test_*.jsonl" in refused(tmp_path)
    write_emobox(tmp_path, "emodb")
    (tmp_path / "emodb_test_fold1.jsonl").touch()
    message = refused(tmp_path)
    assert "two lists for test, emodb_test_fold1.jsonl and emodb_test_fold_1.jsonl" in message
    assert "There is no split file" in refused(tmp_path / "nowhere.csv")


@pytest.mark.parametrize(
    ("name", "part"),
    [("emodb_test_fold1.jsonl", "test"), ("dev.jsonl", "val"), ("Train-set.jsonl", "train"), ("latest.jsonl", None)],
)
def test_the_part_in_a_name(name, part):
    assert part_in_name(name) == part
