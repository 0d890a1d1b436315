"""The contract of a frontend: waveforms in, features over frames out.

Letters: B batch, T samples, F features, L frames. Frames are centred as in librosa (`center=True`, zero padding): frame
`l` covers the samples around `l * hop_length`, and a waveform of n samples has `1 + n // hop_length` of them.
"""

from torch import Tensor, nn


class Frontend(nn.Module):
    """Turns waveforms into features.

    A subclass sets `num_features` in its constructor, and implements `forward` and `count_frames`.

    Rules that every frontend keeps (tests/frontends check each one found by glob):
        - `lengths` are real samples; the samples behind them are padding and never change the valid frames.
        - an utterance's features do not depend on the rest of the batch.
        - frames behind the valid ones are zero.
        - silence gives finite features.
    """

    num_features: int
    num_stacked: int = 1  # layers one above the other in the features, of which the model learns a weighted sum
    kept_as: str = "float32"  # the type of features on disk; float16 where they have no more digits
    libraries: tuple[str, ...] = ()  # packages beside torch whose version decides the values
    not_exported: str = ""  # why it cannot be a part of an exported network, a sentence
    lr: float | None = None  # learning rate of weights that learn here; None: the optimizer's
    added_floor: float = 0.0  # power added under the logarithm, where features are plain decibels without a lower limit

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Features of a batch.

        Args:
            waveforms: Samples in [-1, 1].
            lengths: Real samples of each waveform, at most T.

        Shape:
            waveforms (B, T) float32, lengths (B,) int64 → features (B, F, L) float32, frames (B,) int64.
        """
        raise NotImplementedError

    def count_frames(self, lengths: Tensor) -> Tensor:
        """How many valid frames waveforms of `lengths` samples give: (B,) int64 → (B,) int64."""
        raise NotImplementedError
