"""MELD, the Multimodal EmotionLines Dataset."""

import re
from functools import cached_property
from pathlib import Path
from typing import Any

from ser.data.corpora.audio_files import find_audio
from ser.data.corpora.corpus import NamedCorpus
from ser.data.corpora.table import read_table
from ser.data.emotions import canonical, one_form
from ser.data.utterance import Utterance
from ser.errors import UserError, readable

PARTS = {"train": "train", "dev": "val", "test": "test"}
_MAIN = {"monica": "female", "phoebe": "female", "rachel": "female", "chandler": "male", "joey": "male", "ross": "male"}


class Meld(NamedCorpus):
    """MELD: dialogues of the television series Friends, some 300 speakers, of whom six say most, English, acted.

    Source: Poria et al. 2019, ACL.

    Contents: 13,708 turns of about 3.6 s in seven emotions (neutral 47 %; joy, surprise, anger, sadness, disgust,
    fear): 9,989 for training, 1,109 for development and 2,610 for testing. With music, laughter and several voices: far
    harder than corpora from a studio. Sentences are those of the series; `statement` is unknown. The clips are films;
    convert them first, in each folder `for f in *.mp4; do ffmpeg -i "$f" -ac 1 -ar 16000 "${f%.*}.wav"; done`.

    File name: `dia0_utt3`, the dialogue and the turn, in a folder whose name has `train`, `dev` or `test` in it:
    numbers begin anew in each. `train_sent_emo.csv`, `dev_sent_emo.csv` and `test_sent_emo.csv` say who speaks, and the
    emotion that the majority of three raters saw, heard and read. Gender is known of the six main speakers.

    Irregular: `dia125_utt3` of train cannot be decoded, and `dia110_utt7` of dev is missing; the folder of test has
    further copies, `final_videos_test…`, which are skipped. The published parts share the six main speakers: figures on
    them (`official_parts`) say little about new voices.

    Args:
        root: The folder with the three lists and folders, or one that holds it as `meld/`.
        official_parts: Train, validate and test on the published parts, whatever `split` is.
    """

    name = "meld"
    layout = "train_sent_emo.csv … and folders such as train_splits/ with dia0_utt0.wav (WAV or FLAC)."
    source = "https://affective-meld.github.io (10 GB of films and three lists)."
    licence = "lists GPL 3.0, clips of a television series not free"
    grammar = re.compile(r"dia(?P<dialogue>\d{1,4})_utt(?P<utterance>\d{1,3})", re.IGNORECASE)

    def __init__(self, root: str, official_parts: bool = False):
        super().__init__(root)
        self.official_parts = official_parts

    @cached_property
    def _rows(self) -> dict[tuple[str, int, int], dict[str, str]]:
        """Part, dialogue and utterance → speaker and emotion.

        Raises:
            UserError: A list that is none of MELD's.
        """
        rows = {}
        for file in find_audio(self.root, {".csv"}):
            part, _, rest = file.name.lower().partition("_")
            for _, row in read_table(file)[1] if part in PARTS and rest == "sent_emo.csv" else ():
                try:
                    place = part, int(row["dialogue_id"]), int(row["utterance_id"])
                    rows[place] = {"speaker": one_form(readable(row["speaker"])), "emotion": row["emotion"]}
                except (KeyError, TypeError, ValueError) as error:
                    raise UserError(
                        f"{file} is not MELD's list: it needs Dialogue_ID, Utterance_ID, Speaker and Emotion."
                    ) from error
        return rows

    def _facts(self, match: re.Match[str], path: Path) -> dict[str, Any] | str:
        part = _part_of(self.key_of(path))
        if part is None:
            return "no folder says train, dev or test"
        row = self._rows.get((part, int(match["dialogue"]), int(match["utterance"])))
        if row is None:
            return f"not in {part}_sent_emo.csv"
        return {
            "emotion": canonical(row["emotion"]),
            "speaker": f"{self.name}_{row['speaker']}",
            "gender": _MAIN.get(row["speaker"]),
            "part": PARTS[part] if self.official_parts else None,
        }

    def _recording(self, utterance: Utterance) -> str:
        return f"{_part_of(utterance.key)}_{utterance.path.stem.lower()}"


def _part_of(key: str) -> str | None:
    """The part that the innermost folder of a path names.

    >>> _part_of("MELD.Raw/train/dev_splits_complete/dia0_utt0.wav"), _part_of("dia0_utt0.wav")
    ('dev', None)
    """
    folders = reversed(key.lower().split("/")[:-1])
    return next((part for folder in folders for part in PARTS if part in folder), None)
