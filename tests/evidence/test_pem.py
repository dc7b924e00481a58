"""PEM chains: certificates and line breaks, nothing else. The wrapping is protected by no signature."""

from __future__ import annotations

import base64
import textwrap

import pytest

from tests.support.real_evidence import REAL_CERTIFICATES
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.pem import parse_pem_chain

BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
DER = REAL_CERTIFICATES["root"]
BODY = "\n".join(textwrap.wrap(base64.b64encode(DER).decode(), 64))
BLOCK = f"{BEGIN}\n{BODY}\n{END}\n"


@pytest.mark.parametrize("width", [4, 64, 76])
def test_lines_of_any_usual_width_are_read(width: int) -> None:
    """RFC 7468 says 64; MIME's 76 and narrower lines carry the same bytes."""
    body = "\n".join(textwrap.wrap(base64.b64encode(DER).decode(), width))
    assert parse_pem_chain(f"{BEGIN}\n{body}\n{END}\n".encode(), "chain") == (DER,)


@pytest.mark.parametrize(
    "text",
    [BLOCK, BLOCK.rstrip("\n"), BLOCK.replace("\n", "\r\n"), f"\n\n{BLOCK}\r\n\n", f"{BLOCK}\n\n{BLOCK}"],
    ids=["plain", "no last line break", "CRLF", "empty lines around", "empty lines between"],
)
def test_line_breaks_carry_no_meaning(text: str) -> None:
    """LF or CRLF, empty lines before, between and after, and a missing last one."""
    assert set(parse_pem_chain(text.encode(), "chain")) == {DER}


@pytest.mark.parametrize(
    "text",
    [
        f"junk\n{BLOCK}",
        f"{BLOCK}junk",
        f"{BLOCK}junk\n{BLOCK}",
        f" {BLOCK}",
        f"{BLOCK} ",
        f"{BLOCK}\0",
        BLOCK.replace(f"{END}\n", f"{END} \n"),
        BLOCK.replace(f"{END}\n", f"{END}junk\n"),
        BLOCK.replace("CERTIFICATE", "X509 CERTIFICATE"),
        BLOCK.replace("CERTIFICATE", "TRUSTED CERTIFICATE"),
        BLOCK.replace("CERTIFICATE", "certificate"),
        BLOCK.replace(END, "-----END X509 CRL-----"),
        BLOCK.replace(f"{BEGIN}\n", f"{BEGIN}\nProc-Type: 4,ENCRYPTED\n\n"),
        BLOCK.replace(BODY[:64], BODY[:32] + " " + BODY[32:64]),
        BLOCK.removeprefix("-"),
        BLOCK.removesuffix(f"{END}\n"),
    ],
)
def test_whatever_a_lenient_reader_would_skip_is_refused(text: str) -> None:
    """Text around or inside, other labels, headers, blanks, an unended block."""
    with pytest.raises(EvidenceFormatError, match="chain"):
        parse_pem_chain(text.encode(), "chain")


@pytest.mark.parametrize("body", ["MIIB=", "MIIBA", "MIJ=", "MI==MIIB", "MI==\nMIIB", "MIIB===="])
def test_base64_inside_a_block_is_canonical(body: str) -> None:
    """Stray bits and misplaced padding would let one certificate have two spellings."""
    with pytest.raises(EvidenceFormatError, match="chain"):
        parse_pem_chain(f"{BEGIN}\n{body}\n{END}\n".encode(), "chain")


@pytest.mark.parametrize("text", ["", "\n", "\r\n\n"])
def test_an_empty_chain_is_refused(text: str) -> None:
    """No certificate is not a chain of none."""
    with pytest.raises(EvidenceFormatError, match="chain is empty"):
        parse_pem_chain(text.encode(), "chain")


def test_the_number_of_certificates_is_bounded() -> None:
    """Eight are read, a ninth is refused."""
    assert len(parse_pem_chain((BLOCK * 8).encode(), "chain")) == 8
    with pytest.raises(EvidenceFormatError) as raised:
        parse_pem_chain((BLOCK * 9).encode(), "chain")
    assert raised.value.expected == "at most 8"


def test_the_order_is_kept_and_the_error_says_which_certificate() -> None:
    """Certificates come back as they stand; a broken one is counted from one."""
    leaf, ca = REAL_CERTIFICATES["PCK leaf"], REAL_CERTIFICATES["PCK CA"]
    texts = [f"{BEGIN}\n" + "\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64)) + f"\n{END}\n" for der in (leaf, ca)]
    assert parse_pem_chain("".join(texts).encode(), "chain") == (leaf, ca)
    with pytest.raises(EvidenceFormatError, match="chain, certificate 2 "):
        parse_pem_chain(f"{texts[0]}{BEGIN}\nMIIBA\n{END}\n".encode(), "chain")


@pytest.mark.parametrize(
    "text",
    [
        f"{BLOCK}junk",
        "junk\n",
        f"\n\njunk\n{BLOCK}",
        f"{BLOCK}\n\njunk\n\n\n",
        f"\n{BLOCK}{BLOCK}junk\n\n",
    ],
)
def test_the_error_names_the_first_byte_that_does_not_fit(text: str) -> None:
    """Counted from the start of the whole input, line breaks included."""
    with pytest.raises(EvidenceFormatError) as raised:
        parse_pem_chain(text.encode(), "chain")
    assert raised.value.offset == text.index("junk")
