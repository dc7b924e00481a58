"""Bytes to frozen, typed models. No crypto, clock, network or logging; nothing here is believed until ``verify`` says so."""
