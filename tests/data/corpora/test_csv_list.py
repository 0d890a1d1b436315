"""The user's own list."""

import pytest

from ser.data.corpora.csv_list import CsvList
from ser.errors import UserError

ROWS = "path,emotion,speaker\na.wav,anger,ann\nsub/b.flac,Home sick,\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("a.wav", "c.wav", "sub/b.flac", "notes.txt"):
        (tmp_path / name).touch()
    return tmp_path


def scan(folder, content, root=None, name="list.csv"):
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return CsvList(str(file), root and str(root)).scan()


def refused(folder, content, *parts, root=None):
    with pytest.raises(UserError) as error:
        scan(folder, content, root)
    for part in parts:
        assert part in str(error.value)


def test_rows(folder):
    first, second = scan(folder, ROWS).utterances
    assert (first.path, first.key, first.emotion) == (folder / "a.wav", "a.wav", "angry")
    assert (first.speaker, first.gender, first.part, first.corpus) == ("csv_ann", None, None, "csv")
    assert (second.key, second.emotion, second.speaker) == ("sub/b.flac", "home_sick", None)


def test_optional_columns_in_any_order_and_case(folder):
    content = "Split,SPEAKER,Path,gender,Emotion,Word,repetition,transcript\n Train ,ann,a.wav,F,joy,Dog,2,hello\n"
    found = scan(folder, content)
    (utterance,) = found.utterances
    assert (utterance.part, utterance.gender, utterance.emotion) == ("train", "female", "happy")
    assert (utterance.word, utterance.statement, utterance.repetition) == ("dog", "dog", 2)
    assert found.notes == ("columns not used: transcript",)


@pytest.mark.parametrize(
    ("header", "columns", "notes"),
    [
        ("file,label,speaker_id,set", None, []),
        ("Filename;Class;Actor;Partition", None, []),
        ("AUDIO PATH\temotion label\tSpeakerID\tSubset", None, []),
        ("clip,rating,who,usage", {"path": "Clip", "emotion": "rating", "speaker": "who", "split": "usage"}, []),
        ("path,emotion,speaker,split,file", None, ["column path taken for the recording, not file (dataset.columns="]),
        ("file,emotion,speaker,set,label", {"emotion": "emotion"}, ["columns not used: label"]),
        ("file,emotion,speaker,set,part", {"split": "set"}, ["columns not used: part"]),
        ("file,emotion,speaker,set,name", None, ["column file taken for the recording, not name"]),
        ("wav,emo,spk,set,part", None, []),  # a `part` with other words is none: see the rows below
    ],
)
def test_usual_names_of_columns_and_yours(folder, header, columns, notes):
    rows = ["a.wav,sad,ann,training,x", "c.wav,joy,bob,dev,y", "sub/b.flac,joy,bob,eval,z"]
    mark = next(mark for mark in ",;\t" if mark in header)
    width = header.count(mark) + 1
    lines = [header, *(mark.join(row.split(",")[:width]) for row in rows)]
    (folder / "list.csv").write_text("\n".join(lines))
    found = CsvList(str(folder / "list.csv"), columns=columns).scan()
    assert [(u.key, u.emotion, u.speaker, u.part) for u in found.utterances] == [
        ("a.wav", "sad", "csv_ann", "train"), ("c.wav", "happy", "csv_bob", "val"),
        ("sub/b.flac", "happy", "csv_bob", "test"),
    ]  # fmt: skip
    noted = found.notes if not header.startswith("wav") else ()
    assert len(noted) == len(notes) and all(start in note for start, note in zip(notes, noted, strict=True)), noted


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"path": "clip"}, "dataset.columns={path: clip}: .*list.csv has no such column. Columns found: path, emotion"),
        ({"pth": "path"}, "unknown field 'pth'. Did you mean 'path'"),
        ("path", "dataset.columns=path does not name the field"),
    ],
)
def test_columns_that_are_not_there(folder, columns, words):
    (folder / "list.csv").write_text(ROWS)
    with pytest.raises(UserError, match=words):
        CsvList(str(folder / "list.csv"), columns=columns).scan()


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + ROWS.encode(),
        ROWS.encode("utf-16"),
        ROWS.replace(",", ";").encode(),
        ROWS.replace(",", "\t").encode(),
        ROWS.replace("\n", "\r\n").encode(),
        ("sep=;\n" + ROWS.replace(",", ";")).encode(),
        (ROWS + "\n,,\n").encode(),
        ROWS.replace(",", ", ").replace("a.wav", '"a.wav"').encode(),
    ],
    ids=["bom", "utf16", "semicolon", "tab", "crlf", "excel", "blank rows", "quoted"],
)
def test_forms_of_csv(folder, content):
    assert [u.key for u in scan(folder, content).utterances] == ["a.wav", "sub/b.flac"]


def test_root_and_paths_beyond_it(folder):
    content = f"path,emotion,speaker\nb.flac,sad,x\n../a.wav,sad,x\n{folder / 'c.wav'},joy,x\n"
    found = scan(folder, content, root=folder / "sub")
    assert [u.key for u in found.utterances] == ["../a.wav", "../c.wav", "b.flac"]
    assert [u.path for u in found.utterances] == [folder / "a.wav", folder / "c.wav", folder / "sub" / "b.flac"]


