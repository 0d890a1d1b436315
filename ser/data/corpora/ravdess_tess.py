"""RAVDESS and TESS as one corpus."""

from dataclasses import replace
from typing import Literal

from ser.data.corpora.joined import Joined
from ser.data.corpora.ravdess import VocalChannel
from ser.data.utterance import Utterance


class RavdessTess(Joined):
    """RAVDESS and TESS in one space of labels: 26 speakers, of whom two speak two thirds of the recordings.

    What `Joined` does of these two, with short names for their settings.

    Args:
        root: The folder that holds both as `ravdess/` and `tess/`; may be null where the next two say where they lie.
        ravdess_root: RAVDESS, if elsewhere.
        tess_root: TESS, if elsewhere.
        vocal_channel: Of RAVDESS: `speech`, `song` or `both`.
        calm: Only RAVDESS has it: `keep` it as its own class, `drop` these recordings, or count them as `neutral`.

    Raises:
        UserError: No root for one of them.
    """

    name = "ravdess_tess"
    setting_of = "dataset.{}_root"

    def __init__(
        self,
        root: str | None,
        ravdess_root: str | None = None,
        tess_root: str | None = None,
        vocal_channel: VocalChannel = "speech",
        calm: Literal["keep", "drop", "neutral"] = "keep",
    ):
        ravdess = {"root": ravdess_root, "vocal_channel": vocal_channel}
        super().__init__({"ravdess": ravdess, "tess": {"root": tess_root}}, root)
        self.calm = calm

    def _settle(self, utterances: list[Utterance]) -> tuple[list[Utterance], list[str]]:
        others = [utterance for utterance in utterances if utterance.emotion != "calm"]
        count = len(utterances) - len(others)
        if count and self.calm == "drop":
            return others, [f"{count} calm recordings dropped"]
        if count and self.calm == "neutral":
            counted = [replace(u, emotion="neutral") if u.emotion == "calm" else u for u in utterances]
            return counted, [f"{count} calm recordings counted as neutral"]
        return utterances, []
