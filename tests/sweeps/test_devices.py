"""How jobs share a machine: threads divided, places on GPUs claimed one at a time and given back by death."""

import multiprocessing
import os
import time
from dataclasses import replace

import pytest
from filelock import FileLock

from ser.sweeps import devices
from ser.sweeps.devices import Packing, claim, claim_of, pack, release, shares_a_process, trains_on_gpu


@pytest.fixture
def machine(monkeypatch):
    """A machine of so many cores and GPUs."""

    def of(cores: int, gpus: int) -> None:
        monkeypatch.setattr(devices, "num_cores", lambda: cores)
        monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    return of


def test_threads_are_divided_among_jobs(machine):
    machine(cores=8, gpus=0)
    assert pack("joblib", None, 24, True, 1, None).parallel == 8
    assert pack("joblib", None, 24, True, 1, None).threads == 1
    assert (pack("joblib", 3, 24, False, 1, None).parallel, pack("joblib", 3, 24, False, 1, None).threads) == (3, 2)
    assert pack("joblib", None, 2, False, 1, None).threads == 4, "no more jobs than there are"
    assert pack("joblib", 16, 24, False, 1, None).threads == 1, "at least one"
    assert pack("joblib", 4, 24, False, 1, 5).threads == 5, "what the user says"
    assert pack("basic", None, 24, True, 1, None) == Packing(1, None)
    assert pack("submitit_slurm", None, 24, True, 1, None) == Packing(None, None), "others decide"


def test_gpus_have_as_many_places_as_jobs_per_gpu(machine):
    machine(cores=8, gpus=2)
    one = pack("joblib", None, 24, True, 1, None)
    assert one.parallel == 2 and one.gpus == ("0", "1") and one.threads == 4
    packed = pack("joblib", None, 24, True, 4, None)
    assert packed.parallel == 8 and len(set(packed.slots)) == 8
    assert packed.gpus.count("0") == packed.gpus.count("1") == 4 and packed.gpus[:2] == ("0", "1"), "evenly filled"
    assert pack("joblib", None, 24, False, 4, None).gpus == (), "a run on the CPU takes none"
    machine(cores=8, gpus=1)
    assert pack("joblib", None, 24, True, 4, None).gpus == ("0",) * 4


def test_without_a_launcher_jobs_of_a_gpu_share_processes(machine):
    machine(cores=16, gpus=2)
    assert pack("basic", None, 24, True, 1, None) == Packing(1, None, on_gpus=True), (
        "one at a time, unless asked for more"
    )
    packed = pack("basic", None, 24, True, 8, None)
    assert packed.together and packed.parallel == 16
    assert sorted(map(len, packed.processes())) == [8, 8]
    packed = replace(packed, per_process=6)
    shares = packed.processes()
    assert sorted(map(len, shares)) == [4, 4, 4, 4] and sorted(sum(shares, ())) == sorted(packed.slots)
    assert all(len({slot.partition(".")[0] for slot in share}) == 1 for share in shares), "each is of one GPU"
    assert packed.threads == 8, "the cores are divided among processes"
    assert len(pack("basic", None, 3, True, 8, None).slots) == 3, "no more places than jobs"
    apart = pack("basic", None, 24, True, 8, None, per_process=1)
    assert len(apart.processes()) == 16
    assert packed.halved().parallel == 8 and packed.halved().gpus.count("0") == 4
    assert Packing(1, 1, ("gpu0.0",), ("0",), together=True).halved().parallel == 1
    machine(cores=8, gpus=0)
    assert pack("basic", None, 24, True, 8, None) == Packing(1, None), "there is no GPU, and the CPU's time is known"


def test_what_a_whole_process_has_keeps_others_out_of_it():
    ours, theirs = {"_target_": "ser.reports.tensorboard.RunBoard"}, {"_target_": "ser.training.loggers.wandb.Wandb"}
    assert shares_a_process({"trainer": {}, "logger": {"tensorboard": ours}})
    assert shares_a_process({"trainer": {"precision": "bf16-mixed", "profiler": None}, "logger": {}})
    assert not shares_a_process({"trainer": {}, "logger": {"tensorboard": ours, "wandb": theirs}})
    for setting in ({"precision": "64-true"}, {"profiler": "simple"}, {"detect_anomaly": True}):
        assert not shares_a_process({"trainer": setting, "logger": {"tensorboard": ours}})


def test_places_of_one_process_are_claimed_together(tmp_path, machine, monkeypatch):
    machine(cores=8, gpus=1)
    monkeypatch.setattr("socket.gethostname", lambda: "here")
    packing = pack("basic", None, 24, True, 4, None)
    (tmp_path / "here").mkdir()
    with FileLock(tmp_path / "here" / "gpu0.2.lock"):  # of another sweep
        try:
            assert claim_of(packing, packing.slots, 4, tmp_path, tmp_path) == ["gpu0.0", "gpu0.1", "gpu0.3"]
            assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"
        finally:
            release()
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    with FileLock(tmp_path / "here" / "gpu0.2.lock"):
        assert claim_of(packing, ["gpu0.2"], 1, tmp_path, tmp_path, lambda: True) == [], "it need not wait"


def test_what_is_visible_is_what_is_claimed(machine, monkeypatch):
    machine(cores=8, gpus=2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-5ab2")
    assert pack("joblib", None, 24, True, 1, None).gpus == ("3", "GPU-5ab2")


def test_which_runs_take_a_gpu():
    assert trains_on_gpu({"accelerator": "auto"}) and trains_on_gpu({"accelerator": "gpu"})
    assert not trains_on_gpu({"accelerator": "cpu"})


@pytest.mark.parametrize("before", [None, "3,7"])
def test_a_place_is_given_back_when_the_sweep_is_over(tmp_path, monkeypatch, before):
    """One process may go through several sweeps: what it held in the first must not be missing in the second."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if before is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", before)
    packing = Packing(1, 1, ("gpu7.0",), ("7",))
    assert claim(packing, tmp_path, tmp_path) == "gpu7.0" and os.environ["CUDA_VISIBLE_DEVICES"] == "7"
    release()
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == before
    with FileLock(next(tmp_path.rglob("gpu7.0.lock")), timeout=0):
        release()  # nothing is held: nothing happens


def hold(packing, folder, places):
    places.put((os.getpid(), claim(packing, folder, folder), os.environ.get("CUDA_VISIBLE_DEVICES")))
    assert claim(packing, folder, folder) is not None  # the next job of the same worker keeps the place
    time.sleep(120)  # until it is killed


def test_each_process_has_its_place_and_the_next_waits_for_one(tmp_path):
    """One GPU that two jobs share; a third waits until one of them is killed."""
    context = multiprocessing.get_context("spawn")
    places = context.Queue()
    packing = Packing(2, 1, ("gpu7.0", "gpu7.1"), ("7", "7"))
    jobs = [context.Process(target=hold, args=(packing, tmp_path, places)) for _ in range(3)]
    for job in jobs:
        job.start()
    try:
        first, second = places.get(timeout=60), places.get(timeout=60)
        assert {first[1], second[1]} == {"gpu7.0", "gpu7.1"} and first[2] == second[2] == "7"
        time.sleep(0.5)
        assert places.empty(), "no third place"
        os.kill(first[0], 9)
        assert places.get(timeout=60)[1] == first[1]
    finally:
        for job in jobs:
            job.kill()
            job.join(30)
