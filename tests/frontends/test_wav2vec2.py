"""Both formats give the values of their own libraries; padding changes nothing; what is wrong is told in a sentence."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ser.frontends.wav2vec2 import Wav2Vec2
from tests.frontends.pretrained import KINDS, write_folder, write_state


def needs(folder: Path) -> list[str]:
    """What `frontend=wav2vec2` must be told, for tests of all parts."""
    if not (file := folder / "tiny.pt").exists():
        write_state(file)
    return [f"checkpoint={file}", "num_heads=2"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """`folders(kind)`: its folder."""
    made = {}

    def find(kind: str) -> Path:
        if kind not in made:
            made[kind] = write_folder(tmp_path_factory.mktemp(kind), kind)
        return made[kind]

    return find


def states(folder: Path, clip: np.ndarray) -> tuple[list[torch.Tensor], torch.Tensor]:
    """What transformers computes for one recording: each layer (D, L), and its output."""
    from transformers import AutoFeatureExtractor, AutoModel

    inputs = AutoFeatureExtractor.from_pretrained(folder)(clip, sampling_rate=16000, return_tensors="pt")
    with torch.no_grad():
        made = AutoModel.from_pretrained(folder).eval()(inputs["input_values"], output_hidden_states=True)
    return [state[0].T for state in made.hidden_states], made.last_hidden_state[0].T


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_gives_the_values_of_transformers(folders, clips, collate, kind):
    folder = folders(kind)
    expected = {i: states(folder, clip) for i, clip in enumerate(clips)}
    for layers in ("last", "mean", "weighted", 0, 1, 2):
        features, frames = Wav2Vec2(16000, str(folder), layers)(*collate(clips, extra=999, content=0.5))
        for i, (row, count) in enumerate(zip(features, frames, strict=True)):
            each, last = expected[i]
            right = {"last": last, "mean": torch.stack(each).mean(0), "weighted": torch.cat(each)}
            right = right[layers] if layers in right else each[layers]
            tolerance = 1e-3 if layers == "weighted" else 1e-5  # kept with the digits of float16
            torch.testing.assert_close(row[:, :count], right, atol=tolerance, rtol=tolerance)
            assert not row[:, count:].any()


@pytest.mark.parametrize(("large", "wavlm"), [(False, False), (True, False), (False, True), (True, True)])
def test_a_state_dict_gives_the_values_of_torchaudio(tmp_path, clips, collate, large, wavlm):
    model = write_state(tmp_path / "weights.pt", large, wavlm)
    frontend = Wav2Vec2(16000, str(tmp_path / "weights.pt"), num_heads=None if wavlm else 2)
    features, frames = frontend(*collate(clips))
    for row, count, clip in zip(features, frames, clips, strict=True):
        waveform = torch.as_tensor(clip)[None]
        if large:  # as torchaudio's pipelines do
            waveform = torch.nn.functional.layer_norm(waveform, waveform.shape)
        with torch.no_grad():
            right = model(waveform)[0][0].T
        torch.testing.assert_close(row[:, :count], right, atol=1e-5, rtol=1e-5)
