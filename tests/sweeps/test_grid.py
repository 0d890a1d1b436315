"""A grid as it is typed: looked through before the first training, trained once, told at the end."""

import json
from types import SimpleNamespace

import pytest
import yaml

from ser.data import recordings
from ser.sweeps import devices, plan, preflight
from ser.sweeps.watching import best_of
from ser.training import train as training
from tests.sweeps.conftest import figures_in, index_of, runs_in, sweep_in


@pytest.fixture
def trained(monkeypatch):
    """Seeds of the runs whose training began."""
    begun, fit = [], training._train

    def counting(job, *arguments):
        begun.append(job.config["seed"])
        return fit(job, *arguments)

    monkeypatch.setattr(training, "_train", counting)
    return begun


@pytest.fixture
def stepped(monkeypatch):
    """Configurations that were rehearsed."""
    tried, call = [], preflight.Rehearsals.__call__

    def counting(self, config, *arguments):
        tried.append(config["seed"])
        return call(self, config, *arguments)

    monkeypatch.setattr(preflight.Rehearsals, "__call__", counting)
    return tried


def test_places_on_a_gpu_that_is_not_there_are_a_note(grid, in_tmp, ser):
    code, out, err = ser(*grid, "seed=0,1", "sweep.jobs_per_gpu=4", "run.dry_run=true")
    assert code == 0 and "sweep.jobs_per_gpu=4 has no effect: no run takes a GPU here" in " ".join(out.split()), err
    assert "no effect" not in ser(*grid, "seed=0,1", "run.dry_run=true")[1]


def test_a_grid_is_trained_once_and_found_again(ser, grid, in_tmp, trained, stepped):
    code, out, err = ser(*grid, "seed=0,1", "model.dropout=0,0.5")
    assert code == 0, err
    assert sorted(trained) == [0, 0, 1, 1] and len(stepped) == 2, "seeds share the try"
    assert "4 combinations: 4 to train" in out and "4 runs trained" in out and "Best val/uar" in out
    assert "4/4  " in out, "a line for each run that ends"
    before = figures_in(in_tmp)
    assert len(before) == 4
    code, out, _ = ser(*grid, "seed=1,0", "model.dropout=0.5,0")
    assert code == 0 and "4 finished already" in out and len(trained) == 4 and len(stepped) == 2
    code, out, _ = ser(*grid, "seed=0,1,2", "model.dropout=0")
    assert code == 0 and "2 finished already, 1 to train" in out and trained[4:] == [2]
    assert {name: figures_in(in_tmp)[name] for name in before} == before


def test_the_best_of_runs_with_different_monitors_is_told_by_one_metric():
    def run(label, monitor, **seen):
        seen = {f"val/{name}": value for name, value in seen.items()}
        job = SimpleNamespace(config={})
        return SimpleNamespace(label=label, state="finished", config={"monitor": monitor}, seen=seen, job=job)

    uar, loss = run("a", "val/uar", uar=0.5, loss=1.5), run("b", "val/loss", uar=0.6, loss=0.9)
    less = run("c", "val/loss", uar=0.4, loss=0.8)
    assert best_of([uar, loss, less]) == "val/uar 0.600 (b)" and best_of([loss, less]) == "val/loss 0.800 (c)"
    assert best_of([run("d", "val/uar")]) is None


def test_the_next_sweep_of_this_process_finds_all_places_free(ser, grid):
    """joblib trains a single run in the sweep's own process, which lives on in `scripts/reproduce`."""
    code, out, err = ser(*grid, "seed=0", "hydra/launcher=joblib")
    assert code == 0 and "1 run trained" in out, err
    assert not devices._held


@pytest.mark.slow
def test_the_folder_of_a_sweep_holds_links_and_an_index(ser, grid, in_tmp):
    ser(*grid, "seed=0,1")
    sweep = sweep_in(in_tmp)
    assert sweep.name.startswith("ravdess-seed-")
    links = [path for path in sweep.iterdir() if path.is_symlink()]
    assert {link.resolve() for link in links} == set(runs_in(in_tmp))
    assert not any(link.readlink().is_absolute() for link in links), "the folder can be moved with its runs"
    index = index_of(sweep)
    assert index["command"] == ["ser", *grid, "seed=0,1"]
    assert [run["label"] for run in index["runs"]] == ["seed=0", "seed=1"]
    assert all(run["state"] == "finished" and run["run"].endswith(run["identity"]) for run in index["runs"])
    ser(*grid, "seed=1,0")
    assert sweep_in(in_tmp) == sweep, "the same runs are the same sweep"
    ser(*grid, "seed=0,1", "hydra.sweep.dir=mine")
    assert len([path for path in (in_tmp / "mine").iterdir() if path.is_symlink()]) == 2


