"""``voltage-attest inspect``: every kind of file by content, nothing verified, nothing crashing."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given

from tests.cli.conftest import Run
from tests.report.samples import REFUSED, REPOSITORY, VERIFIED
from tests.support.mutations import mutated_bytes
from tests.support.outcomes import policy_text
from tests.support.real_evidence import (
    DCAP_QVL,
    REAL_CERTIFICATES,
    REAL_QUOTES,
    VOLTAGE_VERIFY,
    collateral_documents,
    pck_chain,
)
from voltage_attest.cli.files import MAX_INPUT_SIZE
from voltage_attest.cli.inspect_recognise import inspect_bytes
from voltage_attest.cli.inspect_tree import render_tree_json, render_tree_text
from voltage_attest.errors import InputError
from voltage_attest.policy import parse_policy
from voltage_attest.report import render_json
from voltage_attest.testing import FakeIntel, QuoteShape

PLATFORM = FakeIntel().platform()
DOCUMENTS = collateral_documents("tdx_quote")
QUOTE = (DCAP_QVL / "tdx_quote").read_bytes()
ROOT_CRL = bytes.fromhex(DOCUMENTS["root_ca_crl"])
ROOT_CRL_PEM = x509.load_der_x509_crl(ROOT_CRL).public_bytes(Encoding.PEM)
TCB_INFO = DOCUMENTS["tcb_info"].encode()

FILES: dict[str, tuple[str, bytes]] = {
    "quote": ("tdx-quote", QUOTE),
    "quote in hex": ("tdx-quote", QUOTE.hex().encode()),
    "quote in upper-case hex with 0x": ("tdx-quote", b"0x" + QUOTE.hex().upper().encode() + b"\n"),
    "quote in base64": ("tdx-quote", base64.b64encode(QUOTE)),
    "quote in base64 with line breaks": ("tdx-quote", base64.encodebytes(QUOTE)),
    **{f"quote {shape.name}": ("tdx-quote", PLATFORM.quote(shape=shape)) for shape in QuoteShape},
    "SGX quote": ("sgx-quote", (DCAP_QVL / "sgx_quote").read_bytes()),
    "SGX quote of version 4": ("sgx-quote", QUOTE[:4] + bytes(4) + QUOTE[8:]),
    "collateral": ("intel-collateral", (DCAP_QVL / "tdx_quote_collateral.json").read_bytes()),
    "collateral with ten keys": ("intel-collateral", (DCAP_QVL / "tdx_quote_td15ex_collateral.json").read_bytes()),
    "SGX collateral": ("intel-collateral", (DCAP_QVL / "sgx_quote_collateral.json").read_bytes()),
    "part of collateral": ("intel-collateral", json.dumps({"tcb_info": DOCUMENTS["tcb_info"]}).encode()),
    "TCB info": ("tcb_info", TCB_INFO),
    "TCB info as Intel answers": ("tcb_info", b'{"tcbInfo":' + TCB_INFO + b',"signature":"00"}'),
    "QE identity": ("qe_identity", DOCUMENTS["qe_identity"].encode()),
    "QE identity as Intel answers": ("qe_identity", b'{"enclaveIdentity":' + DOCUMENTS["qe_identity"].encode() + b"}"),
    "SGX TCB info": ("tcb_info", collateral_documents("sgx_quote")["tcb_info"].encode()),
    "CRL": ("crl", ROOT_CRL),
    "CRL in hex": ("crl", ROOT_CRL.hex().encode()),
    "CRL in PEM": ("crl", ROOT_CRL_PEM),
    "chain": ("certificates", DOCUMENTS["tcb_info_issuer_chain"].encode()),
    "certificate": ("certificates", REAL_CERTIFICATES["PCK leaf"]),
    "certificate in base64": ("certificates", base64.b64encode(REAL_CERTIFICATES["root"])),
    "policy": ("policy", (REPOSITORY / "examples" / "verify" / "voltage-attest.toml").read_bytes()),
    "result": ("result", render_json(REFUSED).encode()),
}


def inspected(run: Run, folder: Path, content: bytes) -> dict[str, Any]:
    """The JSON that ``inspect`` prints for a file of that content."""
    (folder / "file").write_bytes(content)
    result = run("inspect", "file", "--format", "json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    assert found["verified"] is False
    return found


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_recognised_by_its_content(run: Run, folder: Path, name: str) -> None:
    kind, content = FILES[name]
    assert inspected(run, folder, content)["kind"] == kind


@pytest.mark.parametrize("name", FILES)
def test_text_says_that_nothing_was_verified(run: Run, folder: Path, name: str) -> None:
    (folder / "file").write_bytes(FILES[name][1])
    result = run("inspect", "file")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1].startswith("NOTHING WAS VERIFIED: ")


def test_standard_input_is_a_file_too(run: Run) -> None:
    result = run("inspect", "-", stdin=QUOTE)
    assert result.exit_code == 0
    assert "standard input, 5006 bytes" in result.stdout


@pytest.mark.parametrize("path", REAL_QUOTES, ids=lambda path: path.name)
def test_every_field_of_a_real_quote_is_shown(run: Run, path: Path) -> None:
    result = run("inspect", path)
    assert result.exit_code == 0
    for label in ("qe_vendor_id", "mr_seam", "report_data", "attestation_key", "mr_signer", "pck_extension", "padding"):
        assert label in result.stdout
    assert "equals_pinned_root   yes" in result.stdout


def test_attributes_are_told_bit_by_bit(run: Run, folder: Path) -> None:
    raw = bytearray(QUOTE)
    raw[168:176] = (1 | 1 << 28 | 1 << 40).to_bytes(8, "little")
    found = inspected(run, folder, bytes(raw))["content"]["td_report"]["td_attributes"]
    assert found["value"] == raw[168:176].hex()
    assert (found["debug"], found["sept_ve_disable"], found["pks"]) == (True, True, False)
    assert found["other_bits"] == [40]


def test_the_quote_of_the_fixtures_decodes_to_what_it_holds(run: Run, folder: Path) -> None:
    content = inspected(run, folder, QUOTE)["content"]
    assert content["td_report"]["tee_tcb_svn"]["module_major_version"] == 1
    assert content["td_report"]["xfam"]["features"][:2] == ["x87", "SSE"]
    assert content["extent"] == {"declared_size": 4936, "padding": 70}
    leaf, _, root = content["certification_data"]["certificates"]
    assert leaf["pck_extension"]["fmspc"] == "b0c06f000000"
    assert len(leaf["pck_extension"]["components"]) == 16
    assert root["equals_pinned_root"] is True


def test_a_quote_ends_with_lines_for_a_policy_that_load(run: Run, quote: Path) -> None:
    text = run("inspect", quote).stdout
    lines = text[text.index("# For your policy") :]
    assert "not what is trustworthy" in lines
    policy = parse_policy(f'schema = "voltage-attest/policy/1"\nname = "pasted"\n{lines}')
    assert policy.tdx is not None
    assert set(policy.tdx.pins) == {"mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3"}


def test_certification_data_that_is_no_chain_is_shown_as_it_is(run: Run, folder: Path) -> None:
    raw = bytearray(QUOTE)
    position = raw.index(b"\x05\x00" + (3678).to_bytes(4, "little"))
    raw[position] = 3
    found = inspected(run, folder, bytes(raw))["content"]["certification_data"]
    assert (found["type"], found["size"]) == (3, 3678)
    assert "certificates" not in found


def test_a_chain_that_cannot_be_read_says_so_in_its_place(run: Run, folder: Path) -> None:
    broken = QUOTE.replace(b"-----BEGIN CERTIFICATE-----\nMIIE", b"-----BEGIN CERTIFICATE-----\nAAAA", 1)
    found = inspected(run, folder, broken)["content"]["certification_data"]
    assert "unreadable" in found["certificates"][0]
    assert "subject" in found["certificates"][1]


def test_collateral_shows_levels_dates_and_lists(run: Run, folder: Path) -> None:
    content = inspected(run, folder, FILES["collateral"][1])["content"]
    assert content["missing"] == []
    assert content["tcb_info"]["fmspc"] == "b0c06f000000"
    assert content["tcb_info"]["issue_date"] == "2025-06-19T10:16:03Z"
    assert [level["status"] for level in content["tcb_info"]["tcb_levels"]] == ["UpToDate", "OutOfDate"]
    assert "INTEL-SA-00106" in content["tcb_info"]["tcb_levels"][1]["advisory_ids"]
    assert content["pck_crl"]["revoked"] == 44
    assert content["root_ca_crl"]["next_update"] == "2026-04-03T11:21:57Z"
    assert [len(content[f"{key}_issuer_chain"]) for key in ("pck_crl", "tcb_info", "qe_identity")] == [2, 2, 2]
    assert content["pck_certificate_chain"] is None


def test_what_is_missing_from_collateral_is_named(run: Run, folder: Path) -> None:
    content = inspected(run, folder, FILES["part of collateral"][1])["content"]
    assert "root_ca_crl" in content["missing"]
    assert content["root_ca_crl"] == {"document": None}


def test_documents_of_another_kind_say_what_they_are(run: Run, folder: Path) -> None:
    content = inspected(run, folder, FILES["SGX collateral"][1])["content"]
    assert content["tcb_info"]["id"] == "SGX"
    assert "expected id 'TDX'" in content["tcb_info"]["unreadable"]
    assert content["qe_identity"]["id"] == "QE"


@pytest.mark.parametrize(("result", "stated", "derived"), [(VERIFIED, "refused", "verified"), (REFUSED, "verified", "refused")])
def test_a_saved_result_shows_the_verdict_of_its_rows(run: Run, folder: Path, result: Any, stated: str, derived: str) -> None:
    (folder / "file").write_text(render_json(result).replace(f'"verdict": "{derived}"', f'"verdict": "{stated}"'), "utf-8")
    text = run("inspect", "file").stdout
    assert f"verdict           {derived}  (derived from the checks: THE FILE STATES ANOTHER)" in text
    assert f"stated_verdict    {stated}" in text


def test_a_policy_is_shown_as_it_is_understood(run: Run, folder: Path) -> None:
    exception = '[[tdx.tcb.exception]]\nstatus = "OutOfDate"\nuntil = 2027-01-31\nreason = "ticket"\n'
    content = inspected(run, folder, policy_text(tdx={"fmspc": '["B0C06F000000"]'}, tcb=exception).encode())["content"]
    assert content["tdx"]["pinned"] == {"fmspc": ["b0c06f000000"]}
    assert content["tdx"]["left_open"]["mrtd"] == "a test"
    assert content["tdx"]["tcb"]["exceptions"][0]["until"] == "2027-01-31"
    assert content["tdx"]["collateral"]["update"] == "standard"
    assert (content["gpu"], content["channel"]) == (None, None)


def test_a_policy_shows_its_channel(run: Run, folder: Path) -> None:
    content = inspected(run, folder, f"{policy_text()}\n[channel]\nmax_age = '5m'\n".encode())["content"]
    assert content["channel"] == {"binding": "voltage-attest/1", "max_age": "0:05:00", "webpki": "require", "proxy": None}


UNUSABLE = {
    "nothing": (b"", "is empty; expected a TDX or SGX quote"),
    "text": (b"hello", "Tried: a TDX or SGX quote"),
    "binary": (b"\xff\xfe\xfd", "is none of what this program reads"),
    "JSON of another kind": (b'{"a": 1}', "is none of what this program reads"),
    "collateral of another layout": (
        next(VOLTAGE_VERIFY.glob("intel_collateral*.json")).read_bytes(),
        "Export it as the nine-key JSON",
    ),
    "JSON list": (b"[1]", "the NRAS answer"),
    "cut JSON": (b'{"tcb_info": ', "not JSON"),
    "JSON with a key twice": (b'{"tcb_info": "", "tcb_info": ""}', "occurs twice"),
    "collateral with another key": (b'{"tcb_info": "", "other": ""}', "'other'"),
    "deep JSON": (b'{"a":' * 100_000, "nested too deeply"),
    "cut quote": (QUOTE[:1000], "signature data"),
    "quote with trailing text": ((VOLTAGE_VERIFY / "third-party" / "tdx_prod_quote_SPR_E4.dat").read_bytes(), "declared end"),
    "cut SGX quote": (b"\x03\x00" + bytes(40), "SGX quote"),
    "header alone": (b"\x04\x00", "quote: header"),
    "PEM of another label": (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "CERTIFICATE"),
    "PEM CRL of nothing": (b"-----BEGIN X509 CRL-----\nAAA\n-----END X509 CRL-----\n", "the CRL"),
    "policy with an error": (b'schema = "voltage-attest/policy/1"', "a policy that expects no evidence"),
    "result with an error": (b'{"schema": "voltage-attest/result/1"}', "'verdict' is absent"),
    "DER that is nothing": (b"\x30\x03\x02\x01\x01", "is none of what this program reads"),
    "too much": (bytes(MAX_INPUT_SIZE + 1), f"more than {MAX_INPUT_SIZE} bytes"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_cannot_be_shown_is_a_usage_error_that_says_why(run: Run, folder: Path, name: str) -> None:
    content, sentence = UNUSABLE[name]
    (folder / "file").write_bytes(content)
    result = run("inspect", "file")
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert sentence in result.stderr


@pytest.mark.parametrize("path", ["no_such_file", "."])
def test_what_cannot_be_opened_is_a_usage_error(run: Run, path: str) -> None:
    assert run("inspect", path).exit_code == 2


def test_names_in_certificates_reach_no_terminal_unescaped(run: Run, folder: Path) -> None:
    leaf = pck_chain(DCAP_QVL / "tdx_quote")[0]
    name = b"Intel SGX PCK Certificate"
    (folder / "file").write_bytes(leaf.replace(name, b"\x1b]0;owned\x07".ljust(len(name)), 1))
    result = run("inspect", "file")
    assert "\x1b" not in result.output
    assert result.exit_code == 0


@given(mutated_bytes([content for _, content in FILES.values()]))
def test_any_file_is_shown_or_refused_and_never_crashes(content: bytes) -> None:
    try:
        found = inspect_bytes(content)
    except InputError:
        return
    if found is not None:
        assert json.loads(render_tree_json(found, len(content), ""))["kind"] == found.kind
        text = render_tree_text(found, "file", len(content), "")
        assert all(line.isprintable() for line in text.split("\n"))
