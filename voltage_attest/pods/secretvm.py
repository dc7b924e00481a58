"""SecretVM: ``GET https://{host}:29343/cpu`` (or port 21434), and ``/gpu`` beside it.

::

    /cpu   the quote in hex, as text
    /gpu   NRAS shape {nonce, arch, evidence_list}; or {error, details} on a machine without GPU

REPORTDATA: SHA-256 of the TLS key's SubjectPublicKeyInfo (older machines: of the whole certificate) || nonce of the GPU report.
Nothing in it is drawn by the verifier: it shows a key and a GPU, never that they are there now. An AMD machine answers ``/cpu``
in base64 and is refused here. The GPU's nonce is read from its report; the one beside it is not even carried.

Source: secretvm-verify 0.12.0 (``vm.py``, ``cpu.py``).
"""

from __future__ import annotations

import re
from typing import Final

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.encoding import MAX_QUOTE_SIZE
from voltage_attest.evidence.json_text import parse_json
from voltage_attest.evidence.model import DeviceEvidence, Evidence
from voltage_attest.pods.answer import MAX_ANSWER_SIZE
from voltage_attest.pods.devices import nras_devices

__all__ = ["CPU_PATH", "GPU_PATH", "NAME", "parse_secretvm"]

NAME: Final = "secretvm"
CPU_PATH: Final = "/cpu"
GPU_PATH: Final = "/gpu"

_HEX_QUOTE: Final = re.compile(rb"\s*((?:[0-9a-fA-F]{2})+)\s*")
_NOT_FRESH: Final = "SecretVM evidence holds no nonce of the verifier's: when it was made is unknown"


def parse_secretvm(body: bytes, companion: bytes | None = None) -> tuple[Evidence, ...]:
    """Read the answer of ``/cpu``, and of ``/gpu`` as its companion; :class:`EvidenceFormatError` says what was found."""
    if len(body) > 2 * MAX_QUOTE_SIZE + 64:
        raise EvidenceFormatError(f"the SecretVM answer has {len(body)} bytes", expected="a quote in hex")
    match = _HEX_QUOTE.fullmatch(body)
    if match is None:
        raise EvidenceFormatError(
            f"the SecretVM answer begins with {body[:40]!r}",
            expected="a TDX quote in hex",
            remedy="If the machine runs on AMD SEV-SNP, this verifier cannot judge it; else check that /cpu answered.",
        )
    gpus, notes = ((), ()) if companion is None else _read_gpus(companion)
    return (
        Evidence(
            quote=bytes.fromhex(match.group(1).decode("ascii")), gpu_evidence=gpus, provider=NAME, warnings=(_NOT_FRESH, *notes)
        ),
    )


def _read_gpus(companion: bytes) -> tuple[tuple[DeviceEvidence, ...], tuple[str, ...]]:
    view = parse_json(companion, "the SecretVM GPU answer", limit=MAX_ANSWER_SIZE)
    answer = view.as_object()
    if answer.optional("error") is not None:
        return (), (f"the SecretVM GPU answer is an error: {answer.required('error').as_text()[:120]!r}",)
    return nras_devices(view), answer.unknown(("nonce", "arch", "evidence_list"))
