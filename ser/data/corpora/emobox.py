"""The corpora of EmoBox, by its metadata."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from ser.data.corpora.audio_files import find_audio, how_to_convert
from ser.data.corpora.corpus import Corpus, Scan, named_corpus
from ser.data.corpora.json_lines import folds_in, is_piece, lists_in, read_json_lines
from ser.data.corpora.table import read_text
from ser.data.corpora.tails import Tails
from ser.data.duplicates import without_copies
from ser.data.emotions import canonical, one_form
from ser.data.utterance import Utterance
from ser.errors import UserError, did_you_mean, readable, some
from ser.system.cache import cache_folder

NONE_OF_THEM = ("no_agreement", "other", "unknown", "breath")  # labels that EmoBox does not count as emotions
# iemocap-Ses05M_impro01_F023 1 Ses05M 0 4.31 <id=iemocap-Ses05M_impro01_F023,lang=en,spk=Ses05M,emotion=ang> ang
_SPEAKER = re.compile(r"<id=(.*),lang=[^,>]*,spk=(.*),emotion=[^,>]*>")
_IEMOCAP = re.compile(r"Ses0([1-5])[FM]_\w+_([FM])\w?\d{2,3}")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of EmoBox's lists.

    Args:
        key: `iemocap-Ses05M_impro01_F023`.
        wav: Where the recording is, from EmoBox's own folder on: `downloads/iemocap/Session5/…`.
        emotion: Canonical.
        piece: Start and end in seconds, where it is a part of the file.
    """

    key: str
    wav: str
    emotion: str
    piece: tuple[float, float] | None


