"""Which weights of a pretrained model learn: all, the top layers, or low-rank changes; and which a run saves."""

import math
import re
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ser.errors import UserError, did_you_mean

RANK = 8  # of the changes that `lora` learns
SCALE = 2.0  # α / rank, as in the paper
PRETRAINING = ("masked_spec_embed",)  # weights that only pretraining uses
# queries and values, as in the paper, by the names that torchaudio and transformers give them
ATTENTION = re.compile(r"(q_proj|v_proj|linear_q|linear_v|query|value)\.weight$|\.in_proj_weight$")


class LowRank(nn.Module):
    """A weight plus a learned change of low rank: W + s·B·A (LoRA; Hu et al., 2021, arXiv:2106.09685).

    B begins with zeros, so that training begins at the pretrained model.

    Args:
        weight: W.

    Shape:
        weight (rows, columns) → the same; A (rank, columns), B (rows, rank).
    """

    def __init__(self, weight: Tensor):
        super().__init__()
        rows, columns = weight.shape
        rank = min(RANK, rows, columns)
        self.a = nn.Parameter(torch.empty(rank, columns, device=weight.device))
        self.b = nn.Parameter(torch.zeros(rows, rank, device=weight.device))
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + SCALE * self.b @ self.a


def set_trainable(
    encoder: nn.Module,
    trainable: str,
    layers: Sequence[nn.Module],
    behind: Sequence[nn.Module],
    idle: Sequence[nn.Module],
) -> None:
    """Leaves gradients on for the weights that shall learn, among those that decide the features.

    Args:
        encoder: With its weights.
        trainable: `all`, `top_<number of layers>` or `lora`.
        layers: The transformer layers that are computed, first to last.
        behind: What stands behind the last of them, and is computed too.
        idle: What is not computed.

    Raises:
        UserError: Another word, more layers than there are, or no attention to change.
    """
    encoder.requires_grad_(trainable == "all")
    if trainable == "lora":
        _add_low_rank(encoder)
    for name, weights in encoder.named_parameters():
        if name.endswith(PRETRAINING):
            weights.requires_grad_(False)
    for part in idle:
        part.requires_grad_(False)
    if trainable in ("all", "lora"):
        return
    top = re.fullmatch(r"top_([1-9]\d{0,3})", trainable)
    if top is None:
        choices = ["none", "all", "top_4", "lora"]
        raise UserError(f"frontend.trainable has no choice '{trainable}'. {did_you_mean(trainable, choices)}")
    count = int(top.group(1))
    if count > len(layers):
        raise UserError(
            f"frontend.trainable={trainable}: {len(layers)} layers of this model are computed (frontend.layers)."
        )
    for part in [*layers[-count:], *behind]:
        part.requires_grad_(True)


def _add_low_rank(encoder: nn.Module) -> None:
    named = [name for name, weight in encoder.named_parameters() if ATTENTION.search(name) and weight.dim() == 2]
    if not named:
        raise UserError("frontend.trainable=lora finds no attention in this model: take all, or top_4.")
    for name in named:
        owner, _, tensor = name.rpartition(".")
        module = encoder.get_submodule(owner)
        parametrize.register_parametrization(module, tensor, LowRank(getattr(module, tensor)))


def only_trained_in_state(module: nn.Module) -> None:
    """From now on a module's state holds what it learns; the rest is in the pretrained checkpoint."""
    fixed = [name for name, weight in module.named_parameters() if not weight.requires_grad]

    def leave_out(module: nn.Module, state: dict, prefix: str, metadata: dict) -> None:
        for name in fixed:
            state.pop(prefix + name, None)

    def fill_in(module: nn.Module, state: dict, prefix: str, *_) -> None:
        for name in fixed:
            state.setdefault(prefix + name, module.get_parameter(name))

    module.register_state_dict_post_hook(leave_out)
    module.register_load_state_dict_pre_hook(fill_in)
