"""Policies of an owner: pure functions from measured facts to decisions. Nothing here does I/O."""
