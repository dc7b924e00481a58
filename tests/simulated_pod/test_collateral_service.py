"""The simulated pod serves what Intel serves, as Intel serves it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import pytest
from cryptography import x509

from tests.simulated_pod.client import Response, get
from voltage_attest.evidence.pem import parse_pem_chain
from voltage_attest.testing import Collateral, Fault, SimulatedPod
from voltage_attest.testing.pod_intel import EARLY_NUMBER, STANDARD_NUMBER

FMSPC = "B0C06F000000"
TCB = "/tdx/certification/v4/tcb"
QE_IDENTITY = "/tdx/certification/v4/qe/identity"
PCK_CRL = "/sgx/certification/v4/pckcrl"


def fetch(pod: SimulatedPod, path: str) -> Response:
    """As PCS is asked: without a key."""
    return get(pod, path, api_key=None)


def chain(response: Response, header: str) -> str:
    """The issuer chain of a header, as PEM."""
    return unquote(response.headers[header])


def collect(pod: SimulatedPod) -> Collateral:
    """The nine documents, gathered over the wire as a client gathers them."""
    tcb, identity = fetch(pod, f"{TCB}?fmspc={FMSPC}"), fetch(pod, QE_IDENTITY)
    crl, root_crl = fetch(pod, f"{PCK_CRL}?ca=platform&encoding=der"), fetch(pod, "/IntelSGXRootCA.der")
    assert {response.status for response in (tcb, identity, crl, root_crl)} == {200}
    return Collateral(
        pck_crl_issuer_chain=chain(crl, "sgx-pck-crl-issuer-chain"),
        root_ca_crl=root_crl.body.hex(),
        pck_crl=crl.body.hex(),
        tcb_info_issuer_chain=chain(tcb, "tcb-info-issuer-chain"),
        tcb_info=signed_text(tcb, "tcbInfo"),
        tcb_info_signature=str(tcb.json()["signature"]),
        qe_identity_issuer_chain=chain(identity, "sgx-enclave-identity-issuer-chain"),
        qe_identity=signed_text(identity, "enclaveIdentity"),
        qe_identity_signature=str(identity.json()["signature"]),
    )


def signed_text(response: Response, key: str) -> str:
    """The value of the key exactly as it stands in the body."""
    text = response.body.decode()
    start = text.index(f'"{key}":') + len(key) + 3
    _, end = json.JSONDecoder().raw_decode(text, start)
    return text[start:end]


def test_what_is_served_is_the_signed_collateral_to_the_byte(pod: SimulatedPod) -> None:
    assert collect(pod) == pod.collateral()


def test_documents_are_in_date_at_the_present(pod: SimulatedPod) -> None:
    now = datetime.now(UTC)
    document = fetch(pod, f"{TCB}?fmspc={FMSPC}").json()["tcbInfo"]
    assert isinstance(document, dict)
    issued, until = (datetime.fromisoformat(document[key]) for key in ("issueDate", "nextUpdate"))
    assert now - timedelta(days=1) < issued < now < until
    crl = x509.load_der_x509_crl(fetch(pod, "/IntelSGXRootCA.der").body)
    assert crl.next_update_utc is not None
    assert crl.last_update_utc < now < crl.next_update_utc


def test_headers_are_url_encoded_as_intels(pod: SimulatedPod) -> None:
    header = fetch(pod, QE_IDENTITY).headers["sgx-enclave-identity-issuer-chain"]
    assert header.startswith("-----BEGIN%20CERTIFICATE-----%0A")
    assert not set("+/= \n") & set(header)
    assert len(parse_pem_chain(unquote(header).encode(), "chain")) == 2


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("", STANDARD_NUMBER),
        ("update=standard", STANDARD_NUMBER),
        ("update=early", EARLY_NUMBER),
        (f"tcbEvaluationDataNumber={STANDARD_NUMBER - 1}", STANDARD_NUMBER - 1),
    ],
)
def test_the_evaluation_data_number_is_the_one_asked_for(pod: SimulatedPod, query: str, number: int) -> None:
    for path, key in ((f"{TCB}?fmspc={FMSPC}&{query}", "tcbInfo"), (f"{QE_IDENTITY}?{query}", "enclaveIdentity")):
        document = fetch(pod, path).json()[key]
        assert isinstance(document, dict)
        assert document["tcbEvaluationDataNumber"] == number


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("update=late", 400),
        ("update=standard&tcbEvaluationDataNumber=20", 400),
        ("tcbEvaluationDataNumber=x", 400),
        ("tcbEvaluationDataNumber=99", 404),
        ("tcbEvaluationDataNumber=5", 410),
    ],
)
def test_what_cannot_be_served_says_so(pod: SimulatedPod, query: str, status: int) -> None:
    assert fetch(pod, f"{TCB}?fmspc={FMSPC}&{query}").status == status
    assert fetch(pod, f"{QE_IDENTITY}?{query}").status == status


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (TCB, 400),
        (f"{TCB}?fmspc=xyz", 400),
        (f"{TCB}?fmspc=00906EA10000", 404),
        (f"{TCB}?fmspc=b0c06f000000", 200),
        (PCK_CRL, 400),
        (f"{PCK_CRL}?ca=other", 400),
        (f"{PCK_CRL}?ca=platform&encoding=base64", 400),
        ("/sgx/certification/v4/pckcert", 404),
    ],
)
def test_status_is_that_of_pcs(pod: SimulatedPod, path: str, status: int) -> None:
    response = fetch(pod, path)
    assert response.status == status
    assert len(response.headers["request-id"]) == 32


def test_pck_crl_comes_in_pem_unless_der_is_asked_for(pod: SimulatedPod) -> None:
    pem = fetch(pod, f"{PCK_CRL}?ca=platform")
    der = fetch(pod, f"{PCK_CRL}?ca=platform&encoding=der")
    crl = x509.load_pem_x509_crl(pem.body)
    assert crl.issuer == x509.load_der_x509_crl(der.body).issuer
    assert der.headers["content-type"] == "application/pkix-crl"


def test_the_processor_ca_has_its_own_crl(pod: SimulatedPod) -> None:
    response = fetch(pod, f"{PCK_CRL}?ca=processor&encoding=der")
    assert "Processor CA" in x509.load_der_x509_crl(response.body).issuer.rfc4514_string()
    assert len(parse_pem_chain(chain(response, "sgx-pck-crl-issuer-chain").encode(), "chain")) == 2


def test_root_crl_is_also_served_as_caching_services_do(pod: SimulatedPod) -> None:
    assert bytes.fromhex(fetch(pod, "/sgx/certification/v4/rootcacrl").body.decode()) == fetch(pod, "/IntelSGXRootCA.der").body


def test_a_revoked_platform_is_in_the_crl(pod: SimulatedPod) -> None:
    with pod.faulty(Fault.REVOKED_PCK):
        served = collect(pod)
        assert served == pod.collateral()
        crl = x509.load_der_x509_crl(bytes.fromhex(served.pck_crl or ""))
        assert crl.get_revoked_certificate_by_serial_number(pod.machine.platform().leaf.serial) is not None
    assert collect(pod) == pod.collateral()
