"""Where live sound comes from: standard input, or the microphone. A thread reads it, so that nothing is lost."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ser.data.audio.blocks import Block
from ser.data.audio.pcm_stream import PIECE, Pcm, read_stream
from ser.errors import UserError

WAITING = 256  # pieces of a pipe that wait at most: eight minutes at 16 kHz
BLOCK_S = 0.05  # of a microphone
GONE_S = 3.0  # without a block: the microphone is gone
INSTALL = "pip install 'ser[live]'"


class Piped:
    """A stream of bytes, read from the start of the process on: a recorder does not wait while the model is loaded.

    Args:
        read: At most so many of the next bytes, as soon as there are some; none at the end.
    """

    def __init__(self, read: Callable[[int], bytes]):
        self.arrived = time.monotonic()  # when the newest piece that was taken came
        self._queue: queue.Queue[tuple[float, bytes | OSError]] = queue.Queue(WAITING)
        threading.Thread(target=self._fill, args=(read,), daemon=True).start()

    def blocks(self, raw: Pcm | None, channel: int | None) -> Iterator[Block]:
        """Mono blocks; see `read_stream`."""
        return read_stream(self._next, raw, channel)

    def is_behind(self) -> bool:
        """A pipe waits: nothing has to be left out."""
        return False

    def _fill(self, read: Callable[[int], bytes]) -> None:
        piece: bytes | OSError = b"x"
        while piece and isinstance(piece, bytes):
            try:
                piece = read(PIECE)
            except OSError as error:
                piece = error
            self._queue.put((time.monotonic(), piece))

    def _next(self, most: int) -> bytes:
        self.arrived, piece = self._queue.get()
        if isinstance(piece, OSError):
            raise UserError(f"Standard input cannot be read: {piece.strerror}.") from piece
        if not piece:
            self._queue.put((self.arrived, piece))  # the end stays the end
        return piece


class Microphone:
    """An input of the system, at its own rate.

    Args:
        name: Its number or a part of its name; None: the system's default.

    Raises:
        UserError: There is none, or sounddevice is missing.
    """

    def __init__(self, name: str | None = None):
        self._sounddevice = _sounddevice()
        device = int(name) if name is not None and name.isdigit() else name
        try:
            about = self._sounddevice.query_devices(device, "input")
        except (self._sounddevice.PortAudioError, ValueError) as error:
            raise UserError(
                f"There is no microphone{f' {name}' if name else ''} ({error}). Pipe sound instead: "
                "arecord -f S16_LE -r 16000 | ser listen RUN -"
            ) from error
        self.name, self.sample_rate = str(about["name"]), int(about["default_samplerate"])
        self.arrived, self.lost = time.monotonic(), 0  # and how often the system lost sound before it came here
        self._device = device
        self._queue: queue.Queue[tuple[float, np.ndarray]] = queue.Queue()

    def blocks(self, raw: Pcm | None, channel: int | None) -> Iterator[Block]:
        """Mono blocks, without an end.

        Raises:
            UserError: It cannot be opened, or is gone.
        """
        settings = {"samplerate": self.sample_rate, "channels": 1, "dtype": "float32", "device": self._device}
        seconds = 0.0
        try:
            with self._sounddevice.InputStream(
                **settings, blocksize=int(BLOCK_S * self.sample_rate), callback=self._take
            ):
                while True:
                    self.arrived, samples = self._queue.get(timeout=GONE_S)
                    seconds += len(samples) / self.sample_rate
                    yield samples, self.sample_rate
        except queue.Empty:
            raise UserError(
                f"The microphone {self.name} is gone after {seconds:.1f} s: unplugged, or taken by another program."
            ) from None
        except self._sounddevice.PortAudioError as error:
            raise UserError(f"The microphone {self.name} failed after {seconds:.1f} s: {error}.") from error

    def is_behind(self) -> bool:
        """Whether more than a quarter of a second waits: answers are left out until it is used up, and no sound."""
        return self._queue.qsize() * BLOCK_S > 0.25

    def _take(self, samples: np.ndarray, count: int, times: Any, status: Any) -> None:
        self.lost += bool(status.input_overflow)
        self._queue.put((time.monotonic(), samples[:, 0].copy()))


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise UserError(f"The microphone needs sounddevice: {INSTALL}; or pipe sound: … | ser listen RUN -") from error
    except OSError as error:  # its library for the system's sound
        raise UserError(
            f"There is no microphone: {error}. Install PortAudio (apt install libportaudio2), or pipe sound: "
            "… | ser listen RUN -"
        ) from error
    return sounddevice
