"""The support bundle: what ``doctor`` saw, as JSON to be sent to whoever helps, without what is nobody's business.

No key, no password of a proxy, no policy, no pod's id, no log. Paths lose the home folder and the user's name, addresses of
this machine and hosts other than the vendors' lose their names. Texts go through :func:`redacted` in every case.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from voltage_attest._version import __version__
from voltage_attest.cli.doctor_model import Observation
from voltage_attest.report.plain import printable

__all__ = ["SUPPORT_SCHEMA", "redacted", "support_bundle"]

SUPPORT_SCHEMA: Final = "voltage-attest/support/1"

_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^\s\"'<>,;]+", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"(?<![\w:.])[0-9a-f:.]{2,45}(?![\w:])", re.IGNORECASE)
_NAMED: Final = ("intel.com", "nvidia.com", "voltagegpu.com", "localhost")
_SECRET_NAMES: Final = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|AUTH", re.IGNORECASE)
_LEAST_SECRET: Final = 6


def redacted(text: str, *, environment: Mapping[str, str], home: Path, names: Iterable[str]) -> str:
    """The text without secrets of the environment, the home folder, the ``names`` (of user and machine), and hosts."""
    shown = printable(text)
    secrets = [value for name, value in environment.items() if _SECRET_NAMES.search(name) and len(value) >= _LEAST_SECRET]
    for secret in sorted(secrets, key=len, reverse=True):
        shown = shown.replace(secret, "[secret]")
    shown = _URL.sub(lambda found: _without_host(found[0]), shown)
    shown = shown.replace(str(home), "~") if str(home) != "/" else shown
    for name in sorted(filter(None, names), key=len, reverse=True):
        shown = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", "[name]", shown, flags=re.IGNORECASE)
    return _ADDRESS.sub(_without_address, shown)


def _without_address(found: re.Match[str]) -> str:
    """An address of a machine is left out; a time, a version or the end of a sentence is none."""
    text = found[0].rstrip(".")
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return found[0]
    return f"[address]{found[0][len(text) :]}"


def _without_host(url: str) -> str:
    """Scheme, host and path; the host only where it is a vendor's, never who signs in, never a query."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "[address]"
    known = any(host == name or host.endswith(f".{name}") for name in _NAMED)
    place = f"{host if known else '[host]'}{'' if port is None else f':{port}'}"
    return f"{parts.scheme}://{place}{parts.path if known else ''}"


def support_bundle(
    observations: Iterable[Observation], *, now: datetime, environment: Mapping[str, str], home: Path, names: Iterable[str]
) -> str:
    """The bundle as JSON."""
    names = tuple(names)

    def clean(text: str) -> str:
        return redacted(text, environment=environment, home=home, names=names)

    document = {
        "schema": SUPPORT_SCHEMA,
        "version": __version__,
        "made_at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "observations": [
            {"area": seen.area, "level": seen.level.value, "text": clean(seen.text), "remedy": clean(seen.remedy)}
            for seen in observations
        ],
    }
    return json.dumps(document, indent=2) + "\n"
