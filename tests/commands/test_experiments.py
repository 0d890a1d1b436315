"""An experiment's settings of a part go when another part takes its place."""

from pathlib import Path

import pytest
import yaml

from ser.commands.hydra_app import run_app
from tests.conftest import only_run

EXPERIMENT = """# @package _global_
# of this test
defaults:
  - override /split: random
  - override /model: cnn1d
  - override /optimizer: adam
split: {val: 0.0, test: 0.25, stratify: [emotion, gender]}
model:
  dropout: 0.4
  blocks: [{channels: 4, norm: none}]
optimizer: {eps: 1e-7}
checkpoint: last
batch_size: 48
"""


@pytest.fixture
def config(ser, in_tmp, tiny_ravdess):
    """The config of a run of the experiment with more arguments."""
    (in_tmp / "mine" / "experiment").mkdir(parents=True)
    (in_tmp / "mine" / "experiment" / "preset.yaml").write_text(EXPERIMENT, encoding="utf-8")
    words = ["--config-dir", "mine", "dataset=ravdess", f"dataset.root={tiny_ravdess}", "experiment=preset"]

    def compose(*more: str) -> dict:
        code, _, err = ser(
            "train", *words, "trainer=cpu", "trainer.max_epochs=1", "audio.offset_s=0", "run.report=false", *more
        )
        assert code == 0, err
        return yaml.safe_load((only_run(Path()) / "config.yaml").read_text(encoding="utf-8"))

    return compose


def test_its_own_choices_keep_its_settings(config):
    found = config()
    assert found["split"]["stratify"] == ["emotion", "gender"] and found["split"]["test"] == 0.25
    assert found["model"]["blocks"] == [{"channels": 4, "norm": "none"}] and found["optimizer"]["eps"] == 1e-7


def test_another_split_comes_as_its_file_says(config):
    found = config("split=speaker")
    shipped = yaml.safe_load((Path(__file__).parents[2] / "configs" / "split" / "speaker.yaml").read_text("utf-8"))
    assert found["split"] == {**shipped, "seed": 0}
    assert found["model"]["dropout"] == 0.4 and found["batch_size"] == 48


def test_another_model_has_its_own_settings_and_those_that_were_typed(config):
    found = config("model=mlp", "model.dropout=0.15", "optimizer=adamw")
    shipped = yaml.safe_load((Path(__file__).parents[2] / "configs" / "model" / "mlp.yaml").read_text("utf-8"))
    assert found["model"] == {**shipped, "dropout": 0.15}
    assert "eps" not in found["optimizer"] or found["optimizer"]["eps"] != 1e-7
    assert found["split"]["val"] == 0.0


@pytest.mark.parametrize("model", ["cnn2d", "mlp"])
def test_an_experiment_that_names_no_model_means_the_default_one(config, in_tmp, model):
    unnamed = EXPERIMENT.replace("  - override /model: cnn1d\n", "").replace(
        "blocks: [{channels: 4, norm: none}]", "width: 4"
    )
    (in_tmp / "mine" / "experiment" / "preset.yaml").write_text(unnamed, encoding="utf-8")
    found = config(f"model={model}")["model"]
    assert (found.get("width"), found["dropout"] == 0.4) == ((4, True) if model == "cnn2d" else (None, False))


@pytest.mark.parametrize("frontend", ["mfcc", "zcr_rms_chroma", "concat"])
def test_settings_of_the_default_part_go_where_the_chosen_one_has_none_such(config, in_tmp, frontend):
    """Those that it has stay: they are meant for it, too. Neither does `trainer=cpu` lose what `auto` has for it."""
    more = "frontend: {log_offset: 1e-3, stft: {hop_length: 320}}\ntrainer: {gradient_clip_val: 5.0}\n"
    (in_tmp / "mine" / "experiment" / "preset.yaml").write_text(EXPERIMENT + more, encoding="utf-8")
    found = config(f"frontend={frontend}", "scheduler=none")
    assert found["frontend"]["stft"]["hop_length"] == 320
    assert found["frontend"].get("log_offset") == (1e-3 if frontend == "mfcc" else None)
    assert found["trainer"]["gradient_clip_val"] == 5.0 and found["trainer"]["accelerator"] == "cpu"


