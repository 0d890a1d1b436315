"""Augmentation through `ser train`: it touches the training part only, counts for identity, and says what is wrong."""

import json
import shutil
import textwrap

import numpy as np
import pytest
import torch

from ser.data.store.array_store import list_entries
from ser.system.cache import cache_folder
from ser.training.module import EmotionClassifier
from tests.conftest import only_run
from tests.tiny_corpora import write_tone

POISON = """
    class Waveform:
        def __call__(self, x, lengths, generator=None):
            return x + 1e4, lengths

    class Features:
        def __call__(self, x, lengths, generator=None):
            return x + 1e4, lengths

    class Mixing:
        def __call__(self, features, frames, targets, generator=None):
            return features + 1e4, frames, targets
"""


@pytest.fixture
def sounds(tmp_path):
    for pitch in (100, 400):
        write_tone(tmp_path / "my sounds" / f"{pitch}.wav", pitch)
    return tmp_path / "my sounds"


@pytest.fixture
def poison(in_tmp, monkeypatch):
    """A trusted package of the user's own whose augmentations add huge constants: its name."""
    (in_tmp / "my_poison").mkdir()
    (in_tmp / "my_poison" / "__init__.py").write_text(textwrap.dedent(POISON))
    monkeypatch.syspath_prepend(str(in_tmp))
    return "my_poison"


@pytest.fixture
def seen(monkeypatch):
    """What the model is given in training, and what is scored of val and test, by part."""
    found = {"train": [], "scored": []}
    forward, evaluate = EmotionClassifier.training_step, EmotionClassifier._evaluate

    def training_step(self, batch, batch_idx):
        with self.model.register_forward_hook(lambda model, inputs, out: found["train"].append(inputs[0])):
            return forward(self, batch, batch_idx)

    def scoring(self, batch):
        found["scored"].append({name: tensor.clone() for name, tensor in batch.items()})
        return evaluate(self, batch)

    monkeypatch.setattr(EmotionClassifier, "training_step", training_step)
    monkeypatch.setattr(EmotionClassifier, "_evaluate", scoring)
    return found


@pytest.fixture
def made(monkeypatch):
    """The views that are rendered, as their first batch is asked for."""
    from ser.data.features.views import render

    numbers = []

    def noted(*args):
        numbers.append(args[4])
        yield from render(*args)

    monkeypatch.setattr("ser.training.augmented_views.render", noted)
    return numbers


def scored(seen):
    parts, seen["scored"], seen["train"] = seen["scored"], [], []
    return parts


@pytest.mark.parametrize(
    ("stage", "views"),
    [
        ("waveform", False),
        ("waveform", True),
        *(pytest.param(stage, False, marks=pytest.mark.slow) for stage in ("features", "mixing")),
    ],
)
def test_val_and_test_are_untouched_by_any_augmentation(ser, quick, poison, seen, stage, views):
    """An augmentation that adds 10,000 everywhere changes nothing of what is scored, bit for bit."""
    keep = ["run.keep_features=never"] if stage == "waveform" and not views else []
    brief = [*quick, "augmentation=none", "trainer.max_epochs=1", *keep]
    assert ser(*brief)[0] == 0
    plain = scored(seen)
    node = f"augmentation.{stage}=[{{_target_: {poison}.{stage.capitalize()}}}]"
    code, _, err = ser(*brief, f"run.trust=[{poison}]", node, *(["augmentation.views=2"] if views else []))
    assert code == 0, err
    poisoned = max(float(x.abs().max()) for x in seen["train"])
    assert poisoned > 50, "the poison did reach training"
    after = scored(seen)
    assert len(after) == len(plain) > 0
    for one, other in zip(plain, after, strict=True):
        assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_a_normaliser_fitted_to_views_gives_training_mean_0_and_deviation_1(ser, quick, seen, in_tmp):
    """All views of all clips stand before the model in turn; without it they are far away in some bands."""
    noisy = "augmentation.waveform=[{_target_: ser.augmentations.noise.Noise, p: 1, snr_db: [0, 0]}]"
    words = [*quick, "frontend=mel", "augmentation=noise", noisy, "augmentation.views=1", "trainer.max_epochs=4"]
    deviations = {}
    for by_views in ("true", "false"):
        assert ser(*words, f"+augmentation.normalise_by_views={by_views}", "run.rerun=true")[0] == 0
        deviations[by_views] = float(torch.cat([x.mean(dim=-1) for x in seen["train"]]).abs().max())
        scored(seen)
    assert deviations["true"] < 0.2 * deviations["false"]
    code, _, err = ser(*words, "+augmentation.normalise_by_views=yes_please")
    assert code == 2 and "true or false" in err


