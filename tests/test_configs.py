"""Every option of every group composes with the others and trains; options are found by glob."""

import importlib
from itertools import product
from pathlib import Path

import pytest
import yaml

from ser.data.corpora.demo import Demo
from ser.system.config_folder import config_folder
from tests.conftest import only_run
from tests.covering import pairwise_rows
from tests.data.corpora import test_emobox
from tests.parts import needs, one_frame
from tests.tiny_corpora import write_tone

# presets, tested as they are; loggers, which change no run (test_run_loggers); and a part of frontends, tested below
NOT_COMBINED = {"experiment", "logger", "stft"}
GROUPS = {
    folder.name: sorted(file.stem for file in folder.glob("*.yaml"))
    for folder in sorted(config_folder().iterdir())
    if folder.is_dir() and folder.name not in NOT_COMBINED and any(folder.glob("*.yaml"))
}

WITH_STFT = {
    name
    for name in GROUPS["frontend"]
    if "/stft@stft:" in (config_folder() / "frontend" / f"{name}.yaml").read_text(encoding="utf-8")
} - {"zcr_rms_chroma"}
ONE_FRAME = one_frame()

# Published corpora that need no more than a folder: their own tests write a tiny one, and say what they do not know
WRITTEN_ABOVE = ("csv", "demo", "emobox", "folder", "joined", "ravdess", "ravdess_tess", "tess")
PUBLISHED_CORPORA = {
    name: importlib.import_module(f"tests.data.corpora.test_{name}")
    for name in GROUPS["dataset"]
    if name not in WRITTEN_ABOVE
}
SEVERAL = ("joined", "ravdess_tess")
NO_STATEMENTS = ["csv", "emobox", "folder", *(name for name, test in PUBLISHED_CORPORA.items() if not test.STATEMENTS)]
FOLDS_OF = {"emobox": "ravdess", "five_actors": "ravdess", "sessions": "iemocap"}
SPEAKERS_OF = {"emobox": "iemocap"}  # a dataset → the one whose names of speakers it has

# Pairs that cannot work, and what each must say
CANNOT = {
    **{
        ("frontend", name, "model", model): "model=mlp"
        for name in ONE_FRAME
        for model in ("cnn2d", "cnn2d_plain", "crnn")
    },
    **{("frontend", name, "model", "cnn1d"): "model.axis=features" for name in ONE_FRAME},
    **{("split", "word", "dataset", name): "holds words apart" for name in GROUPS["dataset"] if name != "tess"},
    **{("split", "statement", "dataset", name): "holds statements apart" for name in NO_STATEMENTS},
    **{
        ("split", folds, "dataset", name): f"Use dataset={corpus}"
        for folds, corpus in FOLDS_OF.items()
        for name in GROUPS["dataset"]
        if SPEAKERS_OF.get(name, name) != corpus
    },
    **{
        ("split", "cross_corpus", "dataset", name): "split.train=ravdess is neither a corpus"
        for name in ("csv", "demo", "emobox", "folder", *PUBLISHED_CORPORA)
    },
    **{
        ("split", "leave_one_corpus_out", "dataset", name): "needs recordings of two corpora"
        for name in GROUPS["dataset"]
        if name not in SEVERAL
    },
    **{
        ("split", "official", "dataset", name): "use it with dataset=emobox"
        for name in GROUPS["dataset"]
        if name != "emobox"
    },
    ("split", "cross_corpus", "dataset", "ravdess"): "split.test=tess is neither a corpus",
}


def cannot(row: dict[str, str]) -> bool:
    return any(row.get(a) == x and row.get(b) == y for a, x, b, y in CANNOT)


def touches(augmentation: str, *kinds: str) -> bool:
    """Whether a preset has augmentations of these kinds and of no other."""
    settings = yaml.safe_load((config_folder() / "augmentation" / f"{augmentation}.yaml").read_text(encoding="utf-8"))
    return {kind for kind in ("waveform", "features", "mixing") if settings.get(kind)} == set(kinds)


# one of them stands for all where waveforms become features, and one where a batch is mixed behind them: the others
# have to do with clips and their lengths alone
ALIKE = {name for name in GROUPS["augmentation"] if touches(name, "waveform")} - {"waveform"}
ALIKE |= {name for name in GROUPS["augmentation"] if touches(name, "mixing")}


def related(pair: dict[str, str]) -> bool:
    """A split looks at what is known of the recordings, and has to do with the dataset alone; of a dataset the others
    see clips and labels: their lengths, and how many classes.
    """
    if pair.get("augmentation") in ALIKE:
        return "audio" in pair
    if "split" in pair or "dataset" in pair:
        return "dataset" in pair and bool(pair.keys() & {"split", "audio", "model", "metrics"})
    return True


