"""`ser export`: a finished run as one file that runs without `ser`."""

import argparse
import sys
from pathlib import Path

from ser.commands.arguments import Parser, add_trust, format_of, output_file
from ser.errors import UserError
from ser.system.names import printable

SUFFIXES = {".onnx": "onnx", ".pt2": "torch"}

HELP = """ser export <run> [options]

  ser export runs/NAME                            NAME.onnx, and its model card NAME.onnx.md, in this folder
  ser export runs/NAME --output emotion.onnx      another name
  ser export runs/NAME --format torch             NAME.pt2, for torch.export.load

A network from waveform (batch, samples) at the run's sample rate to probabilities (batch, classes): offset, trimming,
level, cutting to audio.duration_s, frontend, normaliser, model, test-time views and temperature are inside. Labels,
sample rate, licence of the recordings, identity and metrics are in its metadata. Before it is put in place it is
compared with the checkpoint on recordings of the run's test part (synthetic voices where they are not there): no
probability may differ by more than 1e-4. docs/export.md shows how to use it.

Options
  --format FORMAT      onnx (default; pip install 'ser[export]') or torch
  --output FILE        the file; .onnx or .pt2 selects the format
  --trust PACKAGE      your own package with parts of the run; several with commas

No code in a run is executed. Exit codes: 0 written, 2 something you can fix.
"""


def main(arguments: list[str]) -> int:
    """Exports; the exit code."""
    return _export(_parsed(arguments))


def _export(asked: argparse.Namespace) -> int:
    from ser.inference.exported_formats import FORMATS, format_called

    output = None if asked.output is None else output_file(asked.output)
    kind = asked.format or ("onnx" if output is None else format_of(output, SUFFIXES))
    form = format_called(kind)  # before anything is read
    if output is not None and SUFFIXES.get(output.suffix.lower(), kind) != kind:
        raise UserError(f"--output {output} is not a name for --format {kind}: use {form.suffix}.")
    run = Path(asked.run).expanduser()
    if run.is_file():
        raise UserError(f"{run} is a file: name the directory of a finished run, which has the figures of its card.")
    if output is None:
        output = output_file(f"{run.resolve().name}{FORMATS[kind].suffix}")

    from ser.inference.export import export_run

    print(f"Exporting {printable(str(run))} to {kind} …", file=sys.stderr)
    made = export_run(run, kind, output, asked.trust)
    print(f"Checked on {printable(made.check)}")
    print(f"Written: {printable(str(made.file))} ({made.size / 1e6:.1f} MB)")
    print(f"Written: {printable(str(made.card))} (its model card)")
    return 0


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = Parser("ser export")
    parser.add_argument("run", metavar="run")
    parser.add_argument("--format", metavar="FORMAT")
    parser.add_argument("--output", metavar="FILE")
    add_trust(parser)
    return parser.parse_args(arguments)