def test_what_a_defaults_list_puts_into_a_part_is_restored():
    """`ravdess_mlp` sets the hop of its own frontend; another one has that of its own file again."""
    found = []
    run_app("train", ["experiment=ravdess_mlp", "frontend=time_stats"], found.append)
    run_app("train", ["frontend=time_stats"], found.append)
    assert found[0]["frontend"] == found[1]["frontend"] and found[0]["frontend"]["of"]["stft"]["hop_length"]
    run_app("train", ["experiment=ravdess_cnn2d", "trainer=gpu"], found.append)
    assert found[2]["trainer"]["gradient_clip_val"] == 5.0 and found[2]["trainer"]["max_epochs"] == 80


def test_a_typed_setting_that_the_chosen_part_has_not_is_refused(ser, config, in_tmp):
    more = "frontend: {log_offset: 1e-3}\n"
    (in_tmp / "mine" / "experiment" / "preset.yaml").write_text(EXPERIMENT + more, encoding="utf-8")
    words = ["--config-dir", "mine", "dataset=demo", "experiment=preset", "trainer=cpu", "frontend=zcr_rms_chroma"]
    code, _, err = ser("train", *words, "frontend.log_offset=1e-3")
    assert code == 2 and "frontend has no setting 'log_offset'" in err


def test_settings_of_a_base_file_are_taken_back_too(config, in_tmp):
    """`defaults: [base/shared, …]`, as the shipped presets have it."""
    folder = in_tmp / "mine" / "experiment"
    base, own = EXPERIMENT.partition("model:\n")[::2]
    (folder / "base").mkdir()
    (folder / "base" / "shared.yaml").write_text(base, encoding="utf-8")
    own = f"# @package _global_\ndefaults:\n  - base/shared\n  - override /optimizer: sgd\nmodel:\n{own}"
    (folder / "preset.yaml").write_text(own.replace("{eps: 1e-7}", "{momentum: 0.8}"), encoding="utf-8")
    found = config("split=speaker", "model=mlp")
    shipped = yaml.safe_load((Path(__file__).parents[2] / "configs" / "split" / "speaker.yaml").read_text("utf-8"))
    assert found["split"] == {**shipped, "seed": 0}, "not as the base has it for its own split"
    assert "blocks" not in found["model"] and found["optimizer"]["momentum"] == 0.8


@pytest.mark.slow
def test_a_sweep_composes_the_same_runs(ser, in_tmp, config, tiny_ravdess):
    alone = config("split=speaker")
    code, out, err = ser(
        "train", "-m", "--config-dir", "mine", "dataset=ravdess", f"dataset.root={tiny_ravdess}", "experiment=preset",
        "trainer=cpu", "trainer.max_epochs=1", "audio.offset_s=0", "split=random,speaker",
    )  # fmt: skip
    assert code == 0, out + err
    runs = [path for path in (in_tmp / "runs").iterdir() if path.is_dir()]
    assert len(runs) == 2, "the one that was there, and the other"
    assert yaml.safe_load((in_tmp / "runs" / only("speaker", runs) / "config.yaml").read_text("utf-8")) == alone


def only(word: str, runs: list[Path]) -> str:
    """The one whose name says it."""
    (name,) = [path.name for path in runs if f"-{word}-" in path.name]
    return name


@pytest.mark.parametrize("experiment", ["absolute", "[other,preset]"])
def test_an_experiment_named_by_its_place_or_in_a_list_leaves_nothing_behind(ser, config, in_tmp, experiment):
    """`- /experiment/preset` is Hydra's ordinary spelling, and several experiments are one after the other."""
    folder = in_tmp / "mine" / "experiment"
    (folder / "absolute.yaml").write_text("# @package _global_\ndefaults: [/experiment/preset]\nbatch_size: 16\n")
    (folder / "other.yaml").write_text("# @package _global_\nseed: 3\n")
    found = config(f"experiment={experiment}", "split=speaker", "model=mlp")
    shipped = Path(__file__).parents[2] / "configs"
    split, model = (
        yaml.safe_load((shipped / name).read_text("utf-8")) for name in ("split/speaker.yaml", "model/mlp.yaml")
    )
    assert found["split"] == {**split, "seed": found["seed"]} and found["model"] == model
    assert found["checkpoint"] == "last" and found["batch_size"] == (16 if experiment == "absolute" else 48)
