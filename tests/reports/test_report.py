"""The report: all sections, numbers that are those of the evaluation, a stamp at each figure, and no surprises."""

import html
import re
from dataclasses import replace

import numpy as np
import pytest

from ser.evaluation.evaluate import Fold, evaluate
from ser.reports.mistakes import find_mistakes, most_confident_mistakes
from ser.reports.report import ReportInputs, write_report
from tests.evaluation.simulated import made_of
from tests.evaluation.test_evaluate import fold

STAMP = "speaker-dependent; 3 of 3 test speakers also in train"
SECTIONS = (
    "Result", "Learning curves", "Confusion", "Classes", "Calibration", "Groups", "Most confident mistakes", "This run",
)  # fmt: skip
CURVES = {
    "train/loss": [(0, 2.0), (1, 1.5), (2, 1.2)],
    "val/loss": [(0, 1.9), (1, 1.4), (2, 1.6)],
    "val/uar": [(0, 0.2), (1, 0.5), (2, 0.4)],
    "val/wa": [(0, 0.3), (1, 0.5), (2, 0.5)],
}


class Tones:
    """Each recording a tone."""

    sample_rate = 8000

    def find(self, corpus: str | None, key: str) -> np.ndarray:
        return 0.5 * np.sin(2 * np.pi * 440 * np.arange(4000) / 8000).astype(np.float32)


@pytest.fixture(scope="module")
def inputs() -> ReportInputs:
    one = fold()
    return ReportInputs(
        title="a run", stamp=STAMP, test=one.test, evaluation=evaluate([one], resamples=50), sounds=Tones(),
        about={"identity": "0123456789"}, config={"seed": 7}, curves=CURVES, best_epoch=1, notes=("a remark",),
    )  # fmt: skip


@pytest.fixture(autouse=True)
def brief(monkeypatch):
    """Two mistakes say as much as ten; `page` below was made before."""
    monkeypatch.setattr("ser.reports.mistakes.MOST", 2)


@pytest.fixture(scope="module")
def page(inputs, tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("report")
    assert write_report(folder, inputs) == folder / "report.html"
    names = {path.stem for path in (folder / "figures").iterdir()}
    assert names == {
        "learning_loss", "learning_scores", "confusion_matrix", "confusion_matrix_normalised", "classes", "reliability",
        "reliability_scaled", *(f"mistake_{i:02}" for i in range(1, 11)),
    }  # fmt: skip
    return (folder / "report.html").read_text(encoding="utf-8")


def alts(page: str) -> list[str]:
    return [html.unescape(alt) for alt in re.findall(r'<img [^>]*alt="([^"]*)"', page)]


def test_all_sections_are_there(page):
    assert re.findall(r"<h2>(.*?)</h2>", page) == list(SECTIONS)


def test_figures_are_those_of_the_evaluation(page, inputs):
    uar = inputs.evaluation.systems["model"].overall["uar"]
    assert f"<dd>{uar.value:.3f}</dd>" in page and f"{uar.value:.3f} [{uar.low:.3f}, {uar.high:.3f}]" in page
    assert f"{inputs.evaluation.temperatures[0]:.2f}" in page
    assert "gender" in page and "24 groups" in page and "a remark" in page
    assert "0123456789" in page and "seed: 7" in page


def test_every_picture_says_what_one_sees(page):
    descriptions = alts(page)
    assert len(descriptions) == page.count("<img") == 17 and all(re.search(r"\d", alt) for alt in descriptions)
    assert "train from 2 to 1.2 over 3 epochs, 1.5 in epoch 1" in descriptions[0]
    assert "validation from 1.9 to 1.6 over 3 epochs, 1.4 in epoch 1" in descriptions[0]


def test_every_table_of_results_has_the_stamp(page):
    tables = re.findall(r'<figure class="table">.*?</figure>', page, flags=re.S)
    assert len(tables) >= 5 and all(STAMP in made for made in tables)


def test_ten_players_and_a_page_that_can_be_sent(page):
    assert page.count("<audio controls") == 10 and len(page) < 6_000_000
    assert "<script" not in page and not re.search(r"https?:|//[a-z]", re.sub(r"base64,[^\"]+", "", page))


def test_most_confident_mistakes_come_first(inputs):
    rows = most_confident_mistakes(inputs.test, 10)
    confidence = inputs.test.confidence[rows]
    assert (np.diff(confidence) <= 0).all() and not inputs.test.right[rows].any()
    assert confidence[-1] >= np.sort(inputs.test.confidence[~inputs.test.right])[-10]


def test_names_are_not_markup_nor_formulas(tmp_path):
    classes = ("<b>", "$x^{$", "'\"&")
    rng = np.random.default_rng(0)
    part = made_of(np.arange(60) % 3, rng.standard_normal((60, 3)), classes)
    part = replace(part, keys=tuple(f"<i>{key}" for key in part.keys))
    made = ReportInputs(
        "<u>", "<s>", part, evaluate([Fold(part)], resamples=20), Tones(), {"<em>": "<q>"}, {"<k>": "<v>"}
    )
    page = write_report(tmp_path, made).read_text(encoding="utf-8")
    for tag in ("<b>", "<i>", "<u>", "<s>", "<em>", "<q>", "<k>", "<v>"):
        assert tag not in page and html.escape(tag) in page


def test_what_is_missing_is_left_out_or_said(tmp_path, inputs):
    test = replace(inputs.test, traits={trait: (None,) * len(inputs.test) for trait in inputs.test.traits})
    bare = ReportInputs("a run", STAMP, test, evaluate([Fold(test)], resamples=20))
    page = write_report(tmp_path, bare).read_text(encoding="utf-8")
    assert "Learning curves" not in page and "Groups" not in page and "<audio" not in page
    assert "2 of these recordings are not available" in page and "speakers unknown" in page


def test_a_faultless_model_has_no_mistakes_to_show(tmp_path, inputs):
    right = replace(inputs.test, probabilities=np.eye(8)[inputs.test.true], predicted=inputs.test.true)
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "mistake_03.png").write_bytes(b"of an earlier report")
    write_report(tmp_path, replace(inputs, test=right, evaluation=evaluate([Fold(right)], resamples=20)))
    assert "no mistake" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not list((tmp_path / "figures").glob("mistake_*"))


def test_long_sounds_are_cut_and_said_to_be(inputs, monkeypatch):
    monkeypatch.setattr("ser.reports.mistakes.MOST_SOUND_BYTES", 4_000)
    mistakes = find_mistakes(inputs.test, Tones(), STAMP)
    assert all(len(mistake.wav) == 2000 + 44 and mistake.cut for mistake in mistakes)


def test_one_epoch_and_no_validation(tmp_path, inputs):
    made = replace(inputs, curves={"train/loss": [(0, 1.5)]}, best_epoch=0, sounds=None)
    page = write_report(tmp_path, made).read_text(encoding="utf-8")
    assert "Loss by epoch. train from 1.5 to 1.5" in alts(page)[0]
    assert not (tmp_path / "figures" / "learning_scores.png").exists()


def test_silent_and_brief_recordings_are_drawn():
    from ser.reports.recording import recording_picture

    for waveform in (np.zeros(50, np.float32), np.full(1, 0.3, np.float32)):
        assert recording_picture("a", waveform, 1000, STAMP).png.startswith(b"\x89PNG")
