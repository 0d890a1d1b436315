"""`scripts/reproduce`: figures run through `ser train -m` and `ser crossval`, kept as JSON, shown in the README."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.generated import refresh
from ser.commands import crossval, train
from ser.errors import UserError, did_you_mean
from ser.system.files import write_text

FIVE = tuple(range(5))
SIX = "0,1,2,3,4,5"


@dataclass(frozen=True, slots=True)
class Row:
    """One command, and what it is compared with.

    Args:
        label: What it is, in words.
        arguments: Of `ser train -m`, or of `ser crossval` where there are no seeds.
        seeds: Repetitions, each with its own split and initial weights; none: all folds of the split, pooled.
        pooled: Repetitions are cross-validations, each pooled over all folds; an ensemble of the seeds follows.
        members: Other pooled rows, all of whose runs are averaged; then there are no arguments.
        published: WA in per cent that somebody reports, by the value of `batch_size`; else the preset's own counts.
    """

    label: str
    arguments: tuple[str, ...]
    seeds: tuple[int, ...] = ()
    published: dict[int, float] = field(default_factory=dict)
    pooled: bool = False
    members: tuple["Row", ...] = ()

    @property
    def commands(self) -> list[list[str]]:
        """What is typed behind `ser`, one after the other."""
        if self.members:
            return [command for row in self.members for command in row.commands]
        if not self.seeds:
            return [["crossval", *self.arguments]]
        if self.pooled:
            return [["crossval", *self.arguments, f"seed={seed}"] for seed in self.seeds]
        return [["train", "-m", *self.arguments, f"seed={','.join(map(str, self.seeds))}"]]

    @property
    def command(self) -> str:
        """The same as one line; no other row of a series has it."""
        return "; ".join(" ".join(["ser", *words]) for words in self.commands)


def _ravdess(split: str, words: str, seeds: tuple[int, ...]) -> Row:
    arguments = ("dataset=ravdess", f"split={split}", "frontend=log_mel", "model=cnn2d")
    return Row(f"RAVDESS, {words}, `cnn2d`", arguments, seeds)


def _tess(model: str) -> Row:
    arguments = ("dataset=tess", "split=random", "frontend=log_mel", f"model={model}", "trainer.max_epochs=15")
    return Row(f"TESS, random recordings, `{model}`, 15 epochs", arguments, (0,))


def _theirs(preset: str, seeds: tuple[int, ...] = FIVE) -> Row:
    return Row(f"`{preset}`", (f"experiment=baseline_{preset}",), seeds)


def _honest(preset: str, split: str) -> Row:
    return Row(f"`{preset}`", (f"experiment=baseline_{preset}", f"split={split}"))


def _recipe(name: str, label: str, *arguments: str, seeds: tuple[int, ...] = (0, 1, 2)) -> Row:
    return Row(label, (f"experiment={name}", *arguments), seeds, pooled=True)


def _random(test: float) -> tuple[str, ...]:
    """All but test is trained on, as those who publish on random splits do."""
    return ("split=random", f"split.test={test}", "split.val=0")


def _random_folds(name: str) -> Row:
    folds = ("split=kfold", "split.k=10", "split.val=0")
    return Row(f"RAVDESS, random 10 folds, `{name}`", (f"experiment={name}", *folds))


def _across(name: str, train: str, test: str) -> Row:
    label = f"{train.upper()} → {test.upper()}, shared emotions, `{name}`"
    return Row(label, (f"experiment={name}", f"split.train={train}", f"split.test={test}"), (0, 1, 2))


def _tried(name: str, label: str, *arguments: str, folds: str = "0,1") -> Row:
    """A change to a recipe, judged by validation: a fifth of the actors of the training part."""
    fixed = (f"experiment={name}", "split.val=0.2", f"split.fold={folds}")
    return Row(f"`{name}`, {label}", (*fixed, *arguments), (0,))


_LAYERS = "{channels: 128, kernel_size: 5, pool: 2}, {channels: 256, kernel_size: 5, pool: 2}"
_LEVEL_AND_FLOOR = (
    "audio.level=rms", "audio.trim_db=30", "frontend.log_offset=1e-3", "frontend.top_db=null", "ema=0.995",
)  # fmt: skip
_LEVELS = "{_target_: ser.augmentations.offsets.LevelOffset, utterance: 0.3, feature: 0.1}"
_MASKS = "{_target_: ser.augmentations.spectrogram.SpecAugment, feature_masks: 2, feature_width: 0.125}"
_BANDS_ALONE = ("~frontend.of.parts.mfcc", "~frontend.of.parts.zcr_rms_chroma")

CNN2D = _recipe("ravdess_cnn2d", "RAVDESS, EmoBox' six folds, `ravdess_cnn2d`")
CNN1D = _recipe("ravdess_cnn1d", "RAVDESS, EmoBox' six folds, `ravdess_cnn1d`")
MLP = _recipe("ravdess_mlp", "RAVDESS, EmoBox' six folds, `ravdess_mlp`")

SERIES = {
    "tried": (
        _tried("ravdess_mlp", "as it is", folds=SIX),
        _tried("ravdess_mlp", "mean and deviation alone", "frontend.statistics=[mean,std]", folds=SIX),
        _tried("ravdess_mlp", "log-mel bands alone", *_BANDS_ALONE, folds=SIX),
        _tried(
            "ravdess_mlp", "with masks and level offsets", f"augmentation.features=[{_LEVELS}, {_MASKS}]", folds=SIX
        ),
        _tried("ravdess_mlp", "without mixup", "augmentation.mixing=[]", folds=SIX),
        _tried("ravdess_mlp", "without auxiliary targets", "loss.auxiliary=null", folds=SIX),
        _tried("ravdess_mlp", "dropout 0.3", "model.dropout=0.3", folds=SIX),
        _tried("ravdess_cnn1d", "as it is"),
        _tried(
            "ravdess_cnn1d",
            "twice as wide",
            f"model.blocks=[{_LAYERS}, {{channels: 256, kernel_size: 5, pool: 2}}]",
        ),
        _tried("ravdess_cnn1d", "without auxiliary targets", "loss.auxiliary=null"),
        _tried("ravdess_cnn1d", "80 bands", "frontend.n_mels=80"),
    ),
    "recipes": (
        CNN2D,
        CNN1D,
        MLP,
        Row(
            "RAVDESS, EmoBox' six folds, the defaults (`cnn2d`) with level, floor and averaged weights of the recipes",
            ("dataset=ravdess", "split=emobox", *_LEVEL_AND_FLOOR),
        ),
        Row("RAVDESS, EmoBox' six folds, `ravdess_cnn1d` and `ravdess_mlp`", (), members=(CNN1D, MLP)),
        Row("RAVDESS, EmoBox' six folds, all three", (), members=(CNN2D, CNN1D, MLP)),
        _recipe("small", "RAVDESS, EmoBox' six folds, `small`"),
        *(_random_folds(name) for name in ("ravdess_cnn2d", "ravdess_cnn1d", "ravdess_mlp")),
        Row(
            "RAVDESS angry/neutral/happy, random 75/25, `ravdess_mlp`",
            ("experiment=ravdess_mlp", "dataset.emotions=[angry,neutral,happy]", *_random(0.25)),
            tuple(range(10)),
        ),
        Row("TESS, random 67/33, `tess_cnn2d`", ("experiment=tess_cnn2d", *_random(0.33)), (0, 1, 2)),
        Row("TESS, random 67/33, `tess_mlp`", ("experiment=tess_mlp", *_random(0.33)), (0, 1, 2)),
        _recipe("tess_cnn2d", "TESS, one actress to the other, `tess_cnn2d`"),
        _recipe("tess_mlp", "TESS, one actress to the other, `tess_mlp`"),
        *(
            _across(name, train, test)
            for name in ("ravdess_tess_cnn2d", "ravdess_tess_mlp")
            for train, test in (("ravdess", "tess"), ("tess", "ravdess"))
        ),
    ),
    "first_runs": (
        _ravdess("random", "random recordings", (0,)),
        _ravdess("speaker", "speakers not seen in training", (0, 1, 2)),
        _tess("cnn1d"),
        _tess("cnn2d"),
        _tess("cnn2d_plain"),
    ),
    "crossval": (
        Row(
            "RAVDESS, EmoBox' six folds, `cnn2d`",
            ("dataset=ravdess", "split=emobox", "model=cnn2d", "frontend=log_mel"),
        ),
    ),
    "baselines": (
        _theirs("ravdess_mlp_3emotions", tuple(range(10))),
        _honest("ravdess_mlp_3emotions", "emobox"),
        _theirs("ravdess_cnn1d_314k"),
        _honest("ravdess_cnn1d_314k", "emobox"),
        Row(
            "`ravdess_cnn1d_1m`",
            ("experiment=baseline_ravdess_cnn1d_1m", "batch_size=32,64,128"),
            FIVE,
            {32: 44.79, 64: 50.00, 128: 50.34},
        ),
        _honest("ravdess_cnn1d_1m", "emobox"),
        _theirs("tess_cnn1d"),
        _honest("tess_cnn1d", "leave_one_speaker_out"),
        _theirs("ravdess_cnn1d_augmented"),
        _honest("ravdess_cnn1d_augmented", "emobox"),
    ),
}


COMMANDS = {"train": train, "crossval": crossval}
HELP = """scripts/reproduce <series> [word …] [key=value …]: trains what is missing, writes docs/results/<series>.json
and the tables of README and docs, row by row. Words choose the rows whose label has one of them, a whole label that row
alone; the others keep what stands there. Settings go to `ser train`: paths, devices, a launcher, nothing that changes a
figure, e.g. run.threads=1 hydra/launcher=joblib.

