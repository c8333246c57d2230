"""The page of a job's report, as whoever is on call sees it: on a desk and on a phone, by day and by night.

Chromium lays it out; what is in it is made up here, so that everything that can go wrong goes wrong at once.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

import pytest

from browser import Browser, answer_of, contrast, needs_chromium
from timeback_analytics.job import report
from timeback_analytics.job.dbt_runs import Ran, Result
from timeback_analytics.job.history import Earlier
from timeback_analytics.job.outcome import Exit, Outcome, Step
from timeback_analytics.job.refreshes import Refreshed

LONG = "a_dataset_whose_name_is_as_long_as_postgres_allows_it_to_be_63x"
NASTY = (
    "<img src=x onerror=document.title='hit'></pre><script>document.title='hit'</script> "
    "&amp; \"Straße\" 学校 'q'"
)
NO_BREAK = "x" * 300
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ABOUT = {
    "target": "server",
    "database": "school",
    "host": f"{NO_BREAK}.example",
    "schema": "analytics",
    "role": "timeback_deployer",
    "server": "18.4",
}


def rows(number: int | None, before: int | None, error: str | None = None) -> dict[str, Any]:
    return {"rows": number, "before": before, "seconds": 0.5, "error": error}


def write(folder: Path, code: Exit, steps: list[Step], **more: Any) -> dict[str, Any]:
    """A report of what a test says, and of nothing else; gives its data."""
    data = report.as_data(
        Outcome(
            code=code,
            about=ABOUT,
            started_at=NOON,
            finished_at=NOON.replace(hour=13, minute=2),
            steps=steps,
            rows_how="with scope *, every organization",
            **more,
        )
    )
    report.write(data, folder / "20260301T120000Z-1", folder)
    return data


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a green job and then one that met everything at once left their reports."""
    folder = tmp_path_factory.mktemp("jobs")
    green = write(
        folder,
        Exit.GREEN,
        [Step("connect", "ok", "connected"), Step("rows", "ok", "7 rows in 3 datasets")],
        tested=Ran(True, [Result("not_null_students_id", "test", "pass", "", 0.1)]),
        rows={"students": rows(7, None), "attempts": rows(40, None), LONG: rows(1, None)},
    )
    (folder / "latest" / "report.html").rename(folder / "latest" / "green.html")
    earlier = Earlier()
    earlier.add("20260228T120000Z-1", green)
    failed = Result(
        "not_null_students_id",
        "test",
        "fail",
        "Got 3 results, configured to fail if != 0",
        0.1,
        failures=3,
        sql=f"select * from analytics.students where name = '{NASTY}'",
        about="tests/roster.yml",
    )
    warned = Result("source_odd", "test", "warn", "Got 1 result", 0.1, failures=1, about=NASTY)
    write(
        folder,
        Exit.DEPLOY,
        [
            Step("connect", "ok", "connected", seconds=0.1),
            Step("deploy", "failed", "1 error, 2 replaced", [f"{LONG}: {NASTY}{NO_BREAK}"], seconds=3600.5),
            Step("refresh", "ok", "1 of 1 stored models brought up to date"),
            Step("tests", "failed", "2 tests, 1 failed, 1 warned", [NASTY], [NASTY]),
            Step("check", "not run"),
            Step("rows", "failed", f"{NO_BREAK} cannot be read", [NASTY]),
        ],
        tries=[f"deploy: {NASTY}; tried again after 1 s"],
        killed=[f"The job that began at {NO_BREAK} was ended."],
        files=["checkpoint.html", "dbt.log", "dbt-of-the-killed.log"],
        deployed=Ran(False, [Result(LONG, "model", "success", "replaced", 1.0, materialized="view")]),
        tested=Ran(False, [failed, warned]),
        refreshed={LONG: Refreshed(NOON, NOON, False, 1234567, 89, {"caliper_attempt": 12345})},
        variables={"stored_facts": True, "odd": NASTY},
        rows={"students": rows(0, 7), "attempts": rows(None, 40), LONG: rows(None, 1, NASTY + NO_BREAK)},
        earlier=earlier,
    )
    return folder


LOOK = """
    const page = document.querySelector("iframe").contentDocument;
    const root = page.documentElement;
    for (const one of page.querySelectorAll("details")) one.open = true;
    const wider = [...page.querySelectorAll("body *")].filter((one) => {
        const box = one.getBoundingClientRect();
        return box.width > 0 && (box.right > root.clientWidth + 1 || one.scrollWidth > one.clientWidth + 1
            && getComputedStyle(one).display !== "inline");
    });
    const broken = [...page.querySelectorAll(".steps td:not(:last-child), .number")].filter(
        (one) => one.textContent.trim() && one.getClientRects().length && one.offsetHeight > 3
            && (() => { const range = page.createRange(); range.selectNodeContents(one);
                return new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size > 1; })());
    document.body.dataset.answer = JSON.stringify({
        text: page.body.innerText,
        title: page.title,
        sideways: root.scrollWidth - root.clientWidth,
        width: root.clientWidth,
        wider: wider.map((one) => one.outerHTML.slice(0, 200)),
        broken: broken.map((one) => one.outerHTML.slice(0, 200)),
        foreign: page.querySelectorAll("img, script").length,
        links: [...page.querySelectorAll("a")].map((one) => one.getAttribute("href")),
    });
"""


