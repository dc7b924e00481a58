"""The certificate chain of an NVIDIA device, and how it leads to the pinned device root key.

Five certificates, leaf first, all with P-384 keys and signed with ECDSA and SHA-384::

    GH100 A01 GSP FMC LF            attestation key (leaf)    digitalSignature, the DICE extension
    GH100 A01 GSP BROM              identity key              CA; its serial number's low 8 bytes are the device's PDI
    NVIDIA GH100 Provisioner ICA 1  provisioner               CA
    NVIDIA GH100 Identity           chip family               CA
    NVIDIA Device Identity CA       root                      CA, self-signed; pinned by its key

The root is pinned by key (SHA-256 of its SubjectPublicKeyInfo), because NVIDIA has issued two self-signed certificates with it.
Dates hardly ever end here (notAfter 9999-12-31): revocation, judged elsewhere, is the control that counts.
"""

from __future__ import annotations

import hashlib
import hmac

from voltage_attest.crypto.certificates import Certificate, why_links_fail
from voltage_attest.crypto.signatures import SignatureMemo

__all__ = ["why_device_chain_fails"]


def why_device_chain_fails(chain: tuple[Certificate, ...], root_spki_sha256: bytes, memo: SignatureMemo) -> str | None:
    """Return why ``chain`` (leaf first) does not lead to the pinned root key, or None if it does.

    The last certificate must carry that key and be signed by it: of a root, the key alone is trusted. The leaf must be no CA
    and may sign. Dates, names and revocation are judged elsewhere.
    """
    root, leaf = chain[-1], chain[0]
    found = hashlib.sha256(root.spki).digest()
    if not hmac.compare_digest(found, root_spki_sha256):
        return f"the last certificate ({root.common_name!r}) does not hold the pinned root key, but {found.hex()}"
    if leaf.extensions.is_ca or leaf.extensions.may_certify or not leaf.extensions.may_sign:
        return f"the leaf {leaf.common_name!r} is a CA, or may not sign"
    return why_links_fail(chain, memo) or why_links_fail((root, root), memo)
