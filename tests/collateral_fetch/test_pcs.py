"""What Intel PCS and PCCS are asked, and what their refusals mean."""

from __future__ import annotations

import pytest

from voltage_attest.collateral.intel import MAX_COLLATERAL_SIZE, IntelCollateral
from voltage_attest.collateral.pcs import (
    INTEL_PCS,
    KEYS_OF,
    CollateralRequest,
    DocumentKind,
    PcsEndpoint,
    describe,
    explain_failure,
    http_request,
    pccs_endpoint,
)
from voltage_attest.errors import FetchError

FMSPC = bytes.fromhex("90c06f000000")
STANDARD = CollateralRequest(FMSPC, "platform")
INTEL_BASE = "https://api.trustedservices.intel.com"


def urls(endpoint: PcsEndpoint, request: CollateralRequest) -> list[str]:
    return [http_request(kind, endpoint, request).url for kind in DocumentKind]


def test_intel_is_asked_for_four_documents() -> None:
    assert urls(INTEL_PCS, STANDARD) == [
        "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der",
        f"{INTEL_BASE}/sgx/certification/v4/pckcrl?ca=platform&encoding=der",
        f"{INTEL_BASE}/tdx/certification/v4/tcb?fmspc=90c06f000000&update=standard",
        f"{INTEL_BASE}/tdx/certification/v4/qe/identity?update=standard",
    ]


def test_a_pccs_is_asked_for_everything_itself() -> None:
    base = "https://pccs.example.org:8081"
    assert urls(pccs_endpoint(base), CollateralRequest(FMSPC, "processor", "early")) == [
        f"{base}/sgx/certification/v4/rootcacrl",
        f"{base}/sgx/certification/v4/pckcrl?ca=processor&encoding=der",
        f"{base}/tdx/certification/v4/tcb?fmspc=90c06f000000&update=early",
        f"{base}/tdx/certification/v4/qe/identity?update=early",
    ]


def test_a_fixed_number_takes_the_place_of_the_update() -> None:
    asked = urls(INTEL_PCS, CollateralRequest(FMSPC, "platform", tcb_evaluation_data_number=20))
    assert asked[2].endswith("/tcb?fmspc=90c06f000000&tcbEvaluationDataNumber=20")
    assert asked[3].endswith("/qe/identity?tcbEvaluationDataNumber=20")
    assert not any("update" in url for url in asked)


@pytest.mark.parametrize("ending", ["", "/", "/sgx/certification/v4", "/sgx/certification/v4/", "/tdx/certification/v4/"])
def test_a_pccs_may_be_named_with_or_without_its_path(ending: str) -> None:
    assert pccs_endpoint(f"https://pccs.example.org/mirror{ending}").base == "https://pccs.example.org/mirror"
    assert pccs_endpoint(f"{INTEL_BASE}{ending}") == INTEL_PCS


@pytest.mark.parametrize(
    "url", ["http://pccs.example.org", "pccs.example.org", "https://u:p@pccs.example.org", "https://pccs.example.org?x=1"]
)
def test_a_pccs_that_may_not_be_asked_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="the PCCS address cannot be used"):
        pccs_endpoint(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8081", "http://localhost:8081"])
def test_a_pccs_on_this_machine_may_speak_http(url: str) -> None:
    assert pccs_endpoint(url).base == url


@pytest.mark.parametrize(
    ("fmspc", "ca", "update", "number"),
    [
        (b"", "platform", "standard", None),
        (bytes(7), "platform", "standard", None),
        (FMSPC, "root", "standard", None),
        (FMSPC, "platform&x=1", "standard", None),
        (FMSPC, "platform", "late", None),
        (FMSPC, "platform", "early", 20),
        (FMSPC, "platform", "standard", 0),
        (FMSPC, "platform", "standard", 1 << 32),
    ],
)
def test_what_cannot_be_asked_is_no_request(fmspc: bytes, ca: str, update: str, number: int | None) -> None:
    with pytest.raises(ValueError, match=r"expected|positive"):
        CollateralRequest(fmspc, ca, update, number)


def test_the_documents_fill_the_nine_keys_each_once() -> None:
    keys = [key for kind in DocumentKind for key in KEYS_OF[kind]]
    assert sorted(keys) == sorted(IntelCollateral().missing())


def test_the_largest_answers_together_fit_into_the_nine_key_json() -> None:
    sizes = {kind: http_request(kind, INTEL_PCS, STANDARD).max_bytes for kind in DocumentKind}
    as_hex = 2 * (sizes[DocumentKind.ROOT_CA_CRL] + sizes[DocumentKind.PCK_CRL])
    quotes_escaped = 2 * (sizes[DocumentKind.TCB_INFO] + sizes[DocumentKind.QE_IDENTITY])
    assert as_hex + quotes_escaped < MAX_COLLATERAL_SIZE


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (404, "Intel has no TDX TCB info for FMSPC 90c06f000000 with evaluation data number 12 (HTTP 404). "),
        (410, "Intel no longer serves TDX TCB info for FMSPC 90c06f000000 with evaluation data number 12 (HTTP 410). "),
        (400, "Intel does not accept the request for TDX TCB info for FMSPC 90c06f000000 with evaluation data number 12"),
        (503, "the TCB info: answered 503. Try later."),
        (None, "the TCB info: answered 503. Try later."),
    ],
)
def test_a_status_is_explained_in_terms_of_what_was_asked(status: int | None, sentence: str) -> None:
    error = FetchError("the TCB info", happened="answered 503", remedy="Try later.", status=status)
    request = CollateralRequest(FMSPC, "platform", tcb_evaluation_data_number=12)
    assert explain_failure(DocumentKind.TCB_INFO, INTEL_PCS, request, error).startswith(sentence)


def test_each_document_has_words_of_its_own() -> None:
    assert [describe(kind, STANDARD) for kind in DocumentKind] == [
        "root CA CRL",
        "PCK CRL of the platform CA",
        "TDX TCB info for FMSPC 90c06f000000",
        "TD QE identity",
    ]
