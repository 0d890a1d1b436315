"""The arguments of `ser predict` and `ser listen`, checked before anything is read."""

import argparse

from ser.commands.arguments import Parser, add_device, add_trust, format_of, names, number, output_file, whole
from ser.errors import UserError
from ser.system.choices import DETECTORS

FORMATS = ("table", "csv", "jsonl", "audacity", "png")
SUFFIXES = {".csv": "csv", ".jsonl": "jsonl", ".txt": "table", ".png": "png"}
ONLY_TIMELINE = ("hop", "window", "smooth", "vad", "single_view")
seconds = number("a number of seconds", 86_400)


def parse_predict(arguments: list[str]) -> argparse.Namespace:
    """The arguments of `ser predict`; `format` and `output` (a path or None) are set as they will be used.

    Raises:
        UserError: One that does not exist, or that does not go with another.
    """
    parser = Parser("ser predict")
    parser.add_argument("run", metavar="run")
    parser.add_argument("places", nargs="*", metavar="file or folder")
    parser.add_argument("--format", choices=FORMATS)
    parser.add_argument("--output", metavar="FILE")
    parser.add_argument("--resume", action="store_true")
    at_once = whole("a number of recordings at once", high=100_000)
    parser.add_argument("--batch-size", type=at_once, default=64, metavar="N")
    add_answers(parser)
    parser.add_argument("--timeline", action="store_true")
    for name in ("--hop", "--window", "--smooth"):
        parser.add_argument(name, type=seconds, metavar="SECONDS")
    parser.add_argument("--vad", choices=DETECTORS)
    parser.add_argument("--single-view", action="store_true", default=None)
    if not arguments:
        raise UserError("Name a run and recordings: ser predict runs/NAME recording.wav (see --help).")
    asked = parser.parse_intermixed_args(arguments)
    if not asked.places:
        raise UserError(f"Name the recordings behind the run: ser predict {asked.run} recording.wav folder/ …")
    asked.output = None if asked.output is None else output_file(asked.output)
    asked.format = asked.format or ("table" if asked.output is None else format_of(asked.output, SUFFIXES))
    _check(asked)
    return asked


def add_answers(parser: argparse.ArgumentParser) -> None:
    """The arguments that decide how the model is loaded and how it answers."""
    add_device(parser)
    add_trust(parser)
    parser.add_argument("--calibrated", action="store_true")
    parser.add_argument("--only", type=names, action="extend", default=[], metavar="CLASSES")
    probability = number("a probability from 0 to 1", 1)
    parser.add_argument("--unsure-below", type=probability, default=0.0, metavar="PROBABILITY")


def _check(asked: argparse.Namespace) -> None:
    if not asked.timeline:
        given = [f"--{name.replace('_', '-')}" for name in ONLY_TIMELINE if getattr(asked, name) is not None]
        if given:
            raise UserError(f"{given[0]} is of --timeline: add it, or leave {given[0]} out.")
        if asked.format in ("audacity", "png"):
            raise UserError(f"The format {asked.format} is of --timeline: add it, or choose table, csv or jsonl.")
    if asked.format == "png" and asked.output is None:
        raise UserError("A picture needs a file: --output timeline.png.")
    if asked.resume and asked.output is None:
        raise UserError("--resume goes on with the file of --output: name it as before.")
    if asked.resume and asked.format in ("audacity", "png"):
        raise UserError(f"--resume is for jobs of many files: the format {asked.format} is of one recording.")
