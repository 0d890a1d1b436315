"""CREMA-D, the Crowd-Sourced Emotional Multimodal Actors Dataset."""

import re
from pathlib import Path
from typing import Any

from ser.data.corpora.corpus import NamedCorpus
from ser.data.emotions import canonical
from ser.data.utterance import Utterance

_WOMEN = frozenset(
    [
        1002, 1003, 1004, 1006, 1007, 1008, 1009, 1010, 1012, 1013, 1018, 1020, 1021, 1024, 1025, 1028, 1029, 1030,
        1037, 1043, 1046, 1047, 1049, 1052, 1053, 1054, 1055, 1056, 1058, 1060, 1061, 1063, 1072, 1073, 1074, 1075,
        1076, 1078, 1079, 1082, 1084, 1089, 1091,
    ]
)  # fmt: skip
_LEVELS = {"LO": "low", "MD": "medium", "HI": "high"}


class CremaD(NamedCorpus):
    """CREMA-D: 91 actors (43 women, 48 men, 20 to 74 years old, of several ethnic backgrounds), English, acted.

    Source: Cao et al. 2014, IEEE Transactions on Affective Computing 5(4).

    Contents: 7442 recordings, WAV, 16 kHz, 16 bit, mono, about 2.5 s: twelve sentences in six emotions (anger, disgust,
    fear, happiness, sadness, neutral); the sentence `IEO` at three levels, the others at an unspecified one. The label
    here is the emotion that was acted, as in file names; raters who only listened agreed with it in 41 % of cases.

    File name: `<actor>_<sentence>_<emotion>_<level>`, e.g. `1001_DFA_ANG_XX.wav`; levels `LO`, `MD`, `HI` (`intensity`
    low, medium, high) and `XX`, unspecified. Sentences: IEO 'It's eleven o'clock', TIE 'That is exactly what happened',
    IOM 'I'm on my way to the meeting', IWW 'I wonder what this is about', TAI 'The airplane is almost full', MTI 'Maybe
    tomorrow it will be cold', IWL 'I would like a new alarm clock', ITH 'I think I have a doctor's appointment', DFA
    'Don't forget a jacket', ITS 'I think I've seen this before', TSI 'The surface is slick', WSI 'We'll stop in a
    couple of minutes'.

    Irregular: `1040_ITH_SAD_X` lacks a letter; `1076_MTI_SAD_XX` is silent; a clone without Git LFS holds pointers
    instead of recordings.

    Args:
        root: The folder with `AudioWAV`, or one that holds it as `crema_d/`.
    """

    name = "crema_d"
    layout = "AudioWAV/ with files such as 1001_DFA_ANG_XX.wav (WAV or FLAC)."
    source = "https://github.com/CheyneyComputerScience/CREMA-D (7442 files in AudioWAV/, by Git LFS: git lfs pull)."
    licence = "ODbL 1.0, contents DbCL 1.0"
    grammar = re.compile(
        r"(?P<actor>10(?!00)[0-8]\d|109[01])_(?P<sentence>IEO|TIE|IOM|IWW|TAI|MTI|IWL|ITH|DFA|ITS|TSI|WSI)"
        r"_(?P<emotion>ANG|DIS|FEA|HAP|NEU|SAD)_(?P<level>LO|MD|HI|XX?)",
        re.IGNORECASE,
    )

    def _facts(self, match: re.Match[str], path: Path) -> dict[str, Any] | str:
        return {
            "emotion": canonical(match["emotion"]),
            "speaker": f"{self.name}_{match['actor']}",
            "gender": "female" if int(match["actor"]) in _WOMEN else "male",
            "intensity": _LEVELS.get(match["level"].upper()),
            "statement": match["sentence"].lower(),
        }

    def _recording(self, utterance: Utterance) -> str:
        # Not the file's name: `1040_ITH_SAD_X`, corrected in a copy, is still one recording
        return f"{utterance.speaker}_{utterance.statement}_{utterance.emotion}_{utterance.intensity}"
