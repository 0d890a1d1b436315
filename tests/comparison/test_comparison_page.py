"""The page of a comparison: what it shows, and that a browser shows it on a telephone and on a desk."""

import pytest
from torch.utils.tensorboard import SummaryWriter

from ser.comparison.comparing import Question, compare
from ser.errors import UserError
from ser.reports.comparison import heat_keys, write_comparison
from ser.reports.comparison_figures import heat_map, parallel_coordinates, values_of
from tests.browser import Browser
from tests.comparison.made_runs import answers, part_of_fold, write_run

PART = part_of_fold(0)


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """3 models × 2 frontends × 2 rates, of which one was not run, with curves; and a run of another split."""
    runs = tmp_path_factory.mktemp("page") / "runs"
    number = 0
    for model in ("mlp", "cnn1d", "cnn2d"):
        for frontend in ("log_mel", "mfcc"):
            for rate in (1e-3, 3e-4):
                number += 1
                if number == 5:
                    continue
                settings = {"model": model, "frontend": frontend, "optimizer.lr": rate}
                path = write_run(runs, settings, PART, answers(PART, 0.3 + 0.05 * number, number))
                with SummaryWriter(str(path)) as board:
                    for epoch in range(3):
                        board.add_scalar("val/uar", 0.2 + 0.1 * epoch + 0.01 * number, epoch)
                        board.add_scalar("train/loss", 2.0 - 0.3 * epoch, epoch)
    write_run(runs, {"split.k": 9}, PART, answers(PART, 0.5, 99), protocol="speaker-dependent <b>")
    return compare([runs], Question())


@pytest.fixture(scope="module")
def page(compared, tmp_path_factory):
    path = tmp_path_factory.mktemp("html") / "comparison.html"
    write_comparison(path, compared)
    return path


def test_everything_stands_on_the_page(page):
    html = page.read_text(encoding="utf-8")
    for text in ("Heat map of val/uar by frontend and model", "Parallel coordinates over", "Learning curves, val/uar",
                 "Paired tests", "not distinguishable", "speaker-dependent &lt;b&gt;", "they are not ranked together",
                 "Learning curves of the first 8 of 11 rows", "One row only"):  # fmt: skip
        assert text in html, text
    assert html.count("<h2>") == 3 and html.count("<img") == 4


def test_a_browser_shows_it_on_a_telephone_and_on_a_desk(page, tmp_path):
    browser = Browser(tmp_path / "profile")
    try:
        for width, dark in ((390, False), (390, True), (1280, False)):
            look = browser.look(page.as_uri(), width, dark=dark)
            assert look.errors == [] and look.overflow == 0 and look.wide == []
            assert look.images == 4 and look.broken == [] and look.mute == 0
            assert look.title == "Comparison" and "How to read it" in look.text
    finally:
        browser.close()


def test_the_heat_map_holds_the_means(compared):
    section = compared.sections[0]
    alt = heat_map(section.rows, ("model", "optimizer.lr"), "test/uar", "stamp").alt
    for row in section.rows:
        if row.cells["model"] == "mlp" and row.cells["optimizer.lr"] == 1e-3:
            others = [it for it in section.rows if it.cells["model"] == "mlp" and it.cells["optimizer.lr"] == 1e-3]
            mean = sum(it.spread("test/uar").mean for it in others) / len(others)
            assert f"mlp and 0.001: {mean:.3f} over {len(others)} runs" in alt


def test_keys_of_the_map_are_those_that_fill_it(compared):
    assert heat_keys(compared.sections[0], "test/uar") == ("frontend", "model")
    assert heat_keys(compared.sections[1], "test/uar") is None


def test_keys_may_be_chosen(compared, tmp_path):
    write_comparison(tmp_path / "a.html", compared, ("optimizer.lr", "model"))
    assert "by optimizer.lr and model" in (tmp_path / "a.html").read_text(encoding="utf-8")
    with pytest.raises(UserError, match="Did you mean 'optimizer.lr'"):
        write_comparison(tmp_path / "b.html", compared, ("optimiser.lr", "model"))
    with pytest.raises(UserError, match="all runs have the same value"):
        write_comparison(tmp_path / "b.html", compared, ("batch_size", "model"))
    assert not (tmp_path / "b.html").exists()


def test_a_row_alone_draws_no_lines(compared):
    section = compared.sections[1]
    assert parallel_coordinates(section.rows, section.columns, "test/uar", "stamp") is None


def test_damaged_events_cost_their_curves_only(tmp_path):
    path = write_run(tmp_path / "runs", {}, PART, answers(PART, 0.5, 1))
    (path / "events.out.tfevents.1.x").write_bytes(b"\x00" * 7 + b"no events")
    write_comparison(tmp_path / "a.html", compare([tmp_path / "runs"], Question()))
    assert "<img" not in (tmp_path / "a.html").read_text(encoding="utf-8")


def test_values_are_in_order():
    assert values_of([10, "b", 2.5, None, "a", 10.0, True]) == [2.5, 10.0, "a", "b", True, None]
