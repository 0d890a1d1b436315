"""Pretrained speech models as frontends: frozen, or fine-tuned in part or as a whole.

Letters: B batch, T samples, F features, L frames, D values of a frame in one layer, N transformer layers. Layer 0 is
what the first transformer layer is given, layer N what the last one gives, as in `hidden_states` of transformers.
"""

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ser.errors import UserError
from ser.frontends.base import Frontend
from ser.frontends.fine_tuning import only_trained_in_state, set_trainable
from ser.frontends.functional import keep_valid
from ser.system.ranges import Range

Layers = Literal["last", "mean", "weighted"] | Annotated[int, Range(0)]
LearningRate = Annotated[float, Range(0, 1000, "low")]
MOST_SAMPLES = 800_000  # of a frozen model's batch on a CPU: 16 clips of 3 s
MOST_SAMPLES_GPU = 2**22  # and on a GPU: 1.6 GB of the first layer's output in bf16


class Encoder(nn.Module):
    """A pretrained model from waveforms to the states of its layers. A subclass sets the attributes.

    Its weights need not be there before `load`: sizes are known from the checkpoint's settings.

    Args:
        width: D.
        num_layers: N.
    """

    def __init__(self, width: int, num_layers: int):
        super().__init__()
        self.width, self.num_layers = width, num_layers

    def load(self) -> None:
        """Reads the weights."""
        raise NotImplementedError

    def parts(self) -> tuple[Sequence[nn.Module], Sequence[nn.Module]]:
        """The transformer layers, first to last, and what of the output stands behind them."""
        raise NotImplementedError

    def count_frames(self, lengths: Tensor) -> Tensor:
        """Valid frames of waveforms of `lengths` samples: (B,) → (B,)."""
        raise NotImplementedError

    def checkpoint_gradients(self) -> None:
        """From now on computes the layers' activations a second time in the backward pass, and keeps none."""
        raise NotImplementedError

    def forward(self, waveforms: Tensor, lengths: Tensor, depth: int) -> tuple[list[Tensor], Tensor]:
        """States of layers 0 to `depth`, and what the model makes of the last: a norm may follow it.

        Padding changes nothing in the valid frames.

        Shape:
            waveforms (B, T), lengths (B,) → each (B, L, D), L the frames of T samples.
        """
        raise NotImplementedError


class Frozen:
    """An encoder that does not learn: loaded at first use, on any device, shared by copies of its frontend.

    It is no `nn.Module`, so that its weights are in no checkpoint of a run and no optimizer.

    Args:
        encoder: Not loaded yet.
    """

    def __init__(self, encoder: Encoder):
        self.encoder, self._loaded, self._lock = encoder, False, threading.Lock()

    def __deepcopy__(self, memo: dict) -> "Frozen":
        return self

    def on(self, device: torch.device) -> Encoder:
        """The encoder, ready to use on `device`."""
        with self._lock:  # predictions are computed in several threads
            if not self._loaded:
                with torch.inference_mode(False):
                    self.encoder.load()
                    self.encoder.eval().requires_grad_(False)
                self._loaded = True
            if next(self.encoder.parameters()).device != device:
                with torch.inference_mode(False):
                    self.encoder.to(device)
        return self.encoder


class PretrainedFrontend(Frontend):
    """Frames of a pretrained model: of one layer, the mean over the layers, or all layers side by side.

    Args:
        encoder: The model.
        layers: `last`: the model's output. A number: that layer, from 0. `mean` over all layers, or `weighted`: all of
            them, of which the model behind learns a weighted sum.
        trainable: `none`: frozen. `all`: every weight learns. `top_4`: the last four of the transformer layers that
            `layers` needs. `lora`: low-rank changes of the attention's weights.
        lr: Learning rate of what learns here.
        gradient_checkpointing: Keep no activations of the layers, and compute them again in the backward pass.

    Shape:
        waveforms (B, T) → (B, D, L), or (B, (N + 1)·D, L) where layers are `weighted`: layer by layer.

    Raises:
        UserError: No such layer; a part that cannot be trained.
    """

    def __init__(self, encoder: Encoder, layers: Any, trainable: str, lr: float, gradient_checkpointing: bool):
        super().__init__()
        numbered = isinstance(layers, int)
        if numbered and layers > encoder.num_layers:
            raise UserError(
                f"frontend.layers={layers} is beyond this model, which has layers 0 to {encoder.num_layers}."
            )
        self.layers, self.depth = layers, layers if numbered else encoder.num_layers
        self.num_stacked = encoder.num_layers + 1 if layers == "weighted" else 1
        self.num_features = encoder.width * self.num_stacked
        self.frozen = trainable == "none"
        if self.frozen:
            self._lent = Frozen(encoder)
            self.kept_as = "float16" if layers == "weighted" else "float32"
            return
        encoder.load()
        stack, behind = encoder.parts()
        finish, idle = (behind, []) if layers == "last" else ([], behind)
        set_trainable(encoder, trainable, stack[: self.depth], finish, [*stack[self.depth :], *idle])
        if gradient_checkpointing:
            encoder.checkpoint_gradients()
        self.encoder, self.lr = encoder, lr
        only_trained_in_state(self)

    def count_frames(self, lengths: Tensor) -> Tensor:
        """Valid frames of `lengths` samples."""
        return (self._lent.encoder if self.frozen else self.encoder).count_frames(lengths)

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Features of a batch: see `Frontend.forward`."""
        encoder = self._lent.on(waveforms.device) if self.frozen else self.encoder
        waveforms = keep_valid(waveforms[:, None].float(), lengths)[:, 0]  # (B, T) → (B, 1, T) and back
        frames = encoder.count_frames(lengths)
        if torch.compiler.is_compiling():  # as one graph, for any batch
            return keep_valid(self._states(encoder, waveforms, lengths), frames), frames
        most = MOST_SAMPLES if waveforms.device.type == "cpu" else MOST_SAMPLES_GPU
        step = max(1, most // waveforms.shape[1]) if self.frozen else len(waveforms)
        total = int(encoder.count_frames(torch.tensor([waveforms.shape[1]])))
        made = []
        for some, long in zip(waveforms.split(step), lengths.split(step), strict=True):
            features = self._states(encoder, some[:, : max(1, int(long.max()))], long)  # padding takes time for nothing
            made.append(F.pad(features, (0, total - features.shape[2])))
        return keep_valid(torch.cat(made), frames), frames

    def _states(self, encoder: Encoder, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """Features (B, F, L) of a part of the batch."""
        with self._arithmetic(waveforms.device), torch.no_grad() if self.frozen else nullcontext():
            states, last = encoder(waveforms, lengths, self.depth)
            if self.layers == "weighted":
                features = torch.cat(states, dim=2).float()
            elif self.layers == "mean":
                features = torch.stack(states).float().mean(0)
            else:
                features = (last if self.layers == "last" else states[-1]).float()
        return features.transpose(1, 2)  # (B, L, F) → (B, F, L)

    def _arithmetic(self, device: torch.device) -> AbstractContextManager:
        """Of a frozen model bf16 on a GPU, float32 on a CPU; one that learns follows `trainer.precision`."""
        if not self.frozen or torch.compiler.is_compiling():
            return nullcontext()
        if device.type == "cuda":
            return torch.autocast("cuda", torch.bfloat16, enabled=torch.cuda.is_bf16_supported())
        return torch.autocast(device.type, enabled=False)
