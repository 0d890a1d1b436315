"""The length that a file's own bytes declare, where libsndfile does not check it.

libsndfile returns the rest of a truncated file without an error; where a length is missing it reads nothing or a guess.
"""

import io
import re
import struct
from typing import BinaryIO, NamedTuple

STREAMED_LENGTH = 0x7FFF0000  # chunks that claim so much (2 GiB) were written to a pipe: a placeholder
LARGEST_PAGE = 65307  # bytes of an Ogg page
# how a frame of layer 1, 2 or 3 begins, and what the first of LAME and others holds where it counts the frames
_RATES = re.escape(bytes(byte for byte in range(0x10, 0xF0) if byte & 12 != 12))  # bit rates and sample rates there are
MPEG_FRAME = re.compile(rb"\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff][" + _RATES + rb"]")
MPEG_COUNT = re.compile(rb"(?:Xing|Info)\0\0\0[\x01\x03\x05\x07\x09\x0b\x0d\x0f]")


class Chunk(NamedTuple):
    """Where the samples begin, and how many bytes of them the header declares."""

    start: int
    length: int


class _Layout(NamedTuple):
    """Where chunks begin, how name and length of one are written, which holds samples, what lengths are padded to."""

    start: int
    header: str
    samples: bytes
    padding: int = 2
    counts_header: bool = False


LAYOUTS = {  # by a file's first four bytes, and those from the eighth on
    (b"RIFF", b"WAVE"): _Layout(12, "<4sI", b"data"),
    (b"RIFX", b"WAVE"): _Layout(12, ">4sI", b"data"),
    (b"RF64", b"WAVE"): _Layout(12, "<4sI", b"data"),
    (b"FORM", b"AIFF"): _Layout(12, ">4sI", b"SSND"),
    (b"FORM", b"AIFC"): _Layout(12, ">4sI", b"SSND"),
    (b"FORM", b"8SVX"): _Layout(12, ">4sI", b"BODY"),
    (b"FORM", b"16SV"): _Layout(12, ">4sI", b"BODY"),
    (b"caff", b"desc"): _Layout(8, ">4sq", b"data", padding=1),
    (b"riff", b"\xa5\xd6\x28\xdb"): _Layout(40, "<4s12xq", b"data", padding=8, counts_header=True),  # Wave64
}


def find_samples(head: bytes, raw: BinaryIO, size: int) -> Chunk | None:
    """The samples that a header declares; None where the format does not give their number of bytes.

    Args:
        head: The file's first bytes.
        raw: The file.
        size: Its bytes.
    """
    if layout := LAYOUTS.get((head[:4], head[8:12])):
        # in the file only where other chunks come before: each seek costs a system call
        return _find_chunk(io.BytesIO(head), layout) or _find_chunk(raw, layout)
    if head[:4] in (b".snd", b"dns.") and len(head) >= 12:  # AU
        return Chunk(*struct.unpack_from(">II" if head[:1] == b"." else "<II", head, 4))
    if head[:7] == b"NIST_1A":
        facts = {key: int(number) for key, number in re.findall(rb"(\w+) -i (\d{1,12})\s", head)}
        frames, wide = facts.get(b"sample_count", 0), facts.get(b"channel_count", 1) * facts.get(b"sample_n_bytes", 1)
        return Chunk(int(head[8:16]) if head[8:16].strip().isdigit() else 0, frames * wide)
    if head[:4] == b"OggS":
        return None if _ogg_ends(raw, size) else Chunk(size, 1)  # at least a page more
    return None


def _find_chunk(file: BinaryIO, layout: _Layout) -> Chunk | None:
    file.seek(layout.start)
    header_size, wide = struct.calcsize(layout.header), None
    while len(header := file.read(header_size)) == header_size:
        name, length = struct.unpack(layout.header, header)
        length -= header_size * layout.counts_header
        if name == layout.samples:
            return Chunk(file.tell(), wide if wide is not None and length == 0xFFFFFFFF else length)
        if not 0 <= length < 2**48:
            return None
        start = file.tell()
        if name == b"ds64":  # RF64: the 64 bits that a RIFF has no room for
            wide = int.from_bytes(file.read(16)[8:], "little")
        file.seek(start + length + -length % layout.padding)
    return None


def _ogg_ends(raw: BinaryIO, size: int) -> bool:
    """Whether the last page is whole and says that it is the last; true as well where none is near the end."""
    raw.seek(max(0, size - LARGEST_PAGE))
    _, mark, page = raw.read(LARGEST_PAGE).rpartition(b"OggS")
    if not mark:
        return True
    segments = page[23 : 23 + page[22]] if len(page) > 22 else None  # their lengths
    return segments is not None and bool(page[1] & 4) and len(page) >= 23 + page[22] + sum(segments)


def with_length(raw: BinaryIO, chunk: Chunk, size: int) -> io.BytesIO | None:
    """A repaired copy of a WAV whose lengths are still 0, as left by a pipe or a killed recorder; None for all others.

    libsndfile takes the other placeholder, 0xFFFFFFFF, as it should, but reads nothing where it finds 0.
    """
    if chunk.length > 0 or chunk.start == size:
        return None
    raw.seek(0)
    data = bytearray(raw.read())
    if data[:4] != b"RIFF" or struct.unpack_from("<I", data, 4)[0] == size - 8:  # it is whole, and truly empty
        return None
    struct.pack_into("<I", data, 4, size - 8)
    struct.pack_into("<I", data, chunk.start - 4, size - chunk.start)
    return io.BytesIO(data)


class UncountedMp3(io.BytesIO):
    """An MP3 without a frame count, presented with a length that no estimate stays below.

    libmpg123 estimates the frames from the file's length and the first frame's, and libsndfile stops there: of a file
    of variable bit rate a part is missing, or more is declared than there is.
    """

    def seek(self, offset: int, whence: int = 0) -> int:
        at_end = (offset, whence) == (0, io.SEEK_END)
        return super().seek(64 * len(self.getbuffer())) if at_end else super().seek(offset, whence)


def find_mp3(head: bytes, raw: BinaryIO, behind_junk: bool = False) -> io.BytesIO | None:
    """An MP3 that libsndfile needs help with; None for other files.

    Args:
        head: The file's first bytes.
        raw: The file.
        behind_junk: Search behind other bytes, too: recordings of a stream begin within a frame.
    """
    start = 0
    if head[:3] == b"ID3" and len(head) >= 10:  # a tag, whose size is written in four times seven bits
        start = 10 + sum((byte & 127) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
    elif head[0] != 0xFF and not behind_junk:
        return None
    raw.seek(start)
    near = raw.read(4096)
    if not (frame := (MPEG_FRAME.search if behind_junk else MPEG_FRAME.match)(near)):
        return None
    counted = MPEG_COUNT.search(near, frame.start(), frame.start() + 200)
    if counted and not behind_junk:
        return None
    raw.seek(start + frame.start())
    return (io.BytesIO if counted else UncountedMp3)(raw.read())