def test_paths_from_windows(folder):
    assert scan(folder, "path,emotion,speaker\nsub\\b.flac,sad,x\n").utterances[0].key == "sub/b.flac"


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (
            "path,emotoin,speaker\n",
            ["no column for the emotion", "call it emotion or label or", "found: path, emotoin, speaker"],
        ),
        ("path,emotion\na.wav,sad\n", ["no column for the speaker", "dataset.columns={speaker: …}", "path, emotion"]),
        ("", ["no column for the recording", "none"]),
        ("path,emotion,speaker\n", ["no rows"]),
        ("path,emotion,speaker,path\na.wav,sad,x,a.wav\n", ["'path' twice"]),
        ("path,emotion,speaker\na.wav,sad,x\nc.wav, ,x\n", ["row 3", "emotion is empty"]),
        ("path,emotion,speaker\na.wav\n", ["row 2", "emotion is empty"]),
        ("path,emotion,speaker\n,sad,x\n", ["row 2", "path is empty"]),
        ("path,emotion,speaker\n\nz.wav,sad,x\n", ["row 3", "no file z.wav", "looked for", "dataset.root"]),
        ("path,emotion,speaker\na.wav,sad,x\nsub/../a.wav,joy,x\n", ["row 3", "already listed in row 2"]),
        ("path,emotion,speaker,split\na.wav,sad,x,later\n", ["row 2", "'later'", "train, val or test"]),
        ("path,emotion,speaker,split\na.wav,sad,x,val\nc.wav,sad,x,\n", ["row 3", "split is empty"]),
        ("path,emotion,speaker,repetition\na.wav,sad,x,two\n", ["row 2", "'two'", "whole number"]),
        ("path,emotion,speaker\na.wav,sad,x,y\n", ["row 2", "4 cells under 3 columns", "quotes"]),
        ("path,emotion,speaker\nnotes.txt,sad,x\n", ["row 2", "not an audio file"]),
        ("path,emotion,speaker\nsub,sad,x\n", ["row 2", "not an audio file"]),
        ("path,emotion,speaker\n../../../../../../etc/passwd,sad,x\n", ["row 2", "not an audio file"]),
        ("path,emotion,speaker\n/dev/null,sad,x\n", ["row 2", "not an audio file"]),
        (b"path,emotion,speaker\na.wav,col\xe8re,x\n", ["not UTF-8", "line 2"]),
        ("path,emotion,speaker\na\0.wav,sad,x\n", ["row 2", "no file"]),
        ("path,emotion,speaker\n" + "x" * 200_000 + ",sad,x\n", ["cannot be read as CSV"]),
    ],
)
def test_wrong_lists(folder, content, parts):
    refused(folder, content, *parts)


def test_an_empty_split_column_is_no_split(folder):
    assert scan(folder, "path,emotion,speaker,split\na.wav,sad,x,\n").utterances[0].part is None


def test_a_missing_list(tmp_path):
    with pytest.raises(UserError, match=r"nowhere.csv does not exist. Set dataset.csv="):
        CsvList(str(tmp_path / "nowhere.csv")).scan()
    with pytest.raises(UserError, match="is a folder, not a CSV file"):
        CsvList(str(tmp_path)).scan()
    with pytest.raises(UserError, match="dataset.csv is empty"):
        CsvList("")


def test_a_missing_root(folder):
    refused(folder, ROWS, "nowhere does not exist", "paths in list.csv", root=folder / "nowhere")


def test_a_directory_named_like_audio_is_not_a_recording(folder):
    (folder / "d.wav").mkdir()
    refused(folder, "path,emotion,speaker\nd.wav,sad,x\n", "not an audio file")


RATED = "path,speaker,Arousal,Vad_A,label\na.wav,ann,3,-0.25,anger\nsub/b.flac,ben,4.5,1e-1,\n"


def test_numbers_in_the_order_that_is_asked_for(folder):
    (folder / "list.csv").write_text(RATED)
    corpus = CsvList(str(folder / "list.csv"))
    corpus.read_numbers(("vad_a", "arousal"))
    first, second = corpus.scan().utterances
    assert (first.numbers, first.emotion) == ((-0.25, 3.0), "angry")
    assert (second.numbers, second.emotion, second.speaker) == ((0.1, 4.5), "unknown", "csv_ben")


def test_a_column_of_numbers_may_have_the_usual_name_of_emotions_or_another(folder):
    (folder / "list.csv").write_text("path,speaker,label,EmoAct\na.wav,ann,2,5\n")
    for names, columns, numbers in ((("label",), None, (2.0,)), (("arousal",), {"arousal": "EmoAct"}, (5.0,))):
        corpus = CsvList(str(folder / "list.csv"), columns=columns)
        corpus.read_numbers(names)
        assert corpus.scan().utterances[0].numbers == numbers
    corpus = CsvList(str(folder / "list.csv"))
    with pytest.raises(UserError, match="dataset.target=split is no number"):
        corpus.read_numbers(("split",))
    corpus.read_numbers(("valence",))
    with pytest.raises(UserError, match="has no column for the valence.*Columns found: path, speaker, label, emoact"):
        corpus.scan()
