"""In a real notebook's kernel: progress in place, pictures in the cell, and a stop button that stops."""

import os
import time

import pytest
from jupyter_client.manager import start_new_kernel

from tests.conftest import REPO

pytestmark = pytest.mark.slow


class Kernel:
    """Runs cells; each gives its messages in order, as (type, content)."""

    def __init__(self, folder):
        variables = {**os.environ, "PYTHONPATH": str(REPO)}
        self.manager, self.client = start_new_kernel(kernel_name="python3", env=variables, cwd=str(folder))

    def run(self, code: str, stop_at: str = "", seconds: float = 240) -> list[tuple[str, dict]]:
        """Executes a cell, and interrupts the kernel once `stop_at` was shown."""
        asked, messages, end = self.client.execute(code), [], time.monotonic() + seconds
        while time.monotonic() < end:
            message = self.client.get_iopub_msg(timeout=seconds)
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return messages
            messages.append((kind, content))
            if stop_at and stop_at in str(content):
                self.manager.interrupt_kernel()
                stop_at, self.stopped_at = "", time.monotonic()
        pytest.fail(f"the cell did not end: {messages}")


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    kernel = Kernel(tmp_path_factory.mktemp("kernel"))
    yield kernel
    kernel.client.stop_channels()
    kernel.manager.shutdown_kernel(now=True)


def shown(messages, kind: str) -> list[str]:
    return [content["data"]["text/plain"] for found, content in messages if found == kind]


def value(kernel, code: str) -> str:
    return shown(kernel.run(code), "execute_result")[0]


@pytest.fixture(scope="module")
def before(kernel, tiny_ravdess):
    kernel.run(
        "import ser\nimport pytorch_lightning, sklearn, torchaudio\n"
        "from tests.commands.python.process_state import changed, process_state\n"
        f"words = ['dataset=ravdess', 'dataset.root={tiny_ravdess}', 'model=mlp', 'trainer=cpu', 'split=random']\n"
        "ser.train(*words, trainer={'max_epochs': 1})"  # its card is large, for which pyzmq starts a thread
    )
    kernel.run("before = process_state()")


def test_a_run_in_a_cell(kernel, before):
    messages = kernel.run("ser.train(*words, trainer={'max_epochs': 60}, scheduler=None)")
    assert not [content for kind, content in messages if kind == "error"]
    lines = shown(messages, "display_data") + shown(messages, "update_display_data")
    assert all(line.startswith("epoch ") for line in lines) and len(shown(messages, "display_data")) <= 1
    text = "".join(content["text"] for kind, content in messages if kind == "stream")
    assert len(text.splitlines()) < 25 and "Trained: runs/ravdess" in text and "\x1b" not in text
    ((_, result),) = [it for it in messages if it[0] == "execute_result"]
    assert result["data"]["text/html"].count("<img") == 2
    assert value(kernel, "changed(before, process_state())") == "{}"


def test_the_stop_button(kernel, before):
    messages = kernel.run("ser.train(*words, trainer={'max_epochs': 100_000}, scheduler=None)", stop_at="'epoch ")
    assert time.monotonic() - kernel.stopped_at < 10, "what is asked for, in seconds"
    ((_, error),) = [it for it in messages if it[0] == "error"]
    assert error["ename"] == "KeyboardInterrupt" and "the same call" in error["evalue"]
    assert value(kernel, "sorted(path.name for path in __import__('pathlib').Path('runs').rglob('last.ckpt'))") != "[]"
    assert value(kernel, "changed(before, process_state())") == "{}"
    assert value(kernel, "ser.train(*words, trainer={'max_epochs': 1}).metrics['epochs']") == "1"


def test_an_error_is_a_sentence(kernel, before):
    ((_, error),) = [it for it in kernel.run("ser.train('model=mpl')") if it[0] == "error"]
    assert error["traceback"] == ["UserError: model=mpl is not a choice. Did you mean 'mlp'?"]
    assert value(kernel, "changed(before, process_state())") == "{}"


def test_figures_are_pictures(kernel, before):
    messages = kernel.run("run = ser.train(*words, trainer={'max_epochs': 1})\nrun.show()\nrun.figures['classes']")
    page = [content["data"]["text/html"] for kind, content in messages if kind == "display_data"]
    assert page[-1].count("<img") == 6
    ((_, result),) = [it for it in messages if it[0] == "execute_result"]
    assert len(result["data"]["image/png"]) > 1000 and result["metadata"]["image/png"]["width"] > 100
