"""What tests of evidence, collateral, verification and policy share: real files, layouts, mutations, outcomes."""
