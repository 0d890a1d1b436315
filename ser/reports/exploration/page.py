"""The report of `ser explore`: a page that opens anywhere, pictures, a row a file, and TensorBoard's events."""

import csv
import os
from dataclasses import asdict, fields
from pathlib import Path

from ser.data.audio.decode import FileFacts
from ser.errors import UserError
from ser.reports import page
from ser.reports.exploration.board import write_board
from ser.reports.exploration.example_figures import ExamplePainter
from ser.reports.exploration.explore import Example, Exploration
from ser.reports.exploration.figures import corpus_pictures
from ser.reports.exploration.inspection import Inspected, Measured
from ser.reports.exploration.summary import (
    emotion_table,
    format_table,
    headline,
    kinds_in_words,
    reasons_of,
    suspicious_rows,
    unknown,
)
from ser.reports.figures import Picture
from ser.system.files import write_atomically, write_text

MOST_ROWS = 50  # suspicious files on the page; recordings.csv has them all
MOST_SOUND_BYTES = 3_000_000  # of all players of the page, so that it can be sent by mail
PICTURES = ("classes", "speakers", "durations", "silence", "levels", "examples")  # those of an earlier exploration go
KNOWN = ("key", "corpus", "speaker", "gender", "intensity", "statement", "word", "repetition", "content")
MEASURED = tuple(field.name for field in fields(Measured) if field.name != "facts")
COLUMNS = (*KNOWN, "emotion", *(field.name for field in fields(FileFacts)), *MEASURED, "used_s", "suspicious")


def check_folder(folder: Path) -> None:
    """Refuses a folder that cannot be written, before anything is decoded.

    Raises:
        UserError: It or a parent is a file, or it may not be written.
    """
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    why = "is a file" if not existing.is_dir() else "may not be written" if not os.access(existing, os.W_OK) else None
    if why:
        raise UserError(f"Cannot write to out_dir={folder}: {existing} {why}. Choose another folder with out_dir=….")


def write_exploration(exploration: Exploration, folder: Path) -> Path:
    """Writes everything, over an earlier exploration only.

    Args:
        exploration: Of a corpus.
        folder: Made if missing: `index.html`, `recordings.csv`, `figures/*.png`, TensorBoard's events.

    Returns:
        The page.

    Raises:
        UserError: The disk is full, or the folder may not be written.
    """
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    painter = ExamplePainter(exploration.examples, exploration.frontend, exploration.audio.sample_rate)
    pictures = {picture.name: picture for picture in corpus_pictures(exploration)}
    shown = [*pictures.values(), painter.grid()]
    for name in set(PICTURES) - {picture.name for picture in shown}:
        (folder / "figures" / f"{name}.png").unlink(missing_ok=True)
    for picture in shown:
        file = folder / "figures" / f"{picture.name}.png"
        write_atomically(file, lambda path, png=picture.png: path.write_bytes(png))
    write_atomically(folder / "recordings.csv", lambda path: _write_rows(path, exploration))
    write_board(folder, exploration, shown)
    write_text(folder / "index.html", exploration_page(exploration, pictures, painter).html())
    return folder / "index.html"


def exploration_page(exploration: Exploration, pictures: dict[str, Picture], painter: ExamplePainter) -> page.Page:
    """The page: numbers, suspicious files, pictures, examples."""
    recordings = exploration.recordings
    shown = {name: page.figure(picture.png, picture.alt, picture.caption) for name, picture in pictures.items()}
    remarks = [page.note(f"{sentence.rstrip('.')}.") for sentence in (*exploration.notes, *unknown(recordings))]
    report = page.Page(f"The corpus {exploration.corpus}", "What is in it, before anything is trained on it")
    report.section("At a glance", page.facts(headline(exploration)), *remarks)
    report.section("Files that deserve a look", *_suspicious(exploration))
    counts = [shown[name] for name in ("classes", "speakers") if name in shown]
    report.section("Classes", page.table(*emotion_table(exploration), "By emotion"), page.columns(*counts))
    formats = page.table(*format_table(recordings), "Formats of the files")
    sounds = [shown["durations"], shown["levels"], shown["silence"], formats]
    report.section("Durations, levels, silence", page.columns(*sounds))
    report.section("Examples", *_examples(exploration, painter))
    return report


def _suspicious(exploration: Exploration) -> list[page.Part]:
    rows = suspicious_rows(exploration)
    if not rows:
        return ["No file stands out: none is damaged, clipped, a copy, or far from the others in level or length."]
    sentences = [f"{len(rows)} files: {kinds_in_words(exploration.suspicious)}. These are hints: nothing was changed."]
    if any(suspicion.kind == "unusable" for suspicion in exploration.suspicious):
        sentences.append("Files that cannot be used stop a training, unless dataset.on_bad_file=skip leaves them out.")
    if len(rows) > MOST_ROWS:
        sentences.append(f"The first {MOST_ROWS} are listed; recordings.csv has them all.")
    cells = [[page.breakable(key), page.breakable(reasons)] for key, reasons in rows[:MOST_ROWS]]
    return [" ".join(sentences), page.table(["file", "why"], cells, "Suspicious files")]


def _examples(exploration: Exploration, painter: ExamplePainter) -> list[page.Part]:
    """A card for each gender and emotion: those of one emotion follow each other."""
    audio = exploration.audio
    ends = "silent ends kept" if audio.trim_db is None else "silent ends cut"
    intro = (
        f"As training gets them: {audio.sample_rate:,} Hz, {ends}; below each waveform {exploration.features}. One "
        "voice for each gender, one sentence and one intensity, as far as the corpus has them. Time axis and colours "
        "are the same for all; each waveform has a scale of its own."
    )
    emotions = {example.recording.emotion for example in exploration.examples}
    if len(emotions) < len(exploration.emotions):
        intro += f" Of {len(exploration.emotions)} emotions, the {len(emotions)} with most recordings."
    longest = MOST_SOUND_BYTES // (2 * len(exploration.examples))  # 2 bytes a sample
    cards = [_card(example, painter, audio.sample_rate, longest) for example in exploration.examples]
    return [intro, page.columns(*cards)]


def _card(example: Example, painter: ExamplePainter, sample_rate: int, longest: int) -> page.Markup:
    utterance, picture = example.recording.utterance, painter.cell(example)
    known = [utterance.key, utterance.speaker, utterance.statement, utterance.intensity]
    cut = [page.note("The player has its beginning only.")] if len(example.waveform) > longest else []
    return page.card(
        page.heading(example.name),
        page.note(" · ".join(word for word in known if word)),
        page.figure(picture.png, picture.alt),
        page.audio(page.wav_bytes(example.waveform[:longest], sample_rate), f"{example.name}: {utterance.key}"),
        *cut,
    )


def _write_rows(path: Path, exploration: Exploration) -> None:
    """A row a file: facts, measurements, and why it is suspicious."""
    reasons = reasons_of(exploration)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        for i, recording in enumerate(exploration.recordings):
            writer.writerow(_row(recording) | {"suspicious": reasons.get(i, "")})


def _row(recording: Inspected) -> dict[str, object]:
    known = {name: getattr(recording.utterance, name) for name in KNOWN}
    measured = {} if recording.file is None else asdict(recording.file)
    rounded = {name: f"{value:.6g}" for name, value in measured.items() if name in MEASURED}
    used_s = f"{recording.used_s:.6g}"
    return {"emotion": recording.emotion, **known, **measured.get("facts", {}), **rounded, "used_s": used_s}
