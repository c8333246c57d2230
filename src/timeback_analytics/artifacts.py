"""Files that dbt or a command of ours has left for another one."""

import json
from pathlib import Path
from typing import Any

from timeback_analytics.errors import TimebackError


def read_json(path: Path, made_by: str) -> Any:
    """What a JSON file holds.

    Args:
        path: the file.
        made_by: the command that writes it, as one types it.

    Raises:
        TimebackError: it cannot be read, or is not JSON; the command is named.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TimebackError(f"There is no {path}. `{made_by}` makes it.") from None
    except OSError as error:
        raise TimebackError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise TimebackError(f"{path} is not JSON ({error}). `{made_by}` makes it again.") from None
