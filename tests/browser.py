"""A real browser for tests: Chromium without a window, spoken to over its debugging pipe.

The standard library is all that is needed. Pages that forbid scripts can be examined too: what is asked over the pipe
is not a script of the page.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

PATIENCE = 60  # seconds until a browser that does not answer has failed
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-dev-shm-usage",
    "--hide-scrollbars", "--remote-debugging-pipe",
)  # fmt: skip
EXAMINE = """(() => {
    const images = [...document.images], page = document.documentElement;
    const inside = element => element.closest('.scroll, pre') !== null;
    return {
        title: document.title,
        images: images.length,
        broken: images.filter(image => !image.complete || image.naturalWidth === 0).map(image => image.alt),
        mute: images.filter(image => !image.alt.trim()).length,
        overflow: page.scrollWidth - page.clientWidth,
        wide: [...document.querySelectorAll('body *')].filter(
            element => !inside(element) && element.getBoundingClientRect().right > page.clientWidth + 1
        ).map(element => element.tagName),
        players: [...document.querySelectorAll('audio')].map(player => player.duration),
        text: document.body.innerText,
    };
})()"""


@dataclass(frozen=True)
class Look:
    """What a page is in the browser.

    Args:
        errors: From the console, and what could not be loaded.
        title, text: As they are seen.
        images: How many; `broken` by their alternative texts, `mute` how many have none.
        overflow: Pixels that the page is wider than the window.
        wide: Elements that reach out of the window, other than in boxes that scroll.
        players: Seconds that each audio player holds; None where it cannot play.
        picture: Screenshot, PNG.
    """

    errors: list[str]
    title: str
    text: str
    images: int
    broken: list[str]
    mute: int
    overflow: float
    wide: list[str]
    players: list[float | None]
    picture: bytes


class Browser:
    """Chromium, started; the test is skipped, visibly, where it is not installed.

    Args:
        folder: For its profile.
        flags: More of them.
    """

    def __init__(self, folder: Path, *flags: str):
        if (executable := shutil.which("chromium") or shutil.which("google-chrome")) is None:
            pytest.skip("chromium is not installed: no page was opened")
        from_us, self._commands = os.pipe()
        self._answers, to_us = os.pipe()
        # it reads commands from descriptor 3 and answers on 4; bash, since dash takes descriptors of one digit only
        shell = ["bash", "-c", f'exec "$@" 3<&{from_us} 4>&{to_us}', "sh"]
        self._process = subprocess.Popen(
            [*shell, executable, *FLAGS, *flags, f"--user-data-dir={folder}", "about:blank"],
            pass_fds=(from_us, to_us), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(from_us)
        os.close(to_us)
        self._number, self._read, self._events = 0, b"", []

    def look(self, address: str, width: int, height: int = 900, dark: bool = False) -> Look:
        """Opens a page in a window of so many pixels and examines it."""
        tab = self.open(address, width, height, dark)
        look = tab.look()
        tab.close()
        return look

    def open(self, address: str, width: int, height: int = 900, dark: bool = False) -> "Tab":
        """Opens a page in a window of so many pixels."""
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            self._ask(f"{domain}.enable", session)
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 800}
        self._ask("Emulation.setDeviceMetricsOverride", session, **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", session, features=[scheme])
        self._events.clear()
        self._ask("Page.navigate", session, url=address)
        end = time.monotonic() + PATIENCE  # a page that talks to its server all the time is never silent
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            assert time.monotonic() < end, f"{address} did not load"
            self._receive()
        return Tab(self, target, session)

    def close(self) -> None:
        """Ends it."""
        os.close(self._commands)
        self._process.kill()
        self._process.wait()
        os.close(self._answers)

    def _ask(self, method: str, session: str | None = None, **parameters) -> dict:
        self._number += 1
        number = self._number
        command = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        while (message := self._receive()).get("id") != number:
            pass
        assert "error" not in message, f"{method}: {message['error']}"
        return message["result"]

    def _receive(self) -> dict:
        """The next message; events are kept."""
        end = time.monotonic() + PATIENCE
        while b"\0" not in self._read:
            assert select.select([self._answers], [], [], max(0, end - time.monotonic()))[0], "Chromium is silent"
            read = os.read(self._answers, 1 << 20)
            assert read, "Chromium has ended"
            self._read += read
        message, _, self._read = self._read.partition(b"\0")
        message = json.loads(message)
        if "method" in message:
            self._events.append(message)
        return message


@dataclass(frozen=True)
class Tab:
    """A page that is open in a browser.

    Args:
        browser: The one.
        target, session: Its names of the page.
    """

    browser: Browser
    target: str
    session: str

    def ask(self, method: str, **parameters) -> dict:
        """The answer to a command about this page."""
        return self.browser._ask(method, self.session, **parameters)

    def value(self, expression: str):
        """Of a JavaScript expression."""
        return self.ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def wait_for(self, expression: str):
        """The first value of an expression that is true."""
        end = time.monotonic() + PATIENCE
        while not (value := self.value(expression)):
            assert time.monotonic() < end, f"never true: {expression}\n{self.value('document.body.innerText')}"
            time.sleep(0.1)
        return value

    def upload(self, selector: str, path: Path) -> None:
        """Chooses a file in an input."""
        self.wait_for(f"document.querySelector({selector!r}) !== null")
        found = self.ask("Runtime.evaluate", expression=f"document.querySelector({selector!r})")["result"]
        self.ask("DOM.setFileInputFiles", files=[str(path)], objectId=found["objectId"])

    def look(self) -> Look:
        """Examines the page as it is now."""
        found = self.value(EXAMINE)
        picture = self.ask("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        errors = [error for event in self.browser._events if (error := _error(event))]
        return Look(errors=errors, picture=base64.b64decode(picture), **found)

    def requests(self) -> list[str]:
        """Addresses that were asked for since it was opened."""
        events = [event for event in self.browser._events if event["method"] == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in events]

    def close(self) -> None:
        """Closes the page."""
        self.browser._ask("Target.closeTarget", targetId=self.target)


def _error(event: dict) -> str | None:
    """What an event complains of, if it does."""
    method, about = event["method"], event["params"]
    if method == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
        return about["entry"]["text"]
    if method == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning", "assert"):
        return str(about["args"])
    if method == "Runtime.exceptionThrown":
        return about["exceptionDetails"]["text"]
    if method == "Network.loadingFailed":
        return about["errorText"]
    return None
