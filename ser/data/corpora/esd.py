"""ESD, the Emotional Speech Database for voice conversion."""

import re
from pathlib import Path
from typing import Any, Literal

from ser.data.corpora.corpus import NamedCorpus

_MEN = (4, 5, 6, 8, 10, 11, 12, 13, 14, 20)
_SENTENCES = 350  # in each emotion; their recordings are numbered through in the order of `emotions`


class Esd(NamedCorpus):
    """ESD: ten speakers of Mandarin (0001 to 0010) and ten of English (0011 to 0020), five women and five men each,
    acted.

    Source: Zhou et al. 2021, ICASSP; Zhou et al. 2022, Speech Communication 137.

    Contents: 35,000 recordings, WAV, 16 kHz, 16 bit, mono, about 3 s, 29 hours: each speaker says 350 sentences, the
    same ones as all others of the language, in five emotions (neutral, angry, happy, sad, surprised).

    File name: `<speaker>_<number>`, e.g. `0011_000351.wav`, in `0011/Angry/`, perhaps within `train/`, `test/` or
    `evaluation/`. Numbers 1 to 350 are neutral, to 700 angry, to 1050 happy, to 1400 sad, to 1750 surprised; a folder
    with the name of an emotion overrules them. `statement` is the sentence's number in its language: `en_001`,
    `zh_001`.

    Irregular: the transcripts beside the recordings are in several encodings, and are not read. The folders `train`,
    `test` and `evaluation` share all speakers; they are not used, so that `split` decides.

    Args:
        root: The folder with `0001` to `0020`, or one that holds it as `esd/`.
        language: `english`, `mandarin` or `both`.
    """

    name = "esd"
    layout = "0001/ … 0020/ with files such as 0011/Angry/0011_000351.wav (WAV or FLAC)."
    source = "https://hltsingapore.github.io/ESD/ (35,000 files, on request)."
    licence = "for research only"
    grammar = re.compile(r"(?P<speaker>00(0[1-9]|1\d|20))_(?P<number>00(?!0000)(0\d{3}|1[0-6]\d\d|17[0-4]\d|1750))")
    emotions = {"neutral": "neutral", "angry": "angry", "happy": "happy", "sad": "sad", "surprise": "surprised"}

    def __init__(self, root: str, language: Literal["both", "english", "mandarin"] = "both"):
        super().__init__(root)
        self.language = language

    def _facts(self, match: re.Match[str], path: Path) -> dict[str, Any] | str:
        speaker, number = int(match["speaker"]), int(match["number"]) - 1
        language = "english" if speaker > 10 else "mandarin"
        if self.language not in ("both", language):
            return f"{language}, and language is {self.language}"
        folders = [name.lower() for name in path.parts[len(self.root.parts) : -1]]
        named = [self.emotions[name] for name in folders if name in self.emotions]
        return {
            "emotion": named[-1] if named else list(self.emotions.values())[number // _SENTENCES],
            "speaker": f"{self.name}_{match['speaker']}",
            "gender": "male" if speaker in _MEN else "female",
            "statement": f"{'en' if language == 'english' else 'zh'}_{number % _SENTENCES + 1:03}",
        }
