"""`ser download`, from the licence to a folder that `ser train` finds, on a local server with tiny corpora."""

import errno
import io
import pickle
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import replace

import pytest

from ser.data.corpora.publication import Part
from ser.data.corpora.ravdess import Ravdess
from ser.data.corpora.tess import Tess
from ser.data.download import install as module
from tests.conftest import REPO
from tests.data.download.server import serving
from tests.tiny_corpora import write_tiny_ravdess, write_tiny_tess

ARCHIVE = "/Audio_Speech_Actors_01-24.zip"


def zipped(folder):
    """All of a folder as a ZIP."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return made.getvalue()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Speech and song of two actors as archives, and TESS as its files."""
    folder = tmp_path_factory.mktemp("published")
    write_tiny_ravdess(folder / "both", actors=[1, 2], song=True)
    write_tiny_ravdess(folder / "speech", actors=[1, 2])
    for path in (folder / "speech").rglob("*.wav"):
        (folder / "both" / path.relative_to(folder / "speech")).unlink()
    tess = {path.name: path.read_bytes() for path in write_tiny_tess(folder / "tess").rglob("*.wav")}
    return zipped(folder / "speech"), zipped(folder / "both"), tess


@pytest.fixture
def server(tiny, monkeypatch):
    """It publishes them."""
    monkeypatch.setattr("ser.data.download.fetch.FIRST_WAIT_S", 0.01)
    monkeypatch.delenv("SER_DATA", raising=False)
    with serving() as server:
        publish(server, *tiny, monkeypatch.setattr)
        yield server


def publish(server, speech, song, tess, set_attribute):
    """Points the data sheets at the server."""
    parts = {}
    for name, data, recordings in (("speech", speech, 32), ("song", song, 12)):
        file = server.put(f"Audio_{name.capitalize()}_Actors_01-24.zip", data)
        real = Ravdess.published.parts[name]
        parts[name] = replace(real, recordings=recordings, size=len(data), files=(file,), unpacked=4 * len(data))
    set_attribute(Ravdess, "published", replace(Ravdess.published, parts=parts))
    part = Part(42, sum(map(len, tess.values())), dataset=server.put_dataset(tess | {"readme.txt": b"about"}))
    set_attribute(Tess, "published", replace(Tess.published, parts={"speech": part}))