ROWS = pairwise_rows(GROUPS, cannot, related)


@pytest.fixture(scope="session")
def data(tmp_path_factory, tiny_ravdess, tiny_tess) -> dict[str, list[str]]:
    """What each dataset needs to be told over tiny recordings, what an augmentation does, and a split, alone or with a
    dataset.
    """
    both = tmp_path_factory.mktemp("both")
    (both / "ravdess").symlink_to(tiny_ravdess)
    (both / "tess").symlink_to(tiny_tess)
    own = tmp_path_factory.mktemp("own")
    rows = ["path,emotion,speaker,gender"]
    for k, (speaker, emotion, take) in enumerate(product(["ann", "bob", "eve", "max"], ["angry", "sad"], range(3))):
        path = write_tone(own / speaker / emotion / f"{take}.wav", 120 + 80 * (emotion == "angry") + k)
        rows.append(f"{path.relative_to(own)},{emotion},{speaker},{'female' if speaker in ('ann', 'eve') else 'male'}")
    (own / "list.csv").write_text("\n".join(rows) + "\n")
    Demo().scan()  # writes it where it is not yet
    sounds = tmp_path_factory.mktemp("sounds")
    for pitch in (90, 700):
        write_tone(sounds / f"{pitch}.wav", pitch)
    published = tmp_path_factory.mktemp("corpora")
    for name, test in PUBLISHED_CORPORA.items():
        test.write_tiny(published / name)
    clone = test_emobox.write_tiny(published / "EmoBox")
    roots = (tiny_ravdess, tiny_tess, own, published, Demo().root)
    paths = sorted(path for root in roots for path in root.rglob("*.wav"))
    parts = [f"{path},{'train' if i % 5 else 'test'}" for i, path in enumerate(paths)]
    (both / "parts.csv").write_text("\n".join(["path,split", *parts]))
    return {
        **{name: [f"dataset.root={published / name}"] for name in PUBLISHED_CORPORA},
        "ravdess": [f"dataset.root={tiny_ravdess}"],
        "tess": [f"dataset.root={tiny_tess}"],
        "ravdess_tess": [f"dataset.root={both}"],
        "joined": [f"dataset.root={both}", "dataset.of=[tess,ravdess]"],
        "emobox": ["dataset.corpus=iemocap", f"dataset.metadata={clone}"],
        "folder": [f"dataset.root={own}", "dataset.pattern='{speaker}/{emotion}/*'"],
        "csv": [f"dataset.csv={own / 'list.csv'}"],
        "demo": ["dataset.emotions=[angry,sad]"],
        "split=speaker_kfold": ["split.k=2"],
        "cross_corpus tess": ["split.train=OAF", "split.test=YAF"],
        "background": [f"augmentation.folder={sounds}"],
        "recorded_room": [f"augmentation.folder={sounds}"],
        **{name: needs("frontend", name, tmp_path_factory.mktemp(name)) for name in GROUPS["frontend"]},
        "split=file": [f"split.file={both / 'parts.csv'}", "split.unknown=ignore"],  # one list of all of them
    }


def shares(split: str) -> list[str]:
    """Validation and test of tiny corpora take a fifth each, where a split has such settings."""
    settings = yaml.safe_load((config_folder() / "split" / f"{split}.yaml").read_text(encoding="utf-8"))
    return [f"split.{part}=0.2" for part in ("val", "test") if isinstance(settings.get(part), float)]


# what composes does not depend on how wide a layer is; how long it takes does
PRETRAINED = ("transformers", "wav2vec2")
NARROW = {"cnn2d": ["model.width=8"], "cnn2d_plain": ["model.channels=[4,8]"]}


def command(row: dict[str, str], data: dict[str, list[str]]) -> list[str]:
    """One short run of a row, on one CPU process whatever the trainer preset asks for."""
    choices = [f"{group}={choice}" for group, choice in row.items()]
    one_process = ["trainer.accelerator=cpu", "trainer.devices=1", "trainer.strategy=auto"]
    brief = ["trainer.max_epochs=1", "run.report=false"]
    dataset, split = row["dataset"], row.get("split", "speaker")
    overrides = [
        *data[dataset],
        *data.get(row.get("augmentation"), []),
        *data.get(row.get("frontend"), []),
        *data.get(f"split={split}", []),
        *data.get(f"{split} {dataset}", []),
        *shares(split),
        *NARROW.get(row.get("model"), []),
    ]
    return ["train", *choices, *overrides, *one_process, *brief]


