"""Where somebody speaks: silero-vad where it is installed, else the energy of the sound.

Both are given a stream at 16 kHz piece by piece, and say of each frame of 32 ms how probable speech is.
"""

import importlib.util
import warnings
from functools import cache

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ser.errors import UserError, check_choice
from ser.system.choices import DETECTORS

RATE = 16000  # Hz
FRAME = 512  # samples
FRAME_S = FRAME / RATE
INSTALL = "pip install 'ser[vad]'"


@cache  # one network for all files
def _silero_weights() -> dict[str, torch.Tensor]:
    threads = torch.get_num_threads()
    import silero_vad  # sets the number of threads to one, for the whole process

    torch.set_num_threads(threads)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        weights = silero_vad.load_silero_vad().state_dict()
    return {name.removeprefix("_model."): value for name, value in weights.items()}


class Silero:
    """The network of silero-vad (MIT): a spectrogram, four convolutions, and an LSTM over all frames.

    The package runs its network once a frame, which takes 40 s for an hour of sound. Here all frames of a piece go
    through the convolutions together, and only the LSTM goes from frame to frame: the same probabilities (tested) in
    a tenth of the time.
    """

    name = "silero-vad"
    CONTEXT = 64  # samples before each frame that belong to it

    def __init__(self):
        known = _silero_weights()
        self._basis = known["stft.forward_basis_buffer"]
        layers = [f"encoder.{i}.reparam_conv" for i in range(4)]
        self._convolutions = [(known[f"{name}.weight"], known[f"{name}.bias"]) for name in layers]
        self._last = known["decoder.decoder.2.weight"][:, :, 0], known["decoder.decoder.2.bias"]
        with torch.random.fork_rng(devices=[]):  # initial weights, soon replaced, are random
            self._lstm = nn.LSTM(128, 128).requires_grad_(False)
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        self._lstm.load_state_dict({f"{name}_l0": known[f"decoder.rnn.{name}"] for name in names})
        self._state: tuple[torch.Tensor, torch.Tensor] | None = None
        self._before = torch.zeros(self.CONTEXT)

    @torch.inference_mode()
    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Probability of speech in each frame of the next samples.

        Shape:
            (n · 512,) → (n,).
        """
        sound = torch.cat([self._before, torch.from_numpy(samples)])
        self._before = sound[-self.CONTEXT :].clone()
        frames = sound.unfold(0, self.CONTEXT + FRAME, FRAME)[:, None]  # (n, 1, 576)
        spectrum = F.conv1d(F.pad(frames, (0, self.CONTEXT), "reflect"), self._basis, stride=128)  # (n, 258, 4)
        real, imaginary = spectrum.chunk(2, dim=1)
        hidden = (real.square() + imaginary.square()).sqrt()
        for (weight, bias), stride in zip(self._convolutions, (1, 2, 2, 1), strict=True):
            hidden = F.relu(F.conv1d(hidden, weight, bias, stride, padding=1))
        hidden, self._state = self._lstm(hidden.permute(2, 0, 1)[0, :, None], self._state)  # (n, 1, 128)
        return torch.sigmoid(F.linear(F.relu(hidden[:, 0]), *self._last))[:, 0].numpy()


class Energy:
    """Loud against what was loud before, and against the noise: 1 or 0 a frame.

    A frame is speech where it is less than 30 dB below the loudest, and 9 dB above the quietest; both are forgotten,
    by 3 dB in a second.
    """

    name = "energy"
    FORGOTTEN = 3.0 * FRAME_S  # dB a frame

    def __init__(self):
        self._loudest, self._quietest = -50.0, -40.0  # dB of full scale, before anything is known

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """1 where a frame is speech.

        Shape:
            (n · 512,) → (n,).
        """
        frames = samples.reshape(-1, FRAME)
        levels = 10 * np.log10(np.einsum("ij,ij->i", frames, frames) / FRAME + 1e-10)
        found = np.zeros(len(levels), np.float32)
        for i, level in enumerate(levels.tolist()):
            self._loudest = max(level, self._loudest - self.FORGOTTEN, -50.0)
            self._quietest = min(level, self._quietest + self.FORGOTTEN)
            found[i] = level > max(self._loudest - 30, self._quietest + 9)
        return found


class Everything:
    """All of the sound counts as speech."""

    name = "none"

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Ones.

        Shape:
            (n · 512,) → (n,).
        """
        return np.ones(len(samples) // FRAME, np.float32)


Detector = Silero | Energy | Everything


def build_detector(name: str = "auto") -> Detector:
    """A new detector, at the beginning of a stream.

    Args:
        name: `auto` (silero-vad where it is installed, else energy), `silero`, `energy` or `none`.

    Raises:
        UserError: No such detector, or silero-vad is not installed.
    """
    check_choice("vad", name, DETECTORS)
    is_installed = importlib.util.find_spec("silero_vad") is not None
    if name == "silero" and not is_installed:
        raise UserError(f"silero-vad is not installed: {INSTALL}; or take energy.")
    if name == "auto":
        name = "silero" if is_installed else "energy"
    return {"silero": Silero, "energy": Energy, "none": Everything}[name]()


def describe(detector: Detector) -> str:
    """Which one is used, in a sentence for the user."""
    if isinstance(detector, Everything):
        return "Pauses are not looked for: all of the sound counts as speech."
    if isinstance(detector, Energy):
        return f"Pauses are found by the energy of the sound (better by silero-vad: {INSTALL})."
    return "Pauses are found by silero-vad."
