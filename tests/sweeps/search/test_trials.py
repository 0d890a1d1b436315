"""Trials are claimed exactly as often as asked for, whoever works and dies; what dies is done again, once."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from threading import Thread

import optuna
import pytest
from filelock import FileLock
from optuna.trial import TrialState

from ser.sweeps.search import owners
from ser.sweeps.search.owners import Owner, Watch
from ser.sweeps.search.sampling import SeededByTrial
from ser.sweeps.search.space import Parameter, Space
from ser.sweeps.search.storage import Storage
from ser.sweeps.search.trials import ENDED, OWNER, claim, count, end, failures, give_back, settings_of, try_again

SPACE = Space((Parameter("x", "float", low=0, high=1), Parameter("kind", "choice", ("a", "b"))))


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def opened(folder, seed=0):
    sampler = SeededByTrial(lambda seed: optuna.samplers.TPESampler(n_startup_trials=5, seed=seed), seed)
    storage = Storage(None, Path(folder)).open()
    return optuna.create_study(study_name="s", storage=storage, sampler=sampler, load_if_exists=True)


def claimed(study, wanted=10, name="me"):
    return claim(study, SPACE, wanted, {"machine": "elsewhere", "lock": name})


def done(study):
    return [t for t in study.get_trials(deepcopy=False) if t.state in (TrialState.COMPLETE, TrialState.PRUNED)]


def test_no_more_are_given_out_than_asked_for(tmp_path):
    study = opened(tmp_path)
    trials = [claimed(study, wanted=3) for _ in range(5)]
    assert [trial and trial.number for trial in trials] == [0, 1, 2, None, None]
    assert all(set(trial.params) == {"x", "kind"} for trial in trials[:3])
    study.tell(0, 0.5)
    assert claimed(study, wanted=3) is None  # complete ones count
    study.tell(1, state=TrialState.PRUNED)
    assert claimed(study, wanted=3) is None  # pruned ones count
    end(study, 2, "error", "a crash")
    assert claimed(study, wanted=3).number == 3  # failed ones do not
    now = count(study.get_trials())
    assert (now.complete, now.pruned, now.failed, now.running) == (1, 1, 1, 1) and now.done == 2


def test_many_workers_at_once_do_exactly_as_many(tmp_path):
    """Eight threads, each with a connection of its own, of which some fail, some give back, on the last places too."""
    wanted, random_of = 25, {i: random.Random(i) for i in range(8)}

    def work(index):
        study, chance = opened(tmp_path), random_of[index]
        while count(study.get_trials(deepcopy=False)).done < wanted:
            trial = claim(study, SPACE, wanted, {"machine": "here", "lock": str(index)})
            if trial is None:
                time.sleep(0.002)
                continue
            what = chance.random()
            if what < 0.15:
                give_back(study, trial, "stopped")
            elif what < 0.3:
                try_again(study, trial, "a crash")
            else:
                study.tell(trial, trial.params["x"], TrialState.COMPLETE if what < 0.8 else None)

    threads = [Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    study = opened(tmp_path)
    assert len(done(study)) == wanted
    assert count(study.get_trials()).running == 0


def test_of_two_that_take_the_last_place_the_later_one_gives_way(tmp_path, monkeypatch):
    """Both have seen one place free: the second asks although the first has it by now."""
    study, other = opened(tmp_path), opened(tmp_path)
    real_ask, others = study.ask, []

    def ask(*arguments):
        if not others:
            others.append(claimed(other, wanted=1, name="other"))
        return real_ask(*arguments)

    monkeypatch.setattr(study, "ask", ask)
    assert claimed(study, wanted=1) is None
    assert others[0].number == 0
    trials = study.get_trials()
    assert [t.state.name for t in trials] == ["RUNNING", "FAIL"] and trials[1].user_attrs[ENDED] == "surplus"
    assert count(trials).failed == 0  # surplus is no failure


def test_what_is_given_back_is_done_next_with_the_same_settings(tmp_path):
    study = opened(tmp_path)
    first = claimed(study)
    first.report(0.3, 0)
    assert give_back(study, first, "stopped")
    again = claimed(study)
    assert again.params == first.params and again.number == 1
    assert study.get_trials()[0].user_attrs["why"] == "stopped"
    assert not give_back(study, first, "twice")  # whoever comes second does nothing
    assert count(study.get_trials()).waiting == 0


def test_an_error_is_tried_once_more_and_then_listed_once(tmp_path):
    study = opened(tmp_path)
    first = claimed(study)
    try_again(study, first, "a crash")
    assert failures(study.get_trials()) == []  # the second try is to come
    second = claimed(study)
    assert second.params == first.params
    give_back(study, second, "its worker died")  # which counts as no try
    third = claimed(study)
    assert third.params == first.params
    try_again(study, third, "the same crash")
    assert [trial.user_attrs["why"] for trial in failures(study.get_trials())] == ["the same crash"]
    assert claimed(study).params != first.params


def test_a_trial_whose_worker_died_before_anything_was_drawn_keeps_what_it_was_given(tmp_path):
    study = opened(tmp_path)
    first = claimed(study)
    give_back(study, first, "stopped")
    popped = study.ask()  # killed here
    assert settings_of(study.get_trials()[popped.number]) == first.params


def test_what_is_drawn_depends_on_seed_and_number_alone(tmp_path):
    def draw(folder, seed, times):
        found = []
        for _ in range(times):
            study = opened(folder, seed)  # a new process each time
            trial = claimed(study, wanted=99)
            study.tell(trial, trial.params["x"])
            found.append(trial.params)
        return found

    one = draw(tmp_path / "a", 0, 8)
    study, other = opened(tmp_path / "b"), []
    for _ in range(8):  # one process
        trial = claimed(study, wanted=99)
        study.tell(trial, trial.params["x"])
        other.append(trial.params)
    assert one == other
    assert draw(tmp_path / "c", 1, 8) != one
    assert len({params["x"] for params in one}) == 8


def test_two_workers_that_begin_together_do_not_draw_the_same(tmp_path):
    study, other = opened(tmp_path), opened(tmp_path)
    assert claimed(study).params != claimed(other).params


@pytest.mark.slow
def test_a_worker_that_was_killed_is_seen_at_once_and_a_living_one_is_let_be(tmp_path):
    code = f"""
