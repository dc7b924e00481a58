"""Whatever is handed in: a clear message, the right exit code, never a traceback.

What cannot be opened or understood as a command is a usage error (2). What can be opened is judged: bad content refuses (1).
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result

from tests.cases.model import INTEL, PLATFORM
from tests.cli.conftest import Run
from tests.support.outcomes import policy_text
from tests.support.real_evidence import DCAP_QVL, collateral_documents, pck_chain
from voltage_attest.cli.files import MAX_INPUT_SIZE
from voltage_attest.testing import APPRAISED_AT, Certification


def refused(result: Result, *sentences: str) -> None:
    """Assert a refusal that says these things, whatever the line breaks."""
    assert result.exit_code == 1, result.output
    assert result.stdout.startswith("REFUSED: ")
    said = " ".join(result.stdout.split())
    assert [sentence for sentence in sentences if sentence not in said] == []


def unusable(result: Result, *sentences: str) -> None:
    """Assert a usage error that says these things and gives no verdict."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert [sentence for sentence in sentences if sentence not in result.stderr] == []


@pytest.mark.parametrize("size", [1, 3, 47, 48, 631, 632, 700, 1300, 4000, 4935])
def test_a_truncated_quote_is_refused(verify: Run, folder: Path, quote: Path, size: int) -> None:
    (folder / "cut").write_bytes(quote.read_bytes()[:size])
    refused(verify(quote="cut"), "FAILED tdx.quote.parse")


@pytest.mark.parametrize("size", [1, 100, 8000, 16071])
def test_truncated_collateral_is_refused(verify: Run, folder: Path, collateral: Path, size: int) -> None:
    (folder / "cut").write_bytes(collateral.read_bytes()[:size].rstrip())
    refused(verify(collateral="cut"), "FAILED tdx.collateral.parse", "not JSON")


@pytest.mark.parametrize("size", [64 * 1024 + 1, 1024 * 1024, MAX_INPUT_SIZE + 2])
def test_an_oversized_quote_is_refused(verify: Run, folder: Path, quote: Path, size: int) -> None:
    (folder / "big").write_bytes(quote.read_bytes().ljust(size, b"\0"))
    refused(verify(quote="big"), "FAILED tdx.quote.parse", "expected at most 65536")


@pytest.mark.parametrize("size", [4 * 1024 * 1024 + 1, MAX_INPUT_SIZE + 2])
def test_oversized_collateral_is_refused(verify: Run, folder: Path, collateral: Path, size: int) -> None:
    (folder / "big").write_bytes(collateral.read_bytes().ljust(size))
    refused(verify(collateral="big"), "FAILED tdx.collateral.parse", "expected at most 4194304")


@pytest.mark.parametrize(("option", "check_id"), [("quote", "tdx.quote.parse"), ("collateral", "tdx.collateral.parse")])
@pytest.mark.parametrize("content", [b"", b"\n", b"\0", b"\xff\xfe\xfd", b"nonsense!", b"null", b"[]", b'"\xc3\x28"'])
def test_content_that_is_nothing_is_refused(verify: Run, folder: Path, option: str, check_id: str, content: bytes) -> None:
    (folder / "file").write_bytes(content)
    refused(verify(**{option: "file"}), f"FAILED {check_id}")


def test_collateral_that_is_not_utf8_is_refused(verify: Run, folder: Path, collateral: Path) -> None:
    (folder / "latin").write_bytes(collateral.read_bytes().replace(b"{", b"{\xe9", 1))
    refused(verify(collateral="latin"), "FAILED tdx.collateral.parse", "JSON in UTF-8")


@pytest.mark.parametrize("option", ["quote", "collateral", "policy", "trust_root"])
def test_a_directory_is_no_file(verify: Run, folder: Path, option: str) -> None:
    (folder / "directory").mkdir()
    unusable(verify(**{option: "directory"}), "directory", "expected a")


@pytest.mark.parametrize("option", ["quote", "collateral", "policy", "trust_root"])
def test_a_file_that_is_not_there_is_named(verify: Run, option: str) -> None:
    unusable(verify(**{option: "no_such_file"}), "no_such_file", "No such file or directory")


@pytest.mark.parametrize("option", ["quote", "collateral", "policy", "trust_root"])
def test_a_file_that_may_not_be_read_is_named(verify: Run, folder: Path, option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "secret").write_bytes(b"")
    really_open = Path.open

    def open_unless_secret(path: Path, mode: str = "r") -> object:
        if path.name == "secret":
            raise PermissionError(13, "Permission denied")
        return really_open(path, mode)

    monkeypatch.setattr(Path, "open", open_unless_secret)
    unusable(verify(**{option: "secret"}), "secret", "Permission denied")


