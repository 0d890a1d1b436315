"""The demo page's server, by gradio: on this machine alone unless it is shared; uploads are removed after use."""

import importlib.util
import logging
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from ser.errors import UserError
from ser.inference.demo_answers import MOST_BYTES, MOST_S

HOST = "127.0.0.1"
INSTALL = "pip install 'ser[demo]'"
STALE_S = 2 * MOST_S  # an upload that nobody asked about is removed after so long
SETTINGS = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}  # before gradio is imported


class Uploads:
    """The folder of uploads: removed at the end, each file after its use.

    Args:
        folder: An empty one.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def answered(self, respond: Callable[[Path], str], path: Path) -> str:
        """The response to an upload, which is removed whatever happens."""
        try:
            return respond(path)
        finally:
            self.used(path)

    def used(self, path: Path) -> None:
        """Removes a file with its own folder, and those that were left."""
        if self.folder in path.parents:
            shutil.rmtree(self.folder / path.relative_to(self.folder).parts[0], ignore_errors=True)
        for old in self.folder.iterdir():
            with suppress(OSError):
                if time.time() - old.stat().st_mtime > STALE_S:
                    shutil.rmtree(old) if old.is_dir() else old.unlink()


def ignore_removed(folder: Path) -> None:
    """Keeps tracebacks of missing uploads off the terminal.

    A browser may ask for the recording that it has just sent, to play it, while that is removed. Starlette then
    raises an error that the server logs: FileNotFoundError, or RuntimeError where the file was gone a moment earlier.

    Args:
        folder: Of the uploads.
    """

    def wanted(record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not (isinstance(error, OSError | RuntimeError) and str(folder) in str(error))

    logging.getLogger("uvicorn.error").addFilter(wanted)


def check_port(port: int) -> None:
    """Whether a server may listen on a port of this machine.

    Raises:
        UserError: It is in use, or only for the system.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, os.name != "nt")
        try:
            probe.bind((HOST, port))
        except PermissionError as error:
            raise UserError(
                f"Port {port} is for the system only: choose one above 1023, such as --port 7860."
            ) from error
        except OSError as error:
            raise _in_use(port) from error


def _in_use(port: int) -> UserError:
    return UserError(f"Port {port} is in use: choose another one, such as --port {port % 65535 + 1}.")


def check_installed() -> None:
    """Whether gradio is there, without importing it.

    Raises:
        UserError: It is not.
    """
    if importlib.util.find_spec("gradio") is None:
        raise UserError(f"The demo page needs gradio: {INSTALL}.")


def serve(
    respond: Callable[[Path], str], top: str, facts: str, css: str, title: str, port: int, share: bool = False
) -> None:
    """Serves the page until Ctrl-C.

    Args:
        respond: From an upload to HTML.
        top, facts: HTML above and below the answer.
        css: Of the page.
        title: Of the window.
        port: Of 127.0.0.1.
        share: Whether gradio makes a public address for it, which leads through gradio's servers.

    Raises:
        UserError: The port is in use, or the page cannot be shared.
    """
    check_port(port)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ser-demo-", ignore_cleanup_errors=True)))
        os.environ |= SETTINGS | {"GRADIO_TEMP_DIR": str(folder)}
        import gradio

        ignore_removed(folder)
        page = _page(gradio, respond, Uploads(folder), top, facts, title)
        theme = gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])  # none from the net
        try:
            page.launch(
                server_name=HOST, server_port=port, share=share, prevent_thread_lock=True, quiet=True, inbrowser=False,
                max_file_size=MOST_BYTES, footer_links=[], ssr_mode=False, run_history=False, theme=theme, css=css,
            )  # fmt: skip
        except OSError as error:
            raise _in_use(port) from error
        stack.callback(page.close, verbose=False)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)  # first: the server may take seconds to end
        if share and not page.share_url:
            raise UserError("gradio could not share the page: is there a way to the net? Without --share it is local.")
        print(f"The page is at http://{HOST}:{port}" + (f" and at {page.share_url}" if share else ""), flush=True)
        print("Ctrl-C ends it.", file=sys.stderr)
        threading.Event().wait()


def _page(gradio: Any, respond: Callable[[Path], str], uploads: Uploads, top: str, facts: str, title: str) -> Any:
    def responded(path: str | None) -> tuple[Any, str]:
        """The empty input, since the upload is gone, and the answer, which has its own player."""
        if path is None:
            return gradio.skip(), gradio.skip()
        return None, uploads.answered(respond, Path(path))

    with gradio.Blocks(title=title, analytics_enabled=False) as page:
        gradio.HTML(top, apply_default_css=False)
        sound = gradio.Audio(
            type="filepath", sources=["upload", "microphone"], label="Recording", buttons=[], editable=False
        )
        found = gradio.HTML(apply_default_css=False, elem_id="answer")
        gradio.HTML(facts, apply_default_css=False)
        sound.input(responded, sound, [sound, found], api_visibility="private", concurrency_limit=1)
    return page
