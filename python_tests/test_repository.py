"""What the pages say of the repository is so: folders, the drawing, decisions, links, the version."""

import ast
import graphlib
import re
import subprocess
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import click
import pytest
import yaml

from timeback_analytics.catalog.names import SCOPE_SETTING
from timeback_analytics.cli import main

ROOT = Path(__file__).resolve().parents[1]
DECISIONS = ROOT / "docs" / "decisions"
PAGES = sorted(
    page
    for page in ROOT.rglob("*.md")
    if not {part for part in page.relative_to(ROOT).parts[:-1] if part.startswith(".")}
    and page.relative_to(ROOT).parts[0] not in ("target", "logs", "dbt_packages")
)


def _folders() -> list[str]:
    """The folders of the repository that git knows: the top ones, and those of macros."""
    try:
        listed = subprocess.run(
            ["git", "-c", "safe.directory=*", "ls-files"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is not a git checkout")
    files = [Path(line) for line in listed.stdout.splitlines()]
    top = {f"{file.parts[0]}/" for file in files if len(file.parts) > 1 and not file.parts[0].startswith(".")}
    macros = {
        f"macros/{file.parts[1]}/" for file in files if file.parts[0] == "macros" and len(file.parts) > 2
    }
    return sorted((top - {"macros/", "models/"}) | macros)


def test_the_map_in_the_readme_names_every_folder():
    page = (ROOT / "README.md").read_text()
    rows = page[page.index("## What is where") :].split("## ")[1]
    assert [folder for folder in _folders() if f"`{folder}" not in rows] == []


def _drawn(*classes: str) -> list[str]:
    picture = ElementTree.parse(ROOT / "docs" / "images" / "architecture.svg")
    return [text.text or "" for text in picture.findall(".//{*}text") if text.get("class") in classes]


def test_what_the_architecture_draws_is_there():
    paths, commands, settings = _drawn("path"), _drawn("command"), _drawn("setting")
    assert paths and all((ROOT / path).is_dir() for path in paths)
    assert commands and {command.split()[1] for command in commands} <= {
        *main.list_commands(click.Context(main)),
        "migrate",
    }
    assert [setting for setting in settings if SCOPE_SETTING in setting]
    models = [title for title in _drawn("title") if title.startswith("int_")]
    assert models and all(list((ROOT / "models").rglob(f"{model}.sql")) for model in models)


def test_every_decision_is_listed_under_its_title():
    pages = sorted(page for page in DECISIONS.glob("*.md") if page.name != "README.md")
    listed = re.findall(r"^(\d+)\. \[(.+)\]\((.+)\)$", (DECISIONS / "README.md").read_text(), re.MULTILINE)
    assert [(f"# {number}. {title}", name) for number, title, name in listed] == [
        (page.read_text().splitlines()[0], page.name) for page in pages
    ]


def test_the_version_is_one():
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    project = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["version"]
    changelog = re.findall(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert package == project == changelog[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_lead_somewhere(page: Path):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    gone = [
        link
        for link in links
        if link and "://" not in link and not link.startswith("mailto:") and not (page.parent / link).exists()
    ]
    assert gone == []


def test_no_module_imports_itself_by_way_of_another():
    """A circle of imports works or fails by which module comes first, and cannot be tested in parts."""
    source = ROOT / "src"
    modules = {
        ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__"): path
        for path in source.rglob("*.py")
    }
    imports: dict[str, set[str]] = {}
    for module, path in modules.items():
        names = []
        # only what runs when the module is loaded: an import within a function makes no circle
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Import):
                names += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: a relative import"
                names += [f"{node.module}.{alias.name}" for alias in node.names]
        imports[module] = {
            known
            for name in names
            if (known := name if name in modules else name.rpartition(".")[0]) in modules and known != module
        }
    assert sum(map(len, imports.values())) > len(modules)
    # raises CycleError, which names the circle
    graphlib.TopologicalSorter(imports).prepare()
