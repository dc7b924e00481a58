"""Figures that rooms must agree on which may not know each other; part of the ground, like the exception tree."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

__all__ = ["MAX_DEVICES", "MAX_RIM_SIZE", "NONCE_SIZE", "OCSP_LIFE_WITHOUT_END", "OCSP_REFUSALS"]

NONCE_SIZE: Final = 32
"""Bytes of a verifier's nonce, and of an SPDM report's."""

MAX_DEVICES: Final = 64
"""Devices of one node. The largest real ones have 8 GPUs and 4 switches."""

MAX_RIM_SIZE: Final = 256 * 1024
"""Bytes of a reference integrity manifest. Real ones have 18 to 26 KB."""

OCSP_LIFE_WITHOUT_END: Final = timedelta(hours=1)
"""How long an OCSP answer without nextUpdate counts as current, as in NVIDIA's attestation SDK."""

OCSP_REFUSALS: Final = {1: "malformedRequest", 2: "internalError", 3: "tryLater", 5: "sigRequired", 6: "unauthorized"}
"""Statuses of an OCSP response that stand in place of an answer (RFC 6960, section 4.2.1)."""
