"""Enveloped XML signatures (XML-DSig) of NVIDIA's reference integrity manifests, by ``signxml``; one shape, nothing else.

The shape, in all manifests seen (driver, VBIOS and NVSwitch, 2023 to 2026)::

    SoftwareIdentity                       ISO/IEC 19770-2:2015
      Entity  Meta  Payload/Resource...
      Signature                            last; nowhere else another one
        SignedInfo                         C14N 1.1, ECDSA-SHA384
          Reference URI=""                 one: the whole document
            enveloped-signature, C14N 1.1; SHA-384
        SignatureValue
        KeyInfo/X509Data/X509Certificate   leaf first; no KeyValue, no key name

What an attacker could add to it is refused before any cryptography: document types and entities, processing instructions,
comments, CDATA, further signatures, references or transforms, keys of other kinds, and a ``SoftwareIdentity`` around or inside
the one that is signed. What was signed is then read only from what the library returns. The key is the one the caller took from
a proven certificate chain, never one that the document names.

``lxml`` and ``signxml`` load when the first manifest is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from voltage_attest.crypto.certificates import Certificate
from voltage_attest.errors import CollateralFormatError, EvidenceFormatError
from voltage_attest.evidence.encoding import strict_base64
from voltage_attest.limits import MAX_RIM_SIZE

if TYPE_CHECKING:
    from lxml import etree

__all__ = ["SWID", "Refused", "SignedXml", "parse_signed_xml", "verify_signed_xml"]

MAX_ELEMENTS: Final = 1024
"""Real manifests have 87: 64 measurements and their frame."""
MAX_DEPTH: Final = 6
"""Levels below the root; the deepest of the shape is 4."""

SWID: Final = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd"
_DSIG: Final = "http://www.w3.org/2000/09/xmldsig#"
_C14N_11: Final = "http://www.w3.org/2006/12/xml-c14n11"
_ENVELOPED: Final = f"{_DSIG}enveloped-signature"
_ECDSA_SHA384: Final = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"
_SHA384: Final = "http://www.w3.org/2001/04/xmldsig-more#sha384"
_MAX_CERTIFICATES: Final = 8
_WRAPPED: Final = frozenset({f"{{{SWID}}}SoftwareIdentity", f"{{{SWID}}}Meta", f"{{{SWID}}}Payload", f"{{{_DSIG}}}Signature"})
"""Elements that must occur once in the whole document: a second one is how signed content is exchanged for other."""
_CHILDREN: Final = (f"{{{SWID}}}Entity", f"{{{SWID}}}Meta", f"{{{SWID}}}Payload", f"{{{_DSIG}}}Signature")
_DECLARATION: Final = re.compile(rb"<\?xml version=(['\"])1\.0\1(?: encoding=(['\"])(?:UTF-8|utf-8)\2)?\?>")
_MARKUP: Final = {b"<!": "a document type, entity, comment or CDATA section", b"<?": "a processing instruction"}
"""``<`` stands in well-formed XML for nothing but markup, so these two characters are what they seem."""

_Shape = tuple[tuple[int, str, tuple[tuple[str, str], ...]], ...]
_SIGNATURE: Final[_Shape] = (
    (0, "Signature", ()),
    (1, "SignedInfo", ()),
    (2, "CanonicalizationMethod", (("Algorithm", _C14N_11),)),
    (2, "SignatureMethod", (("Algorithm", _ECDSA_SHA384),)),
    (2, "Reference", (("URI", ""),)),
    (3, "Transforms", ()),
    (4, "Transform", (("Algorithm", _ENVELOPED),)),
    (4, "Transform", (("Algorithm", _C14N_11),)),
    (3, "DigestMethod", (("Algorithm", _SHA384),)),
    (3, "DigestValue", ()),
    (1, "SignatureValue", ()),
    (1, "KeyInfo", ()),
    (2, "X509Data", ()),
)
"""Depth, name and attributes of every element up to the certificates, in document order."""
_CERTIFICATE: Final = (3, "X509Certificate", ())


@dataclass(frozen=True, slots=True)
class SignedXml:
    """A document of the right shape whose signature is not judged yet. ``certificates`` are DER, in the order given.

    ``claimed`` is what it says it is for (product, edition, version), not believed: to find a manifest among files, no more.
    """

    data: bytes
    certificates: tuple[bytes, ...]
    claimed: tuple[str, str, str] = ("", "", "")


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a signature does not hold."""

    reason: str


def parse_signed_xml(data: bytes, what: str) -> SignedXml:
    """Read a signed document of at most 256 KiB; :class:`CollateralFormatError` unless it has the one shape."""
    if len(data) > MAX_RIM_SIZE:
        raise _malformed(what, f"{len(data)} bytes", f"at most {MAX_RIM_SIZE}")
    _refuse_markup(data, what)
    from lxml import etree

    try:
        root = etree.fromstring(data, parser=_parser())
    except (etree.LxmlError, ValueError) as error:
        raise _malformed(what, f"not XML ({error})", "a signed SWID tag in XML") from None
    _refuse_wrapping(root, what)
    product, edition, version = (root[1].get(name, "") for name in ("product", "edition", "colloquialVersion"))
    return SignedXml(data, _certificates(root[-1], what), (product, edition, version))


