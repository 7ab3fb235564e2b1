"""Bytes of the shared folder to model objects and back: parsing, signing and permissions. Nothing here does I/O."""
