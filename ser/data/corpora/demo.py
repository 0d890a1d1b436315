"""A synthetic corpus, so that everything can be tried without downloading anything."""

import os
import shutil
import tempfile
import wave
from pathlib import Path

from ser.data.corpora.corpus import Scan
from ser.data.corpora.ravdess import Ravdess
from ser.errors import UserError
from ser.system.cache import cache_folder

ACTORS = range(1, 11)
FOLDER = "demo-v1"  # another number whenever a sample changes: results of two versions must not be compared
NUM_RECORDINGS = 600


class Demo(Ravdess):
    """Synthetic utterances in RAVDESS's file grammar: 10 speakers (odd ones male), 8 emotions.

    Source: made here by `ser.data.corpora.demo_voice`, from a fixed seed; no human voice and no licence is involved.

    Contents: 600 recordings, 60 a speaker as in RAVDESS (2 statements × 2 takes × 2 intensities, neutral at normal
    intensity only), WAV, 16 kHz, 16 bit, mono, 1.0 to 1.7 s. Emotions differ by pitch (level, range, contour),
    loudness, rate, voice quality and tremor. Speakers differ by more than the averages of emotions do, and takes
    vary, so that the mean of an utterance says little about an unknown speaker's emotion, and its movement
    more. It is a toy: good results here show that a system runs and learns, and nothing about human speech.

    Measured on unknown speakers (UAR in 5 folds by speaker; chance is 12.5 %): decision tree on the means of 13 MFCCs
    22 %, logistic regression on them 39 % and with the deviations of 20 MFCCs 52 %, a small CNN on log-mel 80 %.

    Written once, into `<cache>/demo-v1`, under another name and renamed when whole: a half-written copy is never used,
    and two processes may do it at once.

    Args:
        root: Its folder, written if missing or empty; by default in the cache folder.
    """

    name = "demo"
    layout = "as RAVDESS, Actor_01/ … Actor_10/."
    source = "it is written by `ser` itself."
    licence = "none needed: synthetic voices"

    def __init__(self, root: str | None = None):
        super().__init__(root or str(cache_folder() / FOLDER))

    def scan(self) -> Scan:
        """Lists the recordings, after writing them if they are not there.

        Raises:
            UserError: The folder cannot be written, or some of the recordings are missing.
        """
        if not self.root.is_dir() or not any(self.root.iterdir()):
            write_demo(self.root)
        scan = super().scan()
        if len(scan.utterances) != NUM_RECORDINGS:
            raise UserError(
                f"The demo corpus in {self.root} has {len(scan.utterances)} of its {NUM_RECORDINGS} recordings. Delete "
                "this folder, and it is written again."
            )
        return scan


def write_demo(folder: Path) -> None:
    """Writes the whole corpus into a folder that does not exist yet or is empty; all of it or nothing.

    Raises:
        UserError: `folder` cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise UserError(_cannot_write(folder, error)) from error
    try:
        for actor in ACTORS:
            _write_actor(partial / f"Actor_{actor:02}", actor)
        partial.chmod(0o755)  # mkdtemp makes it private, other users of a shared cache may read
        os.replace(partial, folder)
    except OSError as error:
        # Another process may have finished first; its copy is the same to the last bit.
        if not (folder.is_dir() and any(folder.iterdir())):
            raise UserError(_cannot_write(folder, error)) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)  # gone by now if all went well


def _cannot_write(folder: Path, error: OSError) -> str:
    return (
        f"Cannot write the demo corpus to {folder}: {error.strerror}. It takes 25 MB; set SER_CACHE or dataset.root to "
        "another folder."
    )


def _write_actor(folder: Path, actor: int) -> None:
    import numpy as np  # not above: `ser --help` reads this module without it

    from ser.data.corpora.demo_speakers import codes, utter
    from ser.data.corpora.demo_voice import SAMPLE_RATE

    folder.mkdir()
    for code in codes():
        samples = np.round(utter(actor, *code) * 32767).astype("<i2")
        name = "-".join(f"{number:02}" for number in (3, 1, *code, actor))
        with wave.open(str(folder / f"{name}.wav"), "wb") as file:
            file.setparams((1, 2, SAMPLE_RATE, len(samples), "NONE", ""))
            file.writeframes(samples.tobytes())
