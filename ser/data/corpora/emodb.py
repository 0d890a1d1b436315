"""EMO-DB, the Berlin database of emotional speech."""

import re
from typing import Any

from ser.data.corpora.corpus import NamedCorpus

_NAME = re.compile(
    r"(?P<speaker>03|08|09|1[0-6])(?P<text>a0[12457]|b0[1239]|b10)(?P<emotion>[WLEAFTN])(?P<version>[a-z])",
    re.IGNORECASE,
)
_MEN = ("03", "10", "11", "12", "15")


class EmoDb(NamedCorpus):
    """EMO-DB: ten actors (five women, five men, 21 to 35 years old), German, acted.

    Source: Burkhardt et al. 2005, Interspeech. Free to use; cite the paper.

    Contents: 535 recordings, WAV, 16 kHz, 16 bit, mono, about 2.8 s: ten everyday sentences in seven emotions (anger
    127, boredom 81, disgust 46, fear 69, happiness 71, sadness 62, neutral 79). Of about 800 takes those were kept that
    at least 80 % of the listeners recognised and 60 % found natural: classes and speakers are uneven, and scores higher
    than on corpora that were not selected.

    File name: `<speaker><text><emotion><version>`, e.g. `03a01Fa.wav`: speakers 03, 08 to 16 (men: 03, 10, 11, 12, 15),
    texts a01, a02, a04, a05, a07, b01, b02, b03, b09, b10, emotions by their German names: `W` anger (Wut), `L` boredom
    (Langeweile), `E` disgust (Ekel), `A` fear (Angst), `F` happiness (Freude), `T` sadness (Trauer), `N` neutral.

    Irregular: the versions that are left are not numbered anew (`a`, `c`); not every speaker has every text in every
    emotion.

    Args:
        root: The folder with `wav`, or one that holds it as `emodb/`.
    """

    name = "emodb"
    layout = "wav/ with files such as 03a01Fa.wav (WAV or FLAC)."
    source = "http://emodb.bilderbar.info (about 40 MB, 535 files); free to use, cite Burkhardt et al. 2005."
    licence = "free to use, cite Burkhardt et al. 2005"
    emotions = {
        "W": "angry",
        "L": "bored",
        "E": "disgust",
        "A": "fearful",
        "F": "happy",
        "T": "sad",
        "N": "neutral",
    }

    def _facts(self, stem: str) -> dict[str, Any] | str:
        match = _NAME.fullmatch(stem)
        if not match:
            return "the name does not follow EMO-DB's grammar"
        return {
            "emotion": self.emotions[match["emotion"].upper()],
            "speaker": f"{self.name}_{match['speaker']}",
            "gender": "male" if match["speaker"] in _MEN else "female",
            "statement": match["text"].lower(),
            "repetition": 1 + ord(match["version"].lower()) - ord("a"),
        }
