"""What the user may say of a load, beside what to load and where."""

from dataclasses import dataclass, fields

from timeback_analytics.errors import TimebackError

_LONGEST_SOURCE = 100


@dataclass(frozen=True)
class Options:
    """What the user says of a load. Every format is given all of it, and looks at what concerns it.

    Attributes:
        whole: whether what is loaded is all that there is; see Format.whole.
        source: name of the system that the records come from. It becomes part of every id that is derived
            from a source's own (see identifiers.scoped), so that two systems with the same ids stay apart.
            Empty: the ids are derived as they always were.
        skip_bad: whether records that cannot be loaded are left out, and the rest is loaded.
        skip_limit: with skip_bad, how many of the records may be left out, in percent.
        max_loss: how much of what is stored a load may end, remove or give to other people, in percent.
        encoding: the encoding of text files, where they are not in UTF-8 or UTF-16; None to find it out.
        version: the version of the standard, for what does not say it.
        collection: the Firestore collection that the documents are of, where an export does not say it.
        database: the Firestore database whose documents to load, as PROJECT or PROJECT/DATABASE.
    """

    whole: bool = False
    source: str = ""
    skip_bad: bool = False
    skip_limit: float = 1.0
    max_loss: float = 20.0
    encoding: str | None = None
    version: str | None = None
    collection: str | None = None
    database: str | None = None

    def __post_init__(self) -> None:
        for name in ("skip_limit", "max_loss"):
            if not 0 <= getattr(self, name) <= 100:
                raise TimebackError(f"{name} is a share in percent: from 0 to 100.")
        if self.source != self.source.strip() or len(self.source) > _LONGEST_SOURCE or "\0" in self.source:
            raise TimebackError(
                f"The name of a source has at most {_LONGEST_SOURCE} characters, and no space at its ends."
            )
        if self.encoding is not None:
            try:
                "".encode(self.encoding)
            except LookupError as error:
                raise TimebackError(f"There is no encoding {self.encoding}; one is cp1252.") from error

    def check(self, format_name: str, accepted: frozenset[str]) -> None:
        """Make sure that the format has a use for what was said.

        Args:
            format_name: the format.
            accepted: which of encoding, version, collection, database and source it looks at.

        Raises:
            TimebackError: something was said that the format does not look at.
        """
        for field in fields(self):
            is_particular = field.name in ("source", "encoding", "version", "collection", "database")
            if is_particular and getattr(self, field.name) and field.name not in accepted:
                raise TimebackError(f"The format {format_name} has no use for --{field.name}.")
