"""A simulated NVIDIA: certificates, device reports, reference values, revocation answers and tokens, all reproducible."""
