"""timeback quicksight render and check as commands: what they say, and settings that are wrong."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from quicksight_kit import GOLDEN, REVIEWED, SETTINGS, SETTINGS_YAML, description
from timeback_analytics.cli import main
from timeback_analytics.quicksight.check import check
from timeback_analytics.quicksight.render import render
from timeback_analytics.quicksight.settings import read_settings

__all__ = ["description"]


def run(*arguments):
    return CliRunner().invoke(main, ["quicksight", *map(str, arguments)])


@pytest.fixture(scope="session")
def manifest_file(semantic_manifest, manifest, tmp_path_factory):
    folder = tmp_path_factory.mktemp("manifest")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "semantic_manifest.json").write_text(json.dumps(semantic_manifest))
    return folder / "manifest.json"


def test_the_commands_render_and_check(manifest_file, tmp_path):
    settings = tmp_path / "quicksight.yml"
    settings.write_text(SETTINGS_YAML)
    where = ("--settings", settings, "--manifest", manifest_file)
    out = tmp_path / "out"
    rendered = run("render", "--out", out, *where)
    assert rendered.exit_code == 0, rendered.output
    assert "58 data-sets" in rendered.output and "3 dashboards" in rendered.output
    assert read_settings(settings) == SETTINGS
    for label in REVIEWED:
        assert (out / f"{label}.json").read_text() == (GOLDEN / f"{label}.json").read_text()
    checked = run("check", *where)
    assert checked.exit_code == 0, checked.output
    assert checked.output.endswith("no faults.\n")
    path = out / "data-sets" / "attempts.json"
    path.write_text(path.read_text().replace('"SPICE"', '"SPICY"'))
    found = run("check", "--from", out, "--settings", settings)
    assert found.exit_code == 1
    assert "data-sets/attempts: ImportMode: 'SPICY' is not one of SPICE, DIRECT_QUERY" in found.output


def test_a_missing_summary_is_a_fault(manifest, semantic_manifest, tmp_path):
    spoilt = json.loads(json.dumps(manifest))
    del spoilt["nodes"]["model.timeback_analytics.attempts"]["config"]["meta"]["summary"]
    (tmp_path / "manifest.json").write_text(json.dumps(spoilt))
    (tmp_path / "semantic_manifest.json").write_text(json.dumps(semantic_manifest))
    (tmp_path / "quicksight.yml").write_text(SETTINGS_YAML)
    found = run("check", "--settings", tmp_path / "quicksight.yml", "--manifest", tmp_path / "manifest.json")
    assert found.exit_code == 1
    assert "attempts: its description is longer than a topic takes" in found.output


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("password: hunter2", "password: credentials stay in Secrets Manager"),
        ("account: 123456789012", "account: is not the twelve digits"),
        ("region: Virginia", "region: is not a region"),
        ("import_mode: SPICY", "import_mode: is not one of SPICE, DIRECT_QUERY"),
        ("port: '5432'", "port: is not a port"),
        ("refresh_at: 4:30", "refresh_at: is not a time of day"),
        ("row_rules: maybe", "row_rules: is neither true nor false"),
        ("prefix: time_back", "prefix: is not up to 40 letters"),
        ("authors: [bob]", "authors: bob is not the ARN of a user or group"),
        ("secret_arn: hunter2", "secret_arn: is not an ARN of a secret"),
        ("organization: x", "organization: there is no such setting"),
        ("hots: x", "hots: there is no such setting"),
        ("preparation: newer", "preparation: is not one of legacy, new"),
    ],
)
def test_settings_that_are_wrong_are_named(manifest_file, tmp_path, line, told):
    name = line.partition(":")[0]
    kept = [one for one in SETTINGS_YAML.splitlines() if one.partition(":")[0] != name]
    path = tmp_path / "quicksight.yml"
    path.write_text("\n".join([*kept, line]))
    result = run("render", "--out", tmp_path / "out", "--settings", path, "--manifest", manifest_file)
    assert result.exit_code == 1
    assert told in result.output and "hunter2" not in result.output
    assert not (tmp_path / "out").exists()


def test_settings_that_are_missing_or_no_yaml_are_named(manifest_file, tmp_path):
    settings = tmp_path / "quicksight.yml"

    def told():
        result = run("check", "--settings", settings, "--manifest", manifest_file)
        assert result.exit_code == 1
        return result.output

    assert "quicksight.yml cannot be read" in told()
    settings.write_text("a: [")
    assert "are not YAML" in told()
    settings.write_text("host: x")
    assert "account: is missing" in told()


def test_the_example_settings_are_settings(description):
    example = Path(__file__).parents[1] / "deploy" / "quicksight" / "settings.yml"
    assert check(render(description, read_settings(example))) == []
