"""The README is true: its commands compose, its tables come from results files, its links lead somewhere."""

import re
import shlex

import pytest

from scripts.generated import refresh, tables
from tests.conftest import REPO
from tests.data.corpora import test_crema_d, test_savee
from tests.frontends.pretrained import write_folder

README = (REPO / "README.md").read_text(encoding="utf-8")
PAGES = [REPO / "README.md", *sorted((REPO / "docs").glob("*.md"))]
BLOCKS = re.findall(r"```bash\n(.*?)```", README, flags=re.S)
LINES = [line.split("#")[0].strip() for block in BLOCKS for line in block.splitlines()]
TRAIN = [line for line in LINES if line.startswith("ser train")]


@pytest.mark.parametrize("line", TRAIN)
def test_train_commands_do_what_they_say(ser, in_tmp, tiny_ravdess, tiny_tess, monkeypatch, line):
    """Each `ser train` line is composed and built on tiny corpora; the grid's jobs as well."""
    home = in_tmp / "home"
    data = home / "data"
    data.mkdir(parents=True)
    (data / "ravdess").symlink_to(tiny_ravdess)
    (data / "tess").symlink_to(tiny_tess)
    for name, corpus in (("crema_d", test_crema_d), ("savee", test_savee)) if "dataset=joined" in line else ():
        corpus.write_tiny(data / name)
    for speaker in range(4):
        for emotion in ("angry", "sad"):
            folder = in_tmp / "FOLDER" / f"p{speaker}" / emotion
            folder.mkdir(parents=True)
            source = sorted(tiny_ravdess.rglob("*.wav"))[speaker * 16 + (emotion == "sad")]
            (folder / "a.wav").write_bytes(source.read_bytes())
    rows = [f"FOLDER/p{s}/{e}/a.wav,{e},p{s}" for s in range(4) for e in ("angry", "sad")]
    (in_tmp / "list.csv").write_text("path,emotion,speaker\n" + "\n".join(rows))
    if "CHECKPOINT" in line:
        write_folder(in_tmp / "CHECKPOINT", "wav2vec2_base")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SER_DATA", str(data))
    _, *words = shlex.split(line)
    code, out, err = ser(*words, "run.dry_run=true", "trainer=cpu")
    assert code == 0, err
    assert ("to train; about" if "-m" in words else "parameters") in out


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("ser crossval")])
def test_crossval_commands_find_their_folds(tiny_ravdess, in_tmp, monkeypatch, line):
    """Each `ser crossval` line is composed, and its folds found."""
    from ser.commands.crossval import plan

    (in_tmp / "ravdess").symlink_to(tiny_ravdess)
    monkeypatch.setenv("SER_DATA", str(in_tmp))
    assert len(plan([*shlex.split(line)[2:], "trainer=cpu"])) == 6


@pytest.fixture(scope="module")
def home(tmp_path_factory, tiny_ravdess, tiny_tess):
    """A user's folder: data/ with both corpora, recordings, a trained run called runs/NAME, and one of another seed."""
    from ser.cli import main

    home = tmp_path_factory.mktemp("home")
    (home / "data").mkdir()
    (home / "data" / "ravdess").symlink_to(tiny_ravdess)
    (home / "data" / "tess").symlink_to(tiny_tess)
    (home / "recordings").mkdir()
    for name in ("recording.wav", "recordings/a.wav"):
        (home / name).write_bytes(sorted(tiny_ravdess.rglob("*.wav"))[0].read_bytes())
    quick = ["model=mlp", "trainer=cpu", "trainer.max_epochs=1", "frontend=mfcc", "optimizer.lr=1e-4"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        words = ["dataset=ravdess", f"dataset.root={tiny_ravdess}", *quick, "hydra.run.dir=runs/NAME"]
        assert main(["train", *words]) == 0
        assert main(["train", "-m", *words[:-1], "split.seed=0", "seed=1,2"]) == 0
    return home


ELSEWHERE = ("ser train", "ser crossval", "ser download", "ser demo")  # in tests/commands: from a server, and as one
OTHERS = [line for line in LINES if line.startswith("ser ") and not line.startswith(ELSEWHERE)]
MORE = {"tune": ["run.dry_run=true", "trainer=cpu"], "compare": []}  # so that it takes seconds


@pytest.mark.slow
@pytest.mark.parametrize("line", OTHERS)
def test_other_commands_do_what_they_say(ser, home, monkeypatch, line):
    """All the rest, in a folder where what they name is there."""
    monkeypatch.chdir(home)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SER_DATA", str(home / "data"))
    _, *words = shlex.split(line)
    words = [word.replace("model=cnn2d and", "model=mlp and") for word in words]
    more = ["--vad", "none"] if "--timeline" in words else []  # the recordings are tones
    code, _, err = ser(*words, *MORE.get(words[0], []), *more)
    assert code == 0, err
    for file in ("found.csv", "grid.html", "timeline.png"):
        assert file not in words or (home / file).stat().st_size > 100


@pytest.mark.slow
def test_the_snippet_of_python_runs(home, monkeypatch):
    import numpy as np

    monkeypatch.chdir(home)
    monkeypatch.setenv("SER_DATA", str(home / "data"))
    (snippet,) = re.findall(r"```python\n(.*?)```", README, flags=re.S)
    snippet = snippet.replace('"model=cnn2d"', '"model=mlp", "trainer=cpu", "trainer.max_epochs=1"')
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000).astype("float32")
    names = {"waveform": noise, "sample_rate": 16_000}
    exec(snippet, names)
    assert names["run"].metrics["epochs"] == 1 and len(names["run"].predict("recordings/")) == 1
    prediction = names["model"](noise, 16_000)
    assert prediction.emotion == max(prediction.probabilities, key=prediction.probabilities.get)


def test_readme_names_both_scripts_and_ci_calls_the_test_command():
    assert "bash scripts/quickstart" in LINES and "bash scripts/test" in LINES
    called = (REPO / ".ci" / "run").read_text().splitlines()[-1]
    assert called.split() == ["exec", "bash", '"$(dirname', '"$0")/../scripts/test"']


def test_readme_stays_short_and_has_dated_news():
    assert len(README.splitlines()) < 220
    assert re.search(r"## News\n\n- \*\*20\d\d-\d\d-\d\d\*\* ", README)


def test_tables_are_those_that_scripts_tables_makes():
    """Choices of groups, results and performance: none is written by hand, and each has its place."""
    assert refresh(REPO, write=False) == [], "run scripts/tables"
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for name in tables(REPO):
        assert text.count(f"<!-- {name} begin -->") == text.count(f"<!-- {name} end -->") == 1, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target
