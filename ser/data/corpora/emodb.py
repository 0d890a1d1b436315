"""EMO-DB, the Berlin database of emotional speech."""

import re
from pathlib import Path
from typing import Any

from ser.data.corpora.corpus import NamedCorpus

_MEN = ("03", "10", "11", "12", "15")


class EmoDb(NamedCorpus):
    """EMO-DB: ten actors (five women, five men, 21 to 35 years old), German, acted.

    Source: Burkhardt et al. 2005, Interspeech.

    Contents: 535 recordings, WAV, 16 kHz, 16 bit, mono, about 2.8 s: ten everyday sentences in seven emotions (anger
    127, boredom 81, disgust 46, fear 69, happiness 71, sadness 62, neutral 79). Of about 800 takes those were kept that
    at least 80 % of the listeners recognised and 60 % found natural: classes and speakers are uneven, and scores higher
    than on corpora that were not selected.

    File name: `<speaker><text><emotion><version>`, e.g. `03a01Fa.wav`: speakers 03, 08 to 16 (men: 03, 10, 11, 12, 15),
    emotions by their German names: `W` anger (Wut), `L` boredom (Langeweile), `E` disgust (Ekel), `A` fear (Angst), `F`
    happiness (Freude), `T` sadness (Trauer), `N` neutral. Texts (`statement`): a01 'Der Lappen liegt auf dem
    Eisschrank', a02 'Das will sie am Mittwoch abgeben', a04 'Heute abend könnte ich es ihm sagen', a05 'Das schwarze
    Stück Papier befindet sich da oben neben dem Holzstück', a07 'In sieben Stunden wird es soweit sein', b01 'Was sind
    denn das für Tüten, die da unter dem Tisch stehen?', b02 'Sie haben es gerade hochgetragen und jetzt gehen sie
    wieder runter', b03 'An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht', b09 'Ich
    will das eben wegbringen und dann mit Karl was trinken gehen', b10 'Die wird auf dem Platz sein, wo wir sie immer
    hinlegen'.

    Irregular: the versions that are left are not numbered anew (`a`, `c`); not every speaker has every text in every
    emotion.

    Args:
        root: The folder with `wav`, or one that holds it as `emodb/`.
    """

    name = "emodb"
    layout = "wav/ with files such as 03a01Fa.wav (WAV or FLAC)."
    source = "http://emodb.bilderbar.info (about 40 MB, 535 files)."
    licence = "free to use, cite Burkhardt et al. 2005"
    grammar = re.compile(
        r"(?P<speaker>03|08|09|1[0-6])(?P<text>a0[12457]|b0[1239]|b10)(?P<emotion>[WLEAFTN])(?P<version>[a-z])",
        re.IGNORECASE,
    )
    emotions = {
        "W": "angry",
        "L": "bored",
        "E": "disgust",
        "A": "fearful",
        "F": "happy",
        "T": "sad",
        "N": "neutral",
    }

    def _facts(self, match: re.Match[str], path: Path) -> dict[str, Any] | str:
        return {
            "emotion": self.emotions[match["emotion"].upper()],
            "speaker": f"{self.name}_{match['speaker']}",
            "gender": "male" if match["speaker"] in _MEN else "female",
            "statement": match["text"].lower(),
            "repetition": 1 + ord(match["version"].lower()) - ord("a"),
        }
