"""What learns in a pretrained model, what a run keeps of it, and what is wrong with a checkpoint, in one sentence."""

import copy
import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ser.errors import UserError
from ser.frontends.concat import Concat
from ser.frontends.time_stats import TimeStats
from ser.frontends.transformers import Transformers
from ser.frontends.wav2vec2 import Wav2Vec2
from tests.frontends.pretrained import write_folder, write_other, write_state

BOTH = {"wav2vec2": Wav2Vec2, "transformers": Transformers}
every_frontend = pytest.mark.parametrize("frontend", BOTH)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Of a tiny wav2vec 2.0; only to be read."""
    return write_folder(tmp_path_factory.mktemp("wav2vec2"), "wav2vec2_base")


@pytest.fixture
def own(folder, tmp_path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(folder, tmp_path / "own"))


@pytest.fixture(scope="module")
def batch(clips, collate):
    return collate(clips)


def learned(frontend) -> set[str]:
    return {name for name, weights in frontend.named_parameters() if weights.requires_grad}


@every_frontend
def test_frozen_is_no_part_of_the_module_and_is_shared_by_copies(folder, batch, frontend):
    made = BOTH[frontend](16000, str(folder))
    before = made.train()(*batch)[0]
    assert not list(made.parameters()) and not before.requires_grad
    assert torch.equal(copy.deepcopy(made)(*batch)[0], before), "no dropout, whatever the mode"
    assert copy.deepcopy(made)._lent is made._lent


@every_frontend
@pytest.mark.parametrize("layers", [1, "weighted"])
@pytest.mark.parametrize("trainable", ["all", "top_1", "lora"])
def test_what_learns_begins_at_the_pretrained_model_and_is_all_that_is_saved(
    folder, batch, frontend, layers, trainable
):
    frozen, made = (BOTH[frontend](16000, str(folder), layers=layers, trainable=t) for t in ("none", trainable))
    made.eval()
    torch.testing.assert_close(made(*batch)[0], frozen(*batch)[0], atol=1e-5, rtol=1e-5)
    names = learned(made)
    assert set(made.state_dict()) == names
    top = ".layers.0." if layers == 1 else ".layers.1."
    assert trainable != "top_1" or names and all(top in name for name in names)
    assert trainable != "all" or layers != 1 or not any(".layers.1." in name for name in names), "not computed"
    assert trainable != "lora" or all("parametrizations" in name for name in names)
    optimizer = torch.optim.SGD([weights for weights in made.parameters() if weights.requires_grad], lr=0.1)
    for _ in range(2):
        made(*batch)[0].square().mean().backward()
        optimizer.step()
    changed = made(*batch)[0]
    assert not torch.allclose(changed, frozen(*batch)[0], atol=1e-4)
    again = BOTH[frontend](16000, str(folder), layers=layers, trainable=trainable).eval()
    again.load_state_dict(made.state_dict())
    assert torch.equal(again(*batch)[0], changed)


@every_frontend
def test_gradient_checkpointing_gives_the_same_gradients(folder, batch, frontend):
    gradients = []
    for again in (False, True):
        made = BOTH[frontend](16000, str(folder), trainable="all", gradient_checkpointing=again).train()
        for part in made.modules():  # dropout draws anew in each pass
            if isinstance(part, torch.nn.Dropout):
                part.p = 0.0
            for rate in ("dropout", "activation_dropout"):
                if isinstance(getattr(part, rate, None), float):
                    setattr(part, rate, 0.0)
        made(*batch)[0].square().mean().backward()
        gradients.append({name: w.grad for name, w in made.named_parameters() if w.grad is not None})
    assert len(gradients[0]) > 20
    torch.testing.assert_close(*gradients)


@every_frontend
def test_statistics_of_weighted_layers_are_those_of_each_layer(folder, batch, frontend):
    stacked = TimeStats(BOTH[frontend](16000, str(folder), layers="weighted"), ["mean", "std"])
    assert stacked.num_stacked == 3
    each = [TimeStats(BOTH[frontend](16000, str(folder), layers=n), ["mean", "std"])(*batch)[0] for n in range(3)]
    torch.testing.assert_close(stacked(*batch)[0], torch.cat(each, dim=1))


def test_beside_other_features_one_layer_or_the_mean(folder, batch, compose):
    with_mfcc = TimeStats(compose("frontend=mfcc"), ["mean"])
    for layers, width in {"mean": 16 + 40, "weighted": None}.items():
        parts = {"own": TimeStats(Wav2Vec2(16000, str(folder), layers), ["mean"]), "mfcc": with_mfcc}
        if width is None:
            with pytest.raises(UserError, match="frontend.parts.own: weighted layers stand alone"):
                Concat(parts)
        else:
            assert Concat(parts)(*batch)[0].shape[1] == width


def test_a_checkpoint_in_shards_and_in_a_larger_model_is_the_same(folder, batch, tmp_path):
    expected = Wav2Vec2(16000, str(folder))(*batch)[0]
    write_folder(tmp_path / "shards", "wav2vec2_base", max_shard_size="10KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 2
    assert torch.equal(Wav2Vec2(16000, str(tmp_path / "shards"))(*batch)[0], expected)
    shutil.copytree(folder, tmp_path / "task")
    larger = {f"wav2vec2.{key}": value for key, value in load_file(folder / "model.safetensors").items()}
    save_file(larger | {"lm_head.weight": torch.zeros(5, 16)}, tmp_path / "task" / "model.safetensors")
    assert torch.equal(Wav2Vec2(16000, str(tmp_path / "task"))(*batch)[0], expected)
    older = load_file(folder / "model.safetensors")  # as on the hub: a weight norm's parts by their older names
    for new, old in {"original0": "weight_g", "original1": "weight_v"}.items():
        older |= {
            key.replace(f"parametrizations.weight.{new}", old): older.pop(key) for key in list(older) if new in key
        }
    shutil.copytree(folder, tmp_path / "older")
    save_file({key: value.contiguous() for key, value in older.items()}, tmp_path / "older" / "model.safetensors")
    assert torch.equal(Wav2Vec2(16000, str(tmp_path / "older"))(*batch)[0], expected)


def test_half_precision_weights_are_computed_in_float32(folder, batch, own):
    state = load_file(own / "model.safetensors")
    save_file({key: value.half() for key, value in state.items()}, own / "model.safetensors")
    features = Wav2Vec2(16000, str(own))(*batch)[0]
    assert features.dtype == torch.float32
    torch.testing.assert_close(features, Wav2Vec2(16000, str(folder))(*batch)[0], atol=2e-2, rtol=2e-2)


def test_a_name_is_looked_for_in_the_folder_of_checkpoints(folder, batch, monkeypatch, in_tmp):
    with pytest.raises(UserError, match="SER_PRETRAINED"):
        Wav2Vec2(16000, folder.name)
    monkeypatch.setenv("SER_PRETRAINED", str(folder.parent))
    for name in (folder.name, f"/gone/{folder.name}"):  # as typed on another machine
        assert Wav2Vec2(16000, name)(*batch)[0].isfinite().all()


def truncate(own: Path) -> Path:
    weights = own / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    return own


def pickled(own: Path) -> Path:
    (own / "model.safetensors").rename(own / "pytorch_model.bin")
    return own


def pointer(own: Path) -> Path:
    (own / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    return own


def no_json(own: Path) -> Path:
    (own / "config.json").write_text("{")
    return own


def other_sizes(own: Path) -> Path:
    config = json.loads((own / "config.json").read_text())
    (own / "config.json").write_text(json.dumps({**config, "intermediate_size": 32}))
    return own


def lacks_a_layer(own: Path) -> Path:
    state = load_file(own / "model.safetensors")
    kept = {key: value for key, value in state.items() if "layers.1." not in key}
    save_file(kept, own / "model.safetensors", metadata={"format": "pt"})
    return own


def lacks_a_shard(own: Path) -> Path:
    write_folder(own / "shards", "wav2vec2_base", max_shard_size="10KB")
    next((own / "shards").glob("*.safetensors")).unlink()
    return own / "shards"


def empty(own: Path) -> Path:
    (own / "model.safetensors").unlink()
    return own


WRONG = {
    truncate: "is truncated or damaged: download it anew",
    pickled: "may execute code; ser reads model.safetensors only",
    pointer: "Git LFS pointer",
    no_json: "is no JSON object",
    other_sizes: "are not those of its",
    lacks_a_layer: "are not those of its",
    lacks_a_shard: "one of its",
    empty: "has no weights",
}


@every_frontend
@pytest.mark.parametrize("damage", WRONG, ids=lambda damage: damage.__name__)
def test_a_damaged_folder_gives_one_sentence(own, batch, frontend, damage):
    with pytest.raises(UserError, match="frontend.checkpoint") as told:
        BOTH[frontend](16000, str(damage(own)))(*batch)
    assert WRONG[damage] in str(told.value) and "\n" not in str(told.value)


class Executes:
    def __reduce__(self):
        return (pytest.fail, ("code of a checkpoint was executed",))


def test_files_that_are_no_weights_give_one_sentence(tmp_path, folder):
    file = tmp_path / "weights.pt"
    cases = {
        "no state dict": lambda: torch.save([1], file),
        "nothing in it was executed": lambda: file.write_bytes(pickle.dumps(Executes())),
        "truncated": lambda: (write_state(file), file.write_bytes(file.read_bytes()[:-2000])),
        "no wav2vec 2.0": lambda: torch.save({"weight": torch.zeros(3)}, file),
        "set frontend.num_heads": lambda: write_state(file),
        "name its folder": lambda: torch.save(load_file(folder / "model.safetensors"), file),
        "is truncated or damaged, or no file of weights": lambda: file.write_bytes(b""),
    }
    for words, write in cases.items():
        write()
        with pytest.raises(UserError, match=words) as told:
            Wav2Vec2(16000, str(file))
        assert "\n" not in str(told.value)


@every_frontend
def test_settings_that_do_not_fit_the_checkpoint_are_named(folder, frontend):
    make = BOTH[frontend]
    for settings, words in {
        "sample_rate=8000": "set audio.sample_rate=16000",
        "layers=7": "has layers 0 to 2",
        "trainable=top_3": "2 layers of this model are computed",
        "trainable=lore": "Did you mean 'lora'?",
        "checkpoint=": "names no checkpoint",
        "checkpoint=nowhere": "neither a folder nor a file",
    }.items():
        key, _, value = settings.partition("=")
        value = int(value) if value.isdigit() else value
        with pytest.raises(UserError, match=words):
            make(**({"sample_rate": 16000, "checkpoint": str(folder)} | {key: value}))


def test_models_of_another_kind_are_named(tmp_path):
    with pytest.raises(UserError, match="is of the kind whisper.*frontend=transformers reads"):
        Wav2Vec2(16000, str(write_other(tmp_path / "whisper", "whisper")))
    long, lengths = torch.zeros(1, 16000 * 4), torch.tensor([16000 * 4])
    with pytest.raises(UserError, match="set audio.duration_s=3 or less"):
        Transformers(16000, str(tmp_path / "whisper"))(long, lengths)
    from transformers import BertConfig, BertModel

    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    BertModel(BertConfig(**small, vocab_size=9)).save_pretrained(tmp_path / "bert")
    with pytest.raises(UserError, match="frontend.checkpoint"):
        Transformers(16000, str(tmp_path / "bert"))
