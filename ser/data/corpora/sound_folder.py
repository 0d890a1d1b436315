"""A folder of the user's sounds, for augmentation: room responses or backgrounds, decoded once for all runs."""

from dataclasses import dataclass
from pathlib import Path

from ser.data.audio.prepare import AudioSettings
from ser.data.corpora.audio_files import AUDIO_SUFFIXES, find_audio
from ser.data.store.hashes import content_hash, hash_files
from ser.data.store.waveforms import Waveforms, open_store
from ser.errors import UserError, readable, some


@dataclass(frozen=True, slots=True)
class SoundFolder:
    """The recordings of a folder, ordered by content hash: their names make no difference.

    Args:
        folder: Where they lie.
        paths, hashes: Each recording and its content hash.
        where: The setting that named the folder, for messages.
    """

    folder: Path
    paths: tuple[Path, ...]
    hashes: tuple[str, ...]
    where: str

    def fingerprint(self) -> str:
        """A hash of what the recordings hold."""
        return content_hash("\n".join(self.hashes).encode())

    def decode(self, sample_rate: int, cache: Path) -> Waveforms:
        """The waveforms, untrimmed and at their own level: read from the store, or into it.

        Args:
            sample_rate: Hz.
            cache: The cache folder.

        Raises:
            UserError: A recording cannot be used, or the store cannot be written.
        """
        settings = AudioSettings(sample_rate, trim_db=None, min_duration_s=0.0)
        waveforms = open_store(self.paths, self.hashes, settings, cache, readable(self.folder.name))
        if waveforms.bad:
            lines = [f"{self.paths[i]}: {reason}" for i, reason in waveforms.bad.items()]
            raise UserError(
                f"{self.where}: {len(lines)} of {len(self.paths)} recordings cannot be used: {some(lines)}. "
                "Fix them, or remove them from the folder."
            )
        return waveforms


def find_sounds(folder: str | Path, where: str, cache: Path) -> SoundFolder:
    """The recordings under a folder, subfolders too; hidden files and other types are skipped.

    Args:
        folder: As the user wrote it.
        where: The setting, for messages: `augmentation.folder`.
        cache: The folder of hashes.

    Raises:
        UserError: No such folder, it may not be read, or it holds no recordings.
    """
    place = Path(str(folder)).expanduser().absolute()
    try:
        if not place.is_dir():
            what = "is a file, not a folder" if place.exists() else "does not exist"
            raise UserError(f"{where}: {place} {what}. Name a folder of recordings ({_kinds()}).")
        found = find_audio(place)
    except OSError as error:
        raise UserError(f"{where}: {error.filename or place} cannot be read: {error.strerror}.") from error
    if not found:
        raise UserError(f"{where}: {place} holds no recordings. Looked for {_kinds()}, in its subfolders too.")
    hashed = sorted(zip(hash_files(found, cache), found, strict=True))
    return SoundFolder(place, tuple(path for _, path in hashed), tuple(digest for digest, _ in hashed), where)


def _kinds() -> str:
    kinds = sorted(suffix.lstrip(".").upper() for suffix in AUDIO_SUFFIXES)
    return f"{', '.join(kinds[:-1])} or {kinds[-1]}"
