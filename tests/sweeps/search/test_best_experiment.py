"""The best settings as an experiment that composes to the same run."""

from types import SimpleNamespace

import pytest

from ser.commands.composing import Composer
from ser.sweeps.search.best_experiment import experiment_of


@pytest.mark.parametrize(
    ("fixed", "drawn"),
    [
        (("augmentation=noise",), ["augmentation.waveform.0.p=0.3"]),
        (("augmentation=spec_mixup",), ["augmentation.features.0.time_width=0.3", "model.dropout=0.45"]),
        (("model=cnn1d",), ["model.dropout=0.45", "dataset.merge={calm: neutral}"]),
        ((), ["frontend=mfcc", "frontend.n_mfcc=20", "loss.auxiliary={gender: 0.3}"]),
    ],
    ids=str,
)
def test_it_composes_to_the_best_trial(tmp_path, fixed, drawn):
    """Also where what was searched is inside a list, of which Hydra takes all or nothing."""
    compose, defaults = Composer("train", fixed), Composer("train", (), whole=False)
    plan = SimpleNamespace(
        compose=compose, defaults=lambda words=(): defaults(words), repeats=((),),
        space=SimpleNamespace(overrides=lambda params: drawn), settings=SimpleNamespace(metric="val/uar"),
    )  # fmt: skip
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "best.yaml").write_text(experiment_of(plan, SimpleNamespace(params={}), "0.5"))
    again = Composer("train", ("experiment=best",), (str(tmp_path),))(())
    best = compose(drawn)
    for config in (again, best):
        config["choices"].pop("experiment", None)
        for key in ("run", "sweep", "tune"):
            config.pop(key, None)
    assert again == best
