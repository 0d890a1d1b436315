"""Two ranks on one machine, started as a user starts them."""

import csv
import json
import subprocess

from tests.conftest import SER, only_run


def test_two_ranks_share_one_run(quick, in_tmp):
    command = [*SER, *quick, "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]
    done = subprocess.run(command, cwd=in_tmp, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    run = only_run(in_tmp)
    metrics = json.loads((run / "metrics.json").read_text())
    with (run / "predictions.csv").open() as file:
        paths = [row["path"] for row in csv.DictReader(file)]
    assert len(paths) == len(set(paths)) == metrics["num_test"], "each test utterance is scored exactly once"
    assert done.stdout.count("Run directory") == 1, "only rank 0 speaks"
    again = subprocess.run(command, cwd=in_tmp, capture_output=True, text=True, timeout=240)
    assert again.returncode == 0 and "Already trained" in again.stdout


def test_a_batch_over_two_devices_is_the_batch_of_twice_the_size(ser, quick):
    """Identity counts batches over all devices: 2 × 16 is 1 × 32."""
    two = ser(*quick, "dry_run=true", "trainer.devices=2", "trainer.strategy=ddp", "batch_size=16")[1]
    one = ser(*quick, "dry_run=true", "batch_size=32")[1]
    directory = "directory"
    found = [[line for line in out.splitlines() if directory in line][-1].split("-")[-1] for out in (one, two)]
    assert found[0] == found[1]
