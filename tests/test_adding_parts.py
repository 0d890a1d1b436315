"""A part takes a class, a YAML file and a test, and no edit: a package of somebody's own brings one of each kind."""

import json
import textwrap

from tests.conftest import only_run
from tests.tiny_corpora import write_tone

CODE = """
import torch
from torch import nn
from torchmetrics.classification import MulticlassStatScores

from ser.augmentations.base import WaveformAugmentation
from ser.data.corpora.corpus import Corpus, Scan
from ser.data.utterance import Utterance
from ser.frontends.base import Frontend
from ser.models.base import Model


class Tones(Corpus):
    name, layout, source = "tones", "<speaker>-<emotion>-<take>.wav", "Made up."

    def _read(self):
        found = []
        for path in sorted(self.root.glob("*.wav")):
            speaker, emotion, _ = path.stem.split("-")
            found.append(Utterance(path, self.key_of(path), emotion, self.name, speaker=f"tones_{speaker}"))
        return Scan(tuple(found))


class Loudness(Frontend):
    def __init__(self, hop_length: int = 400):
        super().__init__()
        self.hop_length, self.num_features = hop_length, 1

    def count_frames(self, lengths):
        return 1 + lengths // self.hop_length

    def forward(self, waveforms, lengths):
        power = nn.functional.pad(waveforms.square(), (0, self.hop_length))
        frames = power.unfold(1, self.hop_length, self.hop_length).mean(-1)  # (B, L)
        count = self.count_frames(lengths)
        return (frames * (torch.arange(frames.shape[1]) < count[:, None]))[:, None], count


class Linear(Model):
    def __init__(self, num_features, num_frames, num_classes, dropout: float = 0.0):
        super().__init__()
        self.dropout, self.linear = nn.Dropout(dropout), nn.Linear(num_features, num_classes)

    def forward(self, features, frames):
        return self.linear(self.dropout(features.sum(-1) / frames[:, None]))


class Softer(WaveformAugmentation):
    def change(self, x, lengths, generator):
        return x / 2, lengths


class RightShare(MulticlassStatScores):
    higher_is_better = True

    def __init__(self, num_classes: int):
        super().__init__(num_classes, average="micro")

    def compute(self):
        right, wrong, *_ = super().compute()
        return right / (right + wrong)
"""
FILES = {
    "dataset/tones": "_target_: my_parts.Tones\nroot: ???",
    "frontend/loudness": "_target_: my_parts.Loudness",
    "model/linear": "_target_: my_parts.Linear",
    "augmentation/softer": "waveform: [{_target_: my_parts.Softer, p: 0.5}]\nfeatures: []\nmixing: []",
    "metrics/right": "right: {_target_: my_parts.RightShare}",
}


def test_one_of_each_kind_from_a_package_of_the_users_own(ser, in_tmp, monkeypatch):
    package, configs, sounds = in_tmp / "my_parts", in_tmp / "my_configs", in_tmp / "sounds"
    package.mkdir()
    (package / "__init__.py").write_text(textwrap.dedent(CODE))
    for name, text in FILES.items():
        (configs / name).parent.mkdir(parents=True)
        (configs / f"{name}.yaml").write_text(f"# mine\n{text}\n")
    for i, (speaker, emotion, take) in enumerate((s, e, t) for s in "abcdef" for e in ("angry", "sad") for t in "12"):
        write_tone(sounds / f"{speaker}-{emotion}-{take}.wav", 100 + 20 * i)
    monkeypatch.syspath_prepend(in_tmp)
    code, out, err = ser(
        "train", "run.trust=[my_parts]", "--config-dir", str(configs), "dataset=tones", f"dataset.root={sounds}",
        "frontend=loudness", "model=linear", "augmentation=softer", "metrics=[right]", "monitor=val/right",
        "split.val=0.2", "split.test=0.2", "trainer=cpu", "trainer.max_epochs=2", "run.report=false",
    )  # fmt: skip
    assert code == 0, err
    assert "loudness: 1 features" in out and "linear: 4 parameters" in out and "augmentation softer" in out
    metrics = json.loads((only_run(in_tmp) / "metrics.json").read_text())
    assert metrics["test/right"] == metrics["test/wa"] and "val/right" in metrics
    code, _, err = ser("train", "run.trust=[my_parts]", "--config-dir", str(configs), "dataset=tones", "model=linaer")
    assert code == 2 and "Did you mean 'linear'?" in err
