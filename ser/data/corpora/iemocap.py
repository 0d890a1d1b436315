"""IEMOCAP, the Interactive Emotional Dyadic Motion Capture database: categorical labels."""

import re
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from ser.data.corpora.audio_files import find_audio
from ser.data.corpora.corpus import NamedCorpus
from ser.data.corpora.table import read_text
from ser.data.emotions import canonical

CLASSES = {
    "four": {"neu": "neutral", "hap": "happy", "exc": "happy", "sad": "sad", "ang": "angry"},
    "all": {code: canonical(code) for code in ("neu", "hap", "sad", "ang", "fea", "dis", "sur", "exc", "fru")},
}
# [6.2901 - 8.2357]	Ses01F_impro01_F000	neu	[2.5000, 2.5000, 2.5000]
_LABEL = re.compile(r"^\[[\d. -]+\]\s+(Ses\w+)\s+([a-z]{3})\s+\[", re.MULTILINE)


class Iemocap(NamedCorpus):
    """IEMOCAP: ten actors in five sessions, a woman and a man each, American English, improvised and scripted.

    Source: Busso et al. 2008, Language Resources and Evaluation 42(4).

    Contents: 10,039 turns of about 4.5 s (12 hours), WAV, 16 kHz, 16 bit, mono, each labelled by three listeners with a
    category. The label is the one that the majority gave; turns without one (`xxx`) and `oth` are left out. By
    convention four classes are used, `exc` (excited) counted as happy: 5,531 turns, 1,708 neutral, 1,636 happy, 1,103
    angry and 1,084 sad. Published figures are means over the five sessions, each tested once, `split=sessions`.

    File name: `Ses01F_impro01_M003`: session, who wears the markers, the dialogue, then who speaks and the turn. The
    speaker is the second letter, not the first. Labels are in `Session1/dialog/EmoEvaluation/Ses01F_impro01.txt`, one
    line for each turn.

    Irregular: whole dialogues lie beside the turns (`dialog/wav`) and are skipped; turns may overlap, so that the
    partner is heard. Sentences are free in improvised dialogues; scripted ones are the same three plays in all
    sessions, so that a model that learns words meets them in training. `statement` is unknown. The numbers of valence,
    activation and dominance are not read.

    Args:
        root: The folder with `Session1` to `Session5`, or one that holds it as `iemocap/`.
        classes: `four` as by convention, or `all` nine that have a name.
        dialogues: `both`, `improvised` or `scripted`.
    """

    name = "iemocap"
    layout = "Session1/ … Session5/, each with sentences/wav/ and dialog/EmoEvaluation/ (WAV or FLAC)."
    source = "https://sail.usc.edu/iemocap/ (12 GB, on request)."
    licence = "its own agreement, for research only"
    grammar = re.compile(r"Ses0(?P<session>[1-5])[FM]_(?P<kind>impro|script)\w*_(?P<speaker>[FM])(?P<turn>\w?\d{2,3})")

    def __init__(
        self,
        root: str,
        classes: Literal["four", "all"] = "four",
        dialogues: Literal["both", "improvised", "scripted"] = "both",
    ):
        super().__init__(root)
        self.classes, self.dialogues = CLASSES[classes], dialogues

    @cached_property
    def _labels(self) -> dict[str, str]:
        """Turn → its category."""
        texts = find_audio(self.root, {".txt"})
        lists = [file for file in texts if file.parent.name == "EmoEvaluation" and file.name.startswith("Ses")]
        return {turn: code for file in lists for turn, code in _LABEL.findall(read_text(file))}

    def _facts(self, match: re.Match[str], path: Path) -> dict[str, Any] | str:
        kind = "improvised" if match["kind"] == "impro" else "scripted"
        if self.dialogues not in ("both", kind):
            return f"{kind}, and dialogues is {self.dialogues}"
        code = self._labels.get(match[0])
        if code not in self.classes:
            return f"labelled {code}" if code else "without a label in dialog/EmoEvaluation"
        return {
            "emotion": self.classes[code],
            "speaker": f"{self.name}_{match['session']}{match['speaker'].lower()}",
            "gender": "female" if match["speaker"] == "F" else "male",
        }
