"""What a OneRoster bundle says of itself, compared with what it holds."""

from pathlib import Path

from timeback_analytics.load.csv_file import CsvFile, Field
from timeback_analytics.load.formats._oneroster_layout import ENTITIES, required
from timeback_analytics.load.options import Options
from timeback_analytics.load.problems import LoadError, Problem, Problems
from timeback_analytics.load.progress import Progress
from timeback_analytics.load.recognize import what_are
from timeback_analytics.load.source import Files
from timeback_analytics.load.values import as_word

MANIFEST = "manifest.csv"
VERSIONS = tuple(ENTITIES)
KNOWN_FILES = tuple(dict.fromkeys(entity.file_name for entities in ENTITIES.values() for entity in entities))
_MODES = ("absent", "bulk", "delta")
_LISTED = 12
Properties = dict[str, tuple[str, int]]


class Manifest:
    """What the bundle says of itself.

    Attributes:
        version: 1.1 or 1.2.
        entities: what the version has, in the order in which to read it.
        source: the name of the system that wrote it; may be empty.
        modes: absent, bulk or delta, by file to read.
        broken: the files of which manifest and bundle say different things; their modes are absent.
        notes: see Reading.notes.
    """

    def __init__(
        self, path: Path, files: Files, problems: Problems, progress: Progress, options: Options
    ) -> None:
        self.files = files
        self.notes: list[str] = []
        self.broken: set[str] = set()
        if options.version and options.version not in VERSIONS:
            reason = f"version {options.version} of OneRoster cannot be loaded."
            raise LoadError(str(path), [Problem(path.name, reason, f"It must be {' or '.join(VERSIONS)}.")])
        if MANIFEST not in files.names:
            self._do_without(path, options.version)
            return
        properties = self._properties(path, files, problems, progress, options)
        if options.version:
            properties["oneroster.version"] = options.version, 0
            properties.setdefault("manifest.version", ("1.0", 0))
        self._check_versions(path, properties)
        self.version = properties["oneroster.version"][0]
        self.entities = ENTITIES[self.version]
        self.source = properties.get("source.systemName", ("", 0))[0]
        self.modes = self._compare(properties, problems)

    def _do_without(self, path: Path, version: str | None) -> None:
        """Take every file that is there as bulk, where the user says the version."""
        found = sorted(self.files.found)
        present = [name for name in KNOWN_FILES if name in self.files.names]
        if not version or not present:
            listed = ", ".join(found[:_LISTED]) + (", ..." if len(found) > _LISTED else "")
            known = what_are(found)
            reason = f"it is missing; there is {listed or 'no file'} here."
            remedy = (
                "A OneRoster bundle of version 1.1 or 1.2 has one; version 1.0 has none and cannot be "
                "loaded. If the files are of 1.1 or 1.2, say which with --version."
            )
            if known and not {"orgs.csv", "users.csv"} <= self.files.names:
                reason, remedy = f"it is missing: this seems to be {known.what}.", known.remedy
            raise LoadError(str(path), [Problem(MANIFEST, reason, remedy)])
        self.version = version
        self.entities = ENTITIES[version]
        self.source = ""
        self.modes = {
            entity.file: "bulk" if entity.file_name in self.files.names else "absent"
            for entity in self.entities
        }
        self.notes.append(f"There is no {MANIFEST}: each file was taken as bulk, and as version {version}.")

    @staticmethod
    def _properties(
        path: Path, files: Files, problems: Problems, progress: Progress, options: Options
    ) -> Properties:
        fields = (required("propertyName", as_word), Field("value", as_word, header=True))
        manifest = CsvFile(
            files, MANIFEST, fields, problems, progress, encoding=options.encoding, is_counted=False
        )
        properties: Properties = {}
        for record in manifest:
            name, value = record.values["propertyName"], record.values["value"] or ""
            if name in properties and properties[name][0] != value:
                reason = f"line {properties[name][1]} gives this property another value."
                problems.add(MANIFEST, reason, line=record.line, column="propertyName", value=name)
            elif name:
                properties[name] = value, record.line
        problems.settle_all(str(path))
        return properties

    @staticmethod
    def _check_versions(path: Path, properties: Properties) -> None:
        for name, known in (("manifest.version", ("1.0",)), ("oneroster.version", VERSIONS)):
            value, line = properties.get(name, (None, None))
            if value is None:
                problem = Problem(MANIFEST, f"the property {name} is missing.")
            elif value not in known:
                problem = Problem(
                    MANIFEST,
                    f"this {name} cannot be loaded.",
                    f"It must be {' or '.join(known)}.",
                    line,
                    "value",
                    value,
                )
            else:
                continue
            raise LoadError(str(path), [problem])

    def _compare(self, properties: Properties, problems: Problems) -> dict[str, str]:
        """The modes of the files to read, where the manifest and the bundle agree."""
        read = {entity.file for entity in self.entities}
        foreign = {entity.file for entities in ENTITIES.values() for entity in entities} - read
        said = {
            name.removeprefix("file."): value
            for name, value in properties.items()
            if name.startswith("file.")
        }
        modes = dict.fromkeys(read, "absent")
        for file in dict.fromkeys([*said, *sorted(read | foreign)]):
            written, line = said.get(file, (None, None))
            # exports leave the mode of a file that they do not have blank
            mode = written.strip().lower() or None if written else None
            is_there = f"{file}.csv" in self.files.names
            is_claimed = mode in ("bulk", "delta")
            if mode is not None and mode not in _MODES:
                fault = f"file.{file} must be one of {', '.join(_MODES)}.", ""
            elif file in foreign and is_there:
                fault = (
                    f"version {self.version} has no {file}.csv, and the bundle has one.",
                    "Correct oneroster.version, or take the file away.",
                )
            elif file in read and is_claimed and not is_there:
                fault = (
                    f"the bundle has no {file}.csv.",
                    f"Add the file, or say absent of file.{file}. There is: {self._listed()}.",
                )
            elif file in read and is_there and not is_claimed:
                fault = (
                    f"{file}.csv is in the bundle, and file.{file} is {mode or 'not listed'}.",
                    f"Say bulk or delta of file.{file}, or take the file away.",
                )
            else:
                if file in read:
                    modes[file] = mode or "absent"
                elif is_claimed and not is_there:
                    self.notes.append(
                        f"{MANIFEST} says {mode} of {file}.csv, which is missing; it is not needed."
                    )
                continue
            self.broken.add(file)
            problems.add(MANIFEST, *fault, line=line, column="value" if written else None, value=written)
        lacks_roles = modes.get("roles") == "absent" and "roles" not in self.broken
        if modes["users"] == "bulk" and lacks_roles:
            problems.add(
                MANIFEST,
                "users.csv is bulk and there is no roles.csv, so nobody has a role.",
                "Add roles.csv to the export.",
            )
        return modes

    def _listed(self) -> str:
        found = sorted(self.files.found)
        return ", ".join(found[:_LISTED]) + (", ..." if len(found) > _LISTED else "")