def answers(monkeypatch, text):
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def tree(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_the_licence_first_and_then_a_folder_that_train_finds(ser, server, in_tmp, monkeypatch):
    answers(monkeypatch, "y\n")
    code, out, err = ser("download", "ravdess")
    assert code == 0, err
    licence, done = out.split("Do you accept the licence? [y/N] ")
    assert "CC BY-NC-SA 4.0: name the authors, no commercial use" in licence and "Livingstone and Russo 2018" in licence
    assert "creativecommons.org/licenses/by-nc-sa/4.0/" in licence and f"from 127.0.0.1:{server.server_port}" in licence
    assert "Done: 32 recordings of ravdess (speech)" in done and "Next: ser train dataset=ravdess\n" in done
    assert "MB" in err
    assert tree(in_tmp)[0] == "data/ravdess/Actor_01/03-01-01-01-01-01-01.wav" and len(tree(in_tmp)) == 32
    code, out, err = ser("train", "dataset=ravdess", "split=random", "trainer=cpu", "model=mlp", "run.dry_run=true")
    assert code == 0 and "32" in out, err


@pytest.mark.parametrize("answer", ["n\n", "\n", "yess\n", ""])
def test_no_licence_no_download(ser, server, in_tmp, monkeypatch, answer):
    answers(monkeypatch, answer)
    code, out, err = ser("download", "ravdess")
    assert code == 2 and "CC BY-NC-SA" in out and server.asked == [] and list(in_tmp.iterdir()) == []
    assert ("--yes" if answer == "" else "not accepted") in err


def test_what_is_there_is_left_alone(ser, server, in_tmp):
    assert ser("download", "ravdess", "--yes", "--root", "corpora")[0] == 0
    server.asked = []
    before = {path: path.stat().st_mtime_ns for path in in_tmp.rglob("*")}
    code, out, _ = ser("download", "ravdess", "--root", "corpora")  # nobody is asked for anything
    assert code == 0 and "Already there: 32 recordings of ravdess (speech)" in out and "Licence" not in out
    assert f"Next: ser train dataset=ravdess dataset.root={in_tmp}/corpora/ravdess" in out
    assert server.asked == [] and {path: path.stat().st_mtime_ns for path in in_tmp.rglob("*")} == before


def test_a_copy_of_ones_own_is_enough(ser, server, in_tmp):
    write_tiny_ravdess(in_tmp / "data" / "RAVDESS" / "Kaggle", actors=[1, 2], suffix=".flac")
    code, out, _ = ser("download", "ravdess", "--yes")
    assert code == 0 and "Already there" in out and server.asked == []


@pytest.mark.parametrize("files", [["03-01-01-01-01-01-01.wav"], ["notes.txt"]])
def test_nothing_is_overwritten(ser, server, in_tmp, files):
    (in_tmp / "data" / "ravdess").mkdir(parents=True)
    for name in files:
        (in_tmp / "data" / "ravdess" / name).write_bytes(b"mine")
    code, _, err = ser("download", "ravdess", "--yes")
    assert code == 2 and "of the 32 recordings" in err and "nothing is overwritten" in err and server.asked == []
    assert tree(in_tmp) == [f"data/ravdess/{name}" for name in files]


def test_song_on_request_beside_the_speech(ser, server, in_tmp):
    assert ser("download", "ravdess", "--yes")[0] == 0
    code, out, err = ser("download", "ravdess", "--song", "--yes")
    assert code == 0 and "Already there: 32" in out and "Done: 12 recordings of ravdess (song)" in out, err
    assert out.endswith("Next: ser train dataset=ravdess dataset.vocal_channel=both\n")
    assert [path for path, _ in server.asked] == [ARCHIVE, ARCHIVE.replace("Speech", "Song")]
    assert len(tree(in_tmp / "data" / "ravdess" / "song")) == 12
    assert Ravdess(str(in_tmp / "data" / "ravdess"), "both").count() == 44
    assert ser("download", "tess", "--song")[0] == 2


def test_tess_file_by_file(ser, server, in_tmp, tiny):
    server.faults = [("status", 500), ("none",), ("cut", 30), ("wrong",)]
    code, out, err = ser("download", "tess", "--yes")
    assert code == 2 and "sends other bytes than published" in err and not (in_tmp / "data" / "tess").exists()
    got = len(tree(in_tmp / "data" / ".ser-download" / "tess-speech" / "new"))
    asked = len(server.asked)
    code, out, err = ser("download", "tess", "--yes")
    assert code == 0 and "CC BY-NC-ND 4.0" in out and "Done: 42 recordings of tess" in out, err
    assert len(server.asked) - asked == 1 + 42 - got  # the list, and the files that were missing
    found = tree(in_tmp / "data")
    assert (
        len(found) == 42
        and "tess/OAF_Fear/OAF_back_fear.wav" in found
        and "tess/OAF_neutral/OA_bite_neutral.wav" in found
    )
    assert all((in_tmp / "data" / path).read_bytes() == tiny[2][path.rpartition("/")[2]] for path in found)
    assert Tess(str(in_tmp / "data" / "tess")).count() == 42


def test_a_dataset_that_lacks_a_file_is_not_put_in_place(ser, server, in_tmp, tiny):
    files = dict(tiny[2])
    files["OAF_back_furious.wav"] = files.pop("OAF_back_angry.wav")
    server.put_dataset(files)
    code, _, err = ser("download", "tess", "--yes")
    assert code == 2 and "41 recordings with names of tess, and 42 are published" in err and tree(in_tmp) == []


def test_a_dataset_that_is_one_archive(ser, server, in_tmp, tiny):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in tiny[2].items():
            archive.writestr(f"TESS/{name}", data)
    server.put_dataset({"TESS.zip": made.getvalue()})
    assert ser("download", "tess", "--yes")[0] == 0
    assert len(tree(in_tmp / "data" / "tess" / "TESS")) == 42


def test_an_evil_archive_writes_nothing(ser, server, in_tmp, tiny):
    made = io.BytesIO(tiny[0])
    with zipfile.ZipFile(made, "a") as archive:
        archive.writestr("../../../evil.wav", b"evil")
    file = server.put(ARCHIVE[1:], made.getvalue())
    part = replace(Ravdess.published.parts["speech"], files=(file,))
    Ravdess.published.parts["speech"] = part
    code, _, err = ser("download", "ravdess", "--yes")
    assert code == 2 and "it leads out of its folder" in err
    assert not list(in_tmp.rglob("*.wav")) and not (in_tmp / "data" / "ravdess").exists()


def test_a_server_that_is_gone_names_the_page(ser, server, in_tmp):
    del server.files[ARCHIVE]
    code, _, err = ser("download", "ravdess", "--yes")
    assert code == 2 and "404" in err and "By hand: https://doi.org/10.5281/zenodo.1188976, unpacked into" in err


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_stopped_while_unpacking(ser, server, in_tmp, monkeypatch, error):
    from ser.data.download import unpack

    copied = []

    def copy(source, file, size):
        file.write(source.read())
        copied.append(file)
        if len(copied) == 31:
            raise error

    monkeypatch.setattr(unpack.shutil, "copyfileobj", copy)
    code, _, err = ser("download", "ravdess", "--yes")
    assert code == (130 if isinstance(error, KeyboardInterrupt) else 2) and "the same command goes on" in err
    assert "the disk is full" in err or code == 130
    assert tree(in_tmp) == [f"data/.ser-download/ravdess-speech/{name}" for name in (".lock", f"archives{ARCHIVE}")]
    server.asked = []
    assert ser("download", "ravdess", "--yes")[0] == 0
    assert server.asked == [] and len(tree(in_tmp)) == 32


def test_a_disk_without_room_is_seen_before_anything_is_asked_for(ser, server, in_tmp, monkeypatch):
    monkeypatch.setattr(module, "SPARE_BYTES", 1 << 60)
    code, _, err = ser("download", "ravdess", "--yes")
    assert code == 2 and "MB are needed" in err and server.asked == []


def test_one_at_a_time(ser, server, in_tmp):
    from filelock import FileLock

    work = in_tmp / "data" / ".ser-download" / "ravdess-speech"
    work.mkdir(parents=True)
    with FileLock(work / ".lock"):
        code, _, err = ser("download", "ravdess", "--yes")
    assert code == 2 and "Another ser download is at work" in err and server.asked == []


def test_a_root_that_cannot_be_one(ser, server, in_tmp):
    (in_tmp / "data").write_bytes(b"")
    code, _, err = ser("download", "ravdess", "--yes")
    assert code == 2 and str(in_tmp / "data") in err and "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ravdes"], "Did you mean 'ravdess'?"),
        (["iemocap"], "Choose from: ravdess, tess."),
        (["ravdess", "--rot", "x"], "Did you mean '--root'?"),
        (["ravdess", "--root", ""], "--root is empty"),
        (["--yes"], "the following arguments are required: corpus"),
    ],
)
def test_arguments(ser, arguments, message):
    code, _, err = ser("download", *arguments)
    assert code == 2 and message in err


