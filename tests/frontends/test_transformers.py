"""What transformers computes itself, for models that only it has and for those that `frontend=wav2vec2` reads too."""

from pathlib import Path

import pytest
import torch

from ser.frontends.transformers import Transformers
from tests.frontends.pretrained import write_folder, write_other

pytest.importorskip("transformers", reason="pip install 'ser[pretrained]'")
NOT_EXPORTED = "frontend=transformers is not exported"  # of the message of `ser export`
OTHERS = ("whisper", "data2vec", "wav2vec2_bert")


def needs(folder: Path) -> list[str]:
    """What `frontend=transformers` must be told, for tests of all parts."""
    if not (place := folder / "data2vec").exists():
        write_other(place, "data2vec")
    return [f"checkpoint={place}"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """`folders(kind)`: its folder."""
    made = {}

    def find(kind: str) -> Path:
        if kind not in made:
            write = write_other if kind in OTHERS else write_folder
            made[kind] = write(tmp_path_factory.mktemp(kind), kind)
        return made[kind]

    return find


@pytest.mark.parametrize("kind", [*OTHERS, "wav2vec2_base", "wavlm_large"])
def test_the_values_are_those_of_transformers(folders, clips, collate, kind):
    from transformers import AutoFeatureExtractor, AutoModel

    folder = folders(kind)
    extractor, model = AutoFeatureExtractor.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    model = model.get_encoder() if kind == "whisper" else model
    for layers in ("last", "mean", 1):
        features, frames = Transformers(16000, str(folder), layers=layers)(*collate(clips, extra=999, content=0.5))
        for row, count, clip in zip(features, frames, clips, strict=True):
            with torch.no_grad():
                inputs = extractor(clip, sampling_rate=16000, return_tensors="pt")
                made = model(**inputs, output_hidden_states=True)
            each = torch.cat(made.hidden_states)
            right = {"last": made.last_hidden_state[0], "mean": each.mean(0), 1: each[1]}[layers]
            torch.testing.assert_close(row[:, :count], right[:count].T, atol=1e-5, rtol=1e-5)
            assert count == len(right) or kind == "whisper" and count == -(-len(clip) // 320)
