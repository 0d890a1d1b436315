"""How powers become decibels: the two settings every logarithmic frontend has, checked in one place."""

from torch import Tensor, nn

from ser.errors import UserError
from ser.frontends.functional import power_to_db


class Decibels(nn.Module):
    """Power to dB with a fixed floor and, per utterance, a limited range below its loudest value.

    Args:
        log_floor: Power that stands for silence, > 0 (librosa's `amin`, 1e-10 is -100 dB).
        top_db: Range in dB, > 0; None keeps everything above `log_floor`.

    Raises:
        UserError: A setting is out of range.
    """

    def __init__(self, log_floor: float, top_db: float | None):
        super().__init__()
        if not log_floor > 0:
            raise UserError(f"frontend.log_floor={log_floor} must be a power above 0, e.g. 1e-10.")
        if top_db is not None and not top_db > 0:
            raise UserError(f"frontend.top_db={top_db} must be above 0 dB, or null for the whole range.")
        self.log_floor = log_floor
        self.top_db = top_db

    def forward(self, power: Tensor, frames: Tensor) -> Tensor:
        """Decibels of the valid frames, zeros behind them: power (B, F, L), frames (B,) → (B, F, L)."""
        return power_to_db(power, frames, self.log_floor, self.top_db)
