"""`ser predict`: predicts the emotion in recordings."""

import argparse
import os
import sys
from pathlib import Path

from ser.commands.arguments import Parser, packages
from ser.errors import UserError
from ser.system.names import printable

FORMATS = ("table", "csv", "jsonl")
SUFFIXES = {".csv": "csv", ".jsonl": "jsonl", ".txt": "table"}

HELP = """ser predict <run> <file or folder …> [options]

  ser predict runs/NAME recording.wav                     emotion and probabilities as a table
  ser predict runs/NAME recordings/ --output found.csv    all recordings in a folder and below it, sorted
  ser predict best.ckpt talk.mp3 --format jsonl           a single checkpoint holds its model's config

WAV, FLAC, OGG, MP3 and other formats of libsndfile, at any sample rate, mono or stereo. Recordings are prepared as
those of the run were; a clip longer than the run's audio.duration_s is cut at its end, a shorter one is padded. A file
that cannot be used has a row with the reason. Hidden files and links that lead out of a folder are skipped.

Options
  --format FORMAT      table (default), csv, jsonl; the last two have all probabilities in full
  --output FILE        into a file, written atomically; .csv, .jsonl or .txt selects the format
  --batch-size N       recordings at once (default 64); changes time and memory only
  --device DEVICE      auto (default), cpu, gpu
  --calibrated         probabilities at the temperature fitted on the run's validation part; without it they are the
                       model's own, those of predictions.csv. The emotion is the same
  --trust PACKAGE      your own package with parts of the run; several with commas

Put -- before names that begin with a dash, and before patterns over untrusted folders: ser predict RUN -- *.wav
No code in a run or a checkpoint is executed.
Exit codes: 0 every file has an emotion, 1 some could not be used, 2 something you can fix.
"""


def main(arguments: list[str]) -> int:
    """Predicts and writes; the exit code."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if any(word in ("-h", "--help") for word in options):
        print(HELP)
        return 0
    try:
        asked = _parsed(arguments)
        output = None if asked.output is None else _file(asked.output)
        return _predict(asked, asked.format or ("table" if output is None else _kind_of(output)), output)
    except UserError as error:  # it may quote untrusted text and file names
        raise UserError("\n".join(map(printable, str(error).split("\n")))) from error


def _predict(asked: argparse.Namespace, kind: str, output: Path | None) -> int:
    from rich.console import Console

    from ser.inference.find_files import find_files
    from ser.inference.load import load
    from ser.inference.writing import WRITERS
    from ser.training.feature_cache import bar

    model = load(asked.run, asked.device, asked.trust, asked.calibrated)
    paths, remarks = find_files(asked.places)
    for remark in remarks:
        print(f"Note: {printable(remark)}", file=sys.stderr)
    found = model.read(paths, asked.batch_size)
    if output is not None or kind == "table" or not sys.stdout.isatty():  # rows on a terminal show the progress
        found = bar(Console(stderr=True), "predicting", len(paths))(found)
    if output is None:
        return int(WRITERS[kind](found, model.classes, sys.stdout) > 0)

    from ser.system.files import write_atomically

    failed = []

    def write(partial: Path) -> None:
        with partial.open("w", newline="", encoding="utf-8") as file:
            failed.append(WRITERS[kind](found, model.classes, file))

    write_atomically(output, write)
    print(f"Written: {printable(str(output))}" + (f" ({failed[0]} could not be used)" if failed[0] else ""))
    return int(failed[0] > 0)


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = Parser("ser predict")
    parser.add_argument("run", metavar="run")
    parser.add_argument("places", nargs="*", metavar="file or folder")
    parser.add_argument("--format", choices=FORMATS)
    parser.add_argument("--output", metavar="FILE")
    parser.add_argument("--batch-size", type=_batch_size, default=64, metavar="N")
    parser.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto")
    parser.add_argument("--trust", type=packages, action="extend", default=[], metavar="PACKAGE")
    parser.add_argument("--calibrated", action="store_true")
    if not arguments:
        raise UserError("Name a run and recordings: ser predict runs/NAME recording.wav (see --help).")
    asked = parser.parse_intermixed_args(arguments)
    if not asked.places:
        raise UserError(f"Name the recordings behind the run: ser predict {asked.run} recording.wav folder/ …")
    return asked


def _batch_size(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of recordings at once")
    return int(text)


def _file(name: str) -> Path:
    """A path that a file can be written to, checked before anything is read."""
    path = Path(os.path.expanduser(name))
    if not name or path.is_dir():
        raise UserError(f"--output {name}: name a file, not a folder.")
    if path.exists() and not path.is_file():
        raise UserError(f"--output {name}: it exists and is not a file.")  # /dev/null would be replaced
    if not path.parent.is_dir():
        raise UserError(f"--output {name}: there is no folder {path.parent}.")
    return path


def _kind_of(output: Path) -> str:
    if output.suffix.lower() not in SUFFIXES:
        raise UserError(f"--output {output}: the suffix selects the format: {', '.join(SUFFIXES)}; or add --format.")
    return SUFFIXES[output.suffix.lower()]
