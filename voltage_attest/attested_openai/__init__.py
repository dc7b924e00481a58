"""The inside of :mod:`voltage_attest.openai`: import from there, which checks the SDK's version first."""
