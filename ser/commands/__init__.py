"""The subcommands of `ser`, a module each, and what each does in a line."""

COMMANDS = {
    "explore": "show a corpus before training: classes, durations, levels, examples, suspicious files",
    "train": "train a model, or a grid of them with -m; find a finished run; continue an interrupted one",
    "crossval": "train all folds of a split and pool them; finished folds are kept",
    "evaluate": "figures and a page of a finished run, or of the run on other recordings",
    "ensemble": "average finished runs, seeds or recipes, into one that is scored and used like any other",
    "runs": "what became of each run and what it takes on the disk; remove checkpoints no longer wanted",
    "compare": "finished runs side by side, a row a configuration; which differences are more than chance",
    "tune": "search settings by a metric of validation; stopped, the same command continues",
    "predict": "name the emotion in recordings: a table, CSV or JSON lines",
    "show": "list the choices of each config group",
    "store": "list or clear what is kept of decoded recordings",
}