class EmoBox(Corpus):
    """One of the 32 corpora of EmoBox, in 14 languages: which recordings, their emotions, and who speaks.

    Source: Ma et al. 2024, Interspeech; the metadata are a clone of github.com/emo-box/EmoBox. The recordings are not:
    its read-me says where each corpus is published. Its folds are `split=official`.

    Contents: those that the lists of the first fold name, `<corpus>_train_fold_1.jsonl` and so on. The emotion is that
    of `label_map.json`, in our word; `no agreement`, `other`, `unknown` and `breath` are left out, as in EmoBox's own
    count of emotions. Speakers are from `data.seg.wrd.stm`; genders and sentences are not in the metadata.

    Files: found below `root` by the end of their path, so that other folders above and another ending (FLAC, or the
    sound of a film) do no harm.

    Irregular: the speaker of IEMOCAP is there the one who wears the markers; here it is who speaks. MER2023 and RESD
    have no speakers. PAVOQUE's recordings are pieces of five long files, cut once into the cache folder (4 GB). MELD,
    MER2023, eNTERFACE (films), MEAD (.m4a) and EMNS (.webm) have to be converted first.

    Args:
        corpus: Its folder in the metadata, e.g. `iemocap`, `cremad`, `msppodcast`.
        metadata: The clone, or its folder `data`.
        root: The recordings; by default `downloads/<corpus>` in the clone, where EmoBox itself looks.
        missing: A recording that is named and not there: `stop`, or `leave_out`.
    """

    name = "emobox"
    layout = "as the paths in EmoBox's lists, from downloads/<corpus>/ on (WAV or FLAC)."
    source = "https://github.com/emo-box/EmoBox says where each corpus is published."

    def __init__(
        self, corpus: str, metadata: str, root: str | None = None, missing: Literal["stop", "leave_out"] = "stop"
    ):
        self.folder = metadata_of(metadata, corpus)
        super().__init__(root or str(self.folder.parents[1] / "downloads" / corpus))
        self.name, self.corpus, self.missing = corpus, corpus, missing
        known = named_corpus(corpus)
        self.licence = known.licence if known else f"{Corpus.licence} of {corpus}"

    def _how_to_get(self) -> str:
        return (
            f"Expected layout: {self.layout} {self.source} Then set {self.setting}=<folder>, by default "
            f"{self.folder.parents[1] / 'downloads' / self.corpus}."
        )

    def _check_root(self) -> None:
        if not folds_in(self.folder):
            data = self.folder.parent
            known = sorted(file.parent.name for file in data.glob("*/label_map.json"))
            raise UserError(
                f"dataset.corpus={self.corpus} is none of EmoBox's in {data}. {did_you_mean(self.corpus, known)}"
                if known
                else f"{data} holds no metadata of EmoBox: git clone https://github.com/emo-box/EmoBox, and set "
                "dataset.metadata=<clone>/data."
            )
        super()._check_root()

    def _read(self) -> Scan:
        lines, notes = self._lines()
        found = self._whole([line for line in lines if line.piece is None])
        found += self._pieces([line for line in lines if line.piece is not None])
        there = {line.key for line, _ in found}
        if lost := [line for line in lines if line.key not in there]:
            notes.append(self._lost(lost, len(lines)))
        utterances, copies, damaged = without_copies([(line.key, utterance) for line, utterance in found])
        if copies:
            notes.append(f"{copies} second {'copies' if copies > 1 else 'copy'} skipped")
        if silent := sum(utterance.speaker is None for utterance in utterances):
            notes.append(f"{silent} recordings name no speaker")
        return Scan(tuple(sorted(utterances, key=lambda utterance: utterance.key)), tuple(notes), damaged)

    def _lines(self) -> tuple[list[Line], list[str]]:
        """The lines of the first fold's lists, each recording once, and remarks on labels."""
        lists = [file for files in lists_in(folds_in(self.folder)[0]).values() for file in files]
        lines: dict[str, Line] = {}
        strange, left_out = Counter(), Counter()
        for where, facts in (found for file in lists for found in read_json_lines(file)):
            key, wav, label = (facts.get(name) for name in ("key", "wav", "emo"))
            if not all(isinstance(word, str) and word for word in (key, wav, label)):
                raise UserError(f"{where} is none of EmoBox's: each line has the texts key, wav and emo.")
            word = self._label_map.get(label) or self._label_map.get(one_form(label))
            strange[label] += word is None
            emotion = canonical(word or label)
            left_out[emotion] += emotion in NONE_OF_THEM
            piece = (float(facts["start_time"]), float(facts["end_time"])) if is_piece(facts) else None
            if emotion not in NONE_OF_THEM:
                lines.setdefault(key, Line(key, wav, emotion, piece))
        notes = [f"{count} recordings left out: {word}" for word, count in left_out.items() if count]
        notes += [f"label {label} is not in label_map.json: used as it is" for label, n in strange.items() if n]
        return list(lines.values()), notes

    def _whole(self, lines: Sequence[Line]) -> list[tuple[Line, Utterance]]:
        """Each file with the line that agrees with it furthest."""
        files = find_audio(self.root)
        tails, claims = Tails(map(readable, files)), {}
        for line in lines:
            length, nearest = tails.nearest(line.wav)
            for i in nearest:
                before, other = claims.get(i, (0, line))
                if length == before and other.wav != line.wav:
                    raise UserError(
                        f"{files[i]} could be {other.wav} or {line.wav} of EmoBox's lists: keep the folders that they "
                        "name."
                    )
                if length > before:
                    claims[i] = length, line
        return [(line, self._utterance(line, files[i], self.key_of(files[i]))) for i, (_, line) in claims.items()]

    def _pieces(self, lines: Sequence[Line]) -> list[tuple[Line, Utterance]]:
        """The pieces of long files, each cut into a file whose folder is named after what it is cut from."""
        if not lines:
            return []
        from ser.data.audio.decode import cut  # not above: `ser --help` reads this module without numpy
        from ser.data.store.hashes import content_hash, hash_files

        files = find_audio(self.root)
        tails, found = Tails(map(readable, files)), []
        for wav in dict.fromkeys(line.wav for line in lines):
            for i in tails.nearest(wav)[1][:1]:
                (content,) = hash_files([files[i]], cache_folder())
                folder = cache_folder() / "emobox" / self.corpus / files[i].stem
                cut_out = {
                    line: folder / content_hash(f"{content} {line.piece}".encode()) / f"{_file_name(line.key)}.wav"
                    for line in lines
                    if line.wav == wav
                }
                if lacking := {file: line.piece for line, file in cut_out.items() if not file.is_file()}:
                    cut(files[i], lacking)
                found += [(line, self._utterance(line, file, file.name)) for line, file in cut_out.items()]
        return found

    def _utterance(self, line: Line, path: Path, key: str) -> Utterance:
        named = line.key.removeprefix(f"{self.corpus}-")
        speaker, gender = self._speakers.get(line.key), None
        if who := _IEMOCAP.fullmatch(named) if self.corpus == "iemocap" else None:
            speaker, gender = f"{who[1]}{who[2]}", "female" if who[2] == "F" else "male"
        if speaker == named:  # each recording is its own: nobody knows who speaks
            speaker = None
        return Utterance(path, key, line.emotion, self.name, speaker and f"{self.name}_{one_form(speaker)}", gender)

    def _lost(self, lost: Sequence[Line], total: int) -> str:
        """A remark on recordings that are not there, or an error."""
        names = some([line.wav for line in lost])
        if self.missing == "leave_out" and len(lost) < total:
            return f"{len(lost)} of {total} recordings that EmoBox names are not there: {names}"
        films = how_to_convert(line.wav for line in lost)
        raise UserError(
            f"{len(lost)} of {total} recordings that EmoBox names are not below {self.root}: {names}. Put them there"
            f"{f' ({films})' if films else ''}, set {self.setting}, or leave them out with "
            "dataset.missing=leave_out."
        )

    @cached_property
    def _label_map(self) -> dict[str, str]:
        """A label in the lists → EmoBox's word for it."""
        file = self.folder / "label_map.json"
        try:
            words: Any = json.loads(read_text(file))
        except (ValueError, RecursionError) as error:
            raise UserError(f"{file} is not JSON: get EmoBox's again.") from error
        if not isinstance(words, dict) or not all(isinstance(word, str) for word in words.values()):
            raise UserError(f"{file} does not map labels to words: get EmoBox's again.")
        return {one_form(label): word for label, word in words.items()} | words

    @cached_property
    def _speakers(self) -> dict[str, str]:
        """Key → speaker, as far as the metadata name them."""
        file = self.folder / "data.seg.wrd.stm"
        return dict(_SPEAKER.findall(readable(read_text(file)))) if file.is_file() else {}


def metadata_of(metadata: str, corpus: str) -> Path:
    """The folder of a corpus in a clone of EmoBox, or in its folder `data`.

    Raises:
        UserError: One of them is empty, or the corpus is no name of a folder.
    """
    if not metadata:
        raise UserError("dataset.metadata is empty: set it to the folder data of a clone of github.com/emo-box/EmoBox.")
    if not re.fullmatch(r"\w[\w-]*", corpus or ""):
        raise UserError(f"dataset.corpus={corpus} must be the name of a corpus in EmoBox's data, such as iemocap.")
    place = Path(metadata).expanduser().absolute()
    return (place / "data" if (place / "data").is_dir() else place) / corpus


def _file_name(key: str) -> str:
    return re.sub(r"[^\w.-]", "_", key)
