"""Runs on a pretrained model: what identifies them, what they save, and that they predict what they have tested."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from ser.data.store.array_store import list_entries
from ser.runs.weights import read_checkpoint
from ser.system.cache import cache_folder
from ser.training.pretrained import what_computes
from tests.conftest import only_run
from tests.frontends.pretrained import write_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_folder(tmp_path_factory.mktemp("wav2vec2"), "wav2vec2_base")


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    """A cache in which nothing is kept yet."""
    monkeypatch.setenv("SER_CACHE", str(tmp_path / "own_cache"))


@pytest.fixture
def words(quick, folder) -> list[str]:
    return [*quick, "frontend=wav2vec2", f"frontend.checkpoint={folder}"]


def config(run: Path) -> dict:
    return yaml.safe_load((run / "config.yaml").read_text())


def test_a_sweep_over_heads_computes_features_once_and_loads_nothing_after(ser, words, in_tmp, monkeypatch):
    from ser.frontends.wav2vec2 import SpeechEncoder

    loads, true = [], SpeechEncoder.load
    monkeypatch.setattr(SpeechEncoder, "load", lambda self: (loads.append(1), true(self)))
    code, out, err = ser(*words)
    assert code == 0, err
    assert len(loads) == 1
    plain = [word for word in words if not word.startswith("model")]
    for head in ("model=cnn1d", "model=transformer", "model=mlp frontend.lr=1e-4"):
        code, _, err = ser(*plain, *head.split())
        assert code == 0, err
    assert len(loads) == 1 and [entry.kind for entry in list_entries(cache_folder())].count("features") == 1
    runs = [path.parents[1] for path in in_tmp.glob("runs/*/checkpoints/best.ckpt")]
    assert len(runs) == 4 and not any("frontend" in key for run in runs for key in state(run))


def state(run: Path) -> dict:
    return read_checkpoint(run / "checkpoints" / "best.ckpt")["state_dict"]


@pytest.mark.parametrize("statistics", [False, True])
def test_weighted_layers_are_kept_in_half_precision_and_learned(ser, words, in_tmp, statistics):
    over_time = ["frontend=time_stats", "frontend@frontend.of=wav2vec2"] if statistics else []
    checkpoint = next(word for word in words if word.startswith("frontend.checkpoint="))
    told = [word for word in words if not word.startswith("frontend")]
    inner = "frontend.of" if statistics else "frontend"
    chosen = over_time or ["frontend=wav2vec2"]
    place = checkpoint.replace("frontend", inner, 1)
    code, out, err = ser(
        *told, *chosen, place, f"{inner}.layers=weighted", "trainer.max_epochs=4", "loss.l2={layers: 1e-4}"
    )
    assert code == 0, err
    kept = list((cache_folder() / "features").glob("*/values.*"))
    assert [path.suffix for path in kept] == [".f32" if statistics else ".f16"]
    weights = state(only_run(in_tmp))["model.layer_weights"]
    assert weights.shape == (3,) and weights.any() and "model.of.layers.0.weight" in state(only_run(in_tmp))


@pytest.mark.parametrize("trainable", ["lora", pytest.param("all", marks=pytest.mark.slow), "top_1"])
def test_fine_tuning_has_its_own_rate_and_predicts_what_it_tested(ser, words, in_tmp, trainable, tiny_ravdess):
    ours = ["frontend.lr=2e-3", "optimizer.lr=1e-2", "frontend.gradient_checkpointing=true", "scheduler=none"]
    code, out, err = ser(*words, f"frontend.trainable={trainable}", *ours, "ema=0.9")
    assert code == 0, err
    run = only_run(in_tmp)
    last = read_checkpoint(run / "checkpoints" / "last.ckpt")
    (groups,) = (each["param_groups"] for each in last["optimizer_states"])
    assert sorted(group["lr"] for group in groups) == [2e-3, 1e-2]
    saved = [key for key in state(run) if key.startswith("frontend.")]
    assert saved and all(("parametrizations" in key) or trainable != "lora" for key in saved)
    check_predictions(ser, run, tiny_ravdess)


def check_predictions(ser, run: Path, root: Path) -> None:
    """`ser predict` gives the probabilities of the run's predictions.csv."""
    rows = [line.split(",") for line in (run / "predictions.csv").read_text().splitlines()]
    head, rows = rows[0], rows[1:4]
    files = [str(root / row[0]) for row in rows]
    code, out, err = ser("predict", str(run), *files, "--format", "jsonl")
    assert code == 0, err
    for line, row in zip(out.splitlines(), rows, strict=True):
        for emotion, probability in json.loads(line)["probabilities"].items():
            assert probability == pytest.approx(float(row[head.index(emotion)]), abs=1e-3)


