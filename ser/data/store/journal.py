"""Blocks of an entry that were written whole, so that the next process goes on where a killed one was.

A line of JSON a block, written after the block's values are on the disk: what a line names is there, whatever happened
behind it.
"""

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

NAME = "blocks.jsonl"
EVERY_S = 2.0  # between two lines: a kill costs so much work, and quick entries need no journal


class Journal:
    """The journal beside a file of values that is being written.

    Args:
        values: The file, open for appending; what no line of the journal names is cut off.
    """

    def __init__(self, values: BinaryIO):
        self.values, self.path = values, Path(values.name).with_name(NAME)
        self.blocks = self._read()
        values.truncate(self.blocks[-1]["end"] if self.blocks else 0)
        values.seek(0, os.SEEK_END)
        self._since = time.monotonic()

    def is_due(self) -> bool:
        """Whether the next block may be added."""
        return time.monotonic() - self._since >= EVERY_S

    def add(self, facts: dict) -> None:
        """Notes that all values written so far are a whole block.

        Args:
            facts: What the next process must know of it.
        """
        self.values.flush()
        os.fsync(self.values.fileno())
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**facts, "end": self.values.tell()}) + "\n")
        self._since = time.monotonic()

    def _read(self) -> list[dict]:
        """Whole lines whose values are there; the first torn one ends them."""
        size, blocks = os.fstat(self.values.fileno()).st_size, []
        with suppress(OSError, ValueError, KeyError, TypeError):
            for line in self.path.read_text(encoding="utf-8").splitlines():
                if (block := json.loads(line))["end"] > size:
                    break
                blocks.append(block)
        if not blocks:
            self.path.unlink(missing_ok=True)
        return blocks
