"""Several corpora as one."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ser.data.corpora.corpus import Corpus, NamedCorpus, Scan, child_folder, named_corpora, named_corpus
from ser.data.utterance import Utterance
from ser.errors import UserError, did_you_mean
from ser.instantiate import build


class Joined(Corpus):
    """Several corpora in one space of labels; the data sheet and the licence of each hold unchanged.

    Emotions have canonical names, so that TESS's `ps` is RAVDESS's `surprised`. Keys and speakers begin with the
    corpus's name (`ravdess/…`, `ravdess_07`): no speaker is in two corpora. Results are also divided by corpus. Copies
    of one recording in two of the corpora are found as within one.

    Args:
        of: The corpora: names of published ones, `[ravdess,crema_d]`, or name → settings, `{ravdess: {vocal_channel:
            both}, tess: {root: …}, savee: null}`. A dataset of another kind has a `_target_` among its settings, and
            any name: `{lab: {_target_: ser.data.corpora.csv_list.CsvList, csv: …}}`.
        root: The folder that holds them by their names.

    Raises:
        UserError: Fewer than two corpora, one that is not known or named twice, or no root for it; a published one
            under two names.
    """

    name = "joined"
    layout = "a folder for each of dataset.of, called like it."
    source = "see the data sheet of each."
    setting_of = "dataset.of.{}.root"  # what messages call the root of one

    def __init__(
        self, of: Sequence[str | Corpus] | Mapping[str, Mapping[str, Any] | Corpus | None], root: str | None = None
    ):
        super().__init__(root or ".")
        names = [*map(str, of)] if isinstance(of, Mapping) else [str(getattr(each, "name", each)) for each in of]
        if len(set(names)) < max(2, len(names)):
            raise UserError(f"dataset.of={names} must name two corpora at least, each once.")
        settings = (
            of.values() if isinstance(of, Mapping) else (each if isinstance(each, Corpus) else None for each in of)
        )
        self.corpora = {name: self._member(name, own, root) for name, own in zip(names, settings, strict=True)}
        _refuse_the_same_people(self.corpora)

    @property
    def members(self) -> tuple[Corpus, ...]:
        return tuple(member for corpus in self.corpora.values() for member in corpus.members)

    def _member(self, name: str, settings: Mapping[str, Any] | Corpus | None, root: str | None) -> Corpus:
        if isinstance(settings, Corpus):
            corpus = settings
            corpus.name = name  # as its recordings and speakers are called here
        else:
            kind = named_corpus(name)
            if kind is None:
                raise UserError(
                    f"dataset.of has {name}, which is no published corpus. {did_you_mean(name, list(named_corpora()))} "
                    "A dataset of another kind has a _target_ among its settings."
                )
            node = {"_target_": f"{kind.__module__}.{kind.__name__}", **(settings or {})}
            node["root"] = node.get("root") or self._inside(root, name)
            corpus = build(node, f"dataset.of.{name}", kind=Corpus)
        corpus.setting = self.setting_of.format(name)
        return corpus

    def _inside(self, root: str | None, name: str) -> str:
        """The folder `name` in `root`, in any case of letters, or where it should be."""
        if not root:
            raise UserError(
                f"dataset.root is empty, and so is {self.setting_of.format(name)}: name the folder of {name}."
            )
        parent = Path(root).expanduser().absolute()
        return str(child_folder(parent, name) or parent / name)

    def read_numbers(self, names: Sequence[str]) -> None:
        """As `Corpus.read_numbers`, of all corpora."""
        for corpus in self.corpora.values():
            corpus.read_numbers(names)

    def scan(self) -> Scan:
        """Lists the recordings of all.

        Raises:
            UserError: One of them is missing, or two have a speaker or a file in common.
        """
        scans = {name: corpus.scan() for name, corpus in self.corpora.items()}
        found = [_as_one_of(name, utterance) for name, scan in scans.items() for utterance in scan.utterances]
        found, remarks = self._settle(sorted(found, key=lambda u: u.key))
        _refuse_shared(found, "the speaker", lambda u: u.speaker)
        _refuse_shared(found, "the file", lambda u: u.path)
        notes = [f"{name}: {note}" for name, scan in scans.items() for note in scan.notes]
        damaged = {copy: why for scan in scans.values() for copy, why in scan.damaged.items()}
        return Scan(tuple(found), (*notes, *remarks), damaged)

    def _settle(self, utterances: list[Utterance]) -> tuple[list[Utterance], list[str]]:
        """What a subclass makes of all recordings, and remarks on it."""
        return utterances, []


def _as_one_of(name: str, utterance: Utterance) -> Utterance:
    speaker = utterance.speaker and f"{name}_{utterance.speaker.removeprefix(f'{utterance.corpus}_')}"
    return replace(utterance, key=f"{name}/{utterance.key}", corpus=name, speaker=speaker)


def _refuse_the_same_people(corpora: Mapping[str, Corpus]) -> None:
    """A published corpus under two names would have each of its speakers twice."""
    names: dict[type[Corpus], str] = {}
    for name, corpus in corpora.items():
        if NamedCorpus in type(corpus).__bases__ and (first := names.setdefault(type(corpus), name)) != name:
            raise UserError(
                f"dataset.of has {type(corpus).name} twice, as {first} and as {name}: its speakers would be other "
                "people in each. Name it once, with settings that take all you want of it."
            )


def _refuse_shared(utterances: Iterable[Utterance], what: str, of: Callable[[Utterance], Hashable]) -> None:
    owner: dict[Hashable, str] = {}
    for utterance in utterances:
        value = of(utterance)
        if value is not None and (first := owner.setdefault(value, utterance.corpus)) != utterance.corpus:
            raise UserError(
                f"{what.capitalize()} {value} would be in {first} and in {utterance.corpus}: give them other names or "
                "folders in dataset.of."
            )
