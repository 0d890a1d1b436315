"""`ser listen`: the emotion of live sound."""

import argparse
import json
import os
import stat
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from ser.commands.arguments import Parser, whole
from ser.commands.predict_options import add_answers, seconds
from ser.errors import UserError
from ser.system.choices import DETECTORS
from ser.system.names import printable

HELP = """ser listen <run> [-] [options]

  ser listen runs/NAME                                              the microphone
  arecord -f S16_LE -r 16000 | ser listen runs/NAME -               a WAV on standard input, as it comes
  ffmpeg -i URL -f s16le -ar 16000 - | ser listen runs/NAME - --rate 16000 --format jsonl      raw PCM

Five times a second the emotion in the last seconds of speech, its probabilities smoothed. No sound is left out. Ctrl-C
ends it.

Options
  --format FORMAT      bars (default on a terminal), jsonl (default elsewhere): time, emotion, probability,
                       probabilities, behind (seconds from the sound's arrival to the answer); null in a pause
  --microphone NAME    a part of its name, or its number; default: the system's
  --rate HZ            of raw PCM on standard input; of a WAV its header counts
  --channels N         of raw PCM (default 1)
  --encoding NAME      of raw PCM: s16le (default), s16be, u8, s24le, s32le, f32le, f64le
  --window SECONDS     of sound in an answer (default: as the run's clips, or 3)
  --smooth SECONDS     in which an answer's weight falls to a third (default 1; 0: each answer alone)
  --vad DETECTOR       how pauses are found: auto (default), silero, energy, none
  --unsure-below P, --only CLASSES, --calibrated, --device DEVICE, --trust PACKAGE     as in ser predict

Exit codes: 0 the stream ended, 2 something you can fix, 130 Ctrl-C.
"""


def main(arguments: list[str]) -> int:
    """Listens and shows; the exit code."""
    return _listen(_parsed(arguments))


def _listen(asked: argparse.Namespace) -> int:
    from ser.inference.live_sources import Piped  # before torch: a recorder does not wait

    source: Any = None
    if asked.source == "-":
        # without the buffer, whose lock a thread that waits for bytes would hold when the process ends
        source = Piped(getattr(sys.stdin.buffer, "raw", sys.stdin.buffer).read)

    from ser.data.audio.decode import BadRecording
    from ser.data.audio.pcm_stream import Pcm
    from ser.inference.live import SMOOTH_S, listen
    from ser.inference.live_sources import Microphone
    from ser.inference.load import load
    from ser.inference.voice_activity import build_detector, describe

    source = source or Microphone(asked.microphone)
    model = load(asked.run, asked.device, asked.trust, asked.calibrated, asked.only, asked.unsure_below)
    detector = build_detector(asked.vad)
    raw = None if asked.rate is None else Pcm(asked.rate, asked.channels, asked.encoding)
    smooth_s = SMOOTH_S if asked.smooth is None else asked.smooth
    moments = listen(model, source, detector, raw, asked.window, smooth_s)
    name = source.name if isinstance(source, Microphone) else "standard input"
    print(f"Note: listening to {printable(name)}. {describe(detector)}", file=sys.stderr)
    kind = asked.format or ("bars" if sys.stdout.isatty() else "jsonl")
    try:
        if kind == "bars":
            from ser.commands.live_bars import show

            show(moments, model.classes)
        else:
            _write_lines(moments)
    except BadRecording as error:
        raise UserError(f"The stream cannot be used: {error}.") from error
    finally:
        if getattr(source, "lost", 0):
            print(f"Note: {source.lost} times the system lost sound before it reached ser.", file=sys.stderr)
    return 0


def _write_lines(moments: Iterable) -> None:
    for moment in moments:
        line = {"time": moment.time, **moment.as_dict(), "behind": round(moment.behind, 4)}
        sys.stdout.write(json.dumps(line, allow_nan=False) + "\n")
        sys.stdout.flush()


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    from ser.data.audio.pcm_stream import ENCODINGS

    parser = Parser("ser listen")
    parser.add_argument("run", metavar="run")
    parser.add_argument("source", nargs="?", metavar="-")
    parser.add_argument("--format", choices=("bars", "jsonl"))
    parser.add_argument("--microphone", metavar="NAME")
    parser.add_argument("--rate", type=whole("a whole number above 0"), metavar="HZ")
    parser.add_argument("--channels", type=whole("a whole number above 0"), metavar="N")
    parser.add_argument("--encoding", choices=list(ENCODINGS))
    parser.add_argument("--window", type=seconds, metavar="SECONDS")
    parser.add_argument("--smooth", type=seconds, metavar="SECONDS")
    parser.add_argument("--vad", choices=DETECTORS, default="auto")
    add_answers(parser)
    asked = parser.parse_intermixed_args(arguments)
    if asked.source not in (None, "-"):
        raise UserError(
            "ser listen takes the microphone or standard input (-), not a file: ser predict RUN FILE --timeline gives "
            "the emotions along one."
        )
    if asked.source is None and asked.microphone is None and _is_piped():
        asked.source = "-"
    if asked.source == "-" and asked.microphone is not None:
        raise UserError("Listen to the microphone or to standard input (-), not to both.")
    if asked.rate is None and (asked.channels or asked.encoding):
        raise UserError("Raw PCM needs its rate as well: --rate 16000. A WAV needs none of these options.")
    asked.channels, asked.encoding = asked.channels or 1, asked.encoding or "s16le"
    if asked.rate is not None and not (100 <= asked.rate <= 10_000_000 and asked.channels <= 1024):
        raise UserError(f"--rate {asked.rate} --channels {asked.channels} is no format of sound.")
    return asked


def _is_piped() -> bool:
    """Whether standard input is a pipe or a file: then that is meant."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError, AttributeError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)
