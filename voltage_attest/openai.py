"""The OpenAI clients that send nothing before proof: one changed line, and a program is gated.

::

    from voltage_attest.openai import AttestedOpenAI          # and AsyncAttestedOpenAI

    client = AttestedOpenAI(pod_id="pod_...", policy="voltage-attest.toml")   # key from the environment
    client.chat.completions.create(model="meta-llama/Llama-3.1-70B-Instruct-TEE", messages=[...])

They are ``openai.OpenAI`` and ``openai.AsyncOpenAI`` in all they do, of whichever version from 2.31 up to 3 is installed, and
refuse what would lead past the gate: :class:`GateRefused` says what, why, and what to do. It is an ``openai.OpenAIError``, so
the SDK neither retries nor renames it, and ``voltage_attest.errors.GateRefused`` as well.

The names below load the SDK when they are first used; that takes half a second.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from voltage_attest.attested_openai.clients import AsyncAttestedOpenAI, AttestedOpenAI
    from voltage_attest.attested_openai.errors import GateRefused, StreamTruncated

__all__ = ["AsyncAttestedOpenAI", "AttestedOpenAI", "GateRefused", "StreamTruncated"]

_EXPORTS: Final = {
    "clients": ("AsyncAttestedOpenAI", "AttestedOpenAI"),
    "errors": ("GateRefused", "StreamTruncated"),
}
_HOME: Final = {name: f"voltage_attest.attested_openai.{module}" for module, names in _EXPORTS.items() for name in names}
_OLDEST: Final = (2, 31)
_FIRST_UNKNOWN: Final = (4, 0)


def __getattr__(name: str) -> object:
    """Load an exported name on first use, and keep it; ImportError where the SDK is absent or of an unknown version."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _require_sdk()
    found: object = getattr(importlib.import_module(home), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """The exported names, loaded or not."""
    return sorted({*globals(), *__all__})


def _require_sdk() -> None:
    try:
        version = importlib.metadata.version("openai")
    except importlib.metadata.PackageNotFoundError:
        raise ImportError(
            "the gated clients need the package openai; install it with `pip install 'openai>=2.31,<4'`.", name="openai"
        ) from None
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None or not _OLDEST <= (int(found[1]), int(found[2])) < _FIRST_UNKNOWN:
        raise ImportError(
            f"openai {version} is installed; expected 2.31 or later, below 4: older ones would retry a refusal, newer ones may "
            "know ways around the gate. Install one with `pip install 'openai>=2.31,<4'`.",
            name="openai",
        )
