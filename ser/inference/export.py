"""A finished run as one file that runs without `ser`, checked against its checkpoint, with its model card."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ser.data.audio.decode import BadRecording
from ser.data.audio.prepare import AudioSettings, resampled
from ser.data.audio.prepare import load as load_recording
from ser.data.build import build_audio, build_recordings
from ser.data.corpora.demo_speakers import codes, utter
from ser.data.corpora.demo_voice import SAMPLE_RATE
from ser.data.targets import predicts_numbers
from ser.errors import UserError
from ser.evaluation.evaluate import Fold
from ser.evaluation.predictions import Predictions
from ser.inference.export_facts import facts_of
from ser.inference.exported_formats import Run, format_called, program_of
from ser.inference.finished_run import FinishedRun, open_run
from ser.inference.load import load
from ser.inference.model_card import model_card
from ser.inference.source import built_from, calibration
from ser.inference.whole_network import WholeNetwork
from ser.system.cache import cache_folder
from ser.system.files import write_together

TOLERANCE = 1e-4  # largest difference of a probability between the file and the checkpoint
CHECKED = 24  # recordings that are compared
BATCH = 8
LONGEST_S = 30  # of each, seconds


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Args:
        file: The network.
        card: Its model card.
        size: Bytes of the network.
        check: What it was compared on, and how far it is from the checkpoint.
    """

    file: Path
    card: Path
    size: int
    check: str


def export_run(place: Path, kind: str, output: Path, trust: Sequence[str] = ()) -> Exported:
    """Writes a finished run as a network from waveform to probabilities, and its model card beside it.

    Both are put in place when the network, run from its bytes, gives the checkpoint's probabilities of recordings of
    the run's test part, or of synthetic voices where the corpus is not there.

    Args:
        place: Directory of a finished run or of an ensemble.
        kind: `onnx` or `torch`.
        output: The file; the card's name is this and `.md`.
        trust: Packages whose classes its config may name.

    Raises:
        UserError: No finished run, a missing package, a network that cannot be exported or whose file differs from
            the checkpoint, or a full disk. Nothing is written then.
    """
    form = format_called(kind)
    run = open_run(place, trust, "cpu")
    if predicts_numbers(run.config):
        raise UserError(
            f"{run.path} predicts numbers, and what is exported ends in probabilities: use it with ser.load or ser "
            "predict, or export a run that recognises classes."
        )
    temperature = run.directory.metrics().get("temperature")
    network = network_of(run, None if temperature is None else calibration(temperature, run.path))
    program = program_of(network)
    predictions = run.predictions()
    recordings, what = _recordings(run, network, predictions[0])
    answers = load(run.path, "cpu", trust, calibrated=temperature is not None)

    def expected(waveform: np.ndarray) -> list[float]:
        return list(answers(waveform, network.sample_rate).probabilities.values())

    facts = facts_of(run, network, trust)
    content = form.save(program, facts)
    difference = largest_difference(form.open(content), recordings, expected)
    if not difference <= TOLERANCE:
        raise UserError(
            f"The exported network differs from the checkpoint of {run.path} by {difference:.1g} on {what}, and "
            f"{TOLERANCE:g} is allowed: nothing is written."
        )
    check = f"{what}: probabilities within {difference:.1g} of the checkpoint's (allowed: {TOLERANCE:g})"
    card = output.with_name(f"{output.name}.md")
    write_together(
        {output: content, card: model_card(run, Fold(*predictions), facts, output.name, kind, check, trust).encode()}
    )
    return Exported(output, card, len(content), check)


def network_of(run: FinishedRun, temperature: float | None = None) -> WholeNetwork:
    """The run's whole path as one module; of an ensemble the mean of its members' logits.

    Args:
        run: The run.
        temperature: Logits are divided by it; None leaves them.

    Raises:
        UserError: A checkpoint is damaged, or the members of an ensemble take different input.
    """
    audio = [build_audio(model.config) for model in run.models]
    classifiers = run.classifiers(torch.device("cpu"))
    return WholeNetwork(list(zip(classifiers, audio, strict=True)), 1.0 if temperature is None else temperature).eval()


def largest_difference(
    network: Run, recordings: Sequence[np.ndarray], expected: Callable[[np.ndarray], Sequence[float]]
) -> float:
    """How far a network's probabilities are from what is expected, in batches of unequal lengths and alone.

    Args:
        network: What was exported, as `Format.open` gives it.
        recordings: Waveforms (T,) at its sample rate.
        expected: The probabilities of one of them.

    Raises:
        UserError: The network fails on a batch or a length.
    """
    right = np.array([expected(waveform) for waveform in recordings])
    shortest = min(range(len(recordings)), key=lambda i: len(recordings[i]))
    parts = [list(range(len(recordings)))[i : i + BATCH] for i in range(0, len(recordings), BATCH)] + [[shortest]]
    found = []
    for part in parts:
        waveforms = np.full((len(part), max(len(recordings[i]) for i in part)), np.nan, dtype=np.float32)
        for row, i in zip(waveforms, part, strict=True):
            row[: len(recordings[i])] = recordings[i]
        try:
            found.append(np.abs(network(waveforms) - right[part]).max())
        except Exception as error:  # a guard of torch's, any error of onnxruntime's
            raise UserError(
                f"The exported network fails on {waveforms.shape[0]} recordings of {waveforms.shape[1]} samples "
                f"({type(error).__name__}: {str(error).strip().splitlines()[0][:300]}): nothing is written."
            ) from error
    return float(np.max(found))  # NaN where a single one is NaN


def _recordings(run: FinishedRun, network: WholeNetwork, test: Predictions) -> tuple[list[np.ndarray], str]:
    """Waveforms at the network's sample rate for the check, and what they are."""
    audio = AudioSettings(network.sample_rate, trim_db=None, min_duration_s=0.0, channel=network.channel)
    try:
        with built_from(run.path / "config.yaml"):
            utterances = build_recordings(run.config, cache_folder()).utterances
        places = {(utterance.corpus, utterance.key): utterance.path for utterance in utterances}
        tested = [places[name] for name in zip(test.traits["corpus"], test.keys, strict=True)]
        chosen = np.unique(np.linspace(0, len(tested) - 1, CHECKED).round().astype(int))
        found = [load_recording(tested[i], audio)[: LONGEST_S * network.sample_rate] for i in chosen]
        return found, f"{len(found)} of the {len(tested)} test recordings"
    except (UserError, KeyError, BadRecording):
        voices = [utter(1 + i % 10, *code) for i, code in enumerate(list(codes())[:: 60 // CHECKED])]
        found = [resampled(voice, SAMPLE_RATE, network.sample_rate) for voice in voices]
        return found, f"{len(found)} synthetic voices, since the run's own recordings are not there"
