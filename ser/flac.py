"""FLAC by dr_flac, which decodes in half of libsndfile's time and gives the same samples.

The only module that knows miniaudio, which carries dr_flac. It answers for what it surely reads right and has no
messages: where it gives None, libsndfile decides what the file is, or what it lacks.
"""

import struct
from functools import cache
from types import ModuleType

import numpy as np

MAGIC = b"fLaC"
SUBTYPES = {8: "PCM_S8", 16: "PCM_16", 24: "PCM_24"}  # bits of a sample, and libsndfile's word for it
_HEADER = struct.Struct(">4sB13xQ")  # magic, block type, and in bits: rate (20), channels (3), width (5), samples (36)


def decode_flac(data: bytes, most_samples: int) -> tuple[np.ndarray, int, str] | None:
    """Samples of a FLAC file, or None where that is libsndfile's business.

    Each frame of a FLAC file has a checksum. dr_flac leaves out the frames that fail theirs, so a file that gives as
    many samples as its header promises gives the right ones.

    Args:
        data: The whole file.
        most_samples: Files that promise more, over all channels, are left alone.

    Returns:
        samples (T, channels) float32 in [-1, 1], sample rate in Hz, and libsndfile's word for the file's samples; None
        for another format, an unknown length, a rare sample width, a damaged file, or where miniaudio is not installed.
    """
    if len(data) < _HEADER.size:
        return None
    magic, block, packed = _HEADER.unpack_from(data)
    channels, bits, promised = (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1, packed & (1 << 36) - 1
    known = magic == MAGIC and block & 0x7F == 0 and bits in SUBTYPES and 0 < promised * channels <= most_samples
    if not known or (miniaudio := _miniaudio()) is None:
        return None
    try:
        decoded = miniaudio.flac_read_f32(data)
    except miniaudio.DecodeError:
        return None
    samples = np.frombuffer(decoded.samples, dtype=np.float32)
    if decoded.nchannels != channels or len(samples) != promised * channels:
        return None
    return samples.reshape(promised, channels), decoded.sample_rate, SUBTYPES[bits]


@cache
def _miniaudio() -> ModuleType | None:
    """Loaded with the first FLAC file: a run that finds its waveforms in the store never waits for it."""
    try:
        import miniaudio
    except (ImportError, OSError):  # no wheel for this kind of machine, or one that does not fit it
        return None
    return miniaudio