Series: """


def main(arguments: list[str]) -> int:
    """Runs one series in the checkout that is the working folder."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(HELP + ", ".join(SERIES))
        return 0
    return reproduce(arguments[0], arguments[1:], Path.cwd())


def reproduce(series: str, arguments: Sequence[str], folder: Path) -> int:
    """Trains what is missing of a series and writes its JSON and its tables, row by row.

    Args:
        series: Name in `SERIES`.
        arguments: Words that choose rows by their labels, and settings of `ser train`.
        folder: The checkout.

    Returns:
        1 where a run failed: then its row is not written, and the same command goes on.

    Raises:
        UserError: An unknown series, words that choose no row, or something that the user can fix.
    """
    if series not in SERIES:
        raise UserError(f"There is no series '{series}'. {did_you_mean(series, list(SERIES))}")
    words = [word for word in arguments if "=" not in word]
    extra = [word for word in arguments if "=" in word]
    chosen = [row for row in SERIES[series] if row.label in words]
    chosen = chosen or [row for row in SERIES[series] if not words or any(word in row.label for word in words)]
    if not chosen:
        labels = "; ".join(row.label for row in SERIES[series])
        raise UserError(f"No row of {series} has {' or '.join(words)} in its label. There are: {labels}.")
    place = folder / "runs" / series
    path = folder / "docs" / "results" / f"{series}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    for row in chosen:
        for command in row.commands:
            print(f"\n{' '.join(['ser', *command])}", flush=True)
            if code := COMMANDS[command[0]].main([*command[1:], *extra, *_places(place)]):
                return code
        rows = _with_row(series, path, row, list(_results(row, [*extra, *_places(place)])))
        write_text(path, json.dumps({"series": series, "rows": rows}, indent=1) + "\n")
        refresh(folder)
    return 0