def test_views_are_what_training_sees_and_nothing_is_rendered_twice(ser, quick, seen, made, monkeypatch, tmp_path):
    monkeypatch.setenv("SER_CACHE", str(tmp_path / "own_cache"))
    words = [*quick, "augmentation=noise", "augmentation.waveform.0.p=1", "augmentation.views=3"]
    assert ser(*words)[0] == 0
    first = [x.clone() for x in seen["train"]]
    entries = [entry for entry in list_entries(cache_folder()) if entry.kind == "features"]
    assert sorted(str(entry.settings.get("view")) for entry in entries) == ["1", "2", "3", "None"]
    scored(seen)
    assert ser(*words, "run.rerun=true", "optimizer.lr=1e-4")[0] == 0
    assert all(torch.equal(one, other) for one, other in zip(first, seen["train"], strict=True))
    assert made == [1, 2, 3], "rendered once"
    epochs = len(first) // 2
    assert not torch.equal(torch.cat(first[:epochs]).sort(0).values, torch.cat(first[epochs:]).sort(0).values)


@pytest.mark.slow
def test_more_views_keep_those_that_are_there(ser, quick, made, monkeypatch, tmp_path):
    monkeypatch.setenv("SER_CACHE", str(tmp_path / "own_cache"))
    brief = [*quick, "augmentation=speed", "trainer.max_epochs=1"]
    for count in (1, 3):
        assert ser(*brief, f"augmentation.views={count}")[0] == 0
    assert made == [1, 2, 3]
    made.clear()
    assert ser(*brief, "augmentation.views=1", "augmentation.waveform.0.p=1")[0] == 0
    assert made == [1], "another setting is another rendering"


def test_views_of_fixed_speeds_are_rendered_for_all_seeds_and_splits_at_once(ser, quick, made, monkeypatch, tmp_path):
    """They depend on no draw; those of drawn noise are of one seed and one training part."""
    monkeypatch.setenv("SER_CACHE", str(tmp_path / "cache"))
    words = [*quick, "audio=whole", "trainer.max_epochs=1"]
    assert ser(*words, "augmentation=five_speeds")[0] == 0
    rendered = len(made)
    assert rendered > 0
    for other in ("seed=7", "split.seed=7"):
        assert ser(*words, "augmentation=five_speeds", other)[0] == 0
        assert len(made) == rendered, f"{other} renders nothing"
    assert ser(*words, "augmentation=noise", "augmentation.views=1")[0] == 0
    rendered = len(made)
    assert ser(*words, "augmentation=noise", "augmentation.views=1", "seed=7")[0] == 0
    assert len(made) > rendered


@pytest.mark.slow
@pytest.mark.parametrize("audio", ["clip", "whole"])
def test_views_in_memory_and_on_disk_learn_the_same(ser, quick, in_tmp, audio):
    results = {}
    for keep in ("memory", "disk"):
        words = [*quick, f"audio={audio}", "augmentation=speed", "augmentation.views=2", f"run.keep_features={keep}"]
        code, out, err = ser(*words, "run.rerun=true")
        assert code == 0, err
        assert ("views stay on disk" in out) == (keep == "disk")
        results[keep] = json.loads((only_run(in_tmp) / "metrics.json").read_text())
    for name in ("val/loss", "test/loss"):
        assert results["disk"][name] == pytest.approx(results["memory"][name], rel=1e-3)


def test_views_that_cannot_be_stored_are_kept_in_memory(ser, quick, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ser.training.augmented_views.open_features", full)
    code, out, err = ser(*quick, "augmentation=noise", "augmentation.views=2", "augmentation.waveform.0.snr_db=7")
    assert code == 0, err
    assert "views are kept in memory only, for this run: the disk is full" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["augmentation=noise", "augmentation.views=0"], "augmentation.views=0 must be a whole number from 1"),
        (["augmentation=noise", "augmentation.views=2.5"], "augmentation.views=2.5 must be a whole number"),
        (["augmentation=noise", "augmentation.views=true"], "augmentation.views=true must be"),
        (["augmentation=spec", "augmentation.views=5"], "augmentation.waveform has none"),
        (
            ["augmentation=noise", "augmentation.views=5", "run.keep_features=never"],
            "run.keep_features=never forbids it",
        ),
        (["augmentation=noise", "augmentation.viwes=5"], "viwes"),
        (["augmentation=nosie"], "noise"),
        (
            ["augmentation=noise", "augmentation.waveform.0.snr_db=[30,10]"],
            "augmentation.waveform.0.snr_db=[30, 10] must be",
        ),
        (["augmentation=noise", "+augmentation.waveform.0.snr=3"], "Did you mean 'snr_db'?"),
        (["augmentation=speed", "augmentation.waveform.0.rate=0"], "augmentation.waveform.0.rate=0 must be"),
        (["augmentation=background"], "name their folder, augmentation.folder=FOLDER"),
        (["augmentation=background", "augmentation.folder=nowhere"], "nowhere does not exist"),
        (
            ["augmentation=noise", "augmentation.waveform=[{_target_: ser.augmentations.background.Background}]"],
            "name their folder, augmentation.waveform.0.folder=FOLDER",
        ),
        (["augmentation=recorded_room", "augmentation.folder=empty"], "holds no recordings"),
    ],
)
def test_mistakes_are_told(ser, quick, in_tmp, words, message):
    (in_tmp / "empty").mkdir()
    code, _, err = ser(*quick, *words)
    assert code == 2 and message in err, err
    assert not list((in_tmp / "runs").glob("*"))


