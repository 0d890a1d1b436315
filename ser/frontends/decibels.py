"""How powers become decibels: the two settings every logarithmic frontend has."""

from typing import Annotated

from torch import Tensor, nn

from ser.frontends.functional import power_to_db
from ser.system.ranges import Positive, Range

LogFloor = Annotated[float, Range(0, 1, "low")]


class Decibels(nn.Module):
    """Power to dB with a fixed floor and, per utterance, a limited range below its loudest value.

    Args:
        log_floor: Power that stands for silence (librosa's `amin`, 1e-10 is -100 dB).
        top_db: Range in dB; None keeps everything above `log_floor`.
    """

    def __init__(self, log_floor: LogFloor, top_db: Positive | None):
        super().__init__()
        self.log_floor = log_floor
        self.top_db = top_db

    def forward(self, power: Tensor, frames: Tensor) -> Tensor:
        """Decibels of the valid frames, zeros behind them: power (B, F, L), frames (B,) → (B, F, L)."""
        return power_to_db(power, frames, self.log_floor, self.top_db)
