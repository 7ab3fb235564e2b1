"""The formats of the shared folder: parse bytes into model objects and encode them, sign and verify. No I/O."""
