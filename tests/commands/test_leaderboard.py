"""`ser leaderboard` as a user types it."""

import pytest

from tests.comparison.made_runs import write_folds


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    write_folds(folder / "runs", {"model": "mlp"}, 0.4, 0)
    write_folds(folder / "runs", {"model": "cnn2d", "dataset.root": "/else"}, 0.9, 1)
    return folder


def test_it_is_shown_and_written(ser, written, in_tmp):
    code, out, err = ser("leaderboard", str(written / "runs"))
    assert code == 0 and err == "" and "1 is better" in out and "No published system of this protocol" in out
    files = [in_tmp / f"a.{end}" for end in ("md", "tex", "HTML", "txt")]
    code, told, _ = ser("leaderboard", str(written / "runs"), *(f"--output={file}" for file in files))
    assert code == 0 and told.count("Written: ") == 4 and files[3].read_text(encoding="utf-8") == out
    page, markdown, latex = (files[i].read_text(encoding="utf-8") for i in (2, 0, 1))
    assert "<table" in page and "| 1 | log\\_mel-cnn2d |" in markdown and latex.count(r"\begin{tabular}") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere"),
        (["--corpus", "tess"], "--corpus tess: no complete run is of it"),
        (["--protocol", "speaker_kfld"], "Did you mean 'speaker_kfold'"),
        (["--metric", "uarr"], "Did you mean 'uar'"),
        (["--against", "x"], "They are: none"),
        (["--published", "none.yaml"], "none.yaml cannot be read"),
        (["--output", "x.pdf"], "the suffix selects the format"),
        (["--output", "no/x.md"], "there is no folder no"),
        (["--where", "modle=mlp"], "Did you mean 'model'"),
        (["--corpsu", "x"], "Did you mean '--corpus'"),
    ],
)
def test_mistakes_are_one_sentence_and_nothing_is_written(ser, written, in_tmp, arguments, message):
    runs = [] if arguments == ["nowhere"] else [str(written / "runs")]
    code, out, err = ser("leaderboard", *runs, *arguments)
    assert code == 2 and out == "" and message in err and err.startswith("Error: ") and err.count("\n") == 1
    assert list(in_tmp.iterdir()) == []


def test_help(ser):
    code, out, _ = ser("leaderboard", "--help")
    assert code == 0 and "--published FILE" in out
