"""Sound from a stream of bytes that cannot be sought: WAV, or raw PCM of a format that the user names."""

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ser.data.audio.blocks import Block
from ser.data.audio.containers import STREAMED_LENGTH
from ser.data.audio.decode import check_peak
from ser.data.audio.foreign import what_it_is
from ser.data.audio.prepare import from_pcm, to_mono
from ser.errors import UserError

PIECE = 65536  # bytes asked for at once; a pipe gives what there is
ENCODINGS = {  # bytes of a sample, NumPy's type, offset, full scale
    "u8": (1, "u1", 128, 128), "s16le": (2, "<i2", 0, 2**15), "s16be": (2, ">i2", 0, 2**15),
    "s24le": (3, "<i4", 0, 2**31), "s32le": (4, "<i4", 0, 2**31), "f32le": (4, "<f4", 0, 1), "f64le": (8, "<f8", 0, 1),
}  # fmt: skip
WAVE = {(1, 8): "u8", (1, 16): "s16le", (1, 24): "s24le", (1, 32): "s32le", (3, 32): "f32le", (3, 64): "f64le"}
EXTENSIBLE = 0xFFFE
LARGEST_HEADER = 2**20  # bytes of a chunk that holds no samples


@dataclass(frozen=True, slots=True)
class Pcm:
    """How samples lie in a stream.

    Args:
        sample_rate: Hz.
        channels: Interleaved.
        encoding: A key of `ENCODINGS`.
    """

    sample_rate: int
    channels: int = 1
    encoding: str = "s16le"

    @property
    def frame(self) -> int:
        """Bytes of a sample of all channels."""
        return ENCODINGS[self.encoding][0] * self.channels

    def __str__(self) -> str:
        return f"{self.sample_rate} Hz, {self.channels} channel{'s' * (self.channels > 1)}, {self.encoding}"


def read_stream(read: Callable[[int], bytes], raw: Pcm | None = None, channel: int | None = None) -> Iterator[Block]:
    """Mono blocks, each as soon as its bytes are there.

    Args:
        read: At most so many of the next bytes, none at the end.
        raw: The format of a stream without a header; of a WAV the header's must agree with it. None: it must be a WAV.
        channel: `audio.channel`.

    Raises:
        UserError: Empty, of an unknown format, or a header that disagrees with the stream; what came before is given.
        BadRecording: Channels that cancel each other, or too few; floats that are no sound.
    """
    stream = _Bytes(read)
    head = stream.peek(12)
    if not head:
        raise UserError("The stream is empty: no sound came on standard input.")
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        yield from _wav(stream, raw, channel)
    elif raw is not None:
        yield from _samples(stream, raw, None, channel)
    else:
        what = what_it_is(head + stream.peek(64)[12:])
        raise UserError(
            f"The stream is no WAV{f' but a {what}' if what else ''}. Of raw PCM give the format, such as --rate "
            "16000; turn others into WAV: ffmpeg -i FILE -f wav - | ser listen RUN -"
        )


class _Bytes:
    """A stream of bytes with a look ahead."""

    def __init__(self, read: Callable[[int], bytes]):
        self._read, self._ahead = read, b""

    def peek(self, count: int) -> bytes:
        """The next bytes, which stay; fewer at the end."""
        while len(self._ahead) < count and (more := self._read(PIECE)):
            self._ahead += more
        return self._ahead[:count]

    def take(self, count: int) -> bytes:
        """The next bytes; fewer at the end."""
        found = self.peek(count)
        self._ahead = self._ahead[count:]
        return found

    def some(self, most: int | None) -> bytes:
        """What there is, at most so much; nothing at the end."""
        found, self._ahead = self._ahead or self._read(PIECE), b""
        if most is not None and len(found) > most:
            found, self._ahead = found[:most], found[most:]
        return found


