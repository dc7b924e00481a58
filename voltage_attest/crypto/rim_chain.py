"""The certificate chain of an NVIDIA reference integrity manifest (RIM), linked explicitly to a pinned root.

Four certificates, leaf first, as ``KeyInfo`` carries them; P-384 keys, signed with ECDSA and SHA-384::

    HCC RIM L4 Signer | RIM L4 Signer | NVIDIA Reference Value L4 ...   signs the manifest; no CA
    NVIDIA Reference Value L3 ...                                       CA, path length 0
    NVIDIA Reference Value ... CA ...                                   CA
    NVIDIA CoRIM signing Root CA                                        the pinned root

``cryptography.x509.verification`` refuses these chains, since their dates before 2050 are encoded as GeneralizedTime against
RFC 5280, section 4.1.2.5. Source: the chains inside NVIDIA's own manifests (nvtrust, attestation-sdk).
"""

from __future__ import annotations

from typing import Final

from voltage_attest.crypto.certificates import Certificate, why_links_fail
from voltage_attest.crypto.extensions import EXTENDED_KEY_USAGE
from voltage_attest.crypto.signatures import SignatureMemo

__all__ = ["RIM_CHAIN_LENGTH", "why_rim_chain_fails"]

RIM_CHAIN_LENGTH: Final = 4
_INTERMEDIATE_NAME: Final = "NVIDIA Reference Value "
"""How both intermediates are named, for every family (GH100, GB1XX, LS10); those of network adapters are named otherwise."""


def why_rim_chain_fails(chain: tuple[Certificate, ...], root: bytes, memo: SignatureMemo | None = None) -> str | None:
    """Return why ``chain`` (leaf first) does not lead to the root with those DER bytes, or None if it does.

    Exactly four certificates, each issued by the next; the last must be ``root`` byte for byte. The leaf must be an end-entity
    certificate that may sign and is dedicated to nothing else: an OCSP responder of the same CA, which says so in its extended
    key usage, signs no manifests. Dates and revocation are checks of their own.
    """
    if chain[-1].der != root:
        return f"the last certificate ({chain[-1].common_name!r}) is not the pinned root"
    if len(chain) != RIM_CHAIN_LENGTH:
        return f"{len(chain)} certificates"
    reason = why_links_fail(chain, memo or SignatureMemo())
    if reason is not None:
        return reason
    for intermediate in chain[1:-1]:
        if not intermediate.common_name.startswith(_INTERMEDIATE_NAME):
            return f"{intermediate.common_name!r} is no CA for reference values"
    return _why_no_signer(chain[0])


def _why_no_signer(leaf: Certificate) -> str | None:
    if leaf.extensions.is_ca or leaf.extensions.may_certify:
        return f"the leaf {leaf.common_name!r} is a CA"
    if not leaf.extensions.may_sign:
        return f"the leaf {leaf.common_name!r} may not sign"
    if EXTENDED_KEY_USAGE in leaf.extensions.values:
        return f"the leaf {leaf.common_name!r} is dedicated to another use (extended key usage)"
    return None
