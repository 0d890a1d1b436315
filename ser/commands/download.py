"""`ser download`: gets a published corpus, its licence first."""

import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from ser.commands.arguments import Parser
from ser.data.corpora.publication import CREATIVE_COMMONS, KEPT, licence_page
from ser.errors import Interrupted, UserError, did_you_mean
from ser.system.stopping import telling

HELP = """ser download ravdess|tess [options]

  ser download ravdess                 1,440 recordings of speech (208 MB) into data/ravdess
  ser download ravdess --song          the 1,012 of song as well (226 MB), into data/ravdess/song
  ser download tess --root ~/data      2,800 recordings (281 MB) into ~/data/tess

Shows the licence and asks whether you accept it. Then: downloads, compares the checksums, unpacks, and makes the folder
when all recordings are there. Stopped, it goes on where it was when called again. What is there already is left alone.
A proxy is taken from HTTPS_PROXY.

Options
  --root FOLDER   folder that holds, or gets, the corpus's folder (default: $SER_DATA, or data)
  --song          RAVDESS: the songs too
  --yes           accept the licence: for scripts
"""


def main(arguments: list[str]) -> int:
    """Asks and downloads; the exit code."""
    if not arguments:
        print(HELP)
        return 0
    downloads, accepted = _asked_for(arguments)
    missing = []
    for download in downloads:
        if download.is_there():
            print(f"Already there: {_what(download)} in {download.corpus_folder}.")
        else:
            missing.append(download)
    if missing:
        _show_licence(missing)
        if not accepted:
            _ask()
    for download in missing:
        _install(download)
    print(f"Next: {_next_command(downloads)}")
    return 0


def _asked_for(arguments: list[str]) -> tuple[list, bool]:
    """The parts that are to be there, a `Download` each, and whether the licence is accepted."""
    from ser.data.corpora.corpus import named_corpora, named_corpus
    from ser.data.download.install import Download

    parser = Parser("ser download")
    parser.add_argument("corpus")
    parser.add_argument("--root", metavar="FOLDER")
    parser.add_argument("--yes", action="store_true")
    named = [corpus for corpus in map(named_corpus, arguments) if corpus and corpus.published]
    for name in {name: None for corpus in named for name in list(corpus.published.parts)[1:]}:
        parser.add_argument(f"--{name}", action="store_true")
    asked = parser.parse_args(arguments)
    corpus = next((corpus for corpus in named if corpus.name == asked.corpus), None)
    if corpus is None:
        known = [name for name, corpus in named_corpora().items() if corpus.published]
        raise UserError(f"ser download has no corpus '{asked.corpus}'. {did_you_mean(asked.corpus, known)}")
    if asked.root == "":
        raise UserError("--root is empty: name the folder that is to hold the corpus.")
    root = Path(os.path.expanduser(asked.root or os.environ.get("SER_DATA") or "data")).absolute()
    first, *others = corpus.published.parts
    return [Download(corpus, name, root) for name in (first, *filter(vars(asked).get, others))], asked.yes


def _show_licence(missing: list) -> None:
    corpus = missing[0].corpus
    print(f"{corpus.published.title}\n  {corpus.published.authors}, {corpus.published.page}")
    print(f"  Licence: {corpus.licence}: {CREATIVE_COMMONS[corpus.licence]}\n  {licence_page(corpus.licence)}")
    for download in missing:
        files = download.part.files
        server = urlsplit(files[0].url if files else download.part.dataset).netloc
        print(f"  {_what(download)}: {download.part.size / 1e6:,.0f} MB from {server} into {download.home}")


def _ask() -> None:
    sys.stdout.write("Do you accept the licence? [y/N] ")
    sys.stdout.flush()
    answer = sys.stdin.readline()
    if not answer:
        print()
        raise UserError("Nobody answers here. If you accept the licence, add --yes.")
    if answer.strip().lower() not in ("y", "yes"):
        raise UserError("Nothing is downloaded: the licence was not accepted.")


def _install(download) -> None:
    from ser.data.download.install import install

    try:
        with showing(_what(download), download.part.size) as (received, note), telling(lambda: f"Stopped. {KEPT}"):
            install(download, received, note)
    except (KeyboardInterrupt, Interrupted) as stopped:
        interrupted = stopped if isinstance(stopped, Interrupted) else Interrupted(signal.SIGINT)
        print(f"Interrupted. {KEPT}", file=sys.stderr)
        interrupted.told = True
        raise interrupted from None
    print(f"Done: {_what(download)} in {download.home}.")


def _what(download) -> str:
    return f"{download.part.recordings:,} recordings of {download.corpus.name} ({download.name})"


def _next_command(downloads: list) -> str:
    """Finds the corpus where it is now, whatever SER_DATA is."""
    folder = downloads[0].corpus_folder
    usual = Path(os.environ.get("SER_DATA") or "data").expanduser().absolute() / downloads[0].corpus.name
    words = ["ser", "train", f"dataset={downloads[0].corpus.name}"]
    if folder != usual.resolve():
        words.append(f"dataset.root={folder}")
    if len(downloads) > 1:
        words += [f"dataset.{key}={value}" for key, value in downloads[-1].part.beside.items()]
    return shlex.join(words)


@contextmanager
def showing(what: str, total: int) -> Iterator[tuple[Callable[[int], None], Callable[[str], None]]]:
    """Progress on stderr: a bar on a terminal, elsewhere a line each tenth.

    Args:
        what: Is downloaded.
        total: Bytes, about.

    Returns:
        What to call with the number of bytes that came, and with remarks.
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console, lock, state = Console(stderr=True), threading.Lock(), {"have": 0, "shown": 0}
    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("downloading", total=total)

        def received(count: int) -> None:
            with lock:
                state["have"] = max(0, state["have"] + count)
                bar.update(task, completed=min(state["have"], total))
                tenth = 10 * state["have"] // total
                if not console.is_terminal and tenth > state["shown"]:
                    print(f"{what}: {state['have'] / 1e6:,.0f} of {total / 1e6:,.0f} MB", file=sys.stderr)
                    state["shown"] = tenth

        def note(sentence: str) -> None:
            console.print(sentence, markup=False, highlight=False, soft_wrap=True)

        yield received, note
