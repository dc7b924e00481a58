"""Cases of the PCK chain: what the quote carries, who signed it, in which role, and when."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from cryptography import x509

from tests.cases.model import INTEL, LOOK_ALIKE, PLATFORM, Case, case, case_family, spliced
from voltage_attest.testing import (
    PCK_LEAF,
    PLATFORM_CA,
    PROCESSOR_PCK,
    PROCESSOR_PCK_LEAF,
    Certification,
    PckFields,
    Platform,
    encode_pck_extension,
)

_PCK_EXTENSION = encode_pck_extension(PckFields())


def _unreadable(certification: Certification) -> Case:
    return Case(failed=frozenset({"tdx.pck.parse"}), quote=PLATFORM.quote(certification=certification))


def _pem(*parts: str) -> Certification:
    return Certification(data="".join(parts).encode() + b"\0")


def _judged(platform: Platform, *failed: str) -> Case:
    """A platform's own quote with collateral fetched for it."""
    collateral = INTEL.collateral(platform).to_json()
    return Case(failed=frozenset(failed), quote=platform.quote(), collateral=collateral)


@case
def encrypted_ppid() -> Case:
    """Certification data of type 3 names the platform in encrypted form and carries no certificate."""
    return _unreadable(Certification(data=bytes(404), type=3))


@case
def pck_leaf_in_place_of_chain() -> Case:
    """Certification data of type 4 carries the leaf alone."""
    return _unreadable(Certification(data=PLATFORM.leaf.pem.encode(), type=4))


@case_family("leaf_only", "without_root", "four_certificates", "root_twice")
def chain_length(which: str) -> Case:
    """A PCK chain has exactly three certificates."""
    leaf, ca, root = (signer.pem for signer in PLATFORM.leaf.chain)
    parts = {
        "leaf_only": (leaf,),
        "without_root": (leaf, ca),
        "four_certificates": (leaf, ca, INTEL.processor_ca.pem, root),
        "root_twice": (leaf, ca, root, root),
    }
    return _unreadable(_pem(*parts[which]))


@case_family("text", "key_block", "second_nul", "nothing")
def pem_wrapping(which: str) -> Case:
    """PEM text is protected by nothing: what a lenient reader would skip is refused."""
    chain = PLATFORM.chain_pem
    data = {
        "text": "look here\n" + chain + "\0",
        "key_block": chain + "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n\0",
        "second_nul": chain + "\0\0",
        "nothing": "",
    }
    return _unreadable(Certification(data=data[which].encode()))


@case
def leaf_without_sgx_extension() -> Case:
    """A leaf under the PCK CA that says nothing of a platform."""
    leaf = INTEL.platform_ca.issue(PCK_LEAF)
    return _judged(replace(PLATFORM, leaf=leaf), "tdx.pck.parse")


def _fields_twice(value: bytes) -> bytes:
    # The PPID entry (32 bytes, behind the four of the outer header) stands twice.
    content = value[4:]
    return b"\x30\x82" + (len(content) + 32).to_bytes(2, "big") + content[:32] + content


def _without_fmspc(value: bytes) -> bytes:
    entry = bytes.fromhex("3014060a2a864886f84d010d01040406b0c06f000000")
    content = value[4:].replace(entry, b"")
    return b"\x30\x82" + len(content).to_bytes(2, "big") + content


_DEFECTS: dict[str, Callable[[bytes], bytes]] = {
    "trailing_bytes": lambda value: value + b"\x05\x00",
    "duplicate_entry": _fields_twice,
    "missing_fmspc": _without_fmspc,
    "empty": lambda _: b"",
}


@case_family(*_DEFECTS)
def sgx_extension(defect: str) -> Case:
    """The SGX extension does not decode without remainder."""
    value = _DEFECTS[defect](_PCK_EXTENSION.value)
    extension = x509.UnrecognizedExtension(_PCK_EXTENSION.oid, value)
    leaf = INTEL.platform_ca.issue(replace(PCK_LEAF, label=defect, extensions=(extension,)))
    return _judged(replace(PLATFORM, leaf=leaf), "tdx.pck.parse")


def _pem_of(der: bytes) -> str:
    lines = base64.encodebytes(der).decode()
    return f"-----BEGIN CERTIFICATE-----\n{lines}-----END CERTIFICATE-----\n"


_UNREADABLE_LEAVES: dict[str, tuple[str, str]] = {
    "version": ("a003020102", "a003020122"),
    "key_type": ("2a8648ce3d0201", "2a8648ce3d0202"),
    "curve": ("2a8648ce3d030107", "2a8648ce3d030108"),
    "key_point": ("03420004", "03420005"),
    "signature_algorithm": ("2a8648ce3d040302", "2a8648ce3d040303"),
    "name": ("0603550403", "0603550404"),
    "name_encoding": ("06035504030c", "060355040303"),
    "date": ("170d", "160d"),
    "extension": ("0603551d13", "0603551d0f"),
}


