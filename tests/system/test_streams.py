"""What is printed cannot be shown: letters that a terminal lacks, closed streams, full disks, readers that leave."""

import io
import os
import shlex
import subprocess
import sys

import pytest

from ser.cli import main
from tests.conftest import SER, only_run
from tests.runs import forked


@pytest.fixture
def printed_in(monkeypatch):
    """`printed_in(encoding, …)`: exit code, and what a command prints on a terminal of that encoding."""

    def run(encoding: str, *arguments: str) -> tuple[int, str, str]:
        streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", streams[0])
            patch.setattr(sys, "stderr", streams[1])
            code = main(list(arguments))
        return code, *(stream.buffer.getvalue().decode(encoding) for stream in streams)

    return run


def test_letters_that_a_terminal_lacks_are_written_out(printed_in, quick, in_tmp):
    code, out, _ = printed_in("ascii", *quick)
    assert code == 0 and "features \\xd7" in out and "+----" in out
    assert (only_run(in_tmp) / "finished.json").is_file()
    for command in ("runs", "compare", "--help", "train --help", "train --cfg job", "explore --help", "compare --help"):
        code, out, err = printed_in("ascii", *command.split())
        assert code == 0 and out and not err, command
    for encoding, shown in (("ascii", "\\xfc"), ("cp1252", "ü")):
        code, _, err = printed_in(encoding, "show", "mü→")
        assert code == 2 and f"m{shown}\\u2192" in err
    code, out, err = printed_in("cp1252", *quick, "-m", "seed=1,2", "run.dry_run=true")
    assert code == 0 and "2 to train" in out, err


def written_to(way: str):
    """A stdout that nobody reads, that is full, or that is missing."""
    if way == "left":
        reader, writer = os.pipe()
        os.close(reader)
        return os.fdopen(writer, "w")
    return open("/dev/full", "w") if way == "full" else None


@pytest.mark.parametrize("way", ["left", "full", "missing"])
def test_a_training_goes_on_to_its_end(quick, in_tmp, monkeypatch, capsys, way):
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", written_to(way))
        assert main(quick) == 0
    run = only_run(in_tmp)
    assert (run / "finished.json").is_file() and (run / "train.log").read_text().count("  epoch ") == 2
    assert ("the disk is full" in capsys.readouterr().err) == (way == "full")


@pytest.mark.parametrize(("way", "code"), [("left", 0), ("full", 2), ("missing", 0)])
@pytest.mark.parametrize("command", ["show", "runs RUNS", "compare RUNS", "predict RUN RECORDINGS --format csv"])
def test_what_only_prints_ends(trained, tiny_ravdess, in_tmp, monkeypatch, capsys, command, way, code):
    places = {"RUNS": str(trained.parent), "RUN": str(trained), "RECORDINGS": str(tiny_ravdess / "Actor_01")}
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", written_to(way))
        assert main([places.get(word, word) for word in command.split()]) == code
    assert capsys.readouterr().err == ("Error: The disk is full.\n" if code else "")
    assert not list(in_tmp.iterdir()), "nothing is left behind"


@pytest.mark.parametrize("redirected", [">&-", "2>&-", "<&-", ">&- 2>&- <&-", "| true", "2>&1 | true"])
def test_the_process_ends_quietly(redirected, tmp_path):
    """With the interpreter's own last flush: no `Exception ignored in`, no exit code 120."""
    script = f"{shlex.join([*SER, 'show'])} {redirected}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def without_streams(command: list[str]) -> int:
    os.closerange(0, 3)
    sys.stdin = sys.stdout = sys.stderr = None
    return main(command)


def test_a_process_without_any_stream_trains(quick, in_tmp):
    """What is opened first would get their numbers, and what a library prints."""
    assert forked.wait(forked.call(without_streams, quick, folder=in_tmp)) == 0
    run = only_run(in_tmp)
    assert (run / "finished.json").is_file() and (run / "train.log").read_text().count("  epoch ") == 2
