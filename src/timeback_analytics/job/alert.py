"""Tells somebody of a job that is not green: by a command, by a webhook."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

TIMEOUT_SECONDS = 30.0
TRIES = 3


def send(data: Mapping[str, Any], page: str, command: str, url: str, say: Callable[[str], None]) -> None:
    """Run the command and call the webhook; what fails is said, and changes nothing.

    Args:
        data: the job's report.
        page: where the report's page is.
        command: run by the shell, with the message as JSON on its standard input and TIMEBACK_JOB_SENTENCE,
            TIMEBACK_JOB_OUTCOME and TIMEBACK_JOB_REPORT in its environment; empty for none.
        url: gets the same JSON by POST; its `text` is what chats show; empty for none.
        say: prints a line for a user.
    """
    failed = [step["name"] for step in data["steps"] if step["status"] == "failed"]
    catalog = f"{data['about']['schema']} in {data['about']['database'] or data['about']['target']}"
    lines = [f"TimeBack analytics, {catalog}: {data['sentence']}", *data["security_events"]]
    message = {
        "text": "\n".join(lines),
        "outcome": data["outcome"],
        "exit_code": data["exit_code"],
        "failed_steps": failed,
        "security_events": data["security_events"],
        "next": data["next"],
        "report": page,
        "about": data["about"],
    }
    body = json.dumps(message, ensure_ascii=False)
    if command:
        _tried("alert command", lambda: _run(command, body, message), say)
    if url:
        _tried("alert webhook", lambda: _post(url, body), say)


def _tried(what: str, action: Callable[[], None], say: Callable[[str], None]) -> None:
    for number in range(1, TRIES + 1):
        try:
            action()
            return
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            # without the address, which may hold a secret
            reason = (
                getattr(error, "reason", None) or getattr(error, "returncode", None) or type(error).__name__
            )
            if number == TRIES:
                say(f"  The {what} failed: {reason}. Nobody was told.")
            else:
                time.sleep(number)


def _run(command: str, body: str, message: Mapping[str, Any]) -> None:
    environment = {
        "TIMEBACK_JOB_SENTENCE": message["text"],
        "TIMEBACK_JOB_OUTCOME": message["outcome"],
        "TIMEBACK_JOB_REPORT": message["report"],
    }
    subprocess.run(
        ["/bin/sh", "-c", command],
        input=body,
        text=True,
        check=True,
        timeout=TIMEOUT_SECONDS,
        env={**os.environ, **environment},
    )


def _post(url: str, body: str) -> None:
    request = urllib.request.Request(
        url, data=body.encode(), headers={"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):
        pass