def test_quote_and_collateral_exchanged_are_told_apart(verify: Run, quote: Path, collateral: Path) -> None:
    refused(
        verify(quote=collateral, collateral=quote),
        "the file holds JSON",
        "it belongs to --collateral; were the two files exchanged?",
        "the file holds a quote",
        "A quote belongs to --quote; were the two files exchanged?",
    )


@pytest.mark.parametrize(
    "text",
    [
        "2025-06-19T12:00:00",
        "2025-06-19 12:00:00.5",
    ],
)
def test_a_time_without_a_zone_is_a_usage_error(verify: Run, text: str) -> None:
    unusable(verify(at=text), "has no time zone; add Z for UTC", f"{text}Z")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "NaN",
        "0",
        "1750334400",
        "2025-06-19",
        "2025-06-19T12:00Z",
        "2025-W25-4T12:00:00Z",
        "20250619T120000Z",
        "\x1b[2J",
    ],
)
def test_what_is_no_time_is_a_usage_error(verify: Run, text: str) -> None:
    result = verify(at=text)
    unusable(result, "is no time; write date, time and zone, such as 2026-11-24T17:00:00Z")
    assert "\x1b" not in result.stderr


@pytest.mark.parametrize(
    "text",
    [
        "2025-02-30T12:00:00Z",
        "2025-13-01T12:00:00Z",
        "2025-06-19T25:00:00Z",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-00:01",
        "0001-01-01T00:00:00+00:01",
        "2025-06-19T12:00:00+99:00",
    ],
)
def test_a_time_that_does_not_exist_is_a_usage_error(verify: Run, text: str) -> None:
    unusable(verify(at=text), "does not exist as a time in UTC, years 1 to 9999")


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
def test_the_ends_of_time_are_judged_like_any_other(verify: Run, text: str) -> None:
    refused(verify(at=text), "FAILED tdx.pck.validity", f"appraised at {text[:10]}")


@pytest.mark.parametrize(
    ("date", "sentence"),
    [
        ("NaN", "issueDate is 'NaN'"),
        ("", "issueDate is ''"),
        ("2025-02-30T00:00:00Z", "a time that exists"),
        ("9999-99-99T99:99:99Z", "a time that exists"),
        ("99999-01-01T00:00:00Z", "issueDate is '99999-01-01T00:00:00Z'"),
        ("2025-06-19T10:16:03", "issueDate is '2025-06-19T10:16:03'"),
    ],
)
def test_absurd_dates_in_documents_are_refused(verify: Run, folder: Path, date: str, sentence: str) -> None:
    documents = collateral_documents("tdx_quote")
    documents["tcb_info"] = documents["tcb_info"].replace("2025-06-19T10:16:03Z", date, 1)
    (folder / "absurd.json").write_text(json.dumps(documents), "utf-8")
    refused(verify(collateral="absurd.json"), "FAILED tdx.tcb_info.parse", sentence)


@pytest.mark.parametrize("date", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
def test_documents_at_the_ends_of_time_are_judged(verify: Run, folder: Path, date: str) -> None:
    documents = collateral_documents("tdx_quote")
    documents["tcb_info"] = documents["tcb_info"].replace("2025-07-19T10:16:03Z", date, 1)
    (folder / "absurd.json").write_text(json.dumps(documents), "utf-8")
    refused(verify(collateral="absurd.json"), "FAILED tdx.tcb_info.signature")


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_have_are_refused(verify: Run, folder: Path, constant: str) -> None:
    documents = collateral_documents("tdx_quote")
    documents["tcb_info"] = documents["tcb_info"].replace('"tcbType":0', f'"tcbType":{constant}', 1)
    (folder / "nan.json").write_text(json.dumps(documents), "utf-8")
    refused(verify(collateral="nan.json"), "FAILED tdx.tcb_info.parse", f"the number {constant}")


@pytest.mark.parametrize(
    "junk",
    ["look here\n", "\0", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "\x1b]0;owned\x07"],
)
def test_pem_with_junk_is_refused(verify: Run, folder: Path, junk: str) -> None:
    documents = collateral_documents("tdx_quote")
    documents["tcb_info_issuer_chain"] = junk + documents["tcb_info_issuer_chain"]
    (folder / "junk.json").write_text(json.dumps(documents), "utf-8")
    result = verify(collateral="junk.json")
    refused(result, "FAILED tdx.tcb_info.chain", "PEM blocks labelled CERTIFICATE and nothing else")
    assert "\x1b" not in result.output


@pytest.mark.parametrize("which", ["leaf only", "four certificates"])
def test_a_chain_of_another_length_is_refused(run: Run, folder: Path, which: str) -> None:
    leaf, ca, root = (signer.pem for signer in PLATFORM.leaf.chain)
    parts = [leaf] if which == "leaf only" else [leaf, ca, INTEL.processor_ca.pem, root]
    quote = PLATFORM.quote(certification=Certification(data="".join(parts).encode() + b"\0"))
    files = {"quote": quote, "collateral": INTEL.collateral(PLATFORM).to_json(), "policy": policy_text().encode()}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / "root").write_bytes(INTEL.root_pem)
    named = ("--quote", "quote", "--collateral", "collateral", "--policy", "policy", "--trust-root", "root")
    result = run("verify", *named, "--at", APPRAISED_AT.isoformat())
    refused(
        result, "FAILED tdx.pck.parse", "3 certificates: PCK leaf, PCK CA, root", f"{len(parts)}: Intel SGX PCK Certificate"
    )


