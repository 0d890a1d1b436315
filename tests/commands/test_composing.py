"""A config is composed: what is off is off, what nobody reads is refused, and libraries' errors are sentences."""

import errno
from functools import cache
from pathlib import Path

import pytest

from ser.cli import main
from ser.commands.composing import Composer
from ser.commands.hydra_app import plain_config, run_app
from ser.commands.mistakes import in_users_words
from ser.commands.multirun import Multirun
from ser.errors import Interrupted, UserError
from tests.conftest import REPO

MODELS = sorted(path.stem for path in (REPO / "configs" / "model").glob("*.yaml"))
PLAIN_LOSS = "loss={label_smoothing: 0.0, class_weights: none, l2: null}"


def composed(*words: str, folder: Path | None = None, app: str = "train") -> dict:
    return Composer(app, words, () if folder is None else (str(folder),))()


def in_grid(look, *words: str):
    """What `look` gives of a grid."""
    seen = []
    run_app("train", ["-m", *words], seen.append, lambda grid: seen.append(look(grid)) or 0)
    return seen[0]


@cache
def alone(*words: str) -> dict:
    return composed(*words)


@pytest.mark.parametrize(
    ("word", "same"),
    [
        ("augmentation=null", "augmentation=none"),
        ("~augmentation", "augmentation=none"),
        ("scheduler=NULL", "scheduler=none"),
        ("~scheduler", "scheduler=none"),
        ("early_stopping=null", "early_stopping.patience=null"),
        ("~early_stopping", "early_stopping.patience=null"),
        ("loss=null", PLAIN_LOSS),
        ("~loss", PLAIN_LOSS),
        ("sweep=null", "seed=0"),
        ("experiment=null", "seed=0"),
        ("~run.rerun", "seed=0"),
        ("augmentation.mixing=null", "augmentation.mixing=[]"),
    ],
)
def test_null_switches_off_what_can_be_off(word, same):
    found, expected = composed(word), alone(same)
    assert {**found, "choices": {"experiment": None, **found["choices"]}} == expected


def test_null_keeps_what_all_choices_share():
    assert composed("augmentation=null", "augmentation.views=3")["augmentation"]["views"] == 3