def test_a_bad_recording_in_the_folder_is_named(ser, quick, in_tmp, sounds):
    (sounds / "broken.wav").write_bytes(b"RIFF")
    code, _, err = ser(*quick, "augmentation=background", f"augmentation.folder={sounds}")
    assert code == 2 and "broken.wav: " in err and "augmentation.waveform.0.folder" in err


@pytest.mark.parametrize("preset", ["background", pytest.param("recorded_room", marks=pytest.mark.slow)])
def test_a_folders_content_counts_for_identity_and_its_place_does_not(ser, quick, in_tmp, sounds, preset):
    words = [*quick, f"augmentation={preset}"]
    assert ser(*words, f"augmentation.folder={sounds}")[0] == 0
    moved = shutil.copytree(sounds, in_tmp / "moved")
    assert "Already trained" in ser(*words, f"augmentation.folder={moved}")[1]
    write_tone(moved / "one more.wav", 700)
    code, out, _ = ser(*words, f"augmentation.folder={moved}")
    assert code == 0 and "Already trained" not in out
    assert len(list((in_tmp / "runs").iterdir())) == 2


def test_views_count_for_identity(ser, quick, in_tmp):
    for views in ("null", "1"):
        assert ser(*quick, "augmentation=noise", f"augmentation.views={views}", "trainer.max_epochs=1")[0] == 0
    assert len(list((in_tmp / "runs").iterdir())) == 2


@pytest.mark.slow
def test_a_run_is_looked_at_without_the_folder_that_it_was_trained_with(ser, quick, in_tmp, sounds):
    """Evaluation needs no augmentation: the recordings of the room may be gone."""
    assert ser(*quick, "augmentation=background", f"augmentation.folder={sounds}", "trainer.max_epochs=1")[0] == 0
    shutil.rmtree(sounds)
    code, out, err = ser("evaluate", f"run={only_run(in_tmp)}")
    assert code == 0, err
    assert "Without sounds" not in out


@pytest.mark.slow
@pytest.mark.parametrize("augmentation", ["waveform", "pitch_stretch", "room", "cutmix", "warp"])
def test_the_same_command_gives_the_same_figures(ser, quick, in_tmp, augmentation):
    """On the fly, from the generator alone: a run that is trained again is the run."""
    figures = []
    for _ in range(2):
        assert ser(*quick, f"augmentation={augmentation}", "run.rerun=true", "audio=whole")[0] == 0
        metrics = json.loads((only_run(in_tmp) / "metrics.json").read_text())
        figures.append({name: value for name, value in metrics.items() if name != "seconds"})
    assert figures[0] == figures[1]
    assert all(np.isfinite(value) for value in figures[0].values() if isinstance(value, float))


def test_a_dry_run_counts_what_augmentation_costs(ser, quick):
    code, out, err = ser(*quick, "augmentation=pitch_stretch", "run.dry_run=true")
    assert code == 0 and "ms a step" in out, err


@pytest.mark.parametrize(
    ("stage", "target", "right"),
    [
        ("waveform", "spectrogram.SpecAugment", "features"),
        ("waveform", "mixing.FreqMixStyle", "mixing"),
        ("features", "mixing.Mixup", "mixing"),
        ("features", "noise.Noise", "waveform"),
        ("mixing", "offsets.RandomFloor", "features"),
        ("mixing", "speed.Speed", "waveform"),
    ],
)
def test_an_augmentation_in_another_stages_list_is_refused(ser, quick, stage, target, right, in_tmp):
    part = f"augmentation.{stage}=[{{_target_: ser.augmentations.{target}}}]"
    code, _, err = ser(*quick, "augmentation=none", part)
    assert code == 2 and f"belongs into augmentation.{right}, not augmentation.{stage}" in err
    assert not any((in_tmp / "runs").glob("*"))