def test_collateral_of_another_platform_family_is_refused(verify: Run) -> None:
    result = verify(collateral=DCAP_QVL / "tdx_quote_outdated_collateral.json", at="2026-03-01T00:00:00Z")
    refused(result, "FAILED tdx.tcb_info.fmspc", "b0c06f000000", "90c06f000000")


def test_an_sgx_quote_is_refused_as_such(verify: Run) -> None:
    result = verify(quote=DCAP_QVL / "sgx_quote", collateral=DCAP_QVL / "sgx_quote_collateral.json")
    refused(result, "FAILED tdx.quote.parse", "an SGX quote (version 3, TEE type 0x0)", "An SGX enclave is not a TD")


@pytest.mark.parametrize(
    ("content", "sentences"),
    [
        (b"", ("schema is missing",)),
        (b"\xff\xfe", ("is not UTF-8", "Save the file as UTF-8")),
        (b"schema = ", ("not TOML", "Mend the syntax")),
        (b'{"json": true}', ("not TOML",)),
        (b'schema = "voltage-attest/policy/2"', ("schema", 'Write schema = "voltage-attest/policy/1"')),
        (policy_text(tdx={"mrtd": '["00"]'}).encode(), ("tdx.mrtd", "96 hex digits (48 bytes)")),
        (policy_text(tdx={"mrdt": '["00"]'}).encode(), ("the unknown key 'mrdt'", "Did you mean mrtd?")),
        (policy_text(top="[gpus]\ncount = 1").encode(), ("unknown key 'gpus'", "Did you mean gpu?")),
        (b"\n" * (1024 * 1024 + 1), ("more than 1048576 bytes",)),
    ],
    ids=["empty", "not UTF-8", "cut", "JSON", "version", "length", "unknown key", "unknown section", "oversized"],
)
@pytest.mark.parametrize("through", ["file", "standard input"])
def test_an_unusable_policy_says_what_to_write(
    verify: Run, folder: Path, content: bytes, sentences: tuple[str, ...], through: str
) -> None:
    (folder / "bad.toml").write_bytes(content)
    if through == "file":
        unusable(verify(policy="bad.toml"), "bad.toml", *sentences)
    elif "more than" not in sentences[0]:
        unusable(verify(policy="-", stdin=content), *[part.replace("the file as", "the policy as") for part in sentences])


@pytest.mark.parametrize(
    "content",
    [b"", b"nonsense", b"\xff", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"],
    ids=["empty", "text", "binary", "no certificate"],
)
def test_a_trust_root_that_is_none_is_a_usage_error(verify: Run, folder: Path, content: bytes) -> None:
    (folder / "root").write_bytes(content)
    unusable(verify(trust_root="root"), "--trust-root:")


def test_a_leaf_is_no_trust_root(verify: Run, folder: Path) -> None:
    leaf = pck_chain(DCAP_QVL / "tdx_quote")[0]
    (folder / "root").write_bytes(leaf)
    unusable(verify(trust_root="root"), "--trust-root:", "PEM")


def test_output_into_a_folder_that_is_not_there_gives_no_verdict(verify: Run) -> None:
    unusable(verify("-o", "no_such_folder/result.json"), "--output: no_such_folder/result.json cannot be written")


def test_output_over_a_directory_gives_no_verdict(verify: Run, folder: Path) -> None:
    (folder / "directory").mkdir()
    unusable(verify("-o", "directory"), "--output: directory cannot be written")
