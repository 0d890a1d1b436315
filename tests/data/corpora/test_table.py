"""Tables that people have saved."""

import pytest

from ser.data.corpora.table import read_table, read_text
from ser.errors import UserError


def test_rows_are_numbered_as_a_spreadsheet_shows_them(tmp_path):
    file = tmp_path / "table.csv"
    file.write_text('sep=;\nFile Name;Part\n"a;b.wav"; train \n;\nc.wav\n')
    columns, rows = read_table(file)
    assert columns == ["file_name", "part"]
    assert rows == [(3, {"file_name": "a;b.wav", "part": "train"}), (5, {"file_name": "c.wav", "part": ""})]


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="cannot be read: No such file"):
        read_text(tmp_path / "nowhere.csv")