@pytest.mark.slow
def test_a_moved_checkpoint_is_the_same_run_and_another_one_is_not(
    ser, words, in_tmp, folder, monkeypatch, tiny_ravdess
):
    place = in_tmp / "models" / "mine"
    shutil.copytree(folder, place)
    told = [*words[:-1], "frontend.checkpoint=models/mine"]
    assert ser(*told)[0] == 0
    run = only_run(in_tmp)
    assert config(run)["frontend"]["checkpoint"] == str(place) and len(config(run)["frontend"]["content"]) == 32
    code, out, _ = ser(*words, "frontend.gradient_checkpointing=true")
    assert code == 0 and "Already trained" in out and only_run(in_tmp) == run, "the place is no part of the identity"

    (recording,) = sorted(tiny_ravdess.rglob("*.wav"))[:1]
    place.rename(in_tmp / "mine")
    code, _, err = ser("predict", str(run), str(recording))
    assert code == 2 and "frontend.checkpoint" in err and "SER_PRETRAINED" in err
    monkeypatch.setenv("SER_PRETRAINED", str(in_tmp))
    code, out, err = ser("predict", str(run), str(recording))
    assert code == 0, err
    settings = in_tmp / "mine" / "preprocessor_config.json"
    settings.write_text(settings.read_text().replace("true", "false"))
    code, _, err = ser("predict", str(run), str(recording))
    assert code == 2 and "is another checkpoint than the one that was used before" in err
    code, out, err = ser(*told[:-1], "frontend.checkpoint=mine")
    assert code == 0 and len(list((in_tmp / "runs").iterdir())) == 2, err


def test_a_run_from_elsewhere_may_not_use_the_network(ser, quick, in_tmp, tmp_path, tiny_ravdess, monkeypatch):
    import huggingface_hub

    from tests.frontends.pretrained import write_other

    asked = []

    def download(name, local_files_only, **_):
        asked.append((name, local_files_only))
        return str(write_other(tmp_path / "hub", "data2vec"))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    told = ["frontend=transformers", "frontend.checkpoint=somebody/tiny", "frontend.online=true"]
    code, out, err = ser(*quick, *told)
    assert code == 0, err
    assert asked and not any(local for _, local in asked)
    asked.clear()
    code, out, err = ser("predict", str(only_run(in_tmp)), str(next(tiny_ravdess.rglob("*.wav"))))
    assert code == 0, err
    assert asked and all(local for _, local in asked)


JOURNALS = "*.partial/blocks.jsonl"
SLOWLY = """
import sys, time
from ser.data.store import journal
from ser.frontends.wav2vec2 import SpeechEncoder
true = SpeechEncoder.forward
SpeechEncoder.forward = lambda *given: (time.sleep(0.5), true(*given))[1]
journal.EVERY_S = 0.0
from ser.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_a_killed_extraction_goes_on_where_it_was(ser, words, in_tmp):
    process = subprocess.Popen([sys.executable, "-c", SLOWLY, *words], stdout=subprocess.DEVNULL)
    store = cache_folder() / "features"
    try:
        wait_for(
            lambda: process.poll() is not None or any(file.read_text().count("\n") > 1 for file in store.glob(JOURNALS))
        )
        assert process.poll() is None, "it has ended by itself"
    finally:
        process.kill()
        process.wait()
    assert [entry.kind for entry in list_entries(cache_folder())] == ["waveforms"]
    code, out, err = ser(*words)
    assert code == 0, err
    assert "of 96 recordings were kept by an interrupted run" in out + err
    (resumed,) = store.glob("*/values.f32")
    values = resumed.read_bytes()
    shutil.rmtree(store)
    assert ser(*words, "run.rerun=true")[0] == 0
    assert next(store.glob("*/values.f32")).read_bytes() == values


def wait_for(condition, seconds: float = 300.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_features_are_named_by_the_content_of_a_checkpoint_and_by_every_setting_of_other_frontends():
    ours = {"_target_": "a", "checkpoint": "x", "content": "01", "lr": 1e-4, "layers": "last"}
    assert what_computes(ours) == {"_target_": "a", "content": "01", "layers": "last"}
    assert what_computes({"of": ours})["of"] == what_computes(ours)
    own = {"_target_": "b", "checkpoint": "x", "weights_path": "y", "columns": [1], "lr": 1}
    assert what_computes(own) == own
