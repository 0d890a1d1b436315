"""Trials are done exactly as often as asked for, whoever works and dies; what dies is done again with its settings."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import optuna
import pytest
from filelock import FileLock
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from ser.errors import Interrupted, Pruned, UserError
from ser.sweeps.search import owners, worker
from ser.sweeps.search.owners import Owner, Watch
from ser.sweeps.search.sampling import SeededByTrial
from ser.sweeps.search.space import Parameter, Space
from ser.sweeps.search.storage import Storage
from ser.sweeps.search.study import quiet
from ser.sweeps.search.trials import DONE, OWNER, WHY, count, failures, give_back, has_place
from ser.sweeps.search.worker import work

SPACE = Space((Parameter("x", "float", low=0, high=1), Parameter("kind", "choice", ("a", "b"))))


@dataclass
class Settings:
    trials: int = 10
    dead_after_s: float = 100


class Plan:
    """What a worker asks of a plan."""

    space = SPACE

    def __init__(self, folder, **settings):
        self.folder = self.runs_dir = Path(folder)
        self.settings = Settings(**settings)
        self.storage = Storage(os.environ.get("SER_TEST_STORAGE"), self.folder, self.settings.dead_after_s)


@pytest.fixture(autouse=True)
def silent():
    quiet()


@pytest.fixture(params=["journal", pytest.param("sqlite", marks=pytest.mark.slow)])
def storage_of_both_kinds(request, tmp_path, monkeypatch):
    if request.param == "sqlite":
        monkeypatch.setenv("SER_TEST_STORAGE", f"sqlite:///{tmp_path}/study.db")


def opened(plan, seed=0):
    sampler = SeededByTrial(lambda seed: optuna.samplers.TPESampler(n_startup_trials=5, seed=seed), seed)
    return optuna.create_study(study_name="s", storage=plan.storage.open(), sampler=sampler, load_if_exists=True)


def begun(study, **owner):
    """A trial that another worker has begun, on another machine."""
    trial = study.ask()
    if owner:
        trial.set_user_attr(OWNER, {"machine": "elsewhere", "lock": "/nowhere", **owner})
    SPACE.suggest(trial)
    return trial


def states(study):
    return [trial.state.name for trial in study.get_trials()]


def done(study):
    return [trial for trial in study.get_trials() if trial.state in DONE]


@pytest.fixture
def trained(monkeypatch):
    """Settings that were trained; what stands in `then`, in order, is done in place of giving a value."""

    class Trained(list):
        then = ()

    trained = Trained()

    def value_of(plan, trial):
        trained.append(plan.space.suggest(trial))
        trial.set_user_attr("runs", [f"run{trial.number}"])
        then = [*trained.then, None][min(len(trained) - 1, len(trained.then))]
        if isinstance(then, BaseException):
            raise then
        if then is not None:
            then(trial)
        return trained[-1]["x"]

    monkeypatch.setattr(worker, "value_of", value_of)
    return trained


def test_as_many_are_done_as_were_asked_for_and_no_more_when_asked_again(tmp_path, trained):
    plan = Plan(tmp_path, trials=3)
    study = opened(plan)
    trained.then = [None, Pruned("behind")]
    now = work(plan, study)
    assert (now.complete, now.pruned, now.failed, now.running) == (2, 1, 0, 0) and now.done == 3
    assert all(set(settings) == {"x", "kind"} for settings in trained)
    assert work(plan, study).done == len(trained) == 3
    assert work(Plan(tmp_path, trials=4), study).done == len(trained) == 4


@pytest.mark.usefixtures("storage_of_both_kinds")
def test_many_workers_at_once_do_exactly_as_many(tmp_path, monkeypatch):
    """Six threads, each with a connection of its own; some trials fail, some workers are stopped, also at the end."""
    plan, trained, chance = Plan(tmp_path, trials=20), [], random.Random(0)
    opened(plan)

    def value_of(plan, trial):
        settings, what = plan.space.suggest(trial), chance.random()
        if what < 0.15:
            raise Interrupted(signal.SIGTERM)
        if what < 0.3:
            raise RuntimeError("a crash")
        trained.append(settings["x"])
        if what < 0.5:
            raise Pruned("behind")
        return settings["x"]

    monkeypatch.setattr(worker, "value_of", value_of)
    monkeypatch.setattr(worker, "POLL_S", 0.01)

    def started_again_and_again():
        while True:
            try:
                work(plan, opened(plan))
                return
            except Interrupted:
                pass

    threads = [Thread(target=started_again_and_again) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    study = opened(plan)
    assert len(done(study)) == 20 == len(trained) == len(set(trained))
    assert count(study.get_trials()).running == 0


def test_of_two_at_the_last_place_the_later_one_gives_way(tmp_path, trained):
    """Both have seen one place free; the other's trial is the first by its number."""
    plan = Plan(tmp_path, trials=1)
    study, other = opened(plan), opened(plan)
    first, second = begun(other, beat=0), study.ask()
    assert has_place(other, first, 1) and not has_place(study, second, 1)
    with Owner(tmp_path, plan.storage).living(), pytest.raises(worker.Surplus):
        worker._objective(plan, Owner(tmp_path, plan.storage), plan.storage.turn(), second)
    study.tell(second, state=TrialState.FAIL)
    assert failures(study.get_trials()) == [] == trained  # surplus is no failure
    study.tell(first.number, 0.5)
    assert work(plan, study).done == 1 and not trained


