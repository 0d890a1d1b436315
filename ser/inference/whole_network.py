"""A run's whole path as one module for export: a waveform at the model's sample rate in, probabilities out."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ser.data.audio.prepare import AudioSettings
from ser.errors import UserError
from ser.inference.graph_audio import cut, prepared
from ser.inference.graph_speed import Reader
from ser.training.evaluation_views import EvaluationViews
from ser.training.module import EmotionClassifier


class WholeNetwork(nn.Module):
    """Preparation, frontend, normaliser, model, test-time views and temperature in tensor operations.

    Gives the probabilities of `ser.load(run)` for recordings at the model's sample rate. A row that it refuses (silent,
    too short, not finite, not in [-1, 1]) has the probabilities NaN.

    Args:
        members: Classifiers with their weights, in evaluation mode, and how each prepares recordings. Several are an
            ensemble: their logits are averaged.
        temperature: Logits are divided by it.

    Shape:
        waveforms (B, T) in [-1, 1], NaN behind the end of a row that is shorter than others → (B, K).

    Raises:
        UserError: Members of an ensemble that take recordings at different sample rates, or another channel.
    """

    def __init__(self, members: Sequence[tuple[EmotionClassifier, AudioSettings]], temperature: float = 1.0):
        super().__init__()
        rates = sorted({audio.sample_rate for _, audio in members})
        if len(rates) > 1:
            raise UserError(
                f"The members of this ensemble take recordings at {' and '.join(map(str, rates))} Hz, and an exported "
                "network has one input: export them one by one."
            )
        if len({audio.channel for _, audio in members}) > 1:
            raise UserError(
                "The members of this ensemble take different channels of recordings (audio.channel), and an exported "
                "network has one input: export them one by one."
            )
        self.members = nn.ModuleList(_Member(classifier, audio) for classifier, audio in members)
        self.classes = tuple(members[0][0].description["classes"])
        self.sample_rate, self.channel = rates[0], members[0][1].channel
        self.temperature = temperature
        orders = [[list(member.classes).index(name) for name in self.classes] for member in self.members]
        self.register_buffer("orders", torch.tensor(orders), persistent=False)

    def forward(self, waveforms: Tensor) -> Tensor:
        # a second of nothing: torch.export would ask for as many samples as layers need for two frames, and more
        waveforms = nn.functional.pad(waveforms, (0, self.sample_rate), value=math.nan)
        found = [member(waveforms) for member in self.members]
        logits = [logits[:, order] for (logits, _), order in zip(found, self.orders, strict=True)]
        if len(logits) > 1:  # a logarithm of probabilities each: models may differ in the level of their logits
            logits = [of_member.log_softmax(dim=1) for of_member in logits]
        shares = (torch.stack(logits).mean(dim=0) / self.temperature).softmax(dim=1)
        usable = torch.stack([usable for _, usable in found]).all(dim=0)
        return torch.where(usable[:, None], shares, torch.nan)


class _Member(nn.Module):
    """One classifier: waveforms (B, T) → logits (B, K) and usable (B,)."""

    def __init__(self, classifier: EmotionClassifier, audio: AudioSettings):
        super().__init__()
        self.frontend, self.normaliser, self.model = classifier.frontend, classifier.normaliser, classifier.model
        self.classes, self.audio = tuple(classifier.description["classes"]), audio
        self.views = classifier.views or EvaluationViews(audio)
        speeds = [speed for speed in self.views.speeds if speed != 1]
        self.reader = Reader(speeds) if speeds else None
        self.slowest = min(self.views.speeds)

    def forward(self, waveforms: Tensor) -> tuple[Tensor, Tensor]:
        waveforms, lengths, usable = prepared(waveforms, self.audio)
        clips, lengths = self._clips(waveforms, lengths)
        num_views = lengths.shape[1]
        features, frames = self.frontend(clips.flatten(0, 1), lengths.flatten())
        logits = self.model(self.normaliser(features, frames), frames)[:, : len(self.classes)]
        if num_views == 1:
            return logits, usable
        shares = logits.log_softmax(dim=1).view(-1, num_views, len(self.classes))
        return shares.logsumexp(dim=1) - math.log(num_views), usable

    def _clips(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """All views of each recording, as `EvaluationViews` has them: (B, T), (B,) → (B, V, W), (B, V)."""
        width = self.audio.num_samples or self._widest(waveforms.shape[1])
        clips, left = [], []
        for _ in range(self.views.speeds.count(1)):
            starts = self._starts(lengths[:, None])[:, 0]  # (B, C)
            left.append(lengths[:, None] - starts)
            clips.append(torch.stack([cut(waveforms, start, width) for start in starts.unbind(1)], dim=1))
        if self.reader is not None:
            read = self.reader.lengths(lengths)  # (B, R)
            starts = self._starts(read)  # (B, R, C)
            left.append((read[:, :, None] - starts).flatten(1))
            clips.append(self.reader(waveforms, lengths, starts, width).flatten(1, 2))
        waveforms, lengths = torch.cat(clips, dim=1), torch.cat(left, dim=1).clamp(max=width)
        places = torch.arange(width, device=lengths.device)
        waveforms = torch.where(places < lengths[:, :, None], waveforms, 0.0)
        if self.audio.padding_is_signal and self.audio.num_samples:
            lengths = torch.full_like(lengths, width)
        return waveforms, lengths

    def _starts(self, lengths: Tensor) -> Tensor:
        """Where crops begin: evenly from the beginning to the end of what is longer than a clip: (B, R) → (B, R, C)."""
        beyond = (lengths - (self.audio.num_samples or 0)).clamp(min=0)
        last = max(1, self.views.crops - 1)
        crops = torch.arange(self.views.crops, dtype=torch.float64, device=lengths.device)
        return (beyond[:, :, None] * crops / last).round().long() if self.audio.num_samples else 0 * beyond[:, :, None]

    def _widest(self, num_samples: int) -> int:
        """Samples of the longest of a batch at the slowest speed, or one more."""
        return num_samples * 10_000 // int(min(1, self.slowest) * 10_000) + 1