def once_each(rows: list, news) -> list:
    """The rows, of which those that bring nothing for the first time are slow, and those with a pretrained network.

    Args:
        rows: Of a test.
        news: Row → what it is to bring, a set.
    """
    seen: set = set()
    made = []
    for row in rows:
        long = isinstance(row, dict) and row.get("frontend") in PRETRAINED
        made.append(pytest.param(row, marks=[] if news(row) - seen and not long else [pytest.mark.slow]))
        seen |= set() if long else news(row)
    return made


@pytest.mark.parametrize("row", once_each(ROWS, lambda row: set(row.items())), ids=lambda row: "-".join(row.values()))
def test_every_pair_of_options_trains(ser, data, in_tmp, row):
    code, out, err = ser(*command(row, data))
    assert code == 0, err
    assert (only_run(in_tmp) / "finished.json").is_file()


@pytest.mark.parametrize("pair", once_each(list(CANNOT), lambda pair: {CANNOT[pair]}), ids="-".join)
def test_pairs_that_cannot_work_say_what_to_change(ser, data, in_tmp, pair):
    row = {group: choices[0] for group, choices in GROUPS.items()} | {"dataset": "ravdess", "split": "speaker"}
    row |= {pair[0]: pair[1], pair[2]: pair[3]}
    code, _, err = ser(*command(row, data))
    assert code == 2 and CANNOT[pair] in err
    assert not list((in_tmp / "runs").glob("*"))


def test_covering_array_covers():
    """Each option at least once, and each pair that can work."""
    for a, x in ((group, choice) for group, choices in GROUPS.items() for choice in choices):
        assert any(row[a] == x for row in ROWS)
        for b, y in ((group, choice) for group, choices in GROUPS.items() for choice in choices):
            if a != b and related({a: x, b: y}) and not cannot({a: x, b: y}):
                assert any(row[a] == x and row[b] == y for row in ROWS)


@pytest.mark.slow
@pytest.mark.parametrize("frontend", GROUPS["frontend"])
@pytest.mark.parametrize("model", GROUPS["model"])
def test_full_product(ser, data, in_tmp, frontend, model):
    """Every combination of the groups that decide the shape of what a model sees, each trained one step."""
    # features computed once, and anew in each step; all augmentations meet all frontends and models in pairs, above
    how = [("none", "speech"), ("waveform", "librosa")]
    first = GROUPS["frontend"].index(frontend) + GROUPS["model"].index(model)
    for i, audio in enumerate(GROUPS["audio"]):
        augmentation, stft = how[(first + i) % 2]
        row = {"dataset": "ravdess", "frontend": frontend, "model": model, "audio": audio, "augmentation": augmentation}
        if cannot(row):
            continue
        words = command({**row, "trainer": "cpu"}, data)
        if frontend in WITH_STFT:
            words.append(f"stft@frontend.stft={stft}")
        code, _, err = ser(*words)
        assert code == 0, f"{row}: {err}"


PUBLISHED = {  # preset: parameters, features × frames
    "ravdess_cnn1d_314k": (314_568, "1 features × 258 frames"),
    "ravdess_cnn1d_1m": (1_128_488, "1 features × 259 frames"),
    "ravdess_mlp_3emotions": (180 * 300 + 300 + 300 * 3 + 3, "180 features × 1 frames"),
    "ravdess_cnn1d_augmented": (557_288, "162 features × 1 frames"),
    "tess_cnn1d": (209_159, "40 features × 1 frames"),
}


@pytest.mark.parametrize("preset", PUBLISHED)
def test_presets_have_the_published_sizes(ser, tiny_ravdess, tiny_tess, preset):
    parameters, shape = PUBLISHED[preset]
    root = tiny_tess if "tess" in preset else tiny_ravdess
    small = [f"dataset.root={root}", "audio.offset_s=0", "split.test=0.4", "trainer=cpu"]
    code, out, err = ser("train", f"experiment=baseline_{preset}", "run.dry_run=true", *small)
    assert code == 0, err
    assert f"{parameters:,} parameters" in out and shape in out


@pytest.mark.parametrize("file", sorted(config_folder().rglob("*.yaml")), ids=lambda file: file.stem)
def test_config_files_are_short_and_say_what_they_are(file: Path):
    text = file.read_text(encoding="utf-8")
    assert text.startswith("# "), "the first line is shown by `ser show`"
    if file.parent != config_folder():
        # a published system is its layers: they stand in its preset and nowhere else
        assert len(text.splitlines()) <= (26 if file.parent.name == "experiment" else 25)
    yaml.safe_load(text)