@pytest.mark.slow
def test_tensorboard_finds_the_runs_through_the_links(ser, grid, in_tmp):
    from tensorboard.backend.event_processing.io_wrapper import GetLogdirSubdirectories

    ser(*grid, "seed=0,1")
    found = [str(folder) for folder in GetLogdirSubdirectories(str(sweep_in(in_tmp)))]
    assert len(found) == 2 and all("-mlp-" in folder for folder in found)


@pytest.mark.slow
def test_all_bad_combinations_are_listed_and_nothing_is_trained(ser, grid, in_tmp, trained):
    words = [word for word in grid if not word.startswith("model")]
    code, _, err = ser(*words, "model=mlp,cnn1d,cnn2dd", "frontend=mfcc,time_stats", "optimizer.lr=1e-3,fast")
    assert code == 2 and not trained and not (in_tmp / "sweeps").exists() and not runs_in(in_tmp)
    assert "9 of 12 combinations cannot be trained" in err and "nothing was trained" in err
    assert err.count("model=cnn2dd is not a choice. Did you mean 'cnn2d'?") == 4
    assert "model.axis=features" in err and "optimizer.lr=fast" in err and "Traceback" not in err
    code, out, err = ser(*words, "model=mlp,cnn2dd", "sweep.bad=skip")
    assert code == 1 and len(trained) == 1 and "1 combination skipped" in err and "1 run trained" in out
    assert [run["state"] for run in index_of(sweep_in(in_tmp))["runs"]] == ["finished", "bad"]


def test_what_only_a_step_shows_is_found_before_training(ser, grid, in_tmp, trained):
    """A plateau that watches what nobody logs is built without complaint, and fails at an epoch's end."""
    code, _, err = ser(*grid, "scheduler=plateau", "scheduler.monitor=val/loss,val/los")
    assert code == 2 and not trained
    assert "1 of 2 combinations cannot be trained" in err and "val/los is not logged" in err


def test_more_batches_than_an_epoch_has_are_found_before_training(ser, grid, in_tmp, trained):
    code, _, err = ser(*grid, "trainer.accumulate_grad_batches=2,9")
    assert code == 2 and not trained and "accumulate_grad_batches=9 is more than the 3 of an epoch" in err


@pytest.mark.slow
def test_hydras_own_sweeper_trains_as_everywhere(ser, grid, in_tmp):
    """It knows no plan and composes every combination with all that was typed."""
    code, out, err = ser(*grid, "hydra/sweeper=basic", "seed=0,1", "run.report=false")
    assert code == 0, err
    assert len(runs_in(in_tmp)) == 2 and out.count("Run directory") == 2 and "combinations" not in out
    assert [path.name for path in (in_tmp / "sweeps").iterdir()] == ["multirun.yaml"]
    code, _, err = ser(*grid, "hydra/sweeper=basic", "seed=0", "trainer=ddp")
    assert code == 2 and "leave out -m, or trainer=ddp" in err


def test_a_grid_may_be_asked_for_by_hydras_mode(ser, grid, in_tmp):
    words = [word for word in grid if word != "-m"]
    code, out, err = ser(*words, "hydra.mode=MULTIRUN", "seed=0,1", "run.dry_run=true")
    assert code == 0 and "2 combinations: 2 to train" in out, err


def test_one_reason_for_all_is_one_sentence(ser, grid, in_tmp):
    code, _, err = ser(*grid, "modle=mlp,cnn1d")
    assert code == 2 and err == "Error: There is no setting 'modle'. Did you mean 'model'?\n"
    code, _, err = ser(*grid, "dataset.root=/nowhere/at/all", "seed=0,1,2")
    assert code == 2 and err.count("\n") <= 3 and "/nowhere/at/all" in err