def _wav(stream: _Bytes, expected: Pcm | None, channel: int | None) -> Iterator[Block]:
    """Samples of a WAV, and of others of the same format that follow it."""
    seconds, found = 0.0, expected
    while head := stream.peek(12):
        if head[:4] == b"RIFF":
            stream.take(12)
        pcm, length = _header(stream, found)
        if pcm is None:
            break
        if found is not None and pcm != found:
            when = f"changes its format after {seconds:.1f} s" if seconds else "is not what the options say"
            raise UserError(f"The stream {when}: {pcm} in place of {found}.")
        found = pcm
        for samples, rate in _samples(stream, pcm, length, channel):
            seconds += len(samples) / rate
            yield samples, rate
        if length is not None and length % 2:
            stream.take(1)
    if not seconds:
        raise UserError("The stream is a WAV without samples.")


def _header(stream: _Bytes, before: Pcm | None) -> tuple[Pcm | None, int | None]:
    """The format, and the bytes of samples that follow: None where the header does not know. No format at the end."""
    pcm = None
    while len(head := stream.take(8)) == 8:
        name, length = struct.unpack("<4sI", head)
        if name == b"RIFF":
            stream.take(4)
            continue
        if name == b"data":
            if pcm is None:
                raise UserError("The stream is a damaged WAV: its samples come before their format.")
            return pcm, length if 0 < length < STREAMED_LENGTH else None
        if not re.fullmatch(rb"[\x20-\x7e]{4}", name) or length > LARGEST_HEADER:
            raise UserError("The header of the WAV disagrees with the stream: what follows its samples is no chunk.")
        body = stream.take(length + length % 2)[:length]
        if name == b"fmt ":
            pcm = _format(body)
    if pcm is not None or before is None:
        raise UserError("The stream ends within the header of a WAV.")
    return None, None


def _format(body: bytes) -> Pcm:
    if len(body) < 16:
        raise UserError("The stream is a damaged WAV: its format is cut off.")
    tag, channels, rate, byte_rate, align, bits = struct.unpack_from("<HHIIHH", body)
    if tag == EXTENSIBLE and len(body) >= 26:
        (tag,) = struct.unpack_from("<H", body, 24)
    encoding = WAVE.get((tag, bits))
    if encoding is None:
        raise UserError(f"The WAV has samples of kind {tag} with {bits} bits: PCM or floats are read from a stream.")
    pcm = Pcm(rate, channels, encoding)
    is_sound = 1 <= channels <= 1024 and 100 <= rate <= 10_000_000
    if not is_sound or (align, byte_rate) != (pcm.frame, rate * pcm.frame):
        raise UserError(
            f"The header of the WAV disagrees with itself: {pcm}, but {align} bytes a sample and {byte_rate} a second."
        )
    return pcm


def _samples(stream: _Bytes, pcm: Pcm, length: int | None, channel: int | None) -> Iterator[Block]:
    """Blocks of `length` bytes, or to the end."""
    rest, left = b"", length
    while left is None or left > 0:
        if not (piece := stream.some(left)):
            break
        left = None if left is None else left - len(piece)
        piece = rest + piece
        whole = len(piece) // pcm.frame * pcm.frame
        rest = piece[whole:]
        if whole:
            yield to_mono(_floats(piece[:whole], pcm).reshape(-1, pcm.channels), channel), pcm.sample_rate
    if left:
        total = length / pcm.frame / pcm.sample_rate
        raise UserError(
            f"The stream ends after {total - left / pcm.frame / pcm.sample_rate:.1f} s; its header says {total:.1f} s."
        )


def _floats(data: bytes, pcm: Pcm) -> np.ndarray:
    """Interleaved samples in [-1, 1], float32."""
    size, kind, offset, full_scale = ENCODINGS[pcm.encoding]
    if size == 3:  # as the upper bytes of four
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        data = wide.tobytes()
    samples = np.frombuffer(data, kind)
    if kind[1] == "f":
        check_peak(samples)
        return samples.astype(np.float32)
    return from_pcm(samples, offset, full_scale)
