"""RAVDESS, the Ryerson Audio-Visual Database of Emotional Speech and Song."""

import re
from pathlib import Path
from typing import Any, Literal

from ser.data.corpora.corpus import NamedCorpus
from ser.data.corpora.publication import Part, Publication, RemoteFile

VocalChannel = Literal["speech", "song", "both"]
_ZENODO = "https://zenodo.org/records/1188976/files/"


def _part(channel: str, recordings: int, size: int, md5: str, folder: str = "") -> Part:
    name = f"Audio_{channel.capitalize()}_Actors_01-24.zip"
    archive = RemoteFile(f"{_ZENODO}{name}?download=1", name, size, f"md5:{md5}")
    settings, beside = {"vocal_channel": channel}, {"vocal_channel": "both"}
    return Part(recordings, size, (archive,), unpacked=550_000_000, settings=settings, beside=beside, folder=folder)


class Ravdess(NamedCorpus):
    """RAVDESS: 24 professional actors (12 women, 12 men), North American English, acted.

    Source: Livingstone and Russo 2018, PLoS ONE 13(5): e0196391; Zenodo, doi 10.5281/zenodo.1188976.

    Contents, audio only: 1440 recordings of speech (60 an actor) and 1012 of song (44 an actor, none of actor 18), WAV,
    48 kHz, 16 bit, 3 to 5 s; nearly all mono, a few stereo. Eight emotions in speech, six in song (no disgust, no
    surprise), each at two intensities except neutral; two statements, two takes.

    File name: seven two-digit numbers, `modality-channel-emotion-intensity-statement-repetition-actor`, e.g.
    `03-01-06-01-02-01-12.wav`. Modality 03 is audio only, 01 and 02 are films; channel 01 speech, 02 song; intensity 01
    normal, 02 strong; statement 01 'Kids are talking by the door' (here `kids`), 02 'Dogs are sitting by the door'
    (`dogs`); odd actors are men. Folders do not matter.

    One pair of recordings has identical samples under two names (actor 07, `03-01-03-01-02-01-07` and `-02-07`): both
    are kept, and the splitters never separate them.

    Args:
        root: The folder with `Actor_01` to `Actor_24`, or one that holds it as `ravdess/`.
        vocal_channel: `speech`, `song` or `both`.
    """

    name = "ravdess"
    layout = "Actor_01/ … Actor_24/ with files such as 03-01-06-01-02-01-12.wav (WAV or FLAC)."
    source = (
        "https://doi.org/10.5281/zenodo.1188976, Audio_Speech_Actors_01-24.zip (208 MB, 1440 files) and "
        "Audio_Song_Actors_01-24.zip (1012 files)."
    )
    licence = "CC BY-NC-SA 4.0"
    grammar = re.compile(
        r"(?P<modality>0[1-3])-(?P<channel>0[12])-(?P<emotion>0[1-8])-(?P<intensity>0[12])"
        r"-(?P<statement>0[12])-(?P<repetition>0[12])-(?P<actor>0[1-9]|1[0-9]|2[0-4])"
    )
    emotions = {
        "01": "neutral",
        "02": "calm",
        "03": "happy",
        "04": "sad",
        "05": "angry",
        "06": "fearful",
        "07": "disgust",
        "08": "surprised",
    }
    published = Publication(
        title="RAVDESS, the Ryerson Audio-Visual Database of Emotional Speech and Song",
        authors="Livingstone and Russo 2018",
        page="https://doi.org/10.5281/zenodo.1188976",
        parts={
            "speech": _part("speech", 1440, 208_468_073, "bc696df654c87fed845eb13823edef8a"),
            "song": _part("song", 1012, 225_505_317, "5411230427d67a21e18aa4d466e6d1b9", folder="song"),
        },
    )

    def __init__(self, root: str, vocal_channel: VocalChannel = "speech"):
        super().__init__(root)
        self.vocal_channel = vocal_channel

    def _download_command(self) -> str:
        return super()._download_command() + (" --song" if self.vocal_channel != "speech" else "")

    def _facts(self, match: re.Match[str], path: Path) -> dict[str, Any] | str:
        if match["modality"] != "03":
            return "sound of a film, modality 01 or 02"
        channel = "speech" if match["channel"] == "01" else "song"
        if self.vocal_channel not in ("both", channel):
            return f"{channel}, and vocal_channel is {self.vocal_channel}"
        return {
            "emotion": self.emotions[match["emotion"]],
            "speaker": f"{self.name}_{match['actor']}",
            "gender": "male" if int(match["actor"]) % 2 else "female",
            "intensity": "strong" if match["intensity"] == "02" else "normal",
            "statement": "kids" if match["statement"] == "01" else "dogs",
            "repetition": int(match["repetition"]),
        }
