"""A server that misbehaves, and no waiting between tries."""

import pytest

from tests.data.download.server import serving


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr("ser.data.download.fetch.FIRST_WAIT_S", 0.01)
    with serving() as server:
        yield server
