"""Where this checkout of the project is."""

import os
from pathlib import Path

from timeback_analytics.errors import TimebackError


def project_root() -> Path:
    """The folder of dbt_project.yml, with links resolved.

    It is what TIMEBACK_PROJECT_DIR says, else the checkout that this package lies in, else the working
    folder or the nearest folder above it.

    Raises:
        TimebackError: none of these holds a dbt_project.yml.
    """
    named = os.environ.get("TIMEBACK_PROJECT_DIR")
    if named:
        candidates = [Path(named)]
    else:
        candidates = [Path(__file__).resolve().parents[2], Path.cwd(), *Path.cwd().parents]
    for candidate in candidates:
        if (candidate / "dbt_project.yml").is_file():
            return candidate.resolve()
    raise TimebackError(
        f"There is no dbt_project.yml in {named or candidates[1]}. Run this from the project's folder, "
        "or set TIMEBACK_PROJECT_DIR to it."
    )


def state_dir(root: Path | None = None) -> Path:
    """.timeback in the project: the embedded server's data and all else that git does not keep.

    Made when missing. root is another checkout's folder than project_root().
    """
    path = (root or project_root()).resolve() / ".timeback"
    path.mkdir(exist_ok=True)
    return path
