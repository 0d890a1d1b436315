"""Figures of a search: they can be drawn of anything a search may leave, and say in words what they show."""

from ser.reports.search_figures import history_picture, importance_picture

PNG = b"\x89PNG"


def test_history_names_the_first_of_the_best():
    points = [(0, 0.4, "complete"), (1, 0.9, "pruned"), (3, 0.7, "complete"), (4, 0.7, "complete")]
    picture = history_picture(points, "val/uar", minimised=False, stamp="speaker-independent")
    assert picture.png.startswith(PNG)
    assert picture.alt == "val/uar by trial: 3 complete, 1 pruned; the best, 0.7000, is trial 3."


def test_history_of_a_loss_goes_down_and_of_one_trial_is_a_point():
    points = [(0, 0.4, "complete"), (2, 0.2, "complete"), (5, 0.3, "complete")]
    assert "the best, 0.2000, is trial 2" in history_picture(points, "val/loss", True, "").alt
    assert "the best, 0.4000, is trial 0" in history_picture(points[:1], "val/loss", True, "").alt


def test_importance_says_its_shares():
    picture = importance_picture({"optimizer.lr": 0.75, "$model$": 0.25, "x" * 80: 0.0}, "val/uar", "stamp")
    assert picture.png.startswith(PNG)
    assert picture.alt.startswith("Importance for val/uar: optimizer.lr 75 %, $model$ 25 %, ")