def test_what_was_stopped_is_done_next_with_its_settings_and_what_it_reported(tmp_path, trained):
    plan = Plan(tmp_path, trials=2)
    study = opened(plan)

    def stopped(trial):
        trial.report(0.3, 0)
        raise Interrupted(signal.SIGINT)

    trained.then = [stopped]
    with pytest.raises(Interrupted):
        work(plan, study)
    assert states(study) == ["FAIL", "WAITING"]
    assert work(plan, study).done == 2
    assert trained[0] == trained[1] != trained[2]
    assert states(study) == ["FAIL", "COMPLETE", "COMPLETE"]
    assert study.trials[1].intermediate_values == {0: 0.3}


@pytest.mark.usefixtures("storage_of_both_kinds")
def test_an_error_is_tried_once_more_and_then_listed_once(tmp_path, trained):
    plan = Plan(tmp_path, trials=1)
    study = opened(plan)
    trained.then = [RuntimeError("a crash"), Interrupted(signal.SIGINT), RuntimeError("the same\ncrash")]
    with pytest.raises(Interrupted):  # which counts as no try
        work(plan, study)
    assert failures(study.get_trials()) == []  # the second try is to come
    work(plan, study)
    assert trained[0] == trained[1] == trained[2] != trained[3]
    assert [trial.user_attrs[WHY] for trial in failures(study.get_trials())] == ["RuntimeError: the same"]
    assert states(study) == ["FAIL", "FAIL", "FAIL", "COMPLETE"]


def test_what_the_user_can_mend_is_not_tried_again(tmp_path, trained):
    plan = Plan(tmp_path, trials=1)
    study = opened(plan)
    trained.then = [UserError("set audio.duration_s")]
    work(plan, study)
    assert trained[0] != trained[1]
    assert [trial.user_attrs[WHY] for trial in failures(study.get_trials())] == ["set audio.duration_s"]


def test_what_is_drawn_depends_on_seed_and_number_alone(tmp_path, trained):
    def drawn(folder, seed, at_a_time):
        trained.clear()
        for trials in range(at_a_time, 9, at_a_time):
            plan = Plan(tmp_path / folder, trials=trials)
            work(plan, opened(plan, seed))  # a new process each time
        return [*trained]

    one = drawn("a", 0, 1)
    assert drawn("b", 0, 8) == one
    assert drawn("c", 1, 8) != one
    assert len({settings["x"] for settings in one}) == 8


def test_two_workers_that_begin_together_do_not_draw_the_same(tmp_path):
    plan = Plan(tmp_path)
    assert begun(opened(plan)).params != begun(opened(plan)).params


@pytest.mark.slow
@pytest.mark.usefixtures("storage_of_both_kinds")
def test_a_worker_that_was_killed_is_seen_at_once_and_a_living_one_is_let_be(tmp_path):
    code = f"""
import time
from tests.sweeps.search.test_trials import Plan, opened, quiet, worker
quiet()
def value_of(plan, trial):
    plan.space.suggest(trial)
    print(trial.number, flush=True)
    time.sleep(600)
worker.value_of = value_of
plan = Plan({str(tmp_path)!r})
worker.work(plan, opened(plan))
"""
    study, watch = opened(Plan(tmp_path)), Watch(dead_after_s=1000)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=Path(__file__).parents[3])
    assert process.stdout.readline().strip() == b"0"
    assert watch.requeue_dead(study) == []
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert watch.requeue_dead(study) == [0]
    assert watch.requeue_dead(study) == []  # once
    again = study.ask()
    assert SPACE.suggest(again) == study.trials[0].params and again.number == 1


