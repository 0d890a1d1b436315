"""Long recordings block by block, in memory that does not grow with their length."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soxr

from ser.data.audio.decode import TRUNCATED, BadRecording, check_floats, opened
from ser.data.audio.prepare import to_mono
from ser.errors import UserError

BLOCK_S = 20.0

Block = tuple[np.ndarray, int]  # mono samples (n,) float32 in [-1, 1], and their rate in Hz


def read_blocks(path: Path, channel: int | None = None, seconds: float = BLOCK_S) -> Iterator[Block]:
    """A recording of any length, in order.

    Args:
        path: What libsndfile reads.
        channel: `audio.channel`.
        seconds: Of a block; the last may be shorter.

    Raises:
        BadRecording: As `ser.data.audio.decode.read`, some of it only when it is reached; or channels that cancel each
            other in a block.
    """
    with opened(path) as recording:
        if recording.is_truncated:
            raise BadRecording(TRUNCATED)
        facts, count = recording.facts, 0
        while len(samples := recording.read(max(1, int(seconds * facts.sample_rate)))):
            check_floats(samples, facts)
            count += len(samples)
            yield to_mono(samples, channel), facts.sample_rate
        if not recording.endless and count < recording.file.frames:
            raise BadRecording(TRUNCATED)
        if count == 0:
            raise BadRecording("holds no samples")


class Resampler:
    """A stream at another sample rate (soxr HQ, as for whole recordings), without its delay.

    Args:
        sample_rate: Hz of what it gives.
    """

    def __init__(self, sample_rate: int):
        self.sample_rate = sample_rate
        self._from: int | None = None
        self._stream: soxr.ResampleStream | None = None

    def __call__(self, samples: np.ndarray, sample_rate: int) -> np.ndarray:
        """The next block (n,) float32 → what is ready of it (m,).

        Raises:
            UserError: The rate is not that of the blocks before.
        """
        if self._from is None:
            self._from = sample_rate
            if sample_rate != self.sample_rate:
                self._stream = soxr.ResampleStream(sample_rate, self.sample_rate, 1, dtype="float32", quality="HQ")
        if sample_rate != self._from:
            raise UserError(f"The sound changes its sample rate, from {self._from} Hz to {sample_rate} Hz.")
        return samples if self._stream is None else self._stream.resample_chunk(samples)

    def rest(self) -> np.ndarray:
        """What was not ready before the end of the stream (m,)."""
        nothing = np.empty(0, np.float32)
        return nothing if self._stream is None else self._stream.resample_chunk(nothing, last=True)
