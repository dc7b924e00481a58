"""Answers of every provider, made here: synthetic, in the documented shapes, around quotes of the fake Intel.

The recorded real ones are in ``test_real_answers.py``. Each function returns the JSON document; ``encode`` makes the body.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from voltage_attest.testing import FakeIntel, TdReportFields

__all__ = [
    "CERTIFICATE_PEM",
    "E2EE_KEY",
    "GPU_DEVICE",
    "HPKE_KEY",
    "NONCE",
    "SPKI_SHA256",
    "VECTORS",
    "JsonDict",
    "b64",
    "chutes_evidence",
    "chutes_instances",
    "dstack_report",
    "encode",
    "gpu_evidence",
    "near_gateway",
    "quote_over",
    "relayed_chutes",
    "tinfoil_v2",
    "tinfoil_v3_flat",
    "tinfoil_v3_sections",
    "vector",
    "voltagegpu",
]

JsonDict = dict[str, object]

VECTORS: Final = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "gpu"
"""Recorded answers beside the repository, no part of it."""

NONCE: Final = hashlib.sha256(b"a nonce").digest()
HPKE_KEY: Final = hashlib.sha256(b"an HPKE key").digest()
E2EE_KEY: Final = hashlib.sha512(b"an end-to-end key").digest()
GPU_DEVICE: Final[JsonDict] = {"certificate": "LS0tLS1CRUdJTg==", "evidence": "EeAB/w==", "arch": "HOPPER"}

CERTIFICATE_PEM: Final = """\
-----BEGIN CERTIFICATE-----
MIIBGDCBv6ADAgECAgEHMAoGCCqGSM49BAMCMBYxFDASBgNVBAMMC3BvZC5leGFt
cGxlMB4XDTI2MDEwMTAwMDAwMFoXDTM2MDEwMTAwMDAwMFowFjEUMBIGA1UEAwwL
cG9kLmV4YW1wbGUwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAT56+RkFHzBAtkj
JNCZ2SfBpQ5C1XoIoRb/7AopgZ2MZXC699EoiJAqagwdZ63RAxI8hZq2m/jpQxyT
hJMNS37uMAoGCCqGSM49BAMCA0gAMEUCIQDk2S+JYDJevMi04Zy7zJTX1gmVYwbG
Ko0p8MVW48BmygIgM+8rOsTX2QUGv+UrZyloQxdsyLwZEMm/5QW7Nh907Rs=
-----END CERTIFICATE-----
"""
"""Self-signed for pod.example; its P-256 key is the scalar 0x1234567890abcdef1234567890abcdef."""

SPKI_SHA256: Final = bytes.fromhex("d3949091b17809e3c090eb70c3592b2ce2020fb8b5081c99220565a7eb1990f4")
"""SHA-256 of its key, as ``openssl x509 -pubkey | openssl pkey -pubin -outform der | sha256sum`` gives it."""


def b64(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def encode(document: object) -> bytes:
    return json.dumps(document).encode("utf-8")


@cache
def quote_over(report_data: bytes) -> bytes:
    """A quote of the fake Intel with this REPORTDATA."""
    return FakeIntel().platform().quote(TdReportFields(report_data=report_data.ljust(64, b"\0")))


@cache
def vector(pattern: str) -> bytes:
    """A recorded body by its glob; skips the test where the recordings are not beside the repository."""
    found = sorted(VECTORS.glob(pattern))
    if not found:
        pytest.skip("../shared/vectors is not beside this repository")
    return found[0].read_bytes()


def gpu_evidence(nonce: bytes = NONCE) -> JsonDict:
    """NRAS shape; the report in it is no report."""
    return {"nonce": nonce.hex(), "arch": "HOPPER", "evidence_list": [GPU_DEVICE]}


def voltagegpu() -> JsonDict:
    key = hashlib.sha256(E2EE_KEY).digest()
    report_data = hashlib.sha512(b"voltage-attest/1\0" + NONCE + SPKI_SHA256 + key).digest()
    return {
        "tdx_version": "1.5",
        "measurement_valid": True,
        "mr_td": TdReportFields().mrtd.hex(),
        "nonce": NONCE.hex(),
        "quote": b64(quote_over(report_data)),
        "event_log": [{"imr": 0, "event_type": 1, "digest": "00" * 48, "event": "", "event_payload": ""}],
        "gpu_evidence": gpu_evidence(),
        "switch_evidence": {"nonce": NONCE.hex(), "arch": "LS10", "evidence_list": [GPU_DEVICE] * 4},
        "tls_certificate": CERTIFICATE_PEM,
        "e2ee_public_key": b64(E2EE_KEY),
    }


def dstack_report(address: bytes = HPKE_KEY, *, tls: bytes | None = SPKI_SHA256) -> JsonDict:
    """One TD's report; an address of 32 bytes is an Ed25519 key, one of 20 an Ethereum address."""
    identity = address.ljust(32, b"\0") if tls is None else hashlib.sha256(address + tls).digest()
    report: JsonDict = {
        "model_name": "example/model",
        "signing_address": address.hex() if len(address) == 32 else f"0x{address.hex().upper()}",
        "signing_algo": "ed25519" if len(address) == 32 else "ecdsa",
        "signing_public_key": address.hex() if len(address) == 32 else "04" * 64,
        "request_nonce": NONCE.hex(),
        "intel_quote": quote_over(identity + NONCE).hex(),
        "event_log": [],
        "info": {"app_compose": "{}", "vm_config": "{}"},
        "nvidia_payload": json.dumps(gpu_evidence()),
    }
    return report if tls is None else {**report, "tls_cert_fingerprint": tls.hex()}