import sys, time
from tests.sweeps.search.test_trials import opened, SPACE, claim
from ser.sweeps.search.owners import Owner
owner, study = Owner(__import__("pathlib").Path({str(tmp_path)!r})), opened({str(tmp_path)!r})
with owner.living():
    trial = claim(study, SPACE, 10, owner.name)
    print(trial.number, flush=True)
    time.sleep(600)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=Path(__file__).parents[3])
    assert process.stdout.readline().strip() == b"0"
    study, watch = opened(tmp_path), Watch(dead_after_s=1000)
    assert watch.give_back_dead(study) == []
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert watch.give_back_dead(study) == [0]
    assert watch.give_back_dead(study) == []  # once
    assert claimed(study).params == study.get_trials()[0].params


def test_a_silent_worker_of_another_machine_is_given_up_and_a_heard_one_is_not(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(owners.time, "monotonic", lambda: now[0])
    study, watch = opened(tmp_path), Watch(dead_after_s=100)
    silent, heard = claimed(study), claimed(study)
    for now[0] in (0, 60, 99):
        heard.set_user_attr("beat", now[0])
        assert watch.give_back_dead(study) == []
    now[0] = 101
    heard.set_user_attr("beat", now[0])
    assert watch.give_back_dead(study) == [silent.number]
    now[0] = 202
    assert watch.give_back_dead(study) == [heard.number]


def test_a_trial_without_an_owner_is_given_up_soon(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(owners.time, "monotonic", lambda: now[0])
    study, watch = opened(tmp_path), Watch(dead_after_s=1000)
    study.ask()  # killed between two lines
    assert watch.give_back_dead(study) == []
    now[0] = owners.NO_NAME_S + 1
    assert watch.give_back_dead(study) == [0]


def test_an_owner_beats_while_it_works(tmp_path, monkeypatch):
    monkeypatch.setattr(owners, "BEATS_S", 0.01)
    study, owner = opened(tmp_path), Owner(tmp_path)
    with owner.living():
        trial = claim(study, SPACE, 10, owner.name)
        with owner.working_on(study, trial.number):
            deadline = time.monotonic() + 20
            while not study.get_trials(deepcopy=False)[0].user_attrs.get("beat", 0) >= 2:
                assert time.monotonic() < deadline
                time.sleep(0.01)
        with pytest.raises(Exception, match="could not be acquired"):
            FileLock(owner.name["lock"]).acquire(timeout=0)
    assert not os.path.exists(owner.name["lock"])
    assert study.get_trials()[0].user_attrs[OWNER] == owner.name


def test_a_worker_taken_for_dead_that_comes_back_changes_nothing(tmp_path):
    study = opened(tmp_path)
    trial = claimed(study)
    give_back(opened(tmp_path), study.get_trials()[0], "its worker died")
    assert not end(study, trial.number, "error", "late")
    with pytest.raises(Exception, match="FAIL|finished"):
        study.tell(trial, 1.0)
    assert Counter(t.state.name for t in study.get_trials()) == {"FAIL": 1, "WAITING": 1}
