"""The `ser` command: names its subcommands and imports one of them when asked. Nothing heavy is imported here."""

import importlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence

from ser.commands import COMMANDS
from ser.errors import Interrupted, UserError, did_you_mean, in_words
from ser.system.names import printable
from ser.system.stopping import ending_in_time, interrupted_by_sigterm
from ser.system.streams import ReaderLeft, standard_streams
from ser.system.without_warnings import without_warnings

MAKERS = ("explore", "train", "crossval", "evaluate", "ensemble", "tune", "download")  # the others only print
PRINTED = frozenset(["-h", "--help", "-c", "--cfg", "-i", "--info", "--hydra-help", "run.dry_run=true"])  # nor do these

HELP = """ser: train and compare speech emotion recognition models

  ser <command> [arguments]

Commands
{commands}

  ser download ravdess                          get a corpus, into data/ravdess
  ser explore dataset=ravdess dataset.root=…    what is in your copy of RAVDESS
  ser train                                     a first run on the demo corpus
  ser train dataset=ravdess dataset.root=…      a run on your copy of RAVDESS
  ser train -m model=mlp,cnn1d,cnn2d seed=0,1   a grid
  ser evaluate run=runs/NAME                    a report on a finished run; dataset=tess: on other recordings
  ser predict runs/NAME a.wav folder/           the emotion in each recording; along a long one with --timeline
  ser listen runs/NAME                          the emotion of live sound
  ser demo runs/NAME                            a page in the browser that answers recordings
  ser train --help                              its groups and settings
  eval "$(ser -sc install=bash)"                completion in bash

Exit codes: 0 done, 1 a bug or a failed sweep, 2 something you can fix, 130 Ctrl-C, 143 SIGTERM.
SER_TRACEBACK=1 shows where an error came from.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one subcommand and gives the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    makes = arguments[:1] and arguments[0] in MAKERS or arguments[:2] == ["runs", "prune"]
    only_prints = not makes or not PRINTED.isdisjoint(arguments)
    return guarded(_dispatch, arguments, only_prints, is_program=argv is None)


def guarded(
    command: Callable[[list[str]], int], arguments: list[str], only_prints: bool = False, is_program: bool = True
) -> int:
    """Runs a command; a user's error becomes a sentence on stderr, and every end an exit code.

    Args:
        command: Gets the arguments.
        arguments: As typed.
        only_prints: Whether the command only prints, and ends when its output is closed.
        is_program: Whether the process ends with the command.
    """
    with standard_streams(only_prints), without_warnings():
        try:
            with ending_in_time(for_good=is_program), interrupted_by_sigterm():
                code = command(arguments)
            sys.stdout.flush()  # a full disk shows here
            return code
        except ReaderLeft:
            return 0
        except Interrupted as interrupted:
            if not interrupted.told:
                print("Interrupted.", file=sys.stderr)
            return interrupted.exit_code
        except KeyboardInterrupt:
            print("Interrupted.", file=sys.stderr)
            return 130
        except Exception as error:
            if (words := in_words(error)) is None:
                raise
            if os.environ.get("SER_TRACEBACK"):
                traceback.print_exc()
            words = "\n".join(map(printable, words.split("\n")))  # it may quote untrusted text and file names
            print(f"Error: {words}", file=sys.stderr)
            return 2


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        width = max(map(len, COMMANDS))
        print(HELP.format(commands="\n".join(f"  {name:<{width}}  {line}" for name, line in COMMANDS.items())))
        return 0
    if arguments[0] == "--version":
        from importlib.metadata import version

        print(f"ser {version('ser')}")
        return 0
    if arguments[0] == "-sc":
        from ser.commands.completion import complete

        return complete(arguments[1:])
    if arguments[0] not in COMMANDS:
        raise UserError(f"There is no command '{arguments[0]}'. {did_you_mean(arguments[0], list(COMMANDS))}")
    command, words = importlib.import_module(f"ser.commands.{arguments[0]}"), arguments[1:]
    if {"-h", "--help"} & set(words[: words.index("--")] if "--" in words else words):
        print(command.help_text() if hasattr(command, "help_text") else command.HELP)
        return 0
    return command.main(words)


if __name__ == "__main__":
    sys.exit(main())
