"""Several views of each recording at test: read at several speeds, cut at several places, their probabilities averaged.

Scoring, `ser predict` and everything else that asks a classifier for an answer use the same views. Choosing the epoch
does not: in training validation sees each recording once, as it is.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any

import torch
from torch import Tensor

from ser.augmentations.base import side_by_side
from ser.augmentations.clip import Clip
from ser.augmentations.resampling import resample
from ser.data.audio.prepare import AudioSettings
from ser.data.targets import predicts_numbers
from ser.errors import UserError
from ser.instantiate import check_settings
from ser.system.ranges import Range

Logits = Callable[[Tensor, Tensor], Tensor]  # waveforms (B, T), lengths (B,) → (B, K)
MOST = 100  # views of a recording
Speeds = Sequence[Annotated[float, Range(0.25, 4)]]


class EvaluationViews:
    """Averages what a classifier says of views of a recording (`evaluation.views`).

    Args:
        audio: Whose duration clips have.
        speeds: Rates at which each recording is read (`ser.augmentations.speed`); 1 is the recording as it is.
        crops: Clips taken of each recording that is longer than `audio.duration_s`, evenly from its beginning to its
            end; 1: the beginning.
        numbers: Whether answers are numbers, and not logits.

    Raises:
        UserError: No speed, or crops of recordings that are not cut.
    """

    def __init__(
        self, audio: AudioSettings, speeds: Speeds = (1.0,), crops: Annotated[int, Range(1, 100)] = 1,
        numbers: bool = False,
    ):  # fmt: skip
        if not speeds:
            raise UserError("evaluation.views.speeds names no speed: [1.0] is each recording as it is.")
        if len(speeds) * crops > MOST:
            raise UserError(f"evaluation.views asks for {len(speeds) * crops} views of a recording; at most {MOST}.")
        if crops > 1 and audio.num_samples is None:
            raise UserError(
                f"evaluation.views.crops={crops} takes clips of audio.duration_s, and that is null here: every "
                "recording is seen whole. Set it, or leave out crops."
            )
        self.audio, self.speeds, self.crops, self.numbers = audio, tuple(speeds), crops, numbers

    def __len__(self) -> int:
        """Views of a long recording."""
        return len(self.speeds) * self.crops

    def __str__(self) -> str:
        speeds = ", ".join(f"{speed:g}" for speed in self.speeds)
        return f"speeds {speeds}" + (f", {self.crops} crops" if self.crops > 1 else "")

    def average(self, answer: Logits, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """Logarithm of the mean probability of each class; the mean of numbers.

        Args:
            answer: The classifier's logits or numbers of one view.
            waveforms: Whole recordings, zeros behind their ends.
            lengths: Samples of each.

        Shape:
            waveforms (B, T), lengths (B,) → (B, K).
        """
        views = [(answer(*view).float(), weight) for *view, weight in self._views(waveforms, lengths)]
        total = sum(weight for _, weight in views)
        if self.numbers:
            return torch.stack([view * weight for view, weight in views]).sum(dim=0) / total
        shares = [view.log_softmax(dim=1) + math.log(weight) for view, weight in views]
        return torch.stack(shares).logsumexp(dim=0) - math.log(total)

    def _views(self, waveforms: Tensor, lengths: Tensor) -> Iterator[tuple[Tensor, Tensor, int]]:
        """Waveforms and lengths of each view, and for how many views it stands."""
        width = self.audio.num_samples
        clip = None if width is None else Clip(width, self.audio.padding_is_signal)
        recordings = [waveform[:length] for waveform, length in zip(waveforms, lengths.tolist(), strict=True)]
        for speed in self.speeds:
            read = recordings if speed == 1 else [resample(recording, speed) for recording in recordings]
            if clip is None:
                yield *side_by_side(read), 1
                continue
            beyond = [max(0, len(recording) - width) for recording in read]
            # of short recordings all crops are the same: they count as often as beside a long one
            crops, weight = (self.crops, 1) if any(beyond) else (1, self.crops)
            for i in range(crops):
                starts = [round(more * i / max(1, crops - 1)) for more in beyond]
                yield *clip(*side_by_side([r[start:] for r, start in zip(read, starts, strict=True)])), weight


def build_evaluation_views(config: dict[str, Any], audio: AudioSettings) -> EvaluationViews | None:
    """What `evaluation.views` asks for; None where it asks for nothing.

    Raises:
        UserError: Settings that cannot be; speeds that training did not render, where it rendered a list of them.
    """
    settings = (config.get("evaluation") or {}).get("views")
    if settings is None:
        return None
    if not isinstance(settings, dict):
        raise UserError(f"evaluation.views={settings} must name what to vary: {{speeds: [0.9, 1.0, 1.1], crops: 1}}.")
    given = {"audio": audio, "numbers": predicts_numbers(config)}
    check_settings(EvaluationViews, settings, "evaluation.views", given)
    views = EvaluationViews(**given, **settings)
    for i, node in enumerate(config["augmentation"]["waveform"] or []):
        if rates := node.get("rates"):
            rates = rates[: config["augmentation"].get("views")]  # one of them each, in order
            other = [speed for speed in views.speeds if speed not in (1, *rates)]
            if other:
                raise UserError(
                    f"evaluation.views.speeds={list(views.speeds)} has {other[0]:g}, which training never saw: "
                    f"augmentation.waveform.{i}.rates={rates}. Use the same ones."
                )
    return views
