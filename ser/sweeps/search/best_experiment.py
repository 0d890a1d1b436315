"""The best settings as an experiment: a YAML file with all differences from the defaults."""

from collections.abc import Sequence
from typing import Any

import yaml
from optuna.trial import FrozenTrial

from ser.runs.identity import COUNTED_OTHERWISE, OTHER_KEYS, flatten
from ser.sweeps.search.plan import SearchPlan


def experiment_of(plan: SearchPlan, best: FrozenTrial, value: str) -> str:
    """`experiment/best.yaml`: choices of groups as overrides of the defaults list, then single settings.

    Args:
        plan: Of the search.
        best: The trial.
        value: Of the metric, in words.
    """
    config = plan.compose([*plan.space.overrides(best.params), *plan.repeats[0]])
    plain = plan.defaults()
    choices = {
        group: choice
        for group, choice in config["choices"].items()
        if choice != plain["choices"].get(group) and group != "experiment"
    }
    theirs = dict(flatten(plan.defaults([f"{group}={choice}" for group, choice in choices.items()])))
    node: dict[str, Any] = {}
    if choices:
        node["defaults"] = [{f"override /{group}": choice} for group, choice in choices.items()]
    skipped = OTHER_KEYS.difference(COUNTED_OTHERWISE)
    for key, setting in flatten({key: value for key, value in config.items() if key not in skipped}):
        if key not in theirs or theirs[key] != setting:
            _put(node, key.split("."), config)
    head = f"# @package _global_\n# {plan.settings.metric} {value}: the best of a search\n"
    return head + yaml.safe_dump(node, sort_keys=False, allow_unicode=True)


def _put(node: dict[str, Any], path: Sequence[str], config: dict[str, Any]) -> None:
    """Puts a setting of the config there, or the list that it is in: of a list Hydra takes all or nothing."""
    name, *rest = path
    if rest and isinstance(config[name], dict):
        _put(node.setdefault(name, {}), rest, config[name])
    else:
        node[name] = config[name]
