"""Collateral: the documents Intel publishes about its platforms (RATS: endorsements and reference values)."""