def verify_signed_xml(document: SignedXml, signer: Certificate) -> etree._Element | Refused:
    """Verify the signature with ``signer``'s key; return the signed ``SoftwareIdentity`` element, read from the signed bytes.

    The chain of ``signer`` and its dates are not judged here: it must be the leaf of a chain that leads to a pinned root.
    """
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from lxml import etree
    from signxml.algorithms import DigestAlgorithm, SignatureMethod
    from signxml.exceptions import SignXMLException
    from signxml.verifier import SignatureConfiguration, XMLVerifier

    expected = SignatureConfiguration(
        require_x509=True,
        location="./",
        expect_references=1,
        signature_methods=frozenset({SignatureMethod.ECDSA_SHA384}),
        digest_algorithms=frozenset({DigestAlgorithm.SHA384}),
        verification_time=signer.not_before,  # of the dates, a check of its own judges
    )
    try:
        certificate = x509.load_der_x509_certificate(signer.der)
        found = XMLVerifier().verify(document.data, x509_cert=certificate, parser=_parser(), expect_config=expected)
    except (SignXMLException, InvalidSignature, etree.LxmlError, ValueError, TypeError) as error:  # TypeError: empty values
        return Refused(_in_words(error))
    key = signer.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    if isinstance(found, list) or found.signed_xml is None or found.signature_key != key:
        return Refused("the library verified something else than this document with this key")
    signed = found.signed_xml
    if signed.tag != f"{{{SWID}}}SoftwareIdentity" or [child.tag for child in signed] != list(_CHILDREN[:-1]):
        return Refused("what is signed is not one SoftwareIdentity with Entity, Meta and Payload")
    return signed


def _refuse_markup(data: bytes, what: str) -> None:
    """UTF-8 without NUL or byte order mark, and of XML's markup elements alone: no parser meets anything else."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed(what, f"not UTF-8 at byte {error.start}", "XML in UTF-8") from None
    declaration = _DECLARATION.match(data)
    start = declaration.end() if declaration else 0
    if b"\0" in data or data[start:].lstrip(b" \t\r\n")[:1] != b"<":
        raise _malformed(what, "it does not begin with an element", "XML in UTF-8")
    for mark, name in _MARKUP.items():
        if mark in data[start:]:
            raise _malformed(what, name, "elements and text, nothing else")


def _parser() -> etree.XMLParser:
    from lxml import etree

    return etree.XMLParser(
        encoding="utf-8",
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        no_network=True,
        resolve_entities=False,
        huge_tree=False,
        recover=False,
        remove_comments=False,
        remove_pis=False,
        collect_ids=False,
    )


def _refuse_wrapping(root: etree._Element, what: str) -> None:
    """One SoftwareIdentity at the top with one Entity, Meta, Payload and Signature, and none of them elsewhere; bounded."""
    frame = [child.tag for child in root]
    if root.tag != f"{{{SWID}}}SoftwareIdentity" or frame != list(_CHILDREN):
        found = f"{root.tag} of {', '.join(map(str, frame[:6]))}"
        raise _malformed(what, found, "SoftwareIdentity of Entity, Meta, Payload and Signature, once each")
    pending = [(root, 0)]
    count, seen = 0, dict.fromkeys(_WRAPPED, 0)
    while pending:
        element, depth = pending.pop()
        count += 1
        if count > MAX_ELEMENTS or depth > MAX_DEPTH:
            raise _malformed(what, f"more than {MAX_ELEMENTS} elements or {MAX_DEPTH} levels", "a manifest's size")
        if not isinstance(element.tag, str):
            raise _malformed(what, "something else than elements", "elements and text, nothing else")
        if element.tag in seen:
            seen[element.tag] += 1
        pending += [(child, depth + 1) for child in element]
    doubled = sorted(tag.partition("}")[2] for tag, times in seen.items() if times != 1)
    if doubled:
        raise _malformed(what, f"another {', '.join(doubled)} inside", "each once, at its place")


def _certificates(signature: etree._Element, what: str) -> tuple[bytes, ...]:
    """DER of the certificates in a Signature that has the one shape."""
    shape = tuple(_shape(signature, 0))
    head, tail = shape[: len(_SIGNATURE)], shape[len(_SIGNATURE) :]
    if head != _SIGNATURE or not 1 <= len(tail) <= _MAX_CERTIFICATES or set(tail) != {_CERTIFICATE}:
        odd = next((found for found, right in zip(head, _SIGNATURE, strict=False) if found != right), None)
        odd = odd or next((found for found in tail if found != _CERTIFICATE), None)
        found = f"a signature with {odd[1]} {dict(odd[2])}" if odd else f"a signature with {len(tail)} certificates"
        raise _malformed(what, found[:200], "the signature of a manifest: ECDSA-SHA384, one reference, X.509 certificates")
    texts = [element.text or "" for element in signature.iter(f"{{{_DSIG}}}X509Certificate")]
    try:
        return tuple([strict_base64("".join(text.split()).encode("ascii"), what) for text in texts])
    except (EvidenceFormatError, UnicodeEncodeError):
        raise _malformed(what, "a certificate that is not base64", "DER in base64") from None


def _shape(element: etree._Element, depth: int) -> list[tuple[int, str, tuple[tuple[str, str], ...]]]:
    """Depth, name and attributes of an element and all below it, in document order; names of foreign spaces in full."""
    name = str(element.tag).removeprefix(f"{{{_DSIG}}}")
    attributes = tuple(sorted((str(key), str(value)) for key, value in element.attrib.items()))
    return [(depth, name, attributes), *[line for child in element for line in _shape(child, depth + 1)]]


def _in_words(error: Exception) -> str:
    from cryptography.exceptions import InvalidSignature
    from signxml.exceptions import InvalidDigest

    if isinstance(error, InvalidDigest):
        return "the content does not have the digest that was signed"
    if isinstance(error, InvalidSignature):
        return "the signature was not made with the signer's key"
    return f"the signature cannot be judged ({str(error)[:200]})"


def _malformed(what: str, found: str, expected: str) -> CollateralFormatError:
    return CollateralFormatError(
        f"{what}: {found}", expected=expected, document=what, remedy="Fetch the manifest again and keep its bytes unchanged."
    )
