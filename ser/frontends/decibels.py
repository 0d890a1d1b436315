"""How powers become decibels: the settings every logarithmic frontend has."""

from typing import Annotated

from torch import Tensor, nn

from ser.frontends.functional import power_to_db
from ser.system.ranges import Positive, Range

LogFloor = Annotated[float, Range(0, 1, "low")]
LogOffset = Annotated[float, Range(0, 1000)]


class Decibels(nn.Module):
    """Power to dB with a fixed floor and, per utterance, a limited range below its loudest value.

    A floor can also be added: `log_offset` masks quieter sounds as noise of that power would, without the edge of a
    clamp.

    Args:
        log_floor: Power that stands for silence (librosa's `amin`, 1e-10 is -100 dB).
        top_db: Range in dB; None keeps everything above `log_floor`.
        log_offset: Power added before the logarithm; 0: nothing.
    """

    def __init__(self, log_floor: LogFloor, top_db: Positive | None, log_offset: LogOffset = 0.0):
        super().__init__()
        self.log_floor = log_floor
        self.top_db = top_db
        self.log_offset = log_offset

    @property
    def added_floor(self) -> float:
        """`log_offset` where it alone limits the range, else 0: `augmentations.offsets.RandomFloor` varies it."""
        return self.log_offset if self.top_db is None and self.log_offset > self.log_floor else 0.0

    def forward(self, power: Tensor, frames: Tensor) -> Tensor:
        """Decibels of the valid frames, zeros behind them: power (B, F, L), frames (B,) → (B, F, L)."""
        return power_to_db(power, frames, self.log_floor, self.top_db, self.log_offset)
