"""profiles.yml: how dbt reaches the embedded server of this checkout."""

import re
from pathlib import Path

_HOST = re.compile(r"(env_var\(\s*'TIMEBACK_EMBEDDED_HOST'\s*,\s*')([^']*)('\s*\))")


def write_profile(root: Path, socket_dir: Path) -> str:
    """Make the project's profiles.yml from its example, or bring its socket folder up to date.

    Of a profiles.yml that exists, the socket folder of the embedded target alone is changed, since it
    follows from where the checkout lies; whatever else a user wrote in it stays.

    Args:
        root: the project's folder.
        socket_dir: the socket folder of its embedded server.

    Returns:
        What was done, in a few words for the user.
    """
    path = root / "profiles.yml"
    is_new = not path.exists()
    text = (root / f"{path.name}.example" if is_new else path).read_text(encoding="utf-8")
    with_folder = _HOST.sub(lambda found: found[1] + str(socket_dir) + found[3], text)
    if not is_new and with_folder == text:
        return f"{path} is left as it is."
    path.write_text(with_folder, encoding="utf-8")
    return f"{path} is made." if is_new else f"{path}: socket folder of target embedded is now {socket_dir}."
