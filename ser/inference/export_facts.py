"""What stands in an exported network's metadata: everything that its user has to know, as text."""

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ser.data.audio.decode import LOUDEST
from ser.data.audio.prepare import AudioSettings
from ser.data.build import build_corpus
from ser.data.corpora.corpus import Corpus
from ser.inference.finished_run import FinishedRun
from ser.inference.whole_network import WholeNetwork
from ser.runs.directory import load_config
from ser.system.names import printable

NORMALISED = {
    "none": "",
    "feature": ", normalised by the training part's statistics",
    "feature_and_frame": ", normalised by the training part's statistics, frame by frame",
    "utterance": " without their mean over the recording, divided by the training part's deviations",
}


def facts_of(run: FinishedRun, network: WholeNetwork, trust: Sequence[str] = ()) -> dict[str, str]:
    """Name → text; `labels`, `metrics` are JSON. No path of this machine is among them.

    Args:
        run: The run.
        network: Its network.
        trust: Packages whose classes its config may name.
    """
    rate, classes, members = network.sample_rate, network.classes, network.members
    channel = f"take channel {network.channel}" if network.channel else "take the mean of all channels"
    facts = {
        "about": "Speech emotion recognition: a waveform in, the probability of each emotion out.",
        "labels": json.dumps(classes, ensure_ascii=False),
        "sample_rate": str(rate),
        "channel": str(network.channel or "mean"),
        "input": f"waveform: float32 (batch, samples), mono at {rate} Hz, full scale 1. Recordings of unequal lengths "
        "in one batch: NaN behind the end of each (zeros would count as silence that belongs to it).",
        "output": f"probabilities: float32 (batch, {len(classes)}), in the order of the labels. NaN for a recording "
        f"that cannot be used: {_refused(members[0].audio)}.",
        "caller": f"Decode, {channel}, resample to {rate} Hz if the file has another rate (trained with soxr HQ). "
        "Nothing else: do not trim, level, cut or pad.",
        "inside": " | in other members: ".join(dict.fromkeys(map(_inside, members))),
        "temperature": f"{network.temperature:g}",
        "licence": licence_of(run, trust),
        "identity": str(run.directory.recorded_identity()),
        "run": run.path.name,
        "protocol": run.directory.protocol,
        "metrics": json.dumps(run.directory.metrics()),
        "ser": version("ser"),
    }
    if len(members) > 1:
        facts["members"] = str(len(members))
    return {name: printable(text) for name, text in facts.items()}


def corpora_of(run: FinishedRun, trust: Sequence[str] = ()) -> tuple[Corpus, ...]:
    """The corpora whose recordings a run learned from."""
    return build_corpus(run.config["dataset"], trust).members


def licence_of(run: FinishedRun, trust: Sequence[str] = ()) -> str:
    """The licences of the recordings that a run, or the members of an ensemble, learned from."""
    return "; ".join(dict.fromkeys(line for model in run.models for line in _licences(model, trust)))


def _licences(run: FinishedRun, trust: Sequence[str]) -> list[str]:
    lines = [f"recordings of {corpus.name}: {corpus.licence}" for corpus in corpora_of(run, trust)]
    if first := load_config(run.path).get("init_from"):
        lines.append(f"training began with the weights of {Path(str(first)).name}, whose recordings' licence holds too")
    return lines


def _refused(audio: AudioSettings) -> str:
    shortest = f"shorter than {audio.min_duration_s:g} s" + (" once trimmed" if audio.trim_db else "")
    return f"silent (no sample above -80 dBFS), {shortest}, or with samples that are not finite or beyond {LOUDEST:g}"


def _inside(member: Any) -> str:
    """How a recording is prepared within a member of the network, in the order in which it is."""
    steps, audio, views = [], member.audio, str(member.views)
    if audio.offset_s:
        steps.append(f"skip the first {audio.offset_s:g} s")
    if audio.trim_db is not None:
        steps.append(f"cut the ends that are {audio.trim_db:g} dB below the loudest frame")
    if audio.level != "none":
        steps.append({"peak": "scale to a peak of 1", "rms": "scale to a root mean square of 0.1"}[audio.level])
    if audio.duration_s is None:
        steps.append("take the recording whole")
    else:
        padding = "counts as signal" if audio.padding_is_signal else "is masked"
        steps.append(f"cut to {audio.duration_s:g} s, or pad to it with zeros (padding {padding})")
    steps.append(f"compute features{NORMALISED[member.normaliser.mode]}")
    if views != "speeds 1":
        steps.append(f"average the probabilities of several views ({views})")
    return "; ".join(steps)