@pytest.mark.usefixtures("storage_of_both_kinds")
def test_a_silent_worker_of_another_machine_is_given_up_and_one_that_beats_is_not(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(owners.time, "monotonic", lambda: now[0])
    study, watch = opened(Plan(tmp_path)), Watch(dead_after_s=100)
    silent, beating = begun(study, beat=0), begun(study, beat=0)
    for now[0] in (0, 60, 99):
        beating.set_user_attr(OWNER, {**beating.user_attrs[OWNER], "beat": now[0] + 1})
        assert watch.requeue_dead(study) == []
    now[0] = 101
    assert watch.requeue_dead(study) == [silent.number]
    now[0] = 200
    assert watch.requeue_dead(study) == [beating.number]


@pytest.mark.usefixtures("storage_of_both_kinds")
def test_a_trial_whose_worker_died_before_it_began_is_given_up(tmp_path, monkeypatch):
    """It has no owner: without its place the search would never end."""
    now = [0.0]
    monkeypatch.setattr(owners.time, "monotonic", lambda: now[0])
    study, watch = opened(Plan(tmp_path)), Watch(dead_after_s=100)
    begun(study)
    assert watch.requeue_dead(study) == []
    now[0] = 101
    assert watch.requeue_dead(study) == [0]


@pytest.mark.slow
def test_a_worker_of_another_machine_with_a_database_is_given_up_once_it_is_silent(tmp_path, trained, monkeypatch):
    """It is killed while it trains; its lock lies where nobody here can look."""
    monkeypatch.setenv("SER_TEST_STORAGE", f"sqlite:///{tmp_path}/study.db")
    code = f"""
import os, signal
from tests.sweeps.search.test_trials import Plan, opened, owners, quiet, worker
quiet()
owners._machine = lambda: "elsewhere"
def value_of(plan, trial):
    plan.space.suggest(trial)
    trial.report(0.25, 0)
    os.kill(os.getpid(), signal.SIGKILL)
worker.value_of = value_of
plan = Plan({str(tmp_path)!r}, dead_after_s=5)
worker.work(plan, opened(plan))
"""
    plan = Plan(tmp_path, trials=1, dead_after_s=5)
    study = opened(plan)
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3])
    assert done.returncode == -signal.SIGKILL and states(study) == ["RUNNING"]
    assert work(plan, study).done == 1 == len(trained)
    one, two = study.trials
    assert (two.datetime_start - one.datetime_start).total_seconds() > 2  # not at once
    assert states(study) == ["FAIL", "COMPLETE"]
    assert trained == [study.trials[0].params] and study.trials[1].intermediate_values == {0: 0.25}


def test_an_owner_beats_while_it_works(tmp_path, monkeypatch):
    monkeypatch.setattr(owners, "beat_s", lambda dead_after_s: 0.01)
    plan = Plan(tmp_path)
    study, owner = opened(plan), Owner(tmp_path, plan.storage)
    with owner.living():
        trial = study.ask()
        with owner.working_on(trial):
            deadline = time.monotonic() + 20
            while not study.get_trials()[0].user_attrs[OWNER]["beat"] >= 2:
                assert time.monotonic() < deadline
                time.sleep(0.01)
        with pytest.raises(Exception, match="could not be acquired"):
            FileLock(owner.name["lock"]).acquire(timeout=0)
    assert not os.path.exists(owner.name["lock"])


@pytest.mark.usefixtures("storage_of_both_kinds")
def test_a_worker_taken_for_dead_changes_nothing_and_goes_on_with_another_trial(tmp_path, trained):
    plan = Plan(tmp_path, trials=2)
    study = opened(plan)

    def taken_over(trial):
        other = opened(plan)
        assert give_back(other, other.get_trials()[0])
        assert not give_back(other, other.get_trials()[0])  # whoever comes second does nothing
        with pytest.raises(UpdateFinishedTrialError):
            trial.report(0.5, 1)
        trial.report(0.5, 2)

    trained.then = [taken_over]
    assert work(plan, study).done == 2
    assert trained[0] == trained[1] != trained[2]
    assert Counter(states(study)) == {"FAIL": 1, "COMPLETE": 2}
