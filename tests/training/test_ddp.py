"""Two ranks on one machine, started as a user starts them."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.metrics import cohen_kappa_score

from tests.conftest import SER, only_run
from tests.training.test_resume import start_process, wait_for


@pytest.mark.slow
def test_two_ranks_share_one_run(quick, in_tmp):
    command = [*SER, *quick, "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "metrics=[kappa]"]
    done = subprocess.run(command, cwd=in_tmp, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    run = only_run(in_tmp)
    metrics = json.loads((run / "metrics.json").read_text())
    with (run / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    paths = [row["path"] for row in rows]
    kappa = cohen_kappa_score([row["true"] for row in rows], [row["predicted"] for row in rows])
    assert metrics["test/kappa"] == pytest.approx(kappa, abs=1e-6), "of what both ranks have, counted once"
    assert len(paths) == len(set(paths)) == metrics["num_test"], "each test utterance is scored exactly once"
    assert done.stdout.count("Run directory") == 1, "only rank 0 speaks"
    again = subprocess.run(command, cwd=in_tmp, capture_output=True, text=True, timeout=240)
    assert again.returncode == 0 and "Already trained" in again.stdout


@pytest.mark.slow
def test_who_calls_it_from_python_lives_on(quick, in_tmp):
    """Also where a rank is killed; the others start as `-m ser`, whatever the caller is."""
    call = "import sys; from ser.cli import main\nfor seed in sys.argv[1]: "
    call += "print('exit code', main([*sys.argv[2:], f'seed={seed}']))"
    command, ranks = [sys.executable, "-c", call], ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]
    two_runs = [*command, "01", *quick, *ranks]  # the second meets ranks of its own
    done = subprocess.run(two_runs, cwd=in_tmp, capture_output=True, text=True, timeout=240)
    assert done.stdout.count("exit code 0") == 2, done.stdout + done.stderr
    caller = start_process([*command, "0", *quick, *ranks, "trainer.max_epochs=100000", "run.dir=more"], in_tmp)
    wait_for(lambda: next((in_tmp / "more").glob("*/checkpoints/last.ckpt"), None), caller)
    (rank,) = Path(f"/proc/{caller.pid}/task/{caller.pid}/children").read_text().split()
    os.kill(int(rank), signal.SIGKILL)
    out, err = caller.communicate(timeout=120)
    assert "exit code 2" in out and "Rank 1 ended with exit code -9" in err and "Traceback" not in err


def test_a_batch_over_two_devices_is_the_batch_of_twice_the_size(ser, quick):
    """Identity counts batches over all devices: 2 × 16 is 1 × 32."""
    two = ser(*quick, "run.dry_run=true", "trainer.devices=2", "trainer.strategy=ddp", "batch_size=16")[1]
    one = ser(*quick, "run.dry_run=true", "batch_size=32")[1]
    directory = "directory"
    found = [[line for line in out.splitlines() if directory in line][-1].split("-")[-1] for out in (one, two)]
    assert found[0] == found[1]


@pytest.mark.slow
def test_two_ranks_learn_what_one_does(ser, quick, in_tmp):
    """Without what each rank draws or counts for itself (dropout, mixup, batch statistics), 2 × 8 is 1 × 16."""
    same = [*quick, "model.dropout=0", "model.norm=none", "augmentation=none", "audio.duration_s=0.5"]
    same += ["split.test=0.25", "split.val=0.125"]  # 60 to train on: with an odd number one would sit an epoch out
    two = [*SER, *same, "batch_size=8", "run.dir=two", "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]
    done = subprocess.run(two, cwd=in_tmp, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ser(*same, "batch_size=16", "run.dir=one")[0] == 0
    (first,), (second,) = (list((in_tmp / name).iterdir()) for name in ("one", "two"))
    assert first.name == second.name, "one experiment, whatever it ran on"
    for part in ("predictions_val.csv", "predictions.csv"):
        one, other = (list(csv.DictReader((run / part).open())) for run in (first, second))
        assert [row["path"] for row in one] == [row["path"] for row in other]
        assert len({row["path"] for row in one}) == len(one), "each utterance is scored exactly once"
        classes = list(one[0])[list(one[0]).index("predicted") + 1 :]
        for a, b in zip(one, other, strict=True):
            assert [float(a[name]) for name in classes] == pytest.approx([float(b[name]) for name in classes], abs=1e-4)
