"""Where features are kept makes no difference to what is learnt; where they cannot be kept, the run goes on."""

import json
import textwrap

import pytest

from ser.data.store.array_store import list_entries
from ser.system.cache import cache_folder
from tests.conftest import only_run


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    """A cache in which nothing is kept yet."""
    monkeypatch.setenv("SER_CACHE", str(tmp_path / "own_cache"))


def result(folder) -> dict:
    metrics = json.loads((only_run(folder) / "metrics.json").read_text())
    return {name: value for name, value in metrics.items() if name != "seconds"}


def kinds() -> list[str]:
    return sorted(entry.kind for entry in list_entries(cache_folder()))


@pytest.mark.parametrize("normaliser", ["feature", pytest.param("feature_and_frame", marks=pytest.mark.slow)])
def test_memory_disk_and_never_learn_the_same(ser, quick, in_tmp, normaliser):
    results = {}
    for keep in ("memory", "disk", "never"):
        code, out, err = ser(*quick, f"run.keep_features={keep}", f"normaliser={normaliser}", "run.rerun=true")
        assert code == 0, err
        assert ("features stay on disk" in out) == (keep == "disk")
        results[keep] = result(in_tmp)
    for name in ("val/loss", "test/loss"):
        assert results["disk"][name] == pytest.approx(results["memory"][name], rel=1e-3)
        assert results["never"][name] == pytest.approx(results["memory"][name], rel=1e-3)


def test_large_features_stay_on_disk_by_themselves(ser, quick, monkeypatch):
    from ser.training import feature_cache as keeping

    assert "stay on disk" not in ser(*quick)[1]
    monkeypatch.setattr(keeping, "free_memory", lambda device: 1000)
    assert "stay on disk" in ser(*quick, "run.rerun=true")[1]


@pytest.mark.parametrize(
    "change",
    [
        "frontend.n_mels=32",
        "audio.trim_db=null",
        *(pytest.param(more, marks=pytest.mark.slow) for more in ("frontend=mfcc", "audio.duration_s=1.0")),
    ],
)
def test_what_features_depend_on_makes_another_entry(ser, quick, change):
    assert ser(*quick)[0] == 0 and kinds().count("features") == 1
    assert ser(*quick, "optimizer.lr=1e-4", "model.dropout=0.1", "normaliser=none", "seed=3")[0] == 0
    assert kinds().count("features") == 1, "what comes behind the frontend changes nothing"
    assert ser(*quick, change)[0] == 0 and kinds().count("features") == 2


@pytest.mark.slow
def test_changed_code_makes_another_entry(ser, quick, change_source):
    assert ser(*quick)[0] == 0 and kinds() == ["features", "waveforms"]
    for changed, expected in {
        "frontends/another.py": ["features", "waveforms"],
        "masking.py": ["features", "features", "waveforms"],
        "data/audio/decode.py": ["features", "features", "features", "waveforms", "waveforms"],
    }.items():
        change_source(changed)
        assert ser(*quick, "run.rerun=true")[0] == 0 and kinds() == expected, changed


def test_a_frontend_of_the_users_own_is_computed_in_every_run(ser, quick, in_tmp, monkeypatch):
    """Nobody knows which files it depends on."""
    package = in_tmp / "my_frontends"
    package.mkdir()
    (package / "__init__.py").write_text(
        textwrap.dedent("""
        from ser.frontends.log_mel import LogMel


        class Mine(LogMel):
            pass
        """)
    )
    monkeypatch.syspath_prepend(str(in_tmp))
    code, out, err = ser(*quick, "run.trust=[my_frontends]", "frontend._target_=my_frontends.Mine")
    assert code == 0, err
    assert kinds() == ["waveforms"]


def test_a_store_that_cannot_be_written_is_said_and_the_run_goes_on(ser, quick, in_tmp):
    cache_folder().mkdir()
    (cache_folder() / "features").write_text("a file where the folder would be")
    code, out, err = ser(*quick)
    assert code == 0, err
    assert "features are kept in memory only, for this run: File exists" in out and result(in_tmp)


def test_a_misspelt_place_is_named(ser, quick):
    code, _, err = ser(*quick, "run.keep_features=memry")
    assert code == 2 and "run.keep_features=memry" in err and "Did you mean 'memory'?" in err
