"""Signed XML of one shape: what is signed is what is read, and whatever else stands in the document refuses it."""

from __future__ import annotations

import base64
import copy
import re
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod

from tests.rim.foundry import SWID, Issued, Manifest, chain, sign, usual_chain
from tests.support.mutations import mutated_bytes
from tests.support.parsers import assert_read_or_refused
from tests.support.sampling import examples
from voltage_attest.crypto.certificates import load_certificate
from voltage_attest.crypto.signatures import P384
from voltage_attest.crypto.xml_signature import (
    MAX_ELEMENTS,
    Refused,
    parse_signed_xml,
    verify_signed_xml,
)
from voltage_attest.errors import CollateralFormatError
from voltage_attest.limits import MAX_RIM_SIZE

DSIG = "http://www.w3.org/2000/09/xmldsig#"
BOMB = '<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx">' + "".join(
    f'<!ENTITY x{n} "&x{n - 1 or ""};&x{n - 1 or ""};">' for n in range(1, 30)
)


@cache
def document() -> bytes:
    return Manifest().signed()


def tree() -> etree._Element:
    return etree.fromstring(document())


def text(root: etree._Element) -> bytes:
    return bytes(etree.tostring(root))


def refusal(data: bytes) -> str:
    """What the parser refuses it with."""
    with pytest.raises(CollateralFormatError) as refused:
        parse_signed_xml(data, "RIM")
    return str(refused.value)


def judged(data: bytes, signer: Issued | None = None) -> etree._Element | Refused:
    """The outcome of parsing and verifying."""
    leaf = (signer or usual_chain()[0]).der
    return verify_signed_xml(parse_signed_xml(data, "RIM"), load_certificate(leaf, "leaf", P384))


def reason(data: bytes, signer: Issued | None = None) -> str:
    outcome = judged(data, signer)
    assert isinstance(outcome, Refused)
    return outcome.reason


def test_returns_the_signed_element_and_not_the_signature() -> None:
    signed = judged(document())
    assert isinstance(signed, etree._Element)
    assert signed.tag == f"{{{SWID}}}SoftwareIdentity"
    assert [etree.QName(child).localname for child in signed] == ["Entity", "Meta", "Payload"]
    assert parse_signed_xml(document(), "RIM").certificates == tuple(each.der for each in usual_chain())


def test_reads_a_document_with_an_xml_declaration() -> None:
    assert isinstance(judged(b'<?xml version="1.0" encoding="UTF-8"?>\n' + document()), etree._Element)


def test_refuses_an_altered_digest() -> None:
    altered = document().replace(b'ns2:Hash0="0', b'ns2:Hash0="1', 1)
    assert altered != document()
    assert "digest" in reason(altered)


def test_refuses_an_altered_signature_value() -> None:
    value = re.search(rb"<ds:SignatureValue>(..)", document())
    assert value is not None
    other = b"AA" if value[1] != b"AA" else b"BB"
    assert "not made with the signer's key" in reason(document().replace(value[0], value[0][:-2] + other))


def test_refuses_another_key_than_the_one_it_was_signed_with() -> None:
    """The certificates beside the signature do not choose the key: the caller does."""
    assert "not made with the signer's key" in reason(document(), chain()[0])


def test_refuses_a_document_resigned_with_a_key_of_ones_own() -> None:
    """Signed by another chain's leaf, with the genuine certificates in its place."""
    resigned = etree.fromstring(Manifest().signed(chain()))
    for theirs, element in zip(usual_chain(), resigned.iter(f"{{{DSIG}}}X509Certificate"), strict=True):
        element.text = base64.b64encode(theirs.der).decode()
    assert "not made with the signer's key" in reason(text(resigned))


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("<!DOCTYPE SoftwareIdentity>", "document type"),
        ('<!DOCTYPE a SYSTEM "file:///etc/hostname">', "document type"),
        ('<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/hostname">]>', "entity"),
        (BOMB + "]>", "entity"),
        ("<!-- c -->", "comment"),
        ("<?xml-stylesheet href='x'?>", "processing instruction"),
        ('<?xml version="1.0" encoding="UTF-16"?>', "begin"),
        ('<?xml version="1.0" encoding="UTF-7"?>', "processing instruction"),
        ('<?xml version="1.1"?>', "processing instruction"),
        ("\ufeff", "begin"),
        ("text", "begin"),
    ],
)
def test_refuses_what_stands_before_the_root(prefix: str, found: str) -> None:
    refused = refusal(prefix.encode() + document())
    assert found in refused or "processing instruction" in refused


