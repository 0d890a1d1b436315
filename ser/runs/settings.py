"""The settings that no signature of ours declares: those of a run, of torch's optimizers, of Lightning's Trainer."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from ser.data.targets import predicts_numbers
from ser.errors import UserError, did_you_mean
from ser.evaluation.ranking import OF_CLASSES, OF_NUMBERS, added
from ser.system.ranges import Count, Index, NotNegative, Positive, Range, Rate, Seed, check_value

Text = str | float | None  # `name: 2024` is a number to YAML
Threads = Annotated[int, Range(1, 4096)] | None
Trust = Sequence[str] | str | None

RUN: dict[str, Any] = {
    "seed": Seed,
    "batch_size": Count,
    "augmentation.views": Annotated[int, Range(1, 100)] | None,  # each is kept
    "augmentation.normalise_by_views": bool,
    "loss.label_smoothing": Rate,
    "loss.class_weights": Literal["none", "balanced"] | None,
    "loss.numbers": Literal["ccc", "mse"] | None,
    "loss.l2": Mapping[str, NotNegative] | None,
    "loss.auxiliary": Mapping[str, NotNegative] | None,
    "evaluation.views": Mapping[str, Any] | None,
    "ema": Annotated[float, Range(0, 1, "both")] | None,
    "monitor": str,  # see `monitors`
    "checkpoint": Literal["auto", "best", "last", "refit"],
    "early_stopping.patience": Index | None,
    "init_from": str | None,
    "run.resume": str | None,
    "run.rerun": bool,
    "run.dry_run": bool,
    "run.name": Text,
    "run.dir": str,
    "run.progress": bool,
    "run.report": Literal["auto"] | bool,
    "run.threads": Threads,
    "run.cuda_graphs": Literal["auto", "on", "off"] | bool,  # on and off are booleans to YAML
    "run.keep_features": Literal["auto", "memory", "disk", "never"],  # `ser.training.feature_cache`
    "run.trust": Trust,
    "sweep.skip": str | None,
    "sweep.bad": Literal["stop", "skip"],
    "sweep.jobs_per_gpu": Annotated[int, Range(1, 64)],
    "trainer.accelerator": str,
    "trainer.strategy": str,
    "trainer.devices": int | str | Sequence[Index],  # see `devices_of`
    "trainer.num_nodes": Annotated[int, Range(1, 10**4)],
    "trainer.precision": Literal["32-true", "16-mixed", "bf16-mixed", "64-true", "32", "64", 32, 64],
    "trainer.max_epochs": Annotated[int, Range(1, 10**6)],  # schedules are shares of it
    "trainer.accumulate_grad_batches": Count,
    "trainer.gradient_clip_val": Positive | None,
    "trainer.gradient_clip_algorithm": Literal["norm", "value"] | None,
    "trainer.deterministic": bool | Literal["warn"] | None,
    "trainer.benchmark": bool | None,
    "trainer.detect_anomaly": bool,
    "trainer.inference_mode": bool,
    "trainer.profiler": Literal["simple", "advanced", "pytorch"] | None,
    "trainer.sync_batchnorm": bool,
    "tune.trials": Count,
    "tune.seed": Annotated[int, Range(0, 2**32 - 1)],  # the range of Optuna's samplers
    "tune.startup_trials": Index,
    "tune.warmup_epochs": Index,
    "tune.seeds": Sequence[Seed] | None,
    "tune.folds": Literal["all"] | Count | Sequence[Index] | None,
    "tune.workers": Annotated[int, Range(1, 4096)],
    "tune.dead_after_s": Annotated[float, Range(5)],
    "tune.metric": Text,
    "tune.sampler": Text,
    "tune.pruner": Text,
    "tune.space": Mapping[str, Any],
    "tune.storage": Text,
    "tune.dir": Text,
    "progress": bool,  # from here on: of ser evaluate and ser explore, which have no node for a run's settings
    "threads": Threads,
    "trust": Trust,
    "map": Mapping[str, str | None] | None,
    "examples": Annotated[int, Range(0, 2**32 - 1)],
}
CLOSED = ("loss", "evaluation", "early_stopping", "run", "sweep", "trainer", "tune")  # no other settings

_EPOCHS = "a run is counted in whole epochs, each with its validation; set trainer.max_epochs"
_ALL = (
    "every figure is of all recordings of a part; for fewer of them use dataset.emotions or a list of your own "
    "(dataset=csv), for a quick look trainer.max_epochs=1 or run.dry_run=true"
)
_OURS = "ser sets it itself; leave it out"
REFUSED = {  # arguments of Lightning's Trainer that would change training or scoring, or have no effect here
    **dict.fromkeys(("max_steps", "max_time", "min_epochs", "min_steps"), _EPOCHS),
    **dict.fromkeys(("check_val_every_n_epoch", "val_check_interval"), _EPOCHS),
    **dict.fromkeys((f"limit_{part}_batches" for part in ("train", "val", "test", "predict")), _ALL),
    **dict.fromkeys(("overfit_batches", "fast_dev_run", "barebones"), _ALL),
    **dict.fromkeys(("logger", "log_every_n_steps", "callbacks", "plugins", "default_root_dir"), _OURS),
    **dict.fromkeys(("num_sanity_val_steps", "use_distributed_sampler", "reload_dataloaders_every_n_epochs"), _OURS),
    **dict.fromkeys(("enable_model_summary", "enable_autolog_hparams", "model_registry"), _OURS),
    "enable_checkpointing": "a run is resumed from checkpoints; checkpoint=best or last selects the weights",
    "enable_progress_bar": "set run.progress=false",
}

OPTIMIZER = {  # ranges by name; the types are in torch's own signatures
    "lr": Range(0, 1000, "low"),
    "betas": Range(0, 1, "high"),
    "eps": Range(0, 1),
    "weight_decay": Range(0, 1000),
    "momentum": Range(0, 1, "high"),
    "dampening": Range(0, 1),
    "alpha": Range(0, 1, "high"),
    "rho": Range(0, 1, "high"),
    "lr_decay": Range(0),
    "momentum_decay": Range(0),
}


def check_run_settings(config: Mapping[str, Any]) -> None:
    """Compares the settings of a run with `RUN`.

    Args:
        config: Resolved; missing settings are skipped.

    Raises:
        UserError: The message names the setting.
    """
    if str(config.get("monitor")).startswith("test/"):
        raise UserError(
            f"monitor={config['monitor']} cannot be chosen: the test part is scored once, at the end. Choose from: "
            f"{', '.join(monitors(config))}."
        )
    for node in CLOSED:
        known = {key.partition(".")[2]: kind for key, kind in RUN.items() if key.startswith(f"{node}.")}
        for key, value in config[node].items() if isinstance(config.get(node), Mapping) else ():
            if node == "trainer" and key in REFUSED:
                if value is not None:
                    raise UserError(f"trainer.{key} is not supported: {REFUSED[key]}.")
            elif key not in known:
                raise UserError(f"{node} has no setting '{key}'. {did_you_mean(str(key), list(known))}")
    for key, kind in RUN.items():
        node, _, name = key.rpartition(".")
        settings = config.get(node) if node else config
        kind = Literal[monitors(config)] if key == "monitor" else kind
        if isinstance(settings, Mapping) and name in settings:
            check_value(settings[name], kind, key)


def monitors(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Validation metrics that a run or a search can monitor: those of every run, and those that its config adds."""
    return (*(OF_NUMBERS if predicts_numbers(config) else OF_CLASSES), *(f"val/{name}" for name in added([config])))


def devices_of(devices: int | str | Sequence[int]) -> int | list[int]:
    """`trainer.devices` in any of Lightning's spellings: how many, which GPUs, or -1 for all of them.

    Raises:
        UserError: It cannot be read, or asks for none.

    >>> [devices_of(devices) for devices in (2, "2", "1,", "0, 1", [1], "-1", "auto")]
    [2, 2, [1], [0, 1], [1], -1, -1]
    """
    try:
        if isinstance(devices, str):
            names = [name for name in devices.split(",") if name.strip()]
            asked = -1 if devices == "auto" else [int(name) for name in names] if "," in devices else int(devices)
        else:
            asked = devices if isinstance(devices, int) else list(devices)
        wrong = asked < -1 if isinstance(asked, int) else min(asked, default=-1) < 0 or len(set(asked)) < len(asked)
        if not asked or wrong:
            raise ValueError
    except ValueError:
        raise UserError(
            f"trainer.devices={devices} must be a number of devices from 1, a list of different GPUs such as [0, 1], "
            "or auto for all of them."
        ) from None
    return asked
