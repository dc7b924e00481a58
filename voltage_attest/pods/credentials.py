"""The API key: where it comes from, and that it goes nowhere but into its request.

Looked for in this order: the file that the caller names, then VOLTAGEGPU_API_KEY, then VOLT_API_KEY in the environment that the
caller hands in. Never on a command line, where every user of the machine could read it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NoReturn

__all__ = ["ENVIRONMENT_NAMES", "ApiKey", "find_api_key", "read_api_key_file"]

ENVIRONMENT_NAMES: Final = ("VOLTAGEGPU_API_KEY", "VOLT_API_KEY")

_MAX_SIZE: Final = 4096
_KEY: Final = re.compile(r"[!-~]+")
_OTHERS_MAY_READ: Final = 0o077


class ApiKey:
    """A key that shows itself only when asked: not in ``repr``, ``str``, comparison or pickle.

    ``source`` says where it came from ("VOLTAGEGPU_API_KEY", "the file key.txt"); ``warnings`` what was odd there. ValueError,
    without the value, on what is not one line of visible ASCII text.
    """

    __slots__ = ("_value", "source", "warnings")

    def __init__(self, value: str, *, source: str = "the caller", warnings: tuple[str, ...] = ()) -> None:
        self.source = source
        self.warnings = warnings
        if not value:
            raise ValueError(f"the API key from {source} is empty; expected one line of text. Write the key there, alone.")
        if len(value) > _MAX_SIZE or not _KEY.fullmatch(value):
            raise ValueError(
                f"the API key from {source} holds blanks, line breaks or other characters that no key has; expected one line "
                f"of at most {_MAX_SIZE} visible ASCII characters. Write the key there, alone."
            )
        self._value = value

    def reveal(self) -> str:
        """The key itself, for the header of its request."""
        return self._value

    def authorization(self) -> tuple[str, str]:
        """The header that carries it (RFC 6750, section 2.1)."""
        return ("Authorization", f"Bearer {self._value}")

    def __repr__(self) -> str:
        return f"ApiKey(hidden, from {self.source})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an API key is not pickled or copied: hand on the object")


def find_api_key(file: Path | None, environment: Mapping[str, str]) -> ApiKey | None:
    """The key from the file if one is named, else from the environment; None where neither holds one.

    ValueError where a key is there but cannot be used; OSError where the file cannot be read.
    """
    if file is not None:
        return read_api_key_file(file)
    for name in ENVIRONMENT_NAMES:
        value = environment.get(name, "").strip()
        if value:
            return ApiKey(value, source=name)
    return None


def read_api_key_file(file: Path) -> ApiKey:
    """Read a file that holds the key alone; a line break at its end is dropped.

    ``warnings`` of the key say so if other users of the machine may read the file.
    """
    source = f"the file {file.name}"
    with file.open("rb") as opened:
        mode = os.fstat(opened.fileno()).st_mode
        data = opened.read(_MAX_SIZE + 3)
    try:
        value = data.decode("ascii").strip()
    except UnicodeDecodeError:
        raise ValueError(
            f"{source} holds more than ASCII text; expected an API key. Write the key there, alone, as plain text."
        ) from None
    exposed = os.name == "posix" and mode & _OTHERS_MAY_READ
    warning = f"{source} may be read by other users of this machine (mode {mode & 0o777:04o}): chmod 600 it"
    return ApiKey(value, source=source, warnings=(warning,) if exposed else ())
