"""`ser predict`: predicts the emotion in recordings, in each as a whole or along it."""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

from ser.commands.predict_options import parse_predict
from ser.errors import UserError
from ser.system.names import printable

HELP = """ser predict <run> <file or folder …> [options]

  ser predict runs/NAME recording.wav                     emotion and probabilities as a table
  ser predict runs/NAME recordings/ --output found.csv    all recordings in a folder and below it, sorted
  ser predict best.ckpt talk.mp3 --format jsonl           a single checkpoint holds its model's config
  ser predict runs/NAME interview.wav --timeline          the emotions along a long recording

WAV, FLAC, OGG, MP3 and other formats of libsndfile, at any sample rate, mono or stereo. Recordings are prepared as
those of the run were; a clip longer than the run's audio.duration_s is cut at its end, a shorter one is padded. A file
that cannot be used has a row with the reason. A run that was trained to predict numbers (dataset.target=arousal) gives
them, in the units of its list, in place of emotion and probabilities. Hidden files and links that lead out of a folder
are skipped.

Options
  --format FORMAT      table (default), csv, jsonl; the last two have all probabilities in full
  --output FILE        into a file, written atomically; .csv, .jsonl or .txt selects the format
  --resume             go on where the same command with --output was interrupted
  --unsure-below P     answer 'unsure' where no probability reaches P, such as 0.5
  --only CLASSES       answer among these alone, such as angry,happy,neutral; their probabilities sum to 1
  --calibrated         probabilities at the temperature fitted on the run's validation part; without it they are the
                       model's own, those of predictions.csv. The emotion is the same
  --batch-size N       recordings at once (default 64); changes time and memory only
  --device DEVICE      auto (default), cpu, gpu
  --trust PACKAGE      your own package with parts of the run; several with commas

Along a long recording
  --timeline           a row for each stretch of speech with one emotion: start and end in seconds, emotion, probability
  --hop SECONDS        from window to window (default: half a window)
  --window SECONDS     of a window (default: as the run's clips, or 3)
  --smooth SECONDS     a window's probabilities are the mean of those around it, so far away (default: the hop; 0: off)
  --vad DETECTOR       how pauses are found: auto (default), silero, energy, none
  --single-view        without the run's evaluation.views: a few times as fast
  --format audacity    labels for Audacity, of one recording: --output labels.txt
  --output FILE.png    a picture of one recording: waveform, mel spectrogram, emotions

Put -- before names that begin with a dash, and before patterns over untrusted folders: ser predict RUN -- *.wav
No code in a run or a checkpoint is executed.
Exit codes: 0 every file has an emotion, 1 some could not be used, 2 something you can fix.
"""

Writer = Callable[[Iterable, Sequence[str], TextIO], None]


def main(arguments: list[str]) -> int:
    """Predicts and writes; the exit code."""
    return _predict(parse_predict(arguments))


def _predict(asked: argparse.Namespace) -> int:
    from ser.inference.find_files import find_files
    from ser.inference.load import load
    from ser.inference.writing import writers_of

    model = load(asked.run, asked.device, asked.trust, asked.calibrated, asked.only, asked.unsure_below)
    paths, remarks = find_files(asked.places)
    for remark in remarks:
        print(f"Note: {printable(remark)}", file=sys.stderr)
    if asked.timeline:
        return _timeline(asked, model, paths)
    writer = writers_of(model.answers)[asked.format]
    return _write(asked, model, paths, lambda some: model.read(some, asked.batch_size), writer)


def _timeline(asked: argparse.Namespace, model: Any, paths: list[Path]) -> int:
    from dataclasses import asdict

    from ser.inference.long_recordings import TimelineSettings, check, file_timeline
    from ser.inference.voice_activity import build_detector, describe
    from ser.inference.writing_timelines import TIMELINE_WRITERS

    if asked.format in ("audacity", "png") and len(paths) > 1:
        raise UserError(f"The format {asked.format} is of one recording, not of {len(paths)}: csv has all in one.")
    views = not asked.single_view
    settings = TimelineSettings(asked.hop, asked.window, asked.smooth, asked.vad or "auto", views)
    check(settings, model)
    print(f"Note: {(how := describe(build_detector(settings.vad)))}", file=sys.stderr)
    if asked.format == "png":
        return _picture(asked, model, paths[0], settings, how)

    def compute(some: Sequence[Path]) -> Iterable:
        for path in some:
            found = file_timeline(model, path, settings)
            if found.error and asked.format == "audacity":  # it has no rows for reasons
                raise UserError(f"{path} cannot be used: {found.error}.")
            yield found

    about = {"timeline": asdict(settings), "pauses": how}  # what `auto` found counts as well
    return _write(asked, model, paths, compute, TIMELINE_WRITERS[asked.format], about)


def _write(
    asked: argparse.Namespace,
    model: Any,
    paths: list[Path],
    compute: Callable,
    writer: Writer,
    about: dict[str, Any] | None = None,
) -> int:
    """Rows to stdout, or into the file; the exit code."""
    from rich.console import Console

    from ser.training.feature_cache import bar

    def shown(found: Iterable) -> Iterable:
        if asked.output is None and asked.format != "table" and sys.stdout.isatty():
            return found  # rows on a terminal show the progress
        return bar(Console(stderr=True), "predicting", len(paths))(found)

    failed = 0

    def counted(found: Iterable) -> Iterable:
        nonlocal failed
        for row in found:
            failed += bool(row.error)
            yield row

    if asked.output is None:
        writer(shown(counted(compute(paths))), model.classes, sys.stdout)
        return int(failed > 0)

    from ser.inference.resuming import Journal, job_of
    from ser.system.files import write_atomically

    job = job_of(Path(asked.run).expanduser(), model, about or {})
    journal = Journal(asked.output, job, asked.resume)

    def write(partial: Path) -> None:
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer(shown(counted(journal.rows(paths, compute))), model.classes, file)

    try:
        write_atomically(asked.output, write)
    except BaseException:  # Ctrl-C, a full disk
        journal.leave(len(paths))
        raise
    journal.remove()
    print(f"Written: {printable(str(asked.output))}" + (f" ({failed} could not be used)" if failed else ""))
    return int(failed > 0)


def _picture(asked: argparse.Namespace, model: Any, path: Path, settings: Any, how: str) -> int:
    from ser.inference.long_recordings import file_timeline
    from ser.reports.timeline import Overview, timeline_picture
    from ser.system.files import write_atomically

    overview = Overview()
    found = file_timeline(model, path, settings, overview.add)
    if found.error:
        raise UserError(f"{path} cannot be used: {found.error}.")
    rows = [(row.start, row.end, row.emotion, row.probability) for row in found.stretches]
    stamp = f"{Path(asked.run).resolve().name}. {how} The filled height is the probability."
    picture = timeline_picture(overview, rows, model.classes, printable(path.name), stamp)
    write_atomically(asked.output, lambda partial: partial.write_bytes(picture.png) and None)
    print(f"Written: {printable(str(asked.output))}")
    return 0
