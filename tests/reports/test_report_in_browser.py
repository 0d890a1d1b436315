"""The report of a run as a person opens it: in a real browser, on a telephone and on a desk, by day and by night."""

import pytest

from tests.browser import Browser
from tests.conftest import only_run


@pytest.fixture
def report(ser, quick, in_tmp):
    """A run's page."""
    assert ser(*quick, "run.report=auto")[0] == 0
    return only_run(in_tmp) / "report.html"


def test_report_can_be_read_on_a_telephone_and_on_a_desk(report, tmp_path):
    browser = Browser(tmp_path / "profile")
    try:
        for width, dark in ((360, False), (360, True), (1440, False)):
            look = browser.look(report.as_uri(), width, dark=dark)
            assert look.errors == [] and look.overflow == 0 and look.wide == []
            assert look.images >= 7 and look.broken == [] and look.mute == 0
            assert look.players and all(seconds and seconds > 0.05 for seconds in look.players)
            assert look.title == report.parent.name and "Most confident mistakes" in look.text
    finally:
        browser.close()
