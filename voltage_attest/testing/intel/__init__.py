"""A fake Intel: certificates, collateral and quotes with Intel's names and formats and publicly known keys."""
