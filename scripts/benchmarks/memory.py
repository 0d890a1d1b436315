"""The largest memory of a run, and of a run on a corpus of 100,000 files whose features stay on disk."""

import os
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

import numpy as np

from scripts.benchmarks.data import dataset_arguments
from scripts.benchmarks.measure import Row, alone
from ser.errors import UserError

MANY_FILES = 100_000
SAMPLE_RATE = 8000
SECONDS = 0.5
SPEAKERS = 100
EMOTIONS = ("angry", "happy", "neutral", "sad")
MANY = [
    "dataset=folder", "dataset.pattern='{speaker}/{emotion}/*'", f"audio.sample_rate={SAMPLE_RATE}",
    "audio.trim_db=null", f"audio.duration_s={SECONDS}", "frontend=log_mel", "frontend.n_mels=40",
    "frontend.stft.n_fft=256", "frontend.stft.hop_length=80", "model=mlp", "batch_size=256", "run.keep_features=disk",
]  # fmt: skip


def run(rounds: int = 1) -> list[Row]:
    """Trains an epoch on TESS, and one on a generated corpus."""
    with tempfile.TemporaryDirectory() as folder:
        whole, own = _peak([*dataset_arguments("tess"), "model=cnn2d"], Path(folder))
        note = f"of which {own:.2f} GiB are its own, the rest is code and mapped files"
        rows = [alone("largest memory of a run on TESS, `cnn2d`", [whole], "GiB", "< 2 GiB", note)]
        corpus = Path(folder) / "many"
        write_corpus(corpus, MANY_FILES)
        whole, own = _peak([*MANY, f"dataset.root={corpus}"], Path(folder))
        size = MANY_FILES * 40 * (1 + int(SECONDS * SAMPLE_RATE) // 80) * 4 / 2**30
        note = f"its features take {size:.2f} GiB on disk, its waveforms "
        note += f"{MANY_FILES * SECONDS * SAMPLE_RATE * 4 / 2**30:.2f} GiB; with the pages of mapped files that the "
        note += f"system lends while it has room, {whole:.2f} GiB were resident"
        what = f"largest memory of its own of a run on {MANY_FILES:,} generated files, features on disk"
        return [*rows, alone(what, [own], "GiB", "trains without loading it whole", note)]


def write_corpus(folder: Path, count: int) -> None:
    """Writes `count` short noises, each of its own, as WAV files of 16 bit in folders speaker/emotion."""
    rng = np.random.default_rng(0)
    samples = int(SECONDS * SAMPLE_RATE)
    places = [folder / f"s{s:03}" / emotion for s in range(SPEAKERS) for emotion in EMOTIONS]
    for place in places:
        place.mkdir(parents=True)
    for i in range(count):
        noise = rng.integers(-8000, 8000, samples, dtype=np.int16)
        with wave.open(str(places[i % len(places)] / f"{i}.wav"), "wb") as file:
            file.setparams((1, 2, SAMPLE_RATE, samples, "NONE", ""))
            file.writeframes(noise.tobytes())


def _peak(arguments: list[str], folder: Path) -> tuple[float, float]:
    """GiB at the most: all that was resident, and what was the process's own and not mapped from files."""
    command = [sys.executable, "-m", "ser", "train", *arguments, "trainer=cpu", "trainer.max_epochs=1"]
    command += ["run.progress=false", f"run.dir={folder / 'runs'}"]
    environment = os.environ | {"SER_CACHE": str(folder / "cache")}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    whole = own = 0
    while process.poll() is None:
        status = _status(process.pid)
        whole, own = max(whole, status.get("VmHWM", 0)), max(own, status.get("RssAnon", 0))
        time.sleep(0.05)
    if process.returncode:
        raise UserError(f"The run ended with {process.returncode}: {process.stderr.read().decode()[-500:]}")
    return whole / 2**20, own / 2**20


def _status(pid: int) -> dict[str, int]:
    """What Linux says of a process's memory, kB."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:  # it has ended
        return {}
    return {line.split(":")[0]: int(line.split()[1]) for line in lines if line.endswith(" kB")}
