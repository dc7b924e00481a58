"""What a reference integrity manifest says, read strictly from its signed element: product, version, golden measurements.

::

    Meta      product="GH100" edition="GPU" colloquialVersion="550.90.07" FirmwareManufacturerId="5703"
    Payload
      Resource type="Measurement" index="7" active="True" alternatives="2" size="48" name="..." ns2:Hash0 ns2:Hash1
      Resource type="Measurement" index="4133" active="True" name="FSP_UCODE_MIN_SVN" ns3:minSvn="5" ...

Indexes 0 to 63 are SPDM measurements, compared by SHA-384 digest. From 4096 on they name opaque fields (index = 4096 + type),
compared as numbers. Inactive records take no part. An active record with an attribute not known here is refused: what NVIDIA
adds to a record changes its meaning.

Sources: NVIDIA, "Reference Integrity Measurements Guide" and "Opaque Data RIM Attributes" (docs.nvidia.com/attestation);
attestation-sdk 2.0.0, ``rim.cpp``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from voltage_attest.errors import CollateralFormatError

if TYPE_CHECKING:
    from lxml import etree

__all__ = ["GoldenMeasurement", "MinimumSvn", "RimContent", "parse_rim_content"]

_SWID: Final = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd"
_RIM: Final = "https://trustedcomputinggroup.org/resource/tcg-reference-integrity-manifest-rim-information-model/"
_HASH: Final = "{http://www.w3.org/2001/04/xmlenc#sha384}Hash"
_OPAQUE: Final = "{https://docs.nvidia.com/attestation/specs/latest/opaque-data.html}"
_NVIDIA: Final = "5703"
"""NVIDIA's IANA private enterprise number."""
_INDEXES: Final = 64
_OPAQUE_BASE: Final = 0x1000
_OPAQUE_TYPES: Final = 0x10000
_MAX_ALTERNATIVES: Final = 16
"""Real manifests have up to 4."""
_DIGEST_SIZE: Final = 48
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,8}")
_DIGEST: Final = re.compile(r"[0-9a-fA-F]{96}")
_NAME: Final = re.compile(r"[ -~]{1,128}")
_COMMON: Final = frozenset({"type", "index", "active", "alternatives", "size", "name"})
_OPAQUE_ATTRIBUTES: Final = _COMMON | {f"{_OPAQUE}minSvn", f"{_OPAQUE}includeInResult"}


@dataclass(frozen=True, slots=True)
class GoldenMeasurement:
    """An active measurement: RIM index (SPDM index - 1), size in bytes, and the values of which one must be measured."""

    index: int
    name: str
    size: int
    alternatives: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class MinimumSvn:
    """An active floor: the opaque field of that type must hold a security version number of at least ``minimum``."""

    opaque_type: int
    name: str
    minimum: int


@dataclass(frozen=True, slots=True)
class RimContent:
    """What is signed. ``edition`` is GPU or SWITCH; ``version`` that of the driver or firmware, as the report writes it."""

    product: str
    edition: str
    version: str
    tag_id: str
    measurements: tuple[GoldenMeasurement, ...]
    minimum_svns: tuple[MinimumSvn, ...]


def parse_rim_content(signed: etree._Element) -> RimContent:
    """Read the element that the signature covers; :class:`CollateralFormatError` on anything that is not understood."""
    _, meta, payload = signed
    manufacturer = meta.get(f"{{{_RIM}}}FirmwareManufacturerId")
    if manufacturer != _NVIDIA:
        raise _malformed(f"the manufacturer {manufacturer!r}", f"{_NVIDIA} (NVIDIA)")
    measurements: dict[int, GoldenMeasurement] = {}
    floors: dict[int, MinimumSvn] = {}
    indexes: set[int] = set()
    for resource in payload:
        index = _index(resource)
        if index in indexes:
            raise _malformed(f"index {index} twice", "each index once")
        indexes.add(index)
        if not _is_active(resource, index):
            continue
        if index < _INDEXES:
            measurements[index] = _measurement(resource, index)
        else:
            floors[index] = _floor(resource, index)
    if not measurements:
        raise _malformed("no active measurement", "at least one")
    names = [floor.name for floor in floors.values()]
    if len(set(names)) != len(names):
        raise _malformed("two opaque records of one name", "each name once")
    return RimContent(
        _text(meta, "product", "Meta"),
        _text(meta, "edition", "Meta"),
        _text(meta, "colloquialVersion", "Meta"),
        _text(signed, "tagId", "SoftwareIdentity"),
        tuple([measurements[index] for index in sorted(measurements)]),
        tuple([floors[index] for index in sorted(floors)]),
    )


