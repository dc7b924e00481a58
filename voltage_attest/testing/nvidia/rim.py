"""Reference integrity manifests (RIM): SWID tags in XML, signed as NVIDIA signs them, and reproducible.

An enveloped signature over the whole document: ECDSA P-384 with SHA-384, C14N 1.1, and the signer's chain in ``KeyInfo``. It is
put together here, because the signing library draws a random nonce for each ECDSA signature; the verifying one is not involved.
Without ``xml:`` attributes, C14N 1.1 and the 1.0 that lxml writes are the same bytes.

``lxml`` loads with the first manifest.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha384
from typing import Final

from voltage_attest.testing.nvidia.certificates import NvidiaSigner
from voltage_attest.testing.nvidia.fields import NvGpuFields, NvSwitchFields
from voltage_attest.testing.nvidia.measurements import GPU_BLOCKS

__all__ = ["RimFields", "RimKind", "rim_fields_of", "rim_id_of", "sign_rim", "sign_xml"]

_SWID: Final = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd"
_RIM: Final = "https://trustedcomputinggroup.org/resource/tcg-reference-integrity-manifest-rim-information-model/"
_HASH: Final = "http://www.w3.org/2001/04/xmlenc#sha384"
_OPAQUE: Final = "https://docs.nvidia.com/attestation/specs/latest/opaque-data.html"
_DSIG: Final = "http://www.w3.org/2000/09/xmldsig#"
_DSIG_MORE: Final = "http://www.w3.org/2001/04/xmldsig-more#"
_C14N_11: Final = "http://www.w3.org/2006/12/xml-c14n11"
_OPAQUE_BASE: Final = 0x1000
_SVN_FLOOR: Final = {37: ("FSP_UCODE_MIN_SVN", 1)}
"""What VBIOS manifests demand of GPUs that write NVDAOD: opaque type to name and least security version number."""


class RimKind(StrEnum):
    """What a manifest is for."""

    DRIVER = "driver"
    VBIOS = "vbios"
    SWITCH_BIOS = "switch-bios"


@dataclass(frozen=True, slots=True, kw_only=True)
class RimFields:
    """What a manifest says. ``golden``: values (48 bytes) by active index; ``floors``: name and minSvn by opaque type."""

    product: str
    version: str
    golden: Mapping[int, tuple[bytes, ...]] = field(hash=False)
    edition: str = "GPU"
    floors: Mapping[int, tuple[str, int]] = field(default_factory=dict, hash=False)
    manufacturer_id: int = 5703
    tag_id: str | None = None


def rim_fields_of(kind: RimKind, device: NvGpuFields | NvSwitchFields) -> RimFields:
    """Return what the current manifest of that kind says for that device; ValueError if it has none of that kind."""
    product = device.chip.product
    match kind, device:
        case RimKind.DRIVER, NvGpuFields():
            return RimFields(product=product, version=device.driver, golden=device.driver_golden)
        case RimKind.VBIOS, NvGpuFields():
            floors = _SVN_FLOOR if device.versioned else {}
            return RimFields(product=product, version=device.vbios, golden=device.vbios_golden, floors=floors)
        case RimKind.SWITCH_BIOS, NvSwitchFields():
            return RimFields(product=product, version=device.vbios, golden=device.bios_golden, edition="SWITCH")
    raise ValueError(f"a {device.chip} has no {kind} manifest")


def rim_id_of(kind: RimKind, device: NvGpuFields | NvSwitchFields) -> str:
    """Return the id under which NVIDIA's service has that manifest."""
    if isinstance(device, NvSwitchFields):
        return f"NV_SWITCH_BIOS_5612_0002_890_{device.vbios.replace('.', '')}"
    if kind is RimKind.DRIVER:
        prefix = "NV_GPU_DRIVER" if device.chip.product == "GH100" else "NV_GPU_CC_DRIVER"
        return f"{prefix}_{device.chip.product}_{device.driver}"
    return f"NV_GPU_VBIOS_{device.board}_{device.vbios.replace('.', '').upper()}"


def sign_rim(fields: RimFields, signer: NvidiaSigner) -> bytes:
    """Write the manifest and let ``signer`` sign it; some 20 KB of XML."""
    return sign_xml(_write(fields), signer)


