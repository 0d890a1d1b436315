"""`ser demo` as a user starts it, and its page as a person uses it: in a real browser, on a telephone and on a desk."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.browser import Browser
from tests.conftest import SER, free_port
from tests.inference.trained import trained_run
from tests.tiny_corpora import real_corpus


@pytest.mark.parametrize(
    ("arguments", "words"),
    [([], "Name a run"), (["none"], "There is no run none"), (["none", "--port", "0"], "'0' is not a port"),
     (["none", "--port", "x"], "'x' is not a port"), (["none", "--prot", "8080"], "Did you mean '--port'"),
     (["none", "--device", "tpu"], "invalid choice")],
    ids=str,
)  # fmt: skip
def test_mistakes_are_one_sentence(ser, arguments, words):
    if arguments == ["none"]:
        arguments = ["none", "--port", str(free_port())]
    code, out, err = ser("demo", *arguments)
    assert (code, out) == (2, "") and err.startswith("Error: ") and words in err and len(err.splitlines()) == 1


def test_a_port_in_use_is_one_sentence(ser, trained):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, out, err = ser("demo", str(trained), "--port", str(taken.getsockname()[1]))
    assert (code, out) == (2, "") and "is in use: choose another one" in err and len(err.splitlines()) == 1


def test_without_gradio_it_says_what_to_install(ser, trained, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "gradio" else find(name, *a))
    code, _, err = ser("demo", str(trained))
    assert code == 2 and err == "Error: The demo page needs gradio: pip install 'ser[demo]'.\n"


def test_help_imports_nothing_heavy(ser):
    code = "import sys; from ser.cli import main; main(['demo', '--help']); sys.exit(str('numpy' in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr == "False\n" and "--share" in done.stdout and "demo" in ser("--help")[1]


# ---- in a browser --------------------------------------------------------------------------------------------------


class Served:
    """`ser demo` as a process, with a folder of its own for temporary files."""

    def __init__(self, run: Path, folder: Path):
        self.port, self.folder = free_port(), folder
        folder.mkdir()
        self.process = subprocess.Popen(
            [*SER, "demo", str(run), "--port", str(self.port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env=os.environ | {"TMPDIR": str(folder)},
        )  # fmt: skip
        self.address = f"http://127.0.0.1:{self.port}"
        assert self.process.stdout.readline() == f"The page is at {self.address}\n"

    def sounds(self) -> list[Path]:
        """Uploads that are left."""
        return [path for path in self.folder.glob("ser-demo-*/**/*") if path.is_file()]

    def end(self, signum: int = signal.SIGINT) -> tuple[int, float]:
        """Ctrl-C, or another signal: the exit code, and how long it took."""
        start = time.monotonic()
        self.process.send_signal(signum)
        return self.process.wait(20), time.monotonic() - start


@pytest.fixture
def browser(tmp_path):
    found = Browser(
        tmp_path / "profile", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"
    )  # a microphone that beeps
    yield found
    found.close()


def gone(served: Served) -> bool:
    """Whether uploads are removed; the answer may be on the page a moment earlier."""
    end = time.monotonic() + 10
    while served.sounds() and time.monotonic() < end:
        time.sleep(0.05)
    return not served.sounds()


EMOTION = "document.querySelector('#emotion')?.innerText"
REFUSAL = "document.querySelector('#refusal')?.innerText"
CLEAR = "document.querySelector('#emotion, #refusal')?.remove()"


@pytest.mark.slow
def test_page_in_a_browser(trained, tiny_ravdess, browser, tmp_path):
    """Also on recordings that nobody can use, and by its microphone."""
    from ser import load

    served = Served(trained, tmp_path / "served")
    path = sorted(tiny_ravdess.rglob("*.wav"))[10]
    (tmp_path / "text.wav").write_text("no sound at all " * 50)
    with (tmp_path / "large.wav").open("wb") as file:
        file.truncate(50 * 2**20 + 1)
    try:
        for width in (390, 1280):
            tab = browser.open(served.address, width)
            tab.upload("input[type=file]", path)
            assert tab.wait_for(EMOTION) == load(trained, device="cpu")([*soundfile.read(path)][0], 16000).emotion
            tab.wait_for("document.querySelector('audio')?.duration")
            look = tab.look()
            assert look.overflow == 0 and look.wide == [] and look.broken == [] and look.mute == 0
            assert look.players == [pytest.approx(0.4, abs=0.05)] and look.images == 1
            assert "What decided it" in look.text and "CC BY-NC-SA 4.0" in look.text and "UAR" in look.text
            assert gone(served)
            tab.value(CLEAR)
            tab.upload("input[type=file]", tmp_path / "text.wav")
            assert "text in place of the recording" in tab.wait_for(REFUSAL) and gone(served)
            tab.upload("input[type=file]", tmp_path / "large.wav")
            tab.wait_for("document.body.innerText.includes('exceed the maximum allowed size of 50')")
            tab.close()
        tab = browser.open(served.address, 390)
        tab.wait_for("document.querySelector('button[aria-label=\"Record audio\"]') !== null")
        tab.value("document.querySelector('button[aria-label=\"Record audio\"]').click()")
        tab.wait_for("document.querySelector('.record-button')?.offsetParent !== null")
        tab.value("document.querySelector('.record-button').click()")
        tab.wait_for("[...document.querySelectorAll('.stop-button')].find(it => it.offsetParent) !== undefined")
        time.sleep(2)
        tab.value("[...document.querySelectorAll('.stop-button')].find(it => it.offsetParent).click()")
        assert tab.wait_for(EMOTION) and gone(served)
        assert all(url.startswith((served.address, "data:", "blob:")) for url in tab.requests()), (
            "nothing from elsewhere"
        )
    finally:
        code, seconds = served.end()
    assert code == 130 and seconds < 9 and not list(served.folder.glob("ser-demo-*"))
    assert "Traceback" not in served.process.stderr.read()


@pytest.mark.slow
@pytest.mark.corpus
def test_page_on_real_recordings(browser, tmp_path, monkeypatch):
    """A whole model; a recording, and several joined."""
    monkeypatch.chdir(tmp_path)
    words = ["frontend=log_mel", "model=cnn1d", "trainer.max_epochs=3", "split=emobox"]
    run = trained_run(tmp_path / "runs", real_corpus("ravdess"), *words)
    paths = [path for path in sorted(real_corpus("ravdess").rglob("*03-01-05-02-*")) if path.is_file()][:4]
    sounds = [soundfile.read(path, always_2d=True) for path in paths]
    soundfile.write(tmp_path / "long.wav", np.concatenate([samples[:, 0] for samples, _ in sounds]), sounds[0][1])
    served = Served(run, tmp_path / "served")
    try:
        for width in (390, 1280):
            tab = browser.open(served.address, width)
            tab.upload("input[type=file]", paths[0])
            assert tab.wait_for(EMOTION) in ("angry", "happy", "disgust", "fearful", "surprised")  # loud
            tab.value(CLEAR)
            tab.upload("input[type=file]", tmp_path / "long.wav")
            tab.wait_for(EMOTION)
            look = tab.look()
            assert "Along the recording" in look.text and "What decided it" in look.text
            assert look.overflow == 0 and look.wide == [] and gone(served)
            (tmp_path / f"page_{width}.png").write_bytes(look.picture)
            tab.close()
    finally:
        assert served.end(signal.SIGTERM)[0] == 143 and not list(served.folder.glob("ser-demo-*"))
