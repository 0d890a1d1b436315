"""Checkpoints no longer wanted: exactly they go, and nothing that somebody needs."""

import json

import pytest

from ser.errors import UserError
from ser.runs.directory import RunDirectory
from ser.runs.listing import find_runs
from ser.runs.pruning import PruneOptions, plan, remove
from ser.runs.weights import read_checkpoint
from tests.runs.made_runs import made_run


@pytest.fixture
def runs(tmp_path):
    """Three finished runs of rising val/uar and falling val/loss, and one each of the others."""
    for k in range(3):
        made_run(tmp_path / "runs" / f"finished{k}", val__uar=0.3 + 0.1 * k, val__loss=2.0 - k)
    for state in ("interrupted", "failed", "pruned"):
        made_run(tmp_path / "runs" / state, state)
    return tmp_path / "runs"


def checkpoints(runs):
    return sorted(str(path.relative_to(runs)).replace("/checkpoints/", "/") for path in runs.rglob("*.ckpt"))


def everything_else(runs):
    ours = ("removed.json", ".lock")
    return sorted(str(f) for f in runs.rglob("*") if f.is_file() and f.suffix != ".ckpt" and f.name not in ours)


@pytest.mark.parametrize(
    ("options", "gone"),
    [
        (PruneOptions(), []),
        (PruneOptions(last=True), [f"finished{k}/last.ckpt" for k in range(3)]),
        (PruneOptions(states=frozenset(["failed"])), ["failed/best.ckpt", "failed/last.ckpt"]),
        (PruneOptions(states=frozenset(["interrupted"])), ["interrupted/best.ckpt", "interrupted/last.ckpt"]),
        (PruneOptions(states=frozenset(["pruned"])), ["pruned/best.ckpt", "pruned/last.ckpt"]),
        (PruneOptions(keep_best=2), ["finished0/best.ckpt", "finished0/last.ckpt"]),
        (PruneOptions(keep_best=2, last=True), ["finished0/best.ckpt"] + [f"finished{k}/last.ckpt" for k in range(3)]),
        (
            PruneOptions(keep_best=1, by="val/loss"),
            [f"finished{k}/{name}.ckpt" for k in (0, 1) for name in ("best", "last")],
        ),
        (PruneOptions(keep_best=0), [f"finished{k}/{name}.ckpt" for k in range(3) for name in ("best", "last")]),
        (PruneOptions(keep_best=9), []),
    ],
)
def test_exactly_what_is_wished_goes(runs, options, gone):
    before, others = checkpoints(runs), everything_else(runs)
    removals = plan(find_runs([runs])[0], options)
    assert checkpoints(runs) == before, "planning touches nothing"
    expected = sum((runs / name.replace("/", "/checkpoints/")).stat().st_size for name in gone)
    assert sum(removal.bytes for removal in removals) == expected
    freed, remarks = remove(removals)
    assert (freed, remarks) == (expected, [])
    assert checkpoints(runs) == sorted(set(before) - set(gone))
    assert everything_else(runs) == others
    assert plan(find_runs([runs])[0], options) == [] or options.keep_best, "a second time there is nothing to do"


def test_who_asks_for_removed_weights_is_told(runs):
    remove(plan(find_runs([runs])[0], PruneOptions(keep_best=0)))
    with pytest.raises(UserError, match="`ser runs prune` removed it on 20.*rerun=true"):
        read_checkpoint(runs / "finished0" / "checkpoints" / "best.ckpt")
    assert find_runs([runs])[0][0].state == "failed" and len(find_runs([runs])[0]) == 6
    RunDirectory(runs / "finished0", "0123456789").clear()
    with pytest.raises(UserError) as error:
        read_checkpoint(runs / "finished0" / "checkpoints" / "best.ckpt")
    assert "prune" not in str(error.value)


