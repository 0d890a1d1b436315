"""The settings of a search, each refused with its remedy."""

import pytest
import yaml

from ser.errors import UserError
from ser.sweeps.search.settings import Settings
from ser.system.config_folder import config_folder

DEFAULTS = yaml.safe_load((config_folder() / "tune.yaml").read_text())["tune"]


def read(monitor="val/uar", **changed):
    return Settings.read({"tune": {**DEFAULTS, **changed}, "monitor": monitor})


def test_defaults():
    settings = read()
    assert (settings.trials, settings.metric, settings.direction) == (50, "val/uar", "maximize")
    assert settings.seeds == () and settings.folds is None and settings.workers == 1


def test_a_loss_is_minimised():
    assert read(metric="val/loss").direction == "minimize"
    assert read("val/loss").direction == "minimize"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"trials": 0}, "tune.trials=0 must be a whole number from 1"),
        ({"trials": "many"}, "tune.trials=many"),
        ({"trials": True}, "tune.trials=true"),
        ({"trials": 1.5}, "tune.trials=1.5"),
        ({"workers": 0}, "tune.workers=0"),
        ({"metric": "test/uar"}, "would choose settings by the test part"),
        ({"metric": "val/uarr"}, "Did you mean 'val/uar'?"),
        ({"sampler": "tpee"}, "Did you mean 'tpe'?"),
        ({"pruner": "medain"}, "Did you mean 'median'?"),
        ({"seeds": "0,1"}, "tune.seeds=0,1 must be a list"),
        ({"seeds": []}, "tune.seeds=[0,1,2]"),
        ({"seeds": [0, 0]}, "different"),
        ({"seeds": [0, -1]}, "from 0"),
        ({"folds": "some"}, "tune.folds=some must be all"),
        ({"folds": 0}, "tune.folds=0"),
        ({"dead_after_s": 0}, "must be a number from 5"),
        ({"trails": 5}, "Did you mean 'trials'?"),
    ],
)
def test_refused_with_the_remedy(changed, message):
    with pytest.raises(UserError) as refused:
        read(**changed)
    assert message in str(refused.value)


def test_a_test_metric_as_monitor_is_refused_too():
    with pytest.raises(UserError, match="by the test part"):
        read("test/uar")
