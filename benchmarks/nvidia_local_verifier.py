"""NVIDIA's own Python verifier on its own sample H100, offline: run by ``benchmarks/devices.py --nvidia PYTHON``.

Needs a Python with nv-local-gpu-verifier 2.7.3 and nothing of ours. Stubbed, because the sample is of a machine far away, and
was recorded without answers about revocation:

* NVML: the package's own stand-in for it hands over the report and chain it ships (``--test_no_gpu``), and says that no
  developer mode is on.
* OCSP: every status is good, without a request or a signature. Ours is timed with revocation left out by the policy.
* The RIM service: the two manifests are read from files, without the process that would bound the wait for the network.
* The clock of OpenSSL's certificate stores: 2026-03-01, when both manifests' signers are in date.

All else is its own: parsing, chains, the report's and the manifests' signatures, and the comparison of 33 measurements.
"""

# mypy: ignore-errors
from __future__ import annotations

import contextlib
import io
import logging
import statistics
import sys
import warnings
from datetime import datetime
from pathlib import Path
from time import thread_time_ns

warnings.simplefilter("ignore")

from OpenSSL import crypto  # noqa: E402
from verifier import cc_admin  # noqa: E402
from verifier.cc_admin_utils import CcAdminUtils  # noqa: E402
from verifier.config import BaseSettings, HopperSettings  # noqa: E402
from verifier.nvml import NvmlHandler, NvmlHandlerTest  # noqa: E402

NONCE = "931d8dd0add203ac3d8b4fbde75e115278eefcdceac5b87671a748f32364dfcb"
ARGUMENTS = {
    "verbose": False,
    "test_no_gpu": False,
    "driver_rim": None,
    "vbios_rim": None,
    "user_mode": True,
    "allow_hold_cert": False,
    "nonce": NONCE,
    "rim_root_cert": None,
    "rim_service_url": None,
    "ocsp_url": None,
    "ocsp_nonce_disabled": False,
    "service_key": None,
    "claims_version": "2.0",
}


def stub(manifests: Path) -> None:
    """Put everything in place that is not its own judgement."""
    logging.disable(logging.CRITICAL)
    ask_store = crypto.X509StoreContext.__init__

    def ask_dated_store(self: crypto.X509StoreContext, store: crypto.X509Store, certificate: crypto.X509) -> None:
        store.set_time(datetime(2026, 3, 1))  # noqa: DTZ001 - as pyOpenSSL takes it
        ask_store(self, store, certificate)

    crypto.X509StoreContext.__init__ = ask_dated_store
    NvmlHandler.is_cc_dev_mode = staticmethod(lambda: False)
    cc_admin.function_wrapper_with_timeout = lambda call, _seconds: call[0](*call[1:-1])
    CcAdminUtils.ocsp_certificate_chain_validation = staticmethod(lambda *_: (True, "", "good", None))
    CcAdminUtils.fetch_rim_file = staticmethod(lambda rim_id, *_: (manifests / f"{rim_id}.swidtag").read_text("utf-8"))


def judge() -> bool:
    """One attestation of the sample, from its files to its claims."""
    with contextlib.redirect_stdout(io.StringIO()):
        verified, _ = cc_admin.attest(ARGUMENTS, NONCE, [NvmlHandlerTest(settings=BaseSettings)])
    return bool(verified)


def main() -> None:
    """Print the median of so many runs, each of which must verify."""
    samples, manifests, runs = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    stub(manifests)
    HopperSettings.ATTESTATION_REPORT_PATH = str(samples / "hopperAttestationReport.txt")
    HopperSettings.GPU_ATTESTATION_CERTIFICATES_PATH = str(samples / "hopperCertChain.txt")
    times = []
    for _ in range(runs):
        start = thread_time_ns()
        verified = judge()
        times.append(thread_time_ns() - start)
        if not verified:
            raise SystemExit("it does not verify")
    print(f"{statistics.median(times) / 1e6:.2f} ms, OCSP and NVML stubbed")


if __name__ == "__main__":
    main()