@pytest.mark.slow
def test_combinations_are_left_out_by_a_condition(ser, grid, in_tmp, trained):
    code, out, err = ser(*grid, "seed=0,1", "model.dropout=0,0.5", "sweep.skip=model=='mlp' and seed=1 or seed>5")
    assert code == 0, err
    assert trained == [0, 0] and "2 left out by sweep.skip, 2 to train" in out
    assert [run["state"] for run in index_of(sweep_in(in_tmp))["runs"]] == [
        "finished",
        "finished",
        "skipped",
        "skipped",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sweep.skip=modle=mlp"], "Did you mean 'model'"),
        (["sweep.skip=seed=="], "sweep.skip"),
        (["sweep.skip=seed>=0"], "Nothing is left to train: 2 left out by sweep.skip"),
        (["sweep.bad=ignore"], "sweep.bad=ignore must be stop or skip"),
        (["sweep.bda=skip"], "Did you mean 'sweep.bad'?"),
        (["sweep.jobs_per_gpu=0", "hydra/launcher=joblib"], "sweep.jobs_per_gpu=0 must be a whole number"),
        (["optimizer.lr=interval(0,1)"], "ser tune searches an interval"),
        (["run.resume=runs/x"], "leave out -m"),
        (["trainer=ddp"], "leave out -m"),
        (["hydra/launcher=jobli"], "hydra/launcher=jobli is not a choice. Did you mean 'joblib'?"),
        (["hydra.launcher.n_job=2", "hydra/launcher=joblib"], "n_job"),
        (["--config-dir", "nowhere"], "there is no such folder"),
    ],
)
def test_mistakes_are_told_in_a_sentence(ser, grid, in_tmp, words, said):
    code, _, err = ser(*grid, "seed=0,1", *words)
    assert code == 2 and said in err and "Traceback" not in err
    assert not runs_in(in_tmp)


@pytest.mark.slow
def test_one_combination_is_trained_and_none_varies(ser, grid, in_tmp):
    code, out, _ = ser(*grid)
    assert code == 0 and "Nothing varies: several values make a grid" in out and len(runs_in(in_tmp)) == 1


@pytest.mark.slow
def test_two_ways_to_write_one_run_are_one(ser, grid, in_tmp, trained):
    code, out, _ = ser(*grid, "optimizer.lr=1e-3,0.001")
    assert code == 0 and len(trained) == 1
    assert "the same run as optimizer.lr=0.001" in out or "the same run as optimizer.lr=1e-3" in out
    assert "1 the same as another, 1 to train" in out


def test_a_dry_run_plans_and_leaves_nothing(ser, grid, in_tmp, trained):
    code, out, _ = ser(*grid, "seed=0,1", "run.dry_run=true")
    assert code == 0 and "2 to train; about" in out and not trained
    assert not (in_tmp / "sweeps").exists()


@pytest.mark.slow
def test_rerun_trains_each_again_once(ser, grid, in_tmp, trained):
    ser(*grid, "seed=0,1")
    code, out, _ = ser(*grid, "seed=0,1", "run.rerun=true")
    assert code == 0 and trained == [0, 1, 0, 1] and "2 runs trained" in out


@pytest.mark.slow
def test_a_grid_lives_in_a_file(ser, grid, in_tmp, trained):
    folder = in_tmp / "mine" / "experiment"
    folder.mkdir(parents=True)
    content = {"hydra": {"mode": "MULTIRUN", "sweeper": {"params": {"seed": "range(0,2)", "model.dropout": [0, 0.5]}}},
               "sweep": {"skip": "seed=1 and model.dropout=0"}}  # fmt: skip
    (folder / "own.yaml").write_text("# @package _global_\n" + yaml.safe_dump(content))
    words = [word for word in grid if word != "-m"]
    code, out, err = ser(*words, "--config-dir", "mine", "experiment=own")
    assert code == 0, err
    assert trained == [0, 0, 1] and "4 combinations: 1 left out by sweep.skip, 3 to train" in out
    assert sweep_in(in_tmp).name.startswith("own-dropout-seed-")
    code, out, _ = ser(*words, "--config-dir", "mine", "experiment=own", "seed=0")
    assert code == 0 and "2 finished already" in out, "what is typed goes before what stands in the file"