@pytest.mark.parametrize("settings", [(), ("dataset.vocal_channel=both",)])
def test_the_message_for_a_missing_corpus_names_the_command(ser, monkeypatch, in_tmp, settings):
    monkeypatch.delenv("SER_DATA", raising=False)
    code, _, err = ser("train", "dataset=ravdess", *settings)
    assert code == 2 and f"`ser download ravdess --root data{' --song' if settings else ''}`" in err
    monkeypatch.setenv("SER_DATA", str(in_tmp / "my data"))
    assert "`ser download tess --root 'my data'`" in ser("train", "dataset=tess")[2]
    assert "`ser download ravdess --root 'my data'`" in ser("train", "dataset=ravdess_tess")[2]


def test_ctrl_c_and_the_same_command(server, in_tmp, tiny):
    """A process of its own; a server that takes its time gets a SIGINT in the middle."""
    data, parts = tiny[0], in_tmp / "parts.pickle"
    parts.write_bytes(pickle.dumps({"speech": Ravdess.published.parts["speech"]}))
    code = f"""if True:
        import pickle, sys
        sys.path.insert(0, {str(REPO)!r})
        from dataclasses import replace
        from ser.cli import main
        from ser.data.corpora.ravdess import Ravdess
        Ravdess.published = replace(Ravdess.published, parts=pickle.load(open({str(parts)!r}, "rb")))
        sys.exit(main(["download", "ravdess", "--yes"]))
    """
    command = [sys.executable, "-c", code]
    server.faults = [("slow", 0.02)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    kept = in_tmp / "data/.ser-download/ravdess-speech/parts" / ARCHIVE[1:]
    deadline = time.monotonic() + 30
    while not (kept.exists() and kept.stat().st_size > 50_000) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and "Interrupted. What is downloaded is kept; the same command goes on." in err
    assert not (in_tmp / "data" / "ravdess").exists() and 50_000 < kept.stat().st_size < len(data)
    begun = kept.stat().st_size
    assert subprocess.run(command, capture_output=True).returncode == 0
    assert server.asked[-1] == (ARCHIVE, begun) and len(tree(in_tmp / "data")) == 32