@pytest.mark.parametrize(
    ("word", "said"),
    [
        *[(f"{group}=null", "is not a choice. Choose from:") for group in
          ("model", "frontend", "audio", "split", "dataset", "optimizer", "trainer", "stft@frontend.stft")],
        ("~model", "model cannot be left out. Choose from: cnn1d, cnn2d, "),
        ("~batch_size", "batch_size is needed"),
        ("~loss.label_smoothing", "loss.label_smoothing is needed"),
        ("~loss.l2", "loss.l2 is null already"),
        ("~seeed", "Did you mean 'seed'?"),
        ("model=5", "model=5 is not a choice. Choose from: cnn1d"),
        ("model=[1]", "model=[1] is several"),
        ("model=[mlp,cnn1d]", "is several; a grid has no brackets"),
        ("hydra=null", "hydra.run.dir"),
        ("hydra/launcher=5", "is not a choice"),
        ("loss=5", "Its settings are loss.label_smoothing, loss.class_weights, "),
        ("loss=[1]", "loss=[1]"),
        ("early_stopping=soon", "early_stopping.patience"),
        ("augmentation.waveform=5", "must be a list of nodes"),
        ("init_from=[1]", "init_from=[1] must be text"),
        ("run=5", "Its settings are run.resume, run.rerun,"),
        ("run.name=${run.name}", "run.name: Recursive interpolation detected."),
        ("run.name=${oc.env:SER_NOWHERE}", "run.name: Environment variable 'SER_NOWHERE' not found."),
        ("audio.duration_s=${audio.nope}", "audio.duration_s: Interpolation key 'audio.nope' not found."),
        ("dataset.merge.calm=neutral", "dataset.merge"),
        ("+lr=0.5", "There is no setting 'lr'. Did you mean 'optimizer.lr'?"),
        ("++modle.width=3", "Did you mean 'model'?"),
        ("+choices=5", "There is no setting 'choices'."),
        ("+experiment.foo=1", "There is no setting 'experiment'."),
        ("+early_stopping.foo=1", "early_stopping has no setting 'foo'. Choose from: patience."),
        ("+loss.label_smoothin=1", "Did you mean 'label_smoothing'?"),
        ("+sweep.foo=1", "sweep has no setting 'foo'."),
        ("+run.reurn=true", "run has no setting 'reurn'. Did you mean 'rerun'?"),
        ("+augmentation.wavform=[]", "Did you mean 'waveform'?"),
        ("=5", "it has no key"),
        ("run.name=(((", "cannot be read as key=value"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_sentence(word, said):
    with pytest.raises(UserError) as refused:
        composed(word)
    assert said in str(refused.value) and "\n" not in str(refused.value)


FILES = {  # the file, what stands in it, and what is said of it
    "tab": ("experiment/mine", "batch_size:\t16\n", "line 2: found character '\\t'"),
    "brace": ("experiment/mine", "batch_size: {16\n", "line 3: expected ',' or '}'"),
    "key twice": ("experiment/mine", "seed: 1\nseed: 2\n", "line 3: found duplicate key seed"),
    "latin-1": ("experiment/mine", b'name: "\xfc"\n', "line 2: this is no UTF-8"),
    "control character": ("experiment/mine", "name: \0\n", "line 2: a character that YAML does not allow (U+0000)"),
    "variable": ("experiment/mine", "run: {name: '${oc.env:NOWHERE}'}\n", "run.name: Environment variable 'NOWHERE'"),
    "no such key": ("experiment/mine", "run: {name: '${seeed}'}\n", "run.name: Interpolation key 'seeed' not found"),
    "open interpolation": ("experiment/mine", 'run: {name: "${seed"}\n', "run.name: "),
    "defaults": ("experiment/mine", "defaults: 5\n", "'experiment/mine', defaults must be a list"),
    "header": ("experiment/mine", None, "Too many components"),
    "list": ("experiment/mine", "- a\n", "In 'experiment/mine': Cannot merge"),
    "list of a group": ("model/mine", "- a\n", "model/mine.yaml holds a list"),
    "unknown key": ("experiment/mine", "lr: 0.5\n", "'lr' (FILE). Did you mean 'optimizer.lr'?"),
    "unknown in a node": ("experiment/mine", "sweep: {foo: 1}\n", "sweep has no setting 'foo'"),
    "null": ("experiment/mine", "model: null\n", "model cannot be left out"),
    "number": ("experiment/mine", "model: 5\n", "model=5 takes the place of a whole node. Choose from: cnn1d"),
    "no default": ("experiment/mine", "defaults:\n  - override /trainer: null\n", "trainer cannot be left out"),
    "two": ("experiment/mine", "defaults:\n  - override /model: [mlp, cnn1d]\n", "model is given several choices"),
    "no package": ("experiment/mine", "", "FILE: its first line must be '# @package _global_'"),
    "byte order mark": ("experiment/mine", "", "(it has a byte order mark before it)"),
    "nested": ("model/mine", "model: {_target_: ser.models.mlp.MLP}\n", "FILE has its settings under 'model:'"),
    "nested base": ("trainer/mine", "defaults: [base]\n", "base.yaml has its settings under 'trainer:' once more"),
    "elsewhere": ("model/mine", "_target_: ser.models.mlp.MLP\n", "begins with '# @package head'"),
    "misspelt stage": ("augmentation/mine", "wavform: []\n", "'wavform' (FILE). Did you mean 'waveform'?"),
}  # fmt: skip
FIRST = {  # lines; of experiments all others begin with the package
    "header": "# @package _global_  # mine\nseed: 1\n",
    "no package": "# mine\n# @package _global_\nseed: 1\n",
    "byte order mark": "\ufeff# @package _global_\nseed: 1\n",
    "elsewhere": "# @package head\n",
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_the_users_own_is_told_with_what_is_wrong(tmp_path, name):
    place, content, said = FILES[name]
    path = tmp_path / f"{place}.yaml"
    path.parent.mkdir()
    (path.parent / "base.yaml").write_text("trainer: {max_epochs: 5}\n", encoding="utf-8")
    first = FIRST.get(name, "# @package _global_\n" if "experiment" in place else "")
    path.write_bytes(first.encode() + (content if isinstance(content, bytes) else (content or "").encode()))
    with pytest.raises(UserError) as refused:
        composed(place.replace("/", "="), folder=tmp_path)
    assert said.replace("FILE", str(path)) in str(refused.value) and "\n" not in str(refused.value)


def test_files_of_the_users_own_that_are_right(tmp_path):
    off = "{augmentation: null, scheduler: null, loss: null, early_stopping: null}"
    for place, content in {
        "experiment/off": f"# @package _global_\n{off}",
        "experiment/no_choice": "# @package _global_\ndefaults:\n  - override /augmentation: null\n",
        "experiment/helper": "# @package _global_\nshare: 0.25\nmodel: {dropout: '${share}'}\n",
        "experiment/empty": "",
        "experiment/model": "# @package _global_\ndefaults: [{override /model: mlp}]\nmodel: {dropout: 0.4}\n",
        "model/small": "_target_: ser.models.mlp.MLP\nhidden: [4]\ndropout: 1e-1\n",
        "augmentation/mine": "strong: 0.5\nwaveform: [{_target_: a.B, p: '${augmentation.strong}'}]\n",
    }.items():
        path = tmp_path / f"{place}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
    off = composed("experiment=off", folder=tmp_path)
    same = composed("augmentation=none", "scheduler=none", PLAIN_LOSS)
    assert {**off, "choices": {**off["choices"], "experiment": None}} == same
    assert composed("experiment=no_choice", folder=tmp_path)["choices"]["augmentation"] == "none"
    assert composed("experiment=helper", folder=tmp_path)["model"]["dropout"] == 0.25
    assert composed("experiment=empty", folder=tmp_path)["seed"] == 0
    mine = composed("augmentation=mine", folder=tmp_path)["augmentation"]
    assert mine["waveform"][0]["p"] == 0.5 and mine["features"] == mine["mixing"] == []
    taken_back = composed("experiment=model", "model=small", folder=tmp_path)["model"]
    assert taken_back["dropout"] == 0.1, "a number, as Hydra reads it"


@pytest.mark.parametrize(
    "command",
    [
        ["train", "model=broken"],
        ["train", "-m", "experiment=broken", "seed=0,1"],
        ["train", "--cfg", "job", "model=broken"],
        ["crossval", "split=kfold", "model=broken"],
        ["evaluate", "run=x", "dataset=broken"],
        ["explore", "dataset=broken"],
        ["tune", "model=broken", "seed=0,1"],
        ["tune", "model=mlp,broken"],
    ],
    ids=" ".join,
)
def test_every_command_tells_what_libraries_raise(ser, in_tmp, command):
    for group in ("experiment", "model", "dataset"):
        (in_tmp / "mine" / group).mkdir(parents=True)
        (in_tmp / "mine" / group / "broken.yaml").write_text("# mine\nseed:\t{16\n")
    code, _, err = ser(*command, "--config-dir", "mine")
    assert code == 2 and "broken.yaml, line 2: found character '\\t'" in err and err.count("\n") == 1


@pytest.mark.parametrize("command", [["train"], ["train", "-m"], ["explore"], ["tune", "seed=0,1"]], ids=" ".join)
def test_a_bug_of_ours_stays_one(in_tmp, monkeypatch, command):
    def buggy(*arguments):
        raise KeyError("ours")

    monkeypatch.setattr("ser.commands.hydra_app.whole_config", buggy)
    with pytest.raises(KeyError, match="ours"):
        main(command)


@pytest.mark.parametrize("error", [BrokenPipeError(), PermissionError(errno.EACCES, "denied", "runs")], ids=repr)
def test_what_the_system_refuses_is_told_by_the_command_line(error):
    with pytest.raises(type(error)), in_users_words("train", []):
        raise error


@pytest.mark.parametrize(
    ("word", "values"),
    [
        ("model=glob(*)", " ".join(MODELS)),
        ("model=glob([cnn1*,mlp])", "cnn1d mlp"),
        ("model=glob(*,exclude=mlp)", " ".join(name for name in MODELS if name != "mlp")),
        ("seed=choice(1,2)", "1 2"),
        ("seed=range(0,5,2)", "0 2 4"),
        ("seed=sort(3,1,2)", "1 2 3"),
        ("seed=tag(log,choice(1,2))", "1 2"),
        ("augmentation=null,spec", "null spec"),
    ],
)
def test_a_grid_takes_the_functions_of_hydras_grammar(word, values):
    key = word.partition("=")[0]
    assert in_grid(Multirun.values, word) == {key: [f"{key}={value}" for value in values.split()]}


def test_a_shuffled_grid_has_each_value_once():
    found = in_grid(Multirun.values, "seed=shuffle(range(0,4))")["seed"]
    assert sorted(found) == ["seed=0", "seed=1", "seed=2", "seed=3"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["seed=interval(0,1)"], "an interval has too many (seed=interval(0,1))"),
        (["seed=glob(*)"], "glob goes through the choices of a group"),
        (["model=glob(lstm*)"], f"fits no choice. There are: {', '.join(MODELS)}."),
        (["seed=range(3,0)"], "holds no value"),
        (["seed=range(0,3,0)"], "seed=range(0,3,0): "),
        (["seed=range(0,10000000000)"], "ser tune searches a part of it"),
        (["model=mlp,null"], "is not a choice"),
        (["model=range(0,2)"], "is not a choice"),
        (["sweep=5"], "Its settings are sweep.skip, sweep.bad, sweep.jobs_per_gpu."),
        (["run.threads=${nope}"], "run.threads: Interpolation key 'nope' not found."),
        (["hydra.sweep.dir=${nope}"], "hydra.sweep.dir: Interpolation key 'nope' not found."),
        (["hydra.sweeper=5"], "hydra.sweeper=5 takes the place of a whole node: choose one by hydra/sweeper=NAME."),
        (["hydra.launcher=5", "seed=0,1"], "hydra.launcher=5 takes the place of a whole node"),
    ],
)
def test_what_is_no_grid_is_one_sentence(ser, words, said):
    code, _, err = ser("train", "-m", "run.dry_run=true", *words)
    assert code == 2 and said in err and err.count("\n") == 1


def test_bad_combinations_of_a_grid_are_kept_with_their_reasons():
    runs = in_grid(Multirun.runs, "run.name=${oc.env:SER_NOWHERE},a", "loss=null,5")
    assert [run.state for run in runs] == ["bad", "bad", "planned", "bad"]
    assert "run.name: Environment variable 'SER_NOWHERE' not found." in runs[0].reason
    assert "loss=5 takes the place of a whole node" in runs[3].reason


def test_the_launcher_takes_what_is_off(in_tmp):
    seen = []

    def launch(grid):
        grid.launch(lambda cfg: seen.append(plain_config(cfg, "train")["choices"]["augmentation"]), grid.runs(), [])

    in_grid(launch, "augmentation=null,spec")
    assert seen == ["none", "spec"]


def test_a_signal_in_the_middle_of_a_composition_stops_the_command():
    """Seen in a search: OmegaConf, cut short, raised an AttributeError in a block of its own that always runs."""
    with pytest.raises(Interrupted), in_users_words("train", []):
        try:
            raise Interrupted(15)
        finally:
            raise AttributeError("'NoneType' object has no attribute '_invalidate_flags_cache'")


def test_one_run_is_the_same_whether_hydras_main_composes_it(ser, quick):
    """An argument of Hydra's own needs its main, which composes twice."""
    said = [ser(*quick, "run.dry_run=true", *more)[1] for more in ([], ["hydra.verbose=false"])]
    named = [[line for line in out.splitlines() if "directory" in line] for out in said]
    assert named[0] == named[1] != []
