"""Small files of a run, whatever is in them: read as plain data, or refused in one sentence."""

import os
from itertools import pairwise

import pytest
import yaml

from ser.errors import UserError
from ser.runs import reading
from ser.runs.listing import find_runs
from ser.runs.reading import read_config, read_json
from ser.system.files import read_bytes
from tests.runs.made_runs import CONFIG, made_run

DEEP = "[" * 100_000
JSON = {
    "deep": DEEP,
    "deep objects": '{"a": ' * 100_000,
    "deep, and well formed": '{"a": ' + "[" * 60 + "]" * 60 + "}",
    "a list": '[{"identity": "a"}]',
    "a text": '"identity"',
    "cut off": '{"identity": "a',
    "nothing": "",
    "NaN": '{"a": NaN}',
    "infinite": '{"a": [{"b": 1e999}]}',
    "a whole number of 70 digits": '{"a": ' + "7" * 70 + "}",
    "a whole number of 5000 digits": '{"a": ' + "7" * 5000 + "}",
    "a key twice": '{"a": 1, "b": {"c": 1, "c": 2}}',
    "no text": b'{"a": "\xff\xfe"}',
    "a NUL": b'{"a": 1}\x00',
}
NAMES = "abcdefghijkl"
YAML = {
    "deep": f"x: {DEEP}",
    "deep blocks": "x:\n " + "- " * 100_000,
    "aliases": "a: &a [0,0]\n" + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in pairwise(NAMES)),
    "merges": "a: &a {k: 1}\n"
    + "".join(f"{b}: &{b} {{<<: [{', '.join([f'*{a}'] * 9)}]}}\n" for a, b in pairwise(NAMES)),
    "in itself": "x: &a [*a]",
    "in its own key": "x: &a {*a : 1}",
    "NaN": "x: {y: [.nan]}",
    "a number of 9000 hexadecimal digits": f"x: 0x{'f' * 9000}",
    "a number of 5000 digits": f"x: {'7' * 5000}",
    "a number to the base 60": f"x: 1{':59' * 100_000}",
    "a key twice": "seed: 1",
    "a key that is no name": "3: 1",
    "a key that is a list": "? [1, 2]\n: 3",
    "a key that is no name, deeper": "hidden: {3: 1}",
    "many settings": "x: [" + "0," * 30_000 + "]",
    "a call": "x: !!python/object/apply:os.system ['true']",
    "no text": b"x: \xff\xfe",
    "a tab": "x:\n\t- 1",
    "a date that is none": "x: 2020-13-45",
    "two documents": "--- 1\n--- 2",
}  # fmt: skip


def one_sentence(error: pytest.ExceptionInfo, file) -> str:
    message = str(error.value)
    assert message.startswith(str(file)) and "\n" not in message and len(message) < 400
    return message


@pytest.mark.parametrize("kind", JSON)
def test_json_that_no_run_leaves(tmp_path, kind):
    file = tmp_path / "run.json"
    file.write_bytes(JSON[kind] if isinstance(JSON[kind], bytes) else JSON[kind].encode())
    with pytest.raises(UserError) as error:
        read_json(file)
    assert "is damaged (" in one_sentence(error, file)


@pytest.mark.parametrize("kind", YAML)
def test_yaml_that_no_run_leaves(tmp_path, kind):
    file, more = tmp_path / "config.yaml", YAML[kind]
    file.write_bytes(yaml.safe_dump(CONFIG).encode() + (more if isinstance(more, bytes) else more.encode()))
    with pytest.raises(UserError) as error:
        read_config(file)
    assert "config.yaml is damaged: " in one_sentence(error, file)


@pytest.mark.parametrize("key", reading.MAPPINGS)
def test_what_stands_where_a_node_belongs(tmp_path, key):
    file = tmp_path / "config.yaml"
    for value in ([1], "x", 3, {"dataset": [1]} if key == "choices" else True):
        file.write_text(yaml.safe_dump({**CONFIG, key: value}))
        with pytest.raises(UserError, match="is not the config of a run"):
            read_config(file)


def test_what_honest_configs_hold(tmp_path):
    """Emotions may be numbers, a limit may be infinite, and PyYAML writes what stands twice as an alias."""
    shared = [0.5, "angry"]
    config = CONFIG | {"dataset": {"merge": {1: 2}, "emotions": shared}, "also": shared, "clip": float("inf")}
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(config))
    assert "*id001" in file.read_text() and read_config(file) == config


def test_what_is_no_file(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    (tmp_path / "large").write_bytes(b"{}" * 10)
    monkeypatch.setattr(reading, "MOST_BYTES", 10)
    for name, words in {
        "folder": "it is a folder",
        "pipe": "not a regular file", "endless": "not a regular file", "nowhere": "No such file",
        "\0": "null byte",
    }.items():  # fmt: skip
        with pytest.raises(UserError, match=words):
            read_json(tmp_path / name)
    with pytest.raises(UserError, match="20 bytes, more than"):
        read_bytes(tmp_path / "large", 10)


@pytest.mark.parametrize("name", ["run.json", "metrics.json", "finished.json", "config.yaml", "failed.json"])
@pytest.mark.parametrize("content", [DEEP, "folder", "pipe", b"\xff"], ids=["deep", "folder", "pipe", "no text"])
def test_one_damaged_run_does_not_stop_the_others(ser, in_tmp, name, content):
    runs = in_tmp / "runs"
    made_run(runs / "good")
    bad = made_run(runs / "bad", "failed" if name == "failed.json" else "finished")
    (bad / name).unlink()
    if content == "folder":
        (bad / name).mkdir()
    elif content == "pipe":
        os.mkfifo(bad / name)
    else:
        (bad / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    found, remarks = find_runs([runs])
    states = {run.path.name: run.state for run in found}
    assert states.pop("good") == "finished"
    assert states in ({"bad": "damaged"}, {"bad": "interrupted"}, {}) and (states or remarks)
    code, out, err = ser("runs")
    assert code == 0 and "good" in out, err
