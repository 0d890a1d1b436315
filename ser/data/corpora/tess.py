"""TESS, the Toronto Emotional Speech Set."""

import re
from pathlib import Path
from typing import Any

from ser.data.corpora.corpus import NamedCorpus
from ser.data.corpora.publication import Part, Publication
from ser.data.emotions import canonical
from ser.data.utterance import Utterance

_DATAVERSE = "https://borealisdata.ca/api/datasets/:persistentId/?persistentId=doi:10.5683/SP2/E8H2MF"
# Folders of the copies in circulation where they differ from the file names' endings; Dataverse itself has no folders
_FOLDERS = {
    "OAF_fear": "OAF_Fear",
    "OAF_ps": "OAF_Pleasant_surprise",
    "OAF_sad": "OAF_Sad",
    "YAF_ps": "YAF_pleasant_surprised",
}


class Tess(NamedCorpus):
    """TESS: two actresses, aged 64 (OAF) and 26 (YAF), Canadian English, acted.

    Source: Pichora-Fuller and Dupuis 2020, Scholars Portal Dataverse, doi 10.5683/SP2/E8H2MF.

    Contents: 2800 recordings, WAV, 24,414 Hz (one of 96 kHz), 16 bit, mono, about 2 s: each actress says the sentence
    'Say the word …' with each of 200 words in seven emotions: anger, disgust, fear, happiness, pleasant surprise (`ps`
    in file names, here `surprised`), sadness and neutral. Both are women: gender cannot be learnt from TESS.

    File name: `<actress>_<word>_<emotion>`, e.g. `OAF_back_angry.wav`. The corpus is not regular: folders are called
    `OAF_Fear` and `YAF_fear`, `OAF_Pleasant_surprise` and `YAF_pleasant_surprised`, and one file is `OA_bite_neutral`.
    Only file names are read, in any mixture of upper and lower case. `word` is the word in lower case, `statement` is
    `say_the_word_<word>`, so that no statement here is one of another corpus.

    Args:
        root: The folder with `OAF_angry` to `YAF_sad`, or one that holds it as `tess/`.
    """

    name = "tess"
    layout = "OAF_angry/ … YAF_sad/ with files such as OAF_back_angry.wav (WAV or FLAC)."
    source = "https://doi.org/10.5683/SP2/E8H2MF (about 270 MB, 2800 files)."
    licence = "CC BY-NC-ND 4.0"
    # `OA_bite_neutral` lacks a letter in the corpus itself. The emotion is the longest ending that is one: a word has
    # no underscore, `pleasant_surprised` has.
    grammar = re.compile(
        r"(?P<actress>oaf?|yaf?)[_ ](?P<word>[^_ ]+)[_ ]"
        r"(?P<emotion>angry|anger|disgust|fear(?:ful)?|happy|neutral|ps|(?:pleasant[_ ])?surprised?|sad)",
        re.IGNORECASE,
    )
    published = Publication(
        title="TESS, the Toronto Emotional Speech Set",
        authors="Pichora-Fuller and Dupuis 2020",
        page="https://doi.org/10.5683/SP2/E8H2MF",
        parts={"speech": Part(2800, 281_313_192, dataset=_DATAVERSE)},
    )

    def _facts(self, match: re.Match[str], path: Path) -> dict[str, Any] | str:
        word = match["word"].lower()
        return {
            "emotion": canonical(match["emotion"]),
            "speaker": f"{self.name}_{match['actress'][:2].lower()}f",
            "gender": "female",
            "statement": f"say_the_word_{word}",
            "word": word,
        }

    @classmethod
    def usual_place(cls, name: str) -> str:
        """The file in the folder of its actress and emotion, as in all copies: `OAF_Fear/OAF_back_fear.wav`.

        >>> Tess.usual_place("OAF_back_fear.wav"), Tess.usual_place("YAF_sad/YAF_back_sad.wav")
        ('OAF_Fear/OAF_back_fear.wav', 'YAF_sad/YAF_back_sad.wav')
        """
        match = cls.grammar.fullmatch(name.rpartition(".")[0])
        if not match:
            return name
        folder = f"{match['actress'][:2].upper()}F_{match['emotion'].lower()}"
        return f"{_FOLDERS.get(folder, folder)}/{name}"

    def _recording(self, utterance: Utterance) -> str:
        # Not the file's name: `OA_bite_neutral`, corrected to `OAF_bite_neutral` in one copy, is still one recording.
        return f"{utterance.speaker}_{utterance.word}_{utterance.emotion}"
