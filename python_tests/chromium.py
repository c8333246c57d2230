"""A Chromium that stays open, driven as a person would: windows of any size, clicks, keys, pictures.

It speaks Chrome's DevTools protocol over two pipes, so that nothing listens on a port.
"""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import select
import subprocess
import time
from pathlib import Path
from typing import Any

from browser import CHROMIUM, SCREENSHOTS

_PATIENCE = 120
# what is said of a page that another one is just taking the place of
_ON_ITS_WAY = ("Cannot find context", "navigated or closed")


class Chromium:
    """One window, without a network. Close it at the end.

    Args:
        profile: a folder for its profile, which may not exist.
    """

    def __init__(self, profile: Path) -> None:
        near, self._write = os.pipe()
        self._read, far = os.pipe()
        # the protocol wants descriptors 3 and 4, which these must not be before
        to_chromium, from_chromium = (fcntl.fcntl(end, fcntl.F_DUPFD, 64) for end in (near, far))
        os.close(near)
        os.close(far)
        command = f'exec "$0" "$@" 3<&{to_chromium} 4>&{from_chromium}'
        self._process = subprocess.Popen(
            [
                *("bash", "-c", command, str(CHROMIUM)),
                *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
                *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
                *("--host-resolver-rules=MAP * ~NOTFOUND", "--remote-debugging-pipe"),
                f"--user-data-dir={profile}",
            ],
            pass_fds=(to_chromium, from_chromium),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_chromium)
        os.close(from_chromium)
        self._ids = itertools.count(1)
        self._buffer = b""
        self._session = ""
        self.requests: list[str] = []
        """Addresses that the page asked for since it was opened, but for files and data in it."""
        self.console: list[str] = []
        """Errors and warnings of the page since it was opened."""
        self._loaded = False
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def close(self) -> None:
        """End it."""
        os.close(self._write)
        os.close(self._read)
        self._process.kill()
        self._process.wait()

    def size(self, width: int, height: int, *, theme: str = "light", touch: bool = False) -> None:
        """Make the window so large, in pixels, on a system that prefers this theme."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=touch,
        )
        self._call(
            "Emulation.setEmulatedMedia",
            features=[
                {"name": "prefers-color-scheme", "value": theme},
                # what moves by itself would still move when it is looked at
                {"name": "prefers-reduced-motion", "value": "reduce"},
            ],
        )

    def open(self, address: Path | str) -> None:
        """Open a page and wait until it is loaded."""
        self.requests, self.console, self._loaded = [], [], False
        url = address if isinstance(address, str) else address.as_uri()
        self._call("Page.navigate", url="about:blank")
        self._wait_for_load()
        self.requests, self.console, self._loaded = [], [], False
        self._call("Page.navigate", url=url)
        self._wait_for_load()

    def run(self, script: str) -> Any:
        """What an expression is in the page; a promise is waited for.

        Raises:
            AssertionError: it threw.
        """
        answer = self._call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def click(self, selector: str, place: int = 0) -> None:
        """Click in the middle of an element as a mouse does, and wait where that opens a page."""
        box = self.run(
            f"(() => {{ const found = document.querySelectorAll({json.dumps(selector)})[{place}];"
            "found.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const box = found.getBoundingClientRect();"
            "return [box.left + Math.min(box.width, 40) / 2, box.top + box.height / 2]; })()"
        )
        self._loaded = False
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)
        self._settle()

    def wheel(self, x: float, y: float, down: float) -> None:
        """Turn the wheel over a point."""
        self._call("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=down)
        self._settle()

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self._call("Input.insertText", text=text)

    def press(self, key: str, *, text: str = "") -> None:
        """Press a key, by its name: Tab, Enter, ArrowDown; a character gives itself as text as well."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowDown": 40, "ArrowUp": 38, "ArrowRight": 39}
        extra = {"text": text or ("\r" if key == "Enter" else "")}
        code = codes.get(key, ord(key[0].upper()))
        self._loaded = False
        for kind in ("keyDown", "keyUp"):
            self._call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                windowsVirtualKeyCode=code,
                **(extra if kind == "keyDown" and extra["text"] else {}),
            )
        self._settle()

    def picture(self, name: str) -> Path:
        """Keep a picture of what the window shows in target/screenshots."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        data = self._call("Page.captureScreenshot", format="png")["data"]
        path = SCREENSHOTS / f"{name}.png"
        path.write_bytes(base64.b64decode(data))
        return path

    def _settle(self) -> None:
        """Let what an event begins begin, and wait for a page that it opens."""
        self._call("Runtime.evaluate", expression="new Promise(requestAnimationFrame)", awaitPromise=True)
        if self.run("document.readyState") != "complete":
            self._wait_for_load()

    def _wait_for_load(self) -> None:
        until = time.monotonic() + _PATIENCE
        while not self._loaded:
            assert time.monotonic() < until, "the page does not load"
            self._receive(1)

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._ids)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            for answer in self._receive(1):
                if answer.get("id") == number:
                    if any(text in answer.get("error", {}).get("message", "") for text in _ON_ITS_WAY):
                        return self._call(method, **parameters)
                    assert "error" not in answer, (method, answer["error"])
                    return answer["result"]
        raise AssertionError(f"Chromium does not answer {method}")

    def _receive(self, seconds: float) -> list[dict[str, Any]]:
        """Messages that have come, within so many seconds; events are noted."""
        while b"\0" not in self._buffer:
            if not select.select([self._read], [], [], seconds)[0]:
                return []
            part = os.read(self._read, 1 << 20)
            assert part, "Chromium ended"
            self._buffer += part
        *whole, self._buffer = self._buffer.split(b"\0")
        messages = [json.loads(message) for message in whole]
        for message in messages:
            self._note(message.get("method"), message.get("params", {}))
        return messages

    def _note(self, method: str | None, about: dict[str, Any]) -> None:
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Network.requestWillBeSent":
            url = about["request"]["url"]
            if not url.startswith(("file:", "data:", "about:")):
                self.requests.append(url)
        elif method == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
            self.console.append(about["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            self.console.append(json.dumps(about["exceptionDetails"])[:600])
        elif method == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning"):
            self.console.append(str(about["args"]))
