"""A journal beside the output of a job over many files, so that an interrupted one goes on where it stopped.

A row a file, as soon as it is known. The output is written whole when all files are done, and the journal removed.
"""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ser.errors import UserError
from ser.inference.answers import FilePrediction
from ser.inference.long_recordings import FileTimeline, StreamingModel
from ser.inference.stretches import Stretch
from ser.system.files import write_text

Row = FilePrediction | FileTimeline


def job_of(run: Path, model: StreamingModel, settings: dict[str, Any]) -> dict[str, Any]:
    """What decides the rows of a job: the weights, the configs, which say how recordings are prepared, how answers are
    made of logits, and the settings.

    Args:
        run: A directory or a checkpoint.
        model: Loaded from it.
        settings: Others; plain data.
    """
    files = sorted(run.rglob("best.ckpt")) if run.is_dir() else [run]
    configs = sorted(run.rglob("config.yaml")) if run.is_dir() else []
    weights, configs = ([hashlib.sha256(file.read_bytes()).hexdigest() for file in group] for group in (files, configs))
    answers = asdict(model.answers)
    return json.loads(json.dumps({"weights": weights, "configs": configs, "answers": answers, **settings}))


class Journal:
    """The finished rows of a job.

    Args:
        output: The file that the job writes.
        job: As `job_of` gives it.
        resume: Keep the rows of an earlier process; else begin anew.

    Raises:
        UserError: The journal is of another job, or cannot be written.
    """

    def __init__(self, output: Path, job: dict[str, Any], resume: bool):
        self.path = output.with_name(f".{output.name}.unfinished")
        self._rows: dict[str, dict[str, Any]] = {}
        lines = self._lines() if resume else []
        if lines and lines[0].get("job") != job:
            raise UserError(
                f"{self.path} is of a job with another run or other options: give the same ones, or begin anew without "
                "--resume."
            )
        for line in lines[1:]:
            if isinstance(line.get("path"), str):
                self._rows[line["path"]] = line
        self.kept = len(self._rows)
        begun = [{"job": job}, *self._rows.values()]
        write_text(self.path, "".join(json.dumps(line) + "\n" for line in begun))
        self._file = self.path.open("a", encoding="ascii")

    def rows(self, paths: Sequence[Path], compute: Callable[[Sequence[Path]], Iterable[Row]]) -> Iterator[Row]:
        """A row for each file, in order: those of the journal, if the file is unchanged, and computed ones.

        Args:
            paths: All files.
            compute: A row for each of some files, in order.
        """
        known = {path: row for path in paths if (row := self._known(path)) is not None}
        computed = iter(compute([path for path in paths if path not in known]))
        for path in paths:
            if path in known:
                yield known.pop(path)
                continue
            row = next(computed)
            if not row.error:  # the others are tried again
                self._write({"path": str(path), "state": _state(path), **_plain(row)})
                self.kept += 1
            yield row

    def remove(self) -> None:
        """The job is done, or nothing of it is worth keeping."""
        with suppress(OSError):
            self._file.close()
        self.path.unlink(missing_ok=True)

    def leave(self, total: int) -> None:
        """The job is interrupted: says how to go on, if anything is kept."""
        if not self.kept:
            return self.remove()
        with suppress(OSError):  # what a full disk did not take
            self._file.close()
        print(f"Note: {self.kept} of {total} files are kept; the same command with --resume goes on.", file=sys.stderr)

    def _lines(self) -> list[dict[str, Any]]:
        """What an earlier process wrote; its last line may be cut."""
        try:
            text = self.path.read_text(encoding="ascii", errors="replace")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UserError(f"{self.path} cannot be read: {error.strerror}.") from error
        lines = []
        for line in text.splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:
                continue
        return [line for line in lines if isinstance(line, dict)]

    def _known(self, path: Path) -> Row | None:
        line = self._rows.get(str(path))
        if line is None or line.get("state") != _state(path):
            return None
        try:
            return _row(path, line)
        except (KeyError, TypeError, ValueError):
            return None

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, allow_nan=False) + "\n")
        self._file.flush()


def _state(path: Path) -> list[int] | None:
    """Size and time of a file: unchanged where these are."""
    try:
        about = os.stat(path)
    except OSError:
        return None
    return [about.st_size, about.st_mtime_ns]


def _plain(row: Row) -> dict[str, Any]:
    if isinstance(row, FilePrediction):
        fields = {"emotion": row.emotion, "probabilities": row.probabilities}
        return fields | ({"numbers": row.numbers} if row.numbers else {})
    return {"stretches": [asdict(stretch) for stretch in row.stretches]}


def _row(path: Path, line: dict[str, Any]) -> Row:
    if "stretches" in line:
        return FileTimeline(path, tuple(Stretch(**stretch) for stretch in line["stretches"]))
    return FilePrediction(path, line["emotion"], line["probabilities"], numbers=line.get("numbers") or {})
