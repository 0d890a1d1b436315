"""The generated tables of README.md and docs/*.md, each between its marks, `<!-- name begin -->` and `… end -->`."""

import inspect
import json
import sys
from pathlib import Path

from scripts.benchmarks import BENCHMARKS
from scripts.benchmarks import table as performance
from scripts.gpu_checks import table as gpu
from scripts.reproduction import table as results
from ser.commands.show import config_groups, first_comment
from ser.data.corpora.corpus import named_corpora
from ser.errors import UserError
from ser.system.files import write_text


def main(arguments: list[str]) -> int:
    """Writes the tables anew, or with `--check` says which pages are out of date."""
    if arguments not in ([], ["--check"]):
        raise UserError("scripts/tables takes no argument but --check.")
    stale = refresh(Path.cwd(), write=not arguments)
    for page in stale:
        print(f"{page.name}: {'out of date, run scripts/tables' if arguments else 'written anew'}")
    return 1 if arguments and stale else 0


def refresh(folder: Path, write: bool = True) -> list[Path]:
    """Puts today's tables into the pages of a checkout; gives those that were out of date.

    Args:
        folder: The checkout.
        write: Else they are only looked at.
    """
    pages = {path: path.read_text(encoding="utf-8") for path in (*folder.glob("README.md"), *folder.glob("docs/*.md"))}
    made = dict(pages)
    for name, table in tables(folder).items():
        begin, end = (f"<!-- {name} {word} -->" for word in ("begin", "end"))
        for path, text in made.items():
            before, _, rest = text.partition(begin)
            if end in rest:
                made[path] = f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}"
    stale = [path for path, text in made.items() if text != pages[path]]
    for path in stale if write else ():
        write_text(path, made[path])
    return stale


def tables(folder: Path) -> dict[str, str]:
    """Name → Markdown."""
    kept = folder / "docs" / "results"
    read = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(kept.glob("*.json"))}
    graphs = kept / "gpu" / "graphs.json"
    leaderboard = kept / "leaderboard.md"
    files = [kept / "performance" / f"{name}.json" for name in BENCHMARKS]
    measured = [json.loads(file.read_text(encoding="utf-8")) for file in files if file.is_file()]
    return {
        "choices": choices(),
        "data_sheets": data_sheets(),
        "choices_in_words": choices_in_words(),
        **{name: results.table(found) for name, found in read.items()},
        "performance": performance.markdown(measured),
        **({"leaderboard": ranking(leaderboard)} if leaderboard.is_file() else {}),
        **({"gpu": gpu.markdown(json.loads(graphs.read_text(encoding="utf-8")))} if graphs.is_file() else {}),
    }


def ranking(page: Path) -> str:
    """The first table of what `ser leaderboard` wrote."""
    return next(block for block in page.read_text(encoding="utf-8").split("\n\n") if block.startswith("|"))


def choices() -> str:
    """A line a config group with its choices."""
    lines = ["| group | choices |", "|---|---|"]
    for group, files in sorted(config_groups().items()):
        lines.append(f"| `{group}` | {', '.join(f'`{file.stem}`' for file in files)} |")
    return "\n".join(lines)


def choices_in_words() -> str:
    """A table a config group, each choice with the first comment of its file."""
    parts = []
    for group, files in sorted(config_groups().items()):
        rows = [f"| `{file.stem}` | {first_comment(file).replace('|', chr(92) + '|')} |" for file in files]
        parts.append("\n".join([f"### `{group}`", "", "| choice | what it is |", "|---|---|", *rows]))
    return "\n\n".join(parts)


def data_sheets() -> str:
    """The docstring of each published corpus, without what is said of its arguments: `ser show` lists those."""
    parts = []
    for name, corpus in named_corpora().items():
        sheet = inspect.getdoc(corpus).split("\n\nArgs:")[0]
        command = f"`ser download {name}`, or by hand: " if corpus.published else ""
        parts.append(
            f"### `dataset={name}`\n\n{sheet}\n\n"
            f"Licence: {corpus.licence}.\n\nGet it: {command}{corpus.source}\n\nLayout: {corpus.layout}"
        )
    return "\n\n".join(parts)


if __name__ == "__main__":
    from ser.cli import guarded

    sys.exit(guarded(main, sys.argv[1:]))
