"""The series: commands whose figures are kept, row by row."""

from dataclasses import dataclass, field

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


def _tried(name: str, label: str, *arguments: str, folds: str) -> Row:
    """A change to a recipe, judged by validation: a fifth of the actors of the training part."""
    fixed = (f"experiment={name}", "split.val=0.2", f"split.fold={folds}")
    return Row(f"`{name}`, {label}", (*fixed, *arguments), (0,))


_BLOCK = "{{channels: {}, kernel_size: 5, pool: 2}}"
_WIDE = f"[{', '.join(map(_BLOCK.format, (128, 256, 256)))}]"
_LEVEL_AND_FLOOR = (
    "audio.level=rms", "audio.trim_db=30", "frontend.log_offset=1e-3", "frontend.top_db=null", "ema=0.995",
)  # fmt: skip
_LEVELS = "{_target_: ser.augmentations.offsets.LevelOffset, utterance: 0.3, feature: 0.1}"
_MASKS = "{_target_: ser.augmentations.spectrogram.SpecAugment, feature_masks: 2, feature_width: 0.125}"
_NARROW = (
    "{_target_: ser.augmentations.spectrogram.SpecAugment, feature_masks: 2, feature_width: 0.125, time_width: 0.1}"
)
_STYLES = "{_target_: ser.augmentations.mixing.FreqMixStyle}"
_MIXUP = "{_target_: ser.augmentations.mixing.Mixup, alpha: 0.3}"
_CUTMIX = "{_target_: ser.augmentations.mixing.CutMix}"
_VOICES = "{_target_: ser.augmentations.warping.FrequencyWarp, p: 0.5}"
_BANDS_ALONE = ("~frontend.of.parts.mfcc", "~frontend.of.parts.zcr_rms_chroma")

_WITH_RAVDESS = ("dataset=ravdess_tess", "split.train_only=ravdess")

CNN2D = _recipe("ravdess_cnn2d", "RAVDESS, EmoBox' six folds, `ravdess_cnn2d`")
CNN1D = _recipe("ravdess_cnn1d", "RAVDESS, EmoBox' six folds, `ravdess_cnn1d`")
MLP = _recipe("ravdess_mlp", "RAVDESS, EmoBox' six folds, `ravdess_mlp`")
RANDOM_FOLDS = tuple(_random_folds(name) for name in ("ravdess_cnn2d", "ravdess_cnn1d", "ravdess_mlp"))
TESS_CNN2D = _recipe("tess_cnn2d", "TESS, one actress to the other, `tess_cnn2d`")
TESS_MLP = _recipe("tess_mlp", "TESS, one actress to the other, `tess_mlp`")
WITH_RAVDESS = tuple(
    _recipe(name, f"TESS, one actress to the other, trained on RAVDESS too, `{name}`", *_WITH_RAVDESS)
    for name in ("tess_cnn2d", "tess_mlp")
)

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
        _tried("ravdess_cnn1d", "as it is", folds=SIX),
        _tried("ravdess_cnn1d", "twice as wide", f"model.blocks={_WIDE}", folds=SIX),
        _tried("ravdess_cnn1d", "80 bands", "frontend.n_mels=80", folds=SIX),
        _tried("ravdess_cnn1d", "dropout 0.4", "model.dropout=0.4", folds=SIX),
        _tried("ravdess_cnn1d", "160 epochs", "trainer.max_epochs=160", folds=SIX),
        _tried("ravdess_cnn1d", "without auxiliary targets", "loss.auxiliary=null", folds=SIX),
        _tried("ravdess_cnn1d", "with Freq-MixStyle", f"augmentation.mixing=[{_STYLES}, {_MIXUP}]", folds=SIX),
        _tried(
            "ravdess_cnn1d",
            "with warped frequencies (VTLP)",
            f"augmentation.features=[{_VOICES}, {_LEVELS}, {_NARROW}]",
            folds=SIX,
        ),
        _tried("ravdess_cnn1d", "CutMix instead of mixup", f"augmentation.mixing=[{_CUTMIX}]", folds=SIX),
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
        Row("RAVDESS, EmoBox' six folds, both CNNs", (), members=(CNN2D, CNN1D)),
        Row("RAVDESS, EmoBox' six folds, all three", (), members=(CNN2D, CNN1D, MLP)),
        _recipe("small", "RAVDESS, EmoBox' six folds, `small`"),
        *RANDOM_FOLDS,
        Row("RAVDESS, random 10 folds, all three", (), members=RANDOM_FOLDS),
        Row(
            "RAVDESS angry/neutral/happy, random 75/25, `ravdess_mlp`",
            ("experiment=ravdess_mlp", "dataset.emotions=[angry,neutral,happy]", *_random(0.25)),
            tuple(range(10)),
        ),
        Row("TESS, random 67/33, `tess_cnn2d`", ("experiment=tess_cnn2d", *_random(0.33)), (0, 1, 2)),
        Row(
            "TESS, random 67/33, `tess_mlp` with means over time",  # both actresses are in training
            ("experiment=tess_mlp", "frontend.statistics=[mean,std,delta_std,delta2_std]", *_random(0.33)),
            (0, 1, 2),
        ),
        TESS_CNN2D,
        TESS_MLP,
        Row("TESS, one actress to the other, both", (), members=(TESS_CNN2D, TESS_MLP)),
        *WITH_RAVDESS,
        Row("TESS, one actress to the other, trained on RAVDESS too, both", (), members=WITH_RAVDESS),
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
