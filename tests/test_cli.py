"""The command line as a user types it, in processes of its own."""

import os
import subprocess
import sys
import zipfile

import pytest

from ser.system.config_folder import config_folder
from tests.conftest import REPO, SER


def run(*arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run([*SER, *arguments], capture_output=True, text=True, timeout=120, **options)


@pytest.mark.parametrize("arguments", [["--help"], [], ["train", "--help"], ["show", "--help"], ["store", "--help"]])
def test_help_imports_nothing_heavy(arguments):
    code = (
        "import sys; from ser.cli import main; main(sys.argv[1:]); "
        "heavy = {'torch', 'pytorch_lightning', 'hydra', 'librosa', 'pandas', 'numpy'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "ser" in done.stdout


def test_no_warning_of_a_library_reaches_the_user():
    code = (
        "import logging, warnings; from ser.cli import guarded\n"
        "def command(arguments):\n"
        "    warnings.simplefilter('always')\n"
        "    warnings.warn('of NumPy')\n"
        "    logging.getLogger('matplotlib').warning('findfont')\n"
        "    return 0\n"
        "assert guarded(command, []) == 0"
    )
    for flags, words in (([], ""), (["-W", "default"], "of NumPy")):
        done = subprocess.run([sys.executable, *flags, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0 and (words in done.stderr if words else not done.stderr), done.stderr


def test_help_names_commands_groups_and_settings():
    assert all(name in run("--help").stdout for name in ("train", "show", "store"))
    text = run("train", "--help").stdout
    groups = [folder.name for folder in config_folder().iterdir() if folder.is_dir() and any(folder.glob("*.yaml"))]
    assert all(f"\n{group}\n" in text for group in groups)
    assert "batch_size: 32" in text and "cnn2d" in text and "run.resume=" in text


def test_show_lists_every_choice_with_a_line_about_it():
    text = run("show").stdout
    for file in config_folder().glob("*/*.yaml"):
        (line,) = [line for line in text.splitlines() if line.split()[:1] == [file.stem] and len(line.split()) > 1][:1]
        assert len(line.split()) > 2
    assert "cnn2d" in run("show", "model").stdout and "ravdess" not in run("show", "model").stdout


def complete(line: str, prepare: str = "") -> list[str]:
    """What Tab offers in bash behind `line`."""
    script = f"""
        export PATH="{os.path.dirname(sys.executable)}:$PATH"
        {prepare}
        eval "$(ser -sc install=bash)"
        COMP_LINE={line!r}; COMP_POINT=${{#COMP_LINE}}
        read -ra COMP_WORDS <<<"$COMP_LINE"; COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        _ser_completion; printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_completion_in_bash():
    assert complete("ser tr") == ["train"]
    assert {"train", "show", "store"} <= set(complete("ser "))
    assert {"mlp", "cnn1d", "cnn2d"} <= set(complete("ser train model="))
    assert set(complete("ser train model=cnn2")) == {"cnn2d", "cnn2d_plain"}
    assert "model=cnn1d" in complete("ser train seed=1 model=cnn1", "COMP_WORDBREAKS=${COMP_WORDBREAKS//=}")
    assert "optimizer.lr=" in complete("ser train optimizer.l", "COMP_WORDBREAKS=${COMP_WORDBREAKS//=}")
    assert "frontend" in complete("ser show fr")


def test_config_dir_of_the_users_own(ser, quick, in_tmp):
    own = in_tmp / "mine" / "model"
    own.mkdir(parents=True)
    (own / "small.yaml").write_text("_target_: ser.models.mlp.MLP\nhidden: [4]\n")
    words = [word for word in quick if not word.startswith("model")]
    code, out, err = ser(*words, "--config-dir", "mine", "model=small")
    assert code == 0, err
    assert "small" in out


def test_composed_config_is_printed(ser):
    code, out, _ = ser("train", "--cfg", "job", "model=mlp")
    assert code == 0 and "ser.models.mlp.MLP" in out


def test_store_lists_and_clears(ser, quick, monkeypatch, tmp_path):
    monkeypatch.setenv("SER_CACHE", str(tmp_path / "cache"))
    ser(*quick)
    _, out, _ = ser("store", "list")
    assert "ravdess" in out and "96" in out
    assert "Removed 2 entries" in ser("store", "clear")[1], "waveforms and features"
    assert "ravdess" not in ser("store", "list")[1]


def test_wheel_carries_configs(tmp_path):
    """An installed `ser` works from any folder: build the wheel, look inside."""
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)], cwd=REPO, capture_output=True
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    configs = {file.relative_to(REPO / "configs").as_posix() for file in REPO.glob("configs/**/*.yaml")}
    assert {f"ser/configs/{name}" for name in configs} <= names

    unpacked = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(unpacked)
    words = ["train", "--cfg", "job", "model=mlp"]
    done = run(*words, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(unpacked)})
    assert done.returncode == 0 and "ser.models.mlp.MLP" in done.stdout, done.stderr
    where = [sys.executable, "-c", "from ser.system.config_folder import config_folder as folder; print(folder())"]
    found = subprocess.run(where, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(unpacked)}, capture_output=True)
    assert found.stdout.decode().strip() == str(unpacked / "ser" / "configs")