@pytest.mark.parametrize("inside", [b"<!--x-->", b"<?x y?>", b"<![CDATA[x]]>", b"&x;"])
def test_refuses_markup_other_than_elements_inside(inside: bytes) -> None:
    """Comments are not signed, entities and instructions are read differently by different parsers."""
    for place in (b"<Payload>", b"<ds:DigestValue>"):
        refusal(document().replace(place, place + inside, 1))


def test_refuses_what_follows_the_root() -> None:
    refusal(document() + b"<more/>")
    refusal(document() + b"<!--x-->")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-7"])
def test_refuses_other_encodings(encoding: str) -> None:
    """In which forbidden markup would not look like itself."""
    hidden = "<!DOCTYPE a>" + document().decode()
    refusal(hidden.encode(encoding))


def test_refuses_a_second_signature() -> None:
    root = tree()
    root.append(copy.deepcopy(root[-1]))
    assert "once each" in refusal(text(root))


def test_refuses_a_second_signature_hidden_deeper() -> None:
    for place in ("Entity", "Meta", "Payload"):
        root = tree()
        host = root.find(f"{{{SWID}}}{place}")
        assert host is not None
        host.append(copy.deepcopy(root[-1]))
        assert "another Signature" in refusal(text(root))


def test_refuses_a_document_without_signature() -> None:
    root = tree()
    root.remove(root[-1])
    assert "once each" in refusal(text(root))


def test_refuses_a_signature_that_is_moved() -> None:
    root = tree()
    root.insert(0, root[-1])
    assert "once each" in refusal(text(root))


def test_refuses_a_root_wrapped_around_the_signed_one() -> None:
    """Signature wrapping: the genuine document rides inside a forged one."""
    forged = etree.fromstring(Manifest(version="999.99").xml().encode())
    forged.append(tree())
    refusal(text(forged))
    forged = etree.fromstring(Manifest(version="999.99").xml().encode())
    genuine = tree()
    signature = genuine[-1]
    forged[1].append(genuine)
    forged.append(signature)
    assert "inside" in refusal(text(forged))


def test_refuses_a_signed_root_nested_in_the_signature() -> None:
    """The original inside ds:Object, the forgery around it."""
    forged = etree.fromstring(Manifest(version="999.99").xml().encode())
    genuine = tree()
    signature = genuine[-1]
    genuine.remove(signature)
    holder = etree.SubElement(signature, f"{{{DSIG}}}Object", Id="original")
    holder.append(genuine)
    forged.append(signature)
    reference = signature.find(f".//{{{DSIG}}}Reference")
    assert reference is not None
    reference.set("URI", "#original")
    refusal(text(forged))


def test_refuses_a_second_meta_or_payload() -> None:
    for position in (1, 2):
        root = tree()
        root.insert(position, copy.deepcopy(root[position]))
        refusal(text(root))


def test_refuses_other_roots() -> None:
    refusal(b"<SoftwareIdentity/>")
    refusal(document().replace(b"2015/schema.xsd", b"2009/schema.xsd"))
    refusal(text(tree()[-1]))


@pytest.mark.parametrize("method", [SignatureMethod.ECDSA_SHA256, SignatureMethod.ECDSA_SHA512])
def test_refuses_other_signature_algorithms(method: SignatureMethod) -> None:
    assert "ecdsa-" in refusal(sign(Manifest().xml(), signature_algorithm=method))


def test_refuses_other_digests() -> None:
    assert "DigestMethod" in refusal(sign(Manifest().xml(), digest_algorithm=DigestAlgorithm.SHA256))


def test_refuses_other_canonicalisations() -> None:
    exclusive = CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0
    assert "xml-exc-c14n" in refusal(sign(Manifest().xml(), c14n_algorithm=exclusive))


def test_refuses_an_hmac_over_the_public_key() -> None:
    """Key confusion: a MAC whose secret is the public key that everyone has."""
    data = document().replace(b"2001/04/xmldsig-more#ecdsa-sha384", b"2001/04/xmldsig-more#hmac-sha384")
    assert "hmac-sha384" in refusal(data)


def test_refuses_a_key_value_beside_the_certificates() -> None:
    assert "KeyValue" in refusal(sign(Manifest().xml(), always_add_key_value=True))


def test_refuses_a_key_value_in_place_of_the_certificates() -> None:
    root = etree.fromstring(sign(Manifest().xml(), always_add_key_value=True))
    data = root.find(f".//{{{DSIG}}}X509Data")
    assert data is not None
    parent = data.getparent()
    assert parent is not None
    parent.remove(data)
    assert "KeyValue" in refusal(text(root))