def _with_row(series: str, path: Path, row: Row, made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a results file with one made anew, in the order of the series; what is no row of it is dropped."""
    kept = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.is_file() else []
    found = {row.command: made}
    for result in kept:
        if result["command"] != row.command:
            found.setdefault(result["command"], []).append(result)
    return [result for other in SERIES[series] for result in found.get(other.command, [])]


def _places(folder: Path) -> list[str]:
    return [f"run.dir={folder}", f"hydra.sweep.dir={folder / 'sweeps'}"]


def _results(row: Row, extra: list[str]) -> Iterator[dict[str, Any]]:
    """What the finished runs of a row say, for each batch size by itself."""
    from rich.console import Console

    from scripts.reproduction.results import result_of_ensembles, result_of_folds, result_of_runs

    said = {"label": row.label, "command": row.command}
    console = Console(quiet=True)
    words = [[*command[1:], *extra] for command in row.commands]
    if row.members:
        jobs = [job for w in words for job in crossval.plan(w)]
        yield {**said, "label": f"{row.label}, ensemble of {len(words)} runs a fold", **result_of_ensembles(jobs)}
        return
    if row.pooled:
        seeds = zip(row.seeds, words, strict=True)
        yield {**said, "seeds": [{"seed": seed, **result_of_folds(crossval.plan(w), console)} for seed, w in seeds]}
        jobs = [job for w in words for job in crossval.plan(w)]
        yield {**said, "label": f"{row.label}, ensemble of {len(row.seeds)} seeds", **result_of_ensembles(jobs)}
        return
    if not row.seeds:
        yield {**said, **result_of_folds(crossval.plan(words[0]), console)}
        return
    jobs = _jobs(words[0])
    for size in sorted({job.config["batch_size"] for job in jobs}):
        result = result_of_runs([job for job in jobs if job.config["batch_size"] == size], console)
        if row.published:
            said["label"] = f"{row.label}, batch {size}"
            result["published"] = {**result["published"], "wa": row.published[size]}
        yield {**said, **result}


def _jobs(arguments: list[str]) -> list[Any]:
    """The runs of a grid that is trained."""
    from ser.commands.hydra_app import run_app
    from ser.sweeps.scans import Scans
    from ser.training.job import find_job

    runs, scans = [], Scans()
    run_app("train", arguments, runs.append, lambda grid: runs.extend(grid.runs()) or 0)
    return [find_job(run.config, alone=False, scan=scans) for run in runs]


if __name__ == "__main__":
    from ser.cli import guarded

    sys.exit(guarded(main, sys.argv[1:]))