def _index(resource: etree._Element) -> int:
    """The index of a Resource, in one of the two ranges that mean something."""
    if resource.tag != f"{{{_SWID}}}Resource" or len(resource) or resource.get("type") != "Measurement":
        raise _malformed(f"a payload of {str(resource.tag)[:120]}, type {resource.get('type')!r}", "Measurement resources")
    index = _number(resource, "index", "a Resource", _OPAQUE_BASE + _OPAQUE_TYPES - 1)
    if _INDEXES <= index < _OPAQUE_BASE:
        raise _malformed(f"index {index}", f"0 to {_INDEXES - 1}, or from {_OPAQUE_BASE}")
    return index


def _is_active(resource: etree._Element, index: int) -> bool:
    active = resource.get("active")
    if active not in {"True", "False"}:
        raise _malformed(f"index {index} is active={active!r}", "True or False")
    return active == "True"


def _measurement(resource: etree._Element, index: int) -> GoldenMeasurement:
    what = f"index {index}"
    count = _number(resource, "alternatives", what, _MAX_ALTERNATIVES)
    hashes = [f"{_HASH}{number}" for number in range(count)]
    _refuse_unknown(resource, _COMMON.union(hashes), what)
    values = [_text(resource, name, what) for name in hashes]
    if not values or not all(_DIGEST.fullmatch(value) for value in values):
        raise _malformed(f"{what} with the values {values}"[:200], f"1 to {_MAX_ALTERNATIVES} SHA-384 digests in hex")
    size = _number(resource, "size", what, 0xFFFF)
    if size != _DIGEST_SIZE:
        raise _malformed(f"{what} of size {size}", f"{_DIGEST_SIZE}, the size of its values")
    return GoldenMeasurement(index, _text(resource, "name", what), size, tuple([bytes.fromhex(value) for value in values]))


def _floor(resource: etree._Element, index: int) -> MinimumSvn:
    what = f"index {index}"
    _refuse_unknown(resource, _OPAQUE_ATTRIBUTES, what)
    minimum = _number(resource, f"{_OPAQUE}minSvn", what, 10**9)
    return MinimumSvn(index - _OPAQUE_BASE, _text(resource, "name", what), minimum)


def _refuse_unknown(resource: etree._Element, known: frozenset[str], what: str) -> None:
    unknown = sorted(set(map(str, resource.attrib)) - known)
    if unknown:
        raise _malformed(f"{what} with the attribute {unknown[0][:120]}", "attributes whose meaning is known")


def _text(element: etree._Element, name: str, what: str) -> str:
    value = element.get(name)
    if value is None or not _NAME.fullmatch(value):
        raise _malformed(f"{what} with {_local(name)} {str(value)[:60]!r}", "1 to 128 printable characters")
    return value


def _number(element: etree._Element, name: str, what: str, limit: int) -> int:
    value = element.get(name)
    if value is None or not _DECIMAL.fullmatch(value) or int(value) > limit:
        raise _malformed(f"{what} with {_local(name)} {str(value)[:60]!r}", f"a number from 0 to {limit}")
    return int(value)


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _malformed(found: str, expected: str) -> CollateralFormatError:
    return CollateralFormatError(
        f"RIM: {found}",
        expected=expected,
        document="RIM",
        remedy="Fetch the manifest again; if it stays so, a newer voltage-attest may know this form.",
    )
