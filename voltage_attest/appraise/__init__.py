"""Is it what I want? Policy times verified evidence. Takes only what :mod:`voltage_attest.verify` sealed as verified."""
