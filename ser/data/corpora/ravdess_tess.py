"""RAVDESS and TESS as one corpus."""

from dataclasses import replace
from pathlib import Path

from ser.data.corpora.corpus import Corpus, Scan, child_folder
from ser.data.corpora.ravdess import Ravdess
from ser.data.corpora.tess import Tess
from ser.data.utterance import Utterance
from ser.errors import UserError, did_you_mean

CALM = ("keep", "drop", "neutral")


class RavdessTess(Corpus):
    """RAVDESS and TESS in one space of labels: 26 speakers, of whom two speak two thirds of the recordings.

    TESS's `fear` is `fearful` and its `ps` (pleasant surprise) is `surprised`, as in RAVDESS. Only RAVDESS has `calm`.
    Keys begin with `ravdess/` and `tess/`, speakers with `ravdess_` and `tess_`; both data sheets hold unchanged.

    Args:
        root: The folder that holds both as `ravdess/` and `tess/`; may be null where the next two say where they lie.
        ravdess_root: RAVDESS, if elsewhere.
        tess_root: TESS, if elsewhere.
        vocal_channel: Of RAVDESS: `speech`, `song` or `both`.
        calm: `keep` it as its own class, `drop` these recordings, or count them as `neutral`.

    Raises:
        UserError: No root for one of them, or an unknown `calm` or `vocal_channel`.
    """

    name = "ravdess_tess"
    licence = f"{Ravdess.licence} (ravdess), {Tess.licence} (tess)"

    def __init__(
        self,
        root: str | None,
        ravdess_root: str | None = None,
        tess_root: str | None = None,
        vocal_channel: str = "speech",
        calm: str = "keep",
    ):
        if calm not in CALM:
            raise UserError(f"dataset.calm={calm} does not exist. {did_you_mean(str(calm), list(CALM))}")
        super().__init__(root or ravdess_root or tess_root or "")
        self.calm = calm
        self.ravdess = Ravdess(ravdess_root or _inside(root, "ravdess"), vocal_channel)
        self.tess = Tess(tess_root or _inside(root, "tess"))
        self.ravdess.setting, self.tess.setting = "dataset.ravdess_root", "dataset.tess_root"

    def scan(self) -> Scan:
        """Lists both, RAVDESS first.

        Raises:
            UserError: One of them is missing.
        """
        scans = [(corpus.name, corpus.scan()) for corpus in (self.ravdess, self.tess)]
        utterances = [
            replace(utterance, key=f"{name}/{utterance.key}") for name, scan in scans for utterance in scan.utterances
        ]
        notes = [f"{name}: {note}" for name, scan in scans for note in scan.notes]
        damaged = {copy: why for _, scan in scans for copy, why in scan.damaged.items()}
        return replace(self._settle_calm(utterances, notes), damaged=damaged)

    def _settle_calm(self, utterances: list[Utterance], notes: list[str]) -> Scan:
        count = sum(utterance.emotion == "calm" for utterance in utterances)
        if count and self.calm == "drop":
            utterances = [utterance for utterance in utterances if utterance.emotion != "calm"]
            notes = [*notes, f"{count} calm recordings dropped"]
        elif count and self.calm == "neutral":
            utterances = [replace(u, emotion="neutral") if u.emotion == "calm" else u for u in utterances]
            notes = [*notes, f"{count} calm recordings counted as neutral"]
        return Scan(tuple(utterances), tuple(notes))


def _inside(root: str | None, name: str) -> str:
    """The folder `name` in `root`, in any case of letters, or where it should be."""
    if not root:
        raise UserError(f"dataset.root is empty, and so is dataset.{name}_root: name the folder of {name}.")
    parent = Path(root).expanduser().absolute()
    return str(child_folder(parent, name) or parent / name)
