"""Reference integrity manifests (RIM) of NVIDIA, as received: their ids, the service's answer, and files.

``GET https://rim.attestation.nvidia.com/v1/rim/{id}`` answers JSON::

    {"id": "NV_GPU_DRIVER_GH100_550.90.07", "rim": base64 of the manifest, "sha256": hex of its bytes, "rim_format": "TCG",
     "last_updated": ..., "request_id": ...}

Nothing of that envelope is signed; it only serves to notice a wrong or damaged answer early. The manifest is an XML document
with a signature of its own, and its bytes are kept as they are.

Sources: NVIDIA attestation-sdk 2.0.0, ``rim.cpp`` and ``gpu/evidence.cpp`` (ids); nvtrust ``cc_admin_utils.py``; the IETF RATS
wiki's record of an answer, where ``sha256`` covers the decoded bytes.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from voltage_attest.collateral.strict_json import JsonObject, parse_strict_json, take_hex, take_text
from voltage_attest.errors import CollateralFormatError, EvidenceFormatError
from voltage_attest.evidence.encoding import strict_base64
from voltage_attest.limits import MAX_RIM_SIZE

__all__ = [
    "MAX_RIM_SIZE",
    "RimDocument",
    "driver_rim_id",
    "parse_rim_answer",
    "parse_rim_file",
    "switch_rim_id",
    "vbios_rim_id",
]

MAX_ANSWER_SIZE: Final = 4 * MAX_RIM_SIZE // 3 + 4096
"""Bytes of the service's JSON."""

_PART: Final = re.compile(r"[A-Z0-9][A-Z0-9.-]{0,31}")
_ID: Final = re.compile(r"NV_[A-Z0-9][A-Z0-9._-]{0,126}")
_DIGEST_SIZE: Final = 32
_LS10_BOARD: Final = ("5612", "0002", "890")
"""Project, project SKU and chip SKU of LS10 switches, whose reports name none (attestation-sdk, ``switch/evidence.cpp``)."""


@dataclass(frozen=True, slots=True)
class RimDocument:
    """One manifest as received. ``rim_id`` is the id that was asked for, None for a file that does not say."""

    data: bytes
    rim_id: str | None = None

    @property
    def sha256(self) -> str:
        """SHA-256 of the manifest's bytes, hex."""
        return hashlib.sha256(self.data).hexdigest()


def driver_rim_id(chip: str, driver_version: str) -> str:
    """The id of a driver's manifest, from what the report says: Hopper's ids (GH100) differ from those of later chips.

    :class:`EvidenceFormatError` where a part holds what no id has, so that a report cannot choose another address.
    """
    prefix = "NV_GPU_DRIVER" if chip == "GH100" else "NV_GPU_CC_DRIVER"
    return "_".join((prefix, _part(chip, "the chip's name"), _part(driver_version, "the driver version")))


def vbios_rim_id(project: str, project_sku: str, chip_sku: str, vbios_version: str) -> str:
    """The id of a VBIOS's manifest; ``vbios_version`` as shown, ``96.00.9F.00.01``. Errors as :func:`driver_rim_id`."""
    board = (_part(project, "the project"), _part(project_sku, "the project SKU"), _part(chip_sku, "the chip SKU"))
    return "_".join(("NV_GPU_VBIOS", *board, _compact(vbios_version, "the VBIOS version")))


def switch_rim_id(bios_version: str) -> str:
    """The id of an LS10 switch BIOS's manifest; ``bios_version`` as shown. Errors as :func:`driver_rim_id`."""
    return "_".join(("NV_SWITCH_BIOS", *_LS10_BOARD, _compact(bios_version, "the switch BIOS version")))


def parse_rim_answer(answer: bytes, rim_id: str | None) -> RimDocument:
    """Take the manifest out of the service's JSON; :class:`CollateralFormatError` unless it is whole and has the id asked for.

    ``rim_id`` is None for an answer saved to a file: then the id it names is taken as it is.
    """
    if len(answer) > MAX_ANSWER_SIZE:
        raise _malformed(f"{len(answer)} bytes", f"at most {MAX_ANSWER_SIZE}")
    found = parse_strict_json(answer, "RIM")
    named = take_text(found, "id", "RIM")
    if not _ID.fullmatch(named) or named != (rim_id or named):
        raise _malformed(f"the id {named[:80]!r}", rim_id or "a RIM id")
    if "rim_format" in found and found["rim_format"] != "TCG":
        raise _malformed(f"the format {str(found['rim_format'])[:40]!r}", "TCG (a signed SWID tag)")
    return RimDocument(_manifest(found), named)


def parse_rim_file(data: bytes) -> RimDocument:
    """Read a manifest from a file: the XML document itself, or the service's JSON answer; :class:`CollateralFormatError`."""
    if not data.strip():
        raise _malformed("an empty file", "a manifest")
    if data.lstrip()[:1] == b"{":
        return parse_rim_answer(data, None)
    if len(data) > MAX_RIM_SIZE:
        raise _malformed(f"{len(data)} bytes", f"at most {MAX_RIM_SIZE}")
    if data[:1] != b"<":
        raise _malformed("neither XML nor JSON", "a SWID tag in XML, or the service's JSON answer")
    return RimDocument(data)


def _manifest(found: JsonObject) -> bytes:
    """The decoded manifest, compared with the digest beside it if there is one."""
    text = take_text(found, "rim", "RIM")
    try:
        data = strict_base64(text.encode("ascii"), "rim")
    except (EvidenceFormatError, UnicodeEncodeError):
        raise _malformed("a manifest that is not base64", "canonical base64") from None
    if not 0 < len(data) <= MAX_RIM_SIZE:
        raise _malformed(f"a manifest of {len(data)} bytes", f"1 to {MAX_RIM_SIZE}")
    if "sha256" in found:
        digest = take_hex(found, "sha256", "RIM", _DIGEST_SIZE)
        if hashlib.sha256(data).digest() != digest:
            raise _malformed("a manifest that does not have the digest beside it", f"SHA-256 {digest.hex()}")
    return data


def _compact(version: str, what: str) -> str:
    """A firmware version as ids write it: without dots, upper case."""
    return _part(version.replace(".", "").upper(), what)


def _part(text: str, what: str) -> str:
    if not _PART.fullmatch(text):
        raise EvidenceFormatError(f"{what} is {text[:40]!r}", expected="upper-case letters, digits, dots and hyphens")
    return text


def _malformed(found: str, expected: str) -> CollateralFormatError:
    return CollateralFormatError(
        f"RIM: {found}",
        expected=expected,
        document="RIM",
        remedy="Fetch the manifest again from NVIDIA's RIM service and keep its bytes unchanged.",
    )
