"""The subcommands of `ser`, a module each, and what each does in a line."""

COMMANDS = {
    "download": "get RAVDESS or TESS: licence, progress, resume, checksum",
    "explore": "show a corpus before training: classes, durations, levels, examples, suspicious files",
    "train": "train a model, or a grid of them with -m; find a finished run; continue an interrupted one",
    "crossval": "train all folds of a split and pool them; finished folds are kept",
    "evaluate": "figures and a report of a finished run, also on other recordings",
    "ensemble": "average finished runs, seeds or recipes, into one that is scored and used like any other run",
    "runs": "state and size of each run; remove checkpoints that are no longer needed",
    "compare": "finished runs side by side, a row a configuration; which differences are more than chance",
    "leaderboard": "recipes and published systems of one corpus and protocol, with intervals and paired tests",
    "tune": "search settings by a validation metric; the same command continues a stopped search",
    "predict": "predict the emotion in recordings, or along a long one: a table, CSV, JSON lines, a picture",
    "listen": "the emotion of live sound, from the microphone or a pipe: bars, or JSON lines",
    "export": "a finished run as one file (ONNX, torch) from waveform to probabilities, with a model card",
    "demo": "a page in the browser: upload or record, and see the emotion and what decided it",
    "show": "list the choices of each config group",
    "store": "list or clear the cache of decoded recordings and features",
}
