"""Chromium without a window and without a network: what a page looks like, says and asks for."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCREENSHOTS = ROOT / "target" / "screenshots"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed (on Debian: apt-get install chromium)"
)
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
"""Without a window, a profile of one's own or a network."""


@dataclass(frozen=True)
class Visit:
    """What a browser made of a page."""

    dom: str
    console: list[str]
    requests: list[str]


class Browser:
    """Opens pages, each time as a browser that was never used before.

    Args:
        folder: where its profiles may be.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(
        self,
        page: Path,
        anchor: str = "",
        *,
        width: int = 1280,
        height: int = 1600,
        picture: str = "",
        theme: str = "light",
    ) -> Visit:
        """Open a page.

        Args:
            page: its file.
            anchor: what comes after its address, with #.
            width: of the window in pixels; Chromium makes none narrower than 500.
            height: of the window in pixels.
            picture: the name under which a screenshot is kept in target/screenshots; empty for none.
            theme: light or dark: what the system prefers, and the address's `theme` as well.
        """
        profile = self._folder / f"profile-{len(list(self._folder.iterdir()))}"
        net_log = profile.with_suffix(".json")
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        result = subprocess.run(
            [
                str(CHROMIUM),
                *_FLAGS,
                f"--blink-settings=preferredColorScheme={0 if theme == 'dark' else 1}",
                f"--user-data-dir={profile}",
                "--enable-logging=stderr",
                "--v=0",
                f"--log-net-log={net_log}",
                f"--window-size={width},{height}",
                *([f"--screenshot={SCREENSHOTS / picture}.png"] if picture else []),
                "--dump-dom",
                f"{page.as_uri()}?theme={theme}{anchor}",
            ],
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )
        # what Chromium asks on its own account has no page as its origin
        requests = [
            event["params"]["url"]
            for event in json.loads(net_log.read_text())["events"]
            if "url" in event.get("params", {})
            and event["params"].get("initiator", "not an origin") != "not an origin"
        ]
        console = [line for line in result.stderr.splitlines() if ":CONSOLE" in line]
        return Visit(
            result.stdout, console, [url for url in requests if not url.startswith(("file:", "data:"))]
        )


def answer_of(dom: str) -> Any:
    """What a test's script left as JSON in data-answer of the page's body."""
    found = re.search(r'data-answer="([^"]*)"', dom)
    assert found, "the page's scripts did not run to their end"
    return json.loads(unescape(found[1]))


def contrast(one: str, other: str) -> float:
    """WCAG 2's contrast ratio of two colours."""

    def luminance(colour: str) -> float:
        channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)
