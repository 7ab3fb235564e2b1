"""The private side of one participant: keys, ledger, review notes and locks. It is never synced."""
