"""The private side of one participant: keys, ledger, claims, held results, review notes and locks. Never synced."""