def see(visit: Browser, page: Path, width: int, theme: str) -> dict[str, Any]:
    """What a person sees of a page on a screen of that width, its folds open, and nothing beside it."""
    frame = page.with_name(f"frame-{width}.html")
    # a window is never as narrow as a phone
    frame.write_text(
        f'<meta charset="utf-8"><body style="margin: 0"><iframe width="{width}" height="3000" '
        f'frameborder="0" srcdoc="{escape(page.read_text(encoding="utf-8"))}"></iframe>'
        f'<script>addEventListener("load", () => {{ {LOOK} }});</script>',
        encoding="utf-8",
    )
    seen = visit(
        frame, width=width, height=3000, theme=theme, picture=f"job-report-{page.stem}-{width}-{theme}"
    )
    assert not seen.console
    assert not seen.requests
    answer = answer_of(seen.dom)
    assert answer["width"] == width
    assert answer["sideways"] == 0 and answer["wider"] == []
    assert answer["broken"] == [], "a word or a number that goes over two lines"
    assert answer["foreign"] == 0 and "hit" not in answer["title"]
    return {**answer, "words": " ".join(answer["text"].split())}


@needs_chromium
@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
def test_whoever_is_on_call_sees_what_failed_and_what_to_do(
    folder: Path, visit: Browser, width: int, theme: str
) -> None:
    seen = see(visit, folder / "latest" / "report.html", width, theme)
    words = seen["words"]
    nasty = " ".join(NASTY.split())
    assert words.startswith("The deploy failed, after 1 h 2 min (exit code 6): 1 error, 2 replaced.")
    assert "What to do: fix what is named here" in words
    assert words.index("What failed") < words.index(f"{LONG}: {nasty}") < words.index("Steps")
    # the failed test: how many rows, where it is written, and how to see them
    assert "Finds 3 rows. tests/roster.yml" in words
    scope = "set app.allowed_org_ids = '*'; set app.allowed_roar_org_ids = '*';"
    assert f"{scope} select * from analytics.students where name = '{nasty}'" in words
    assert words.count(nasty) >= 7
    # since last time
    assert "2026-03-01 12:00:00 UTC, Green (exit code 0), 1 h 2 min" in words
    assert "Tests that fail now: not_null_students_id." in words
    assert f"Views replaced: {LONG}." in words
    assert "Datasets that have no rows any more: students." in words
    assert f"Stored rows of {LONG}: 1,234,567 added, 89 removed." in words
    assert "new or corrected since 2026-03-01 12:00:00 UTC: caliper_attempt 12,345" in words
    assert "students 0 7 -7 0.5" in words and "attempts too slow 40 0.5" in words
    for name in ("checkpoint.html", "dbt.log", "dbt-of-the-killed.log"):
        assert f"../20260301T120000Z-1/{name}" in seen["links"]
    assert "../20260228T120000Z-1/report.html" in seen["links"]


@needs_chromium
@pytest.mark.parametrize(("width", "theme"), [(390, "light"), (1280, "dark")])
def test_a_green_page_is_short_and_says_so(folder: Path, visit: Browser, width: int, theme: str) -> None:
    words = see(visit, folder / "latest" / "green.html", width, theme)["words"]
    assert words.startswith("Green, after 1 h 2 min (exit code 0).")
    assert "What to do" not in words and "What failed" not in words and "Stored facts" not in words
    assert "Nothing that this job looked at." in words and "there are no rows to compare with" in words


def test_colours_have_contrast(folder: Path) -> None:
    page = (folder / "latest" / "report.html").read_text(encoding="utf-8")
    palettes = [
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block))
        for block in re.findall(r":root \{([^}]*)\}", page)
    ]
    assert len(palettes) == 2
    for colours in palettes:
        for ink in ("text", "soft", "failed", "warning", "ok", "link"):
            assert contrast(colours[ink], colours["page"]) >= 4.5, ink
        assert contrast(colours["text"], colours["raised"]) >= 4.5


def test_half_a_character_does_not_cost_the_report(tmp_path: Path) -> None:
    """A message out of a database, or a file's name, of another encoding."""
    write(tmp_path, Exit.DEPLOY, [Step("deploy", "failed", "caf\udce9")])
    data = json.loads((tmp_path / "latest" / "report.json").read_text(encoding="utf-8"))
    assert "caf" in data["sentence"]
    assert "caf\\udce9" in (tmp_path / "latest" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("seconds", "said"),
    {0.4: "0 s", 119.4: "119 s", 125: "2 min 5 s", 3599: "59 min 59 s", 3720: "1 h 2 min"}.items(),
)
def test_times_as_one_says_them(seconds: float, said: str) -> None:
    assert report.duration(seconds) == said