def near_gateway() -> JsonDict:
    gateway = dstack_report()
    del gateway["nvidia_payload"], gateway["model_name"]
    return {
        "gateway_attestation": gateway,
        "model_attestations": [dstack_report(hashlib.sha256(b"a model's key").digest())],
        "tls_certificate": CERTIFICATE_PEM,
    }


def chutes_instances() -> JsonDict:
    return {
        "instances": [{"instance_id": f"instance-{number}", "e2e_pubkey": b64(E2EE_KEY), "nonces": ["x"]} for number in (1, 2)],
        "nonce_expires_in": 60,
        "nonce_expires_at": 1779243525,
    }


def _chutes_quote() -> str:
    bound = hashlib.sha256(NONCE.hex().encode() + b64(E2EE_KEY).encode()).digest()
    return b64(quote_over(bound + SPKI_SHA256))


def chutes_evidence() -> JsonDict:
    der = "".join(CERTIFICATE_PEM.splitlines()[1:-1])
    instance: JsonDict = {"quote": _chutes_quote(), "gpu_evidence": [GPU_DEVICE] * 8, "certificate": der}
    return {
        "evidence": [{**instance, "instance_id": f"instance-{number}"} for number in (1, 2)],
        "failed_instance_ids": [],
    }


def relayed_chutes() -> JsonDict:
    """Chutes' evidence as Redpill hands it on."""
    entry: JsonDict = {"e2e_pubkey": b64(E2EE_KEY), "intel_quote": _chutes_quote(), "gpu_evidence": [GPU_DEVICE]}
    return {
        "attestation_type": "chutes",
        "nonce": NONCE.hex(),
        "all_attestations": [{"instance_id": "instance-1", "nonce": NONCE.hex(), **entry}],
    }


def tinfoil_v2() -> JsonDict:
    body = gzip.compress(quote_over(SPKI_SHA256 + HPKE_KEY), mtime=0)
    return {"format": "https://tinfoil.sh/predicate/tdx-guest/v2", "body": b64(body)}


def tinfoil_v3_flat() -> bytes:
    """The flat form as bytes: the hashes in REPORTDATA cover the GPU and switch JSON as it stands, odd spacing included."""
    gpu = '{"evidences": [  {"arch":"HOPPER","certificate":"LS0tLQ==","evidence":"EeAB","nonce":"00"} ]}'
    switch = '{"evidences":[{"arch":"LS10","certificate":"LS0tLQ==","evidence":"EeAB"}],"result_code":0}'
    gpu_hash, switch_hash = (hashlib.sha256(text.encode()).digest() for text in (gpu, switch))
    report_data = hashlib.sha256(SPKI_SHA256 + HPKE_KEY + NONCE + gpu_hash + switch_hash).digest()
    rest = {
        "format": "https://tinfoil.sh/predicate/attestation/v3",
        "report_data": {
            "tls_key_fp": SPKI_SHA256.hex(),
            "hpke_key": HPKE_KEY.hex(),
            "nonce": NONCE.hex(),
            "gpu_evidence_hash": gpu_hash.hex(),
            "nvswitch_evidence_hash": switch_hash.hex(),
        },
        "cpu": {"platform": "tdx", "report": b64(quote_over(report_data))},
        "certificate": CERTIFICATE_PEM,
        "signature": "AAAA",
    }
    return f'{{"gpu": {gpu} , "nvswitch":{switch}, {json.dumps(rest)[1:]}'.encode()


def tinfoil_v3_sections() -> JsonDict:
    base = "https://tinfoil.sh"
    keys = [
        {"id": "tls", "format": f"{base}/key/spki-fp-sha256/v1", "data": SPKI_SHA256.hex()},
        {"id": "hpke", "format": f"{base}/key/x25519-hpke/v1", "data": HPKE_KEY.hex()},
        {"id": "other", "format": f"{base}/key/spki/v1", "data": "00"},
    ]
    gpu = {"kind": "gpu", "vendor": "nvidia", "format": f"{base}/format/nvidia-gpu-evidence/v1", "evidence": GPU_DEVICE}
    devices = [{"id": f"gpu{number}", **gpu} for number in (0, 1)]
    material = json.dumps({"format": f"{base}/crypto-material/v1", "items": keys}).encode()
    evidence = json.dumps({"format": f"{base}/device-evidence/v1", "items": devices}, indent=1).encode()
    endorsed = [hashlib.sha256(section).digest() for section in (material, evidence)]
    report_data = hashlib.sha256(f"{base}/report-data/v1".encode() + NONCE + b"".join(endorsed)).digest()
    return {
        "format": f"{base}/predicate/attestation/v3",
        "challenge": {
            "nonce": NONCE.hex(),
            "report_data": report_data.ljust(64, b"\0").hex(),
            "report_data_algorithm": f"{base}/report-data/v1",
        },
        "cpu_evidence": {
            "format": f"{base}/format/tdx-quote/v1",
            "report_base64": b64(quote_over(report_data)),
            "endorsed": {"crypto_material_hash": endorsed[0].hex(), "device_evidence_hash": endorsed[1].hex()},
        },
        "crypto_material": b64(material),
        "device_evidence": b64(evidence),
        "collateral": [],
    }
