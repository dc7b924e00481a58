"""Signatures and certificates: raw ECDSA, chains to a pinned root, CRLs. Knows nothing of TDX, policy or time of day."""