def test_what_is_removed_in_two_goes_is_noted_in_both(runs):
    for options in (PruneOptions(last=True), PruneOptions(keep_best=0)):
        remove(plan(find_runs([runs / "finished0"])[0], options))
    noted = json.loads((runs / "finished0" / "checkpoints" / "removed.json").read_text())
    assert sorted(noted) == ["best.ckpt", "last.ckpt"]


def test_a_run_that_somebody_works_on_is_never_touched(runs):
    removals = plan(find_runs([runs])[0], PruneOptions(states=frozenset(["interrupted"])))
    holder = RunDirectory(runs / "interrupted", "0123456789")
    holder.lock()
    assert (
        plan(find_runs([runs])[0], PruneOptions(states=frozenset(["interrupted", "running"]), keep_best=9)) != removals
    )
    freed, remarks = remove(removals)  # it began after the plan was shown
    holder.release()
    assert freed == 0 and "is skipped" in remarks[0]
    assert "interrupted/last.ckpt" in checkpoints(runs)


def test_a_run_that_finished_after_the_plan_was_shown_stays(runs):
    removals = plan(find_runs([runs])[0], PruneOptions(states=frozenset(["interrupted"])))
    (runs / "interrupted" / "metrics.json").write_text('{"val/uar": 0.9, "epochs": 3}')
    RunDirectory(runs / "interrupted", find_runs([runs / "interrupted"])[0][0].identity).finish()
    freed, remarks = remove(removals)
    assert freed == 0 and "no longer interrupted" in remarks[0]


def test_damaged_runs_are_left_alone(runs):
    (runs / "finished0" / "metrics.json").write_text("{")
    options = PruneOptions(last=True, states=frozenset(["failed", "interrupted", "pruned"]), keep_best=0)
    remove(plan(find_runs([runs])[0], options))
    assert checkpoints(runs) == ["finished0/best.ckpt", "finished0/last.ckpt"]


def test_links_are_not_followed(runs, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "last.ckpt").write_bytes(b"mine")
    folder = runs / "finished0" / "checkpoints"
    (folder / "last.ckpt").unlink()
    (folder / "last.ckpt").symlink_to(elsewhere / "last.ckpt")
    other = runs / "finished1" / "checkpoints"
    for file in other.iterdir():
        file.unlink()
    other.rmdir()
    other.symlink_to(elsewhere)
    remove(plan(find_runs([runs])[0], PruneOptions(last=True, keep_best=0)))
    assert (elsewhere / "last.ckpt").read_bytes() == b"mine"
    assert (folder / "last.ckpt").is_symlink() and not (folder / "best.ckpt").exists()


def test_what_a_killed_process_left_goes_too(runs):
    left = runs / "failed" / "checkpoints" / ".last.ckpt.4711.partial"
    left.write_bytes(b"x" * 50)
    freed, _ = remove(plan(find_runs([runs])[0], PruneOptions(states=frozenset(["failed"]))))
    assert freed == 4050 and not left.exists()


def test_of_a_metric_that_is_to_fall_the_lowest_are_kept(tmp_path):
    for name, error in (("a", 0.3), ("b", 0.1), ("c", 0.2)):
        with (made_run(tmp_path / name, val__error=error) / "config.yaml").open("a") as config:
            config.write("lower_is_better: [error]\n")
    gone = plan(find_runs([tmp_path])[0], PruneOptions(keep_best=1, by="val/error"))
    assert [removal.run.path.name for removal in gone] == ["a", "c"]


def test_a_run_without_the_metric_stays_and_an_unknown_metric_is_refused(runs):
    (runs / "finished2" / "metrics.json").write_text('{"test/uar": 0.1, "epochs": 1}')
    gone = plan(find_runs([runs])[0], PruneOptions(keep_best=1))
    assert [removal.run.path.name for removal in gone] == ["finished0"]
    with pytest.raises(UserError, match="Did you mean 'val/uar'"):
        plan(find_runs([runs])[0], PruneOptions(keep_best=1, by="val/uarr"))
