"""A process of its own that fetches through a cache, from several threads, and judges what it got.

``python -m tests.collateral_fetch.worker DIRECTORY BASE CA_FILE THREADS CALLS`` fetches for the default platform from that
PCCS, each call with a service of its own, and prints one verdict a line.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.collateral_fetch.fake_pcs import AT, INTEL, PLATFORM, REQUEST
from tests.support.outcomes import open_policy
from voltage_attest.collateral.cache import CollateralCache
from voltage_attest.collateral.service import CollateralService, pccs_endpoint
from voltage_attest.trust import TrustRoots
from voltage_attest.verifier import Evidence, Verifier


def main(directory: str, base: str, ca_file: str, threads: str, calls: str) -> None:
    quote, endpoint = PLATFORM.quote(), pccs_endpoint(base)

    def verdict(_number: int) -> str:
        service = CollateralService((endpoint,), cache=CollateralCache(Path(directory)), tls_ca=ca_file, deadline=120.0)
        fetched = service.fetch(REQUEST, now=AT)
        verifier = Verifier(open_policy(), roots=TrustRoots.from_pem(intel=INTEL.root_pem))
        result = verifier.examine(Evidence(quote=quote), fetched.collateral, at=AT)
        return " ".join([result.verdict.value, *fetched.warnings])

    with ThreadPoolExecutor(int(threads)) as pool:
        sys.stdout.writelines(f"{line}\n" for line in pool.map(verdict, range(int(calls))))


if __name__ == "__main__":
    main(*sys.argv[1:])