def sign_xml(document: str, signer: NvidiaSigner) -> bytes:
    """Sign any document as NVIDIA signs manifests: for what no manifest says."""
    from lxml import etree

    root = etree.fromstring(document.encode())
    digest = sha384(etree.tostring(root, method="c14n")).digest()
    root.append(etree.fromstring(_signature(digest, signer)))
    signed_info, value = root[-1][0], root[-1][1]
    # Canonicalised in its place: namespaces of the elements around it count.
    value.text = _base64(signer.sign(etree.tostring(signed_info, method="c14n")))
    return bytes(etree.tostring(root))


def _write(fields: RimFields) -> str:
    resources = [_measurement(index, fields.golden.get(index)) for index in range(GPU_BLOCKS)]
    resources += [_floor(kind, name, least) for kind, (name, least) in fields.floors.items()]
    tag_id = fields.tag_id or sha384("".join((fields.product, fields.version, *resources)).encode()).hexdigest()
    nvidia = "NVIDIA Corporation"
    root = (
        f'<SoftwareIdentity xmlns="{_SWID}" xmlns:ns0="{_SWID}" xmlns:ns2="{_HASH}" xmlns:ns3="{_OPAQUE}" corpus="false"'
        f' name="{fields.product}" patch="false" supplemental="false" tagId="{tag_id}" version="1.0" tagVersion="0">'
    )
    meta = (
        f'<ns0:Meta xmlns:ns1="{_RIM}" colloquialVersion="{fields.version}" edition="{fields.edition}"'
        f' product="{fields.product}" revision="r1" PayloadType="direct" ns1:BindingSpec="RIMIM" ns1:BindingSpecVersion="1.01"'
        f' ns1:PlatformManufacturerId="{fields.manufacturer_id}" ns1:PlatformManufacturerStr="{nvidia}"'
        f' ns1:PlatformModel="{fields.product}" ns1:FirmwareManufacturer="{nvidia}"'
        f' ns1:FirmwareManufacturerId="{fields.manufacturer_id}"/>'
    )
    entity = f'<ns0:Entity name="{nvidia}" role="softwareCreator tagCreator"/>'
    return "\n".join((root, entity, meta, "<ns0:Payload>", *resources, "</ns0:Payload>", "</SoftwareIdentity>"))


def _measurement(index: int, values: tuple[bytes, ...] | None) -> str:
    shown = values or (bytes(48),)
    hashed = " ".join([f'ns2:Hash{number}="{value.hex()}"' for number, value in enumerate(shown)])
    return (
        f'<ns0:Resource type="Measurement" index="{index}" active="{values is not None}" alternatives="{len(shown)}"'
        f' {hashed} name="Measurement_{index}" size="{len(shown[0])}"/>'
    )


def _floor(kind: int, name: str, least: int) -> str:
    return (
        f'<ns0:Resource type="Measurement" index="{_OPAQUE_BASE + kind}" active="True" alternatives="1" size="2" name="{name}"'
        f' ns3:minSvn="{least}" ns3:includeInResult="True"/>'
    )


def _signature(digest: bytes, signer: NvidiaSigner) -> str:
    """The signature element, its value still empty."""
    certificates = "".join([f"<ds:X509Certificate>{_base64(each.der)}</ds:X509Certificate>" for each in signer.chain])
    return (
        f'<ds:Signature xmlns:ds="{_DSIG}"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{_C14N_11}"/>'
        f'<ds:SignatureMethod Algorithm="{_DSIG_MORE}ecdsa-sha384"/><ds:Reference URI=""><ds:Transforms>'
        f'<ds:Transform Algorithm="{_DSIG}enveloped-signature"/><ds:Transform Algorithm="{_C14N_11}"/></ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{_DSIG_MORE}sha384"/><ds:DigestValue>{_base64(digest)}</ds:DigestValue></ds:Reference>'
        f"</ds:SignedInfo><ds:SignatureValue/><ds:KeyInfo><ds:X509Data>{certificates}</ds:X509Data></ds:KeyInfo></ds:Signature>"
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