@pytest.mark.slow
def test_the_example_of_a_grid_in_a_file(ser, in_tmp, tiny_ravdess):
    code, out, err = ser("train", "experiment=grid_example", "dataset=ravdess", f"dataset.root={tiny_ravdess}",
                         "split=random", "trainer=cpu", "seed=0,1", "run.dry_run=true")  # fmt: skip
    assert code == 0, err
    assert "12 combinations: 2 left out by sweep.skip, 10 to train" in out


def test_a_corpus_is_scanned_once_and_a_recording_of_each_class_decoded(ser, grid, in_tmp, monkeypatch):
    scans, hashed, stores, opened = [], recordings.try_hashes, set(), recordings.open_store
    monkeypatch.setattr(recordings, "try_hashes", lambda *arguments: scans.append(1) or hashed(*arguments))
    monkeypatch.setattr(recordings, "open_store", lambda paths, *more: stores.add(paths) or opened(paths, *more))
    monkeypatch.setenv("SER_CACHE", str(in_tmp / "cache"))
    code, out, err = ser(*grid, "seed=0,1,2,3", "model.dropout=0,0.1", "run.dry_run=true")
    assert code == 0 and "8 to train" in out, err
    assert len(scans) == 1 and {len(paths) for paths in stores} == {8}
    assert not [path for path in in_tmp.rglob("*") if path.suffix in (".f32", ".ckpt")], "what is rehearsed is not kept"


@pytest.mark.slow
def test_a_job_that_fails_stops_no_other(ser, grid, in_tmp, monkeypatch):
    crashing = [1]

    def fails_once(job, *arguments, _fit=training._train):
        if job.config["seed"] in crashing:
            raise RuntimeError("a crash\nwith more lines")
        return _fit(job, *arguments)

    monkeypatch.setattr(training, "_train", fails_once)
    code, out, err = ser(*grid, "seed=0,1,2")
    assert code == 1 and "1 job of the sweep failed:" in err and "seed=1: RuntimeError: a crash" in err
    assert "trains only what is missing" in err and "Traceback" not in err and "2 runs trained" in out
    failed = index_of(sweep_in(in_tmp))["runs"][1]
    assert (failed["state"], failed["reason"]) == ("failed", "RuntimeError: a crash")
    printed = sweep_in(in_tmp) / ".jobs" / f"{failed['identity']}.txt"
    assert "Traceback" in printed.read_text() and str(printed) in err
    crashing[:] = []
    code, out, _ = ser(*grid, "seed=0,1,2")
    assert code == 0 and "2 finished already, 1 to train" in out and len(runs_in(in_tmp)) == 3


@pytest.mark.slow
def test_a_damaged_finished_run_is_named_and_kept(ser, grid, in_tmp):
    ser(*grid, "seed=0,1")
    run = runs_in(in_tmp)[0]
    (run / "metrics.json").write_text('{"val/uar": 0.')
    code, _, err = ser(*grid, "seed=0,1")
    assert code == 2 and "1 of 2 combinations" in err and "is marked as finished but its" in err
    assert (run / "finished.json").is_file() and (run / "metrics.json").read_text() == '{"val/uar": 0.'


@pytest.mark.slow
def test_jobs_print_into_files(ser, grid, in_tmp):
    _, out, _ = ser(*grid, "seed=0,1")
    assert "recall" not in out and len(out.splitlines()) < 10
    texts = [path.read_text() for path in sorted((sweep_in(in_tmp) / ".jobs").glob("*.txt"))]
    assert len(texts) == 2 and all("recall" in text and "Run directory" in text for text in texts)


def test_estimate_counts_steps_of_the_true_training_part(ser, grid, in_tmp, monkeypatch):
    planned = []
    make = plan.make_plan
    monkeypatch.setattr("ser.sweeps.sweep.make_plan", lambda *a: planned.append(make(*a)) or planned[-1])
    monkeypatch.setattr(preflight.Clock, "on_train_batch_end", lambda clock, *arguments: clock.steps.append(2.0))
    ser(*grid, "batch_size=8", "trainer.max_epochs=1,3", "run.dry_run=true")
    train = json.loads(json.dumps(round(96 * 0.7)))  # split=random: 0.1 for validation, 0.2 for test
    steps = -(-train // 8)
    assert [run.seconds - preflight.A_RUN_S for run in planned[0].runs] == [2.0 * steps, 6.0 * steps]
