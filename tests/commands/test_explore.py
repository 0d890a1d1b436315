"""`ser explore` as a user types it: files, page, table, TensorBoard; and the page in a real browser."""

import csv
import os
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ser.cli import main
from tests.browser import Browser
from tests.tiny_corpora import real_corpus, write_tone

PICTURES = {"classes", "speakers", "durations", "silence", "levels", "examples"}
HOSTILE = "<img src=x onerror=alert(1)>"


class Read(HTMLParser):
    """What stands on a page: its pictures, players, headings and words."""

    def __init__(self, html: str):
        super().__init__()
        self.tags, self.pictures, self.players, self.words = [], [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag == "img":
            self.pictures.append(dict(attributes))
        if tag == "audio":
            self.players.append(dict(attributes))

    def handle_data(self, data):
        self.words += data


def read(folder) -> Read:
    return Read((folder / "index.html").read_text(encoding="utf-8"))


def rows(folder) -> list[dict[str, str]]:
    with (folder / "recordings.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def explored(tiny_ravdess, tmp_path_factory):
    """Two emotions of the tiny RAVDESS, whose very first file (not of these) is stereo; and a file that is empty."""
    folder = tmp_path_factory.mktemp("explored") / "page"
    assert main(["explore", *ravdess(tiny_ravdess), f"out_dir={folder}"]) == 0
    return folder


def ravdess(root) -> list[str]:
    return ["dataset=ravdess", f"dataset.root={root}", "dataset.emotions=[neutral,angry]"]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Recordings in folders whose names are markup, formulas and line breaks; no gender."""
    root = tmp_path_factory.mktemp("hostile") / "own"
    for name in (HOSTILE, "$\\frac$", "[bold]a\nb"):
        for emotion in ("angry", "sad"):
            for take in range(2):
                write_tone(root / name / emotion / f"{take} & {name}.wav", 150, duration_s=0.3)
    folder = root.parent / "page"
    pattern = "dataset.pattern='{speaker}/{emotion}/*'"
    assert main(["explore", "dataset=folder", f"dataset.root={root}", pattern, f"out_dir={folder}"]) == 0
    return folder


def test_everything_is_written(explored):
    assert {path.name for path in explored.iterdir() if "tfevents" not in path.name} == {
        "index.html", "recordings.csv", "figures",
    }  # fmt: skip
    assert {path.stem for path in (explored / "figures").iterdir()} == PICTURES
    assert (explored / "index.html").stat().st_size < 8_000_000


def test_page_has_its_parts(explored):
    page = read(explored)
    titles = ("At a glance", "Files that deserve a look", "Classes", "Durations, levels, silence", "Examples")
    assert all(title in page.words for title in titles)
    assert "speakers, female" in page.words and "with another number of channels" in page.words
    assert len(page.pictures) == 5 + 4 and all(len(picture["alt"]) > 20 for picture in page.pictures)
    assert "neutral: 6 female, 6 male; angry: 6 female, 6 male" in page.pictures[0]["alt"]
    assert len(page.players) == 4 and all(player["src"].startswith("data:audio/wav") for player in page.players)
    assert [player["aria-label"].split(":")[0] for player in page.players] == [
        "female neutral", "male neutral", "female angry", "male angry",
    ]  # fmt: skip
    assert "script" not in page.tags and "stereo, nearly all others: mono" in page.words


def test_a_row_for_each_file(explored):
    found = rows(explored)
    assert len(found) == 24 and len({row["key"] for row in found}) == 24
    (stereo,) = (row for row in found if row["channels"] == "2")
    assert "stereo" in stereo["suspicious"]
    for row in found:
        assert row["sample_rate"] == "16000" and row["subtype"] == "PCM_16" and row["gender"] in ("female", "male")
        assert float(row["duration_s"]) == pytest.approx(0.4) and -40 < float(row["rms_db"]) < 0


def test_tensorboard_has_pictures_and_sounds(explored):
    events = EventAccumulator(str(explored)).Reload()
    assert set(events.Tags()["images"]) == {f"corpus/{name}" for name in PICTURES}
    sounds = {"female neutral", "male neutral", "female angry", "male angry"}
    assert {tag.replace("_", " ") for tag in events.Tags()["audio"]} == {f"examples/{name}" for name in sounds}
    (sound,) = events.Audio(events.Tags()["audio"][0])
    assert sound.sample_rate == 16000 and sound.length_frames > 1600
    (image,) = events.Images("corpus/examples")
    assert image.encoded_image_string == (explored / "figures" / "examples.png").read_bytes()


@pytest.mark.slow
def test_a_second_time_overwrites_its_own_files_only(ser, tmp_path, tiny_ravdess):
    folder = tmp_path / "page"
    words = ["explore", *ravdess(tiny_ravdess), "out_dir=page"]
    (folder / "figures").mkdir(parents=True)
    foreign = [folder / "notes.txt", folder / "figures" / "mine.png", folder / "events.out.tfevents.1.host.2.3"]
    for path in foreign:
        path.write_text("mine")
    code, out, err = ser(*words)
    assert code == 0, err
    assert "ravdess: 24 recordings, 6 speakers, 2 emotions" in out and "stereo" in out and f"{folder}/index.html" in out
    first, events = (folder / "index.html").read_text(), set(folder.glob("*.explore"))
    assert ser(*words, "examples=3")[0] == 0
    assert all(path.read_text() == "mine" for path in foreign)
    assert (folder / "index.html").read_text() != first, "other examples"
    assert len(set(folder.glob("*.explore"))) == 1 and not set(folder.glob("*.explore")) & events
    assert not [path for path in folder.rglob("*") if "partial" in path.name]


def test_hostile_names_are_text(hostile):
    page = read(hostile)
    html = (hostile / "index.html").read_text(encoding="utf-8")
    assert "<img src=x" not in html and HOSTILE in page.words
    assert all(picture["src"].startswith("data:image/png") for picture in page.pictures)
    assert {row["key"].split("/")[0] for row in rows(hostile)} == {HOSTILE, "$\\frac$", "[bold]a\nb"}


def test_what_a_corpus_does_not_say_is_left_out_with_a_sentence(ser, in_tmp, hostile):
    assert "does not say the gender" in read(hostile).words and len(read(hostile).players) == 2
    lines = ["path,emotion,speaker"]
    for k, emotion in enumerate(["angry", "sad"] * 3):
        lines.append(f"{write_tone(in_tmp / f'{k}.wav', 100 + k).name},{emotion},")
    (in_tmp / "list.csv").write_text("\n".join(lines))
    code, out, err = ser("explore", "dataset=csv", "dataset.csv=list.csv")
    assert code == 0, err
    folder = in_tmp / "explorations" / "csv"
    assert "does not say the gender" in out and "does not say the speaker" in " ".join(out.split())
    assert {path.stem for path in (folder / "figures").iterdir()} == PICTURES - {"speakers"}
    assert "does not say the speaker" in read(folder).words


def test_bad_files_are_shown_and_do_not_stop(ser, in_tmp):
    for k in range(24):
        write_tone(in_tmp / "own" / ("angry", "sad")[k % 2] / f"{k}.wav", 100 + k)
    for path in (in_tmp / "own" / "sad").iterdir():
        path.write_bytes(b"")
    words = ["explore", "dataset=folder", "dataset.root=own", "dataset.pattern='{emotion}/*'", "out_dir=page"]
    code, out, err = ser(*words)
    assert code == 0, err
    assert "Files that deserve a look: 12 that cannot be used" in out and out.count("empty file") == 12
    assert len(read(in_tmp / "page").players) == 1
    for path in (in_tmp / "own" / "angry").iterdir():
        path.write_bytes(b"")
    code, _, err = ser(*words)
    assert code == 2 and "None of the 24 recordings can be used; the first: empty file" in err


def test_at_most_twenty_lines_of_suspicious_files_the_rest_counted(ser, in_tmp):
    tone = write_tone(in_tmp / "own" / "angry" / "0.wav").read_bytes()
    for k in range(1, 25):
        (in_tmp / "own" / ("angry", "sad")[k % 2]).mkdir(exist_ok=True)
        (in_tmp / "own" / ("angry", "sad")[k % 2] / f"{k}.wav").write_bytes(tone)
    _, out, _ = ser("explore", "dataset=folder", "dataset.root=own", "dataset.pattern='{emotion}/*'", "out_dir=page")
    assert "25 with the samples of another" in out and "… and 5 more." in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["dataset=ravdess", "dataset.root=/nowhere"], ["/nowhere", "zenodo"]),
        (["dataset.emotion=[angry]"], ["Did you mean 'dataset.emotions'"]),
        (["dataset=ravdes"], ["Did you mean 'ravdess'"]),
        (["examples=many"], ["examples=many", "whole number"]),
        (["out_dir=taken"], ["taken is a file", "out_dir="]),
        (["out_dir=taken/below"], ["taken is a file", "out_dir="]),
        (["frontend.n_mels=0"], ["frontend.n_mels=0"]),
    ],
    ids=lambda value: "_".join(value)[:40],
)
def test_what_cannot_be_is_one_sentence(ser, in_tmp, words, message):
    (in_tmp / "taken").write_text("a file")
    code, out, err = ser("explore", *words)
    assert code == 2, out
    assert "Traceback" not in err and all(word in err for word in message), err


def test_help_lists_settings_and_groups(ser):
    code, out, _ = ser("explore", "--help")
    assert code == 0 and "out_dir:" in out and "\ndataset\n" in out and "\nmodel\n" not in out


@pytest.mark.slow
def test_any_frontend_can_be_looked_at(ser, in_tmp, tiny_ravdess):
    code, _, err = ser("explore", *ravdess(tiny_ravdess), "frontend=zcr_rms_chroma", "out_dir=page")
    assert code == 0, err
    assert "below each waveform zcr_rms_chroma" in read(in_tmp / "page").words


def test_the_demo_corpus(ser, in_tmp):
    code, out, err = ser("explore", "progress=false")
    assert code == 0, err
    assert "No file stands out." in out and "600 recordings, 10 speakers, 8 emotions" in out
    assert (in_tmp / "explorations" / "demo" / "index.html").is_file()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    started = Browser(tmp_path_factory.mktemp("chromium"))
    yield started
    started.close()


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("page", ["explored", "hostile"])
def test_page_in_a_browser(browser, request, page, width):
    """No error in the console, all pictures there and described, all players loaded, nothing out of the window."""
    folder = request.getfixturevalue(page)
    look = browser.look((folder / "index.html").as_uri(), width)
    assert look.errors == []
    assert look.title.startswith("The corpus")
    assert look.images >= 4 and look.broken == [] and look.mute == 0
    assert look.overflow <= 0 and look.wide == []
    assert look.players and all(seconds > 0.1 for seconds in look.players)
    assert "undefined" not in look.text and not re.search(r"\bnan\b", look.text, flags=re.I)


@pytest.mark.slow
@pytest.mark.corpus
def test_the_real_corpora_are_a_page_that_can_be_sent(ser, in_tmp):
    root = real_corpus("ravdess")
    code, out, err = ser("explore", "dataset=ravdess", f"dataset.root={root}", "out_dir=page")
    assert code == 0, err
    words = read(in_tmp / "page").words
    assert words.count("stereo, nearly all others: mono") == 5
    assert "same samples as Actor_07/03-01-03-01-02-02-07" in words
    assert len(read(in_tmp / "page").players) == 16
    assert (in_tmp / "page" / "index.html").stat().st_size < 8_000_000


# ---- what must not reach the terminal, and what must -----------------------------------------------------------------


@pytest.mark.slow
def test_loud_sounds_names_that_are_no_text_and_a_link_to_nothing(in_tmp, capfd):
    """Full-scale square waves pass full scale when they are resampled: TensorBoard's writer would print a warning."""
    for emotion, pitch in (("sad", 100), ("angry", 160)):
        (in_tmp / "own" / emotion).mkdir(parents=True)
        square = np.sign(np.sin(2 * np.pi * pitch * np.arange(4000) / 8000))
        soundfile.write(in_tmp / "own" / emotion / "1.wav", square, 8000)
    (in_tmp / "own" / "sad" / "1.wav").rename(in_tmp / "own" / "sad" / os.fsdecode(b"w\xfctend.wav"))
    (in_tmp / "own" / "sad" / "2.wav").symlink_to("nowhere.wav")
    assert main(["explore", "dataset=folder", "dataset.root=own", "dataset.pattern='{emotion}/*'", "out_dir=page"]) == 0
    out, err = capfd.readouterr()
    assert "clipped." not in out and not err
    assert "1 bad file left out: 1 a link that leads nowhere (sad/2.wav)" in " ".join(out.split())
    assert "sad/w\\xfctend.wav" in [row["key"] for row in rows(in_tmp / "page")]
    assert "sad/w\\xfctend.wav" in read(in_tmp / "page").words
