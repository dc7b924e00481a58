"""Is it genuine? Pure functions of evidence, collateral, roots and time; nothing here knows a policy, a clock or a network."""