@case_family(*_UNREADABLE_LEAVES)
def unreadable_leaf(where: str) -> Case:
    """The leaf is a certificate that no library reads: that is a refusal, never a crash."""
    old, new = (bytes.fromhex(octets) for octets in _UNREADABLE_LEAVES[where])
    leaf, ca, root = PLATFORM.leaf.chain
    return _unreadable(_pem(_pem_of(leaf.der.replace(old, new)), ca.pem, root.pem))


@case
def negative_serial() -> Case:
    """The leaf's serial number is negative, which RFC 5280 forbids (section 4.1.2.2)."""
    serial = PLATFORM.leaf.serial.to_bytes(20, "big")
    leaf = spliced(PLATFORM.leaf.der, PLATFORM.leaf.der.index(serial), b"\x80")
    return _unreadable(_pem(_pem_of(leaf), INTEL.platform_ca.pem, INTEL.root.pem))


@case
def leaf_signed_by_a_look_alike_ca() -> Case:
    """The leaf is signed by a CA that only has the name of the PCK CA shown beside it."""
    leaf = LOOK_ALIKE.platform().leaf
    return _judged(replace(PLATFORM, leaf=replace(leaf, issuer=INTEL.platform_ca)), "tdx.pck.chain")


@case
def look_alike_root() -> Case:
    """Leaf and PCK CA are genuine; the root shown is another with Intel's name."""
    chain = PLATFORM.leaf.chain
    quote = PLATFORM.quote(certification=_pem(chain[0].pem, chain[1].pem, LOOK_ALIKE.root.pem))
    return Case(failed=frozenset({"tdx.pck.chain"}), quote=quote)


@case
def look_alike_world() -> Case:
    """Quote and collateral are both the look-alike's, consistent with each other: only the pinned root tells."""
    platform = LOOK_ALIKE.platform()
    failed = {"tdx.pck.chain", "tdx.crl.issuer_chain", "tdx.crl.root"}
    failed |= {"tdx.tcb_info.chain", "tdx.qe_identity.chain"}
    collateral = LOOK_ALIKE.collateral(platform).to_json()
    return Case(failed=frozenset(failed), quote=platform.quote(), collateral=collateral)


@case
def chain_in_reverse() -> Case:
    """Root first: the leaf is then a CA certificate without SGX extension."""
    return _unreadable(_pem(*reversed([signer.pem for signer in PLATFORM.leaf.chain])))


@case
def wrong_leaf_name() -> Case:
    """A certificate under the PCK CA, with an SGX extension, that is not named a PCK certificate."""
    platform = INTEL.platform(certificate=replace(PCK_LEAF, common_name="Intel SGX Attestation Report Signing"))
    return _judged(platform, "tdx.pck.roles")


@case
def ca_of_another_name() -> Case:
    """The leaf is issued by a CA under Intel's root that is no PCK CA."""
    ca = INTEL.root.issue(replace(PLATFORM_CA, common_name="Intel SGX Attestation Report Signing CA"))
    return _judged(INTEL.platform(ca=ca), "tdx.pck.roles")


@case
def leaf_that_is_a_ca() -> Case:
    """A leaf that could certify further keys."""
    return _judged(INTEL.platform(certificate=replace(PCK_LEAF, ca=True)), "tdx.pck.roles")


@case
def expired_leaf() -> Case:
    """The PCK leaf has expired."""
    certificate = replace(PCK_LEAF, not_after=datetime(2026, 11, 15, 11, 59, 59, tzinfo=UTC))
    return _judged(INTEL.platform(certificate=certificate), "tdx.pck.validity")


@case
def leaf_not_yet_valid() -> Case:
    """The PCK leaf is not yet valid, which a look at notAfter alone does not notice."""
    certificate = replace(PCK_LEAF, not_before=datetime(2026, 11, 15, 12, 0, 1, tzinfo=UTC))
    return _judged(INTEL.platform(certificate=certificate), "tdx.pck.validity")


@case
def expired_pck_ca() -> Case:
    """The PCK CA has expired; leaf and root are in date."""
    ca = INTEL.root.issue(replace(PLATFORM_CA, not_after=datetime(2026, 11, 10, tzinfo=UTC)))
    return _judged(INTEL.platform(ca=ca), "tdx.pck.validity")


@case
def revoked_leaf() -> Case:
    """The PCK leaf is revoked: Intel knows that this platform's key has leaked."""
    collateral = INTEL.collateral(PLATFORM, pck_crl=INTEL.pck_crl(PLATFORM, PLATFORM.leaf))
    return Case(failed=frozenset({"tdx.pck.revocation"}), collateral=collateral.to_json())


@case
def revoked_pck_ca() -> Case:
    """The PCK CA is revoked by the root."""
    collateral = INTEL.collateral(PLATFORM, root_crl=INTEL.root_crl(INTEL.platform_ca))
    return Case(failed=frozenset({"tdx.pck.revocation"}), collateral=collateral.to_json())


@case
def processor_ca() -> Case:
    """A platform certified by the Processor CA is as good as one by the Platform CA."""
    platform = INTEL.platform(PROCESSOR_PCK, ca=INTEL.processor_ca, certificate=PROCESSOR_PCK_LEAF)
    return _judged(platform)