@pytest.mark.parametrize("uri", ["#x", "#xpointer(/)", "http://example.org/other.xml", "file:///etc/hostname"])
def test_refuses_a_reference_to_something_else(uri: str) -> None:
    assert "Reference" in refusal(document().replace(b'URI=""', f'URI="{uri}"'.encode()))


def test_refuses_a_second_reference() -> None:
    root = tree()
    reference = root.find(f".//{{{DSIG}}}Reference")
    assert reference is not None
    reference.addnext(copy.deepcopy(reference))
    assert "Reference" in refusal(text(root))


def test_refuses_further_transforms() -> None:
    """An XPath or XSLT transform chooses what is signed."""
    root = tree()
    transforms = root.find(f".//{{{DSIG}}}Transforms")
    assert transforms is not None
    extra = etree.SubElement(transforms, f"{{{DSIG}}}Transform", Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116")
    etree.SubElement(extra, f"{{{DSIG}}}XPath").text = "self::text()"
    assert "Transform" in refusal(text(root))


def test_refuses_a_signature_without_certificates_and_one_with_too_many() -> None:
    root = tree()
    data = root.find(f".//{{{DSIG}}}X509Data")
    assert data is not None
    data.extend([copy.deepcopy(data[0]) for _ in range(5)])
    assert "9 certificates" in refusal(text(root))
    for certificate in list(data):
        data.remove(certificate)
    assert "0 certificates" in refusal(text(root))


@pytest.mark.parametrize(
    ("under", "extra"),
    [
        ("X509Data", "X509CRL"),
        ("X509Data", "X509SubjectName"),
        ("KeyInfo", "X509Data"),
        ("KeyInfo", "KeyName"),
        ("KeyInfo", "RetrievalMethod"),
        ("Signature", "Object"),
        ("X509Certificate", "X509Certificate"),
    ],
)
def test_refuses_whatever_follows_the_certificates(under: str, extra: str) -> None:
    root = tree()
    holder = next(root.iter(f"{{{DSIG}}}{under}"))
    etree.SubElement(holder, f"{{{DSIG}}}{extra}").text = "eA=="
    assert "a signature with" in refusal(text(root))


def test_refuses_an_attribute_on_a_certificate() -> None:
    root = tree()
    next(root.iter(f"{{{DSIG}}}X509Certificate")).set("Id", "x")
    assert "Id" in refusal(text(root))


def test_refuses_a_certificate_that_is_not_base64() -> None:
    root = tree()
    certificate = root.find(f".//{{{DSIG}}}X509Certificate")
    assert certificate is not None
    for wrong in ("%%%", "é", "AAA", "QUJ="):
        certificate.text = wrong
        assert "base64" in refusal(text(root))


def test_bounds_size_number_and_depth() -> None:
    assert str(MAX_RIM_SIZE) in refusal(b"<" + b" " * MAX_RIM_SIZE)
    many = b"<Payload>" + b"<x/>" * MAX_ELEMENTS
    assert "elements" in refusal(document().replace(b"<Payload>", many, 1))
    deep = b"<Payload>" + b"<x>" * 7 + b"</x>" * 7
    assert "levels" in refusal(document().replace(b"<Payload>", deep, 1))
    refusal(document().replace(b"<Payload>", b"<Payload>" + b"<x>" * 5000 + b"</x>" * 5000, 1))


@given(st.binary(max_size=300))
def test_random_bytes_are_refused(data: bytes) -> None:
    assert_read_or_refused(lambda found: parse_signed_xml(found, "RIM"), data, CollateralFormatError)


@settings(max_examples=examples(200))
@given(mutated_bytes([document()]))
def test_no_mutation_is_read_as_something_else(data: bytes) -> None:
    """Whatever still verifies says what the original says, byte for byte of its canonical form."""
    try:
        parsed = parse_signed_xml(data, "RIM")
    except CollateralFormatError:
        return
    outcome = verify_signed_xml(parsed, load_certificate(usual_chain()[0].der, "leaf", P384))
    original = judged(document())
    assert isinstance(original, etree._Element)
    assert isinstance(outcome, Refused) or etree.tostring(outcome) == etree.tostring(original)


@pytest.mark.parametrize("element", ["SignatureValue", "DigestValue"])
@pytest.mark.parametrize("value", ["", " ", "A", "AA==", "!!!!", "é"])
def test_refuses_values_that_are_none(element: str, value: str) -> None:
    """An empty element has no text at all, and signxml takes its length."""
    root = tree()
    (found,) = root.iter(f"{{{DSIG}}}{element}")
    found.text = value
    assert isinstance(judged(text(root)), Refused)
    found.text = None
    assert isinstance(judged(text(root)), Refused)
