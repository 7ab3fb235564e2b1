"""Withdrawal by the submitter: a marker only, because the ledger is the owner's."""

from __future__ import annotations

from syft_job import fs
from syft_job.errors import UnreadableJob
from syft_job.exchange.participant import Participant
from syft_job.format import manifest, markers
from syft_job.format.markers import WITHDRAWN
from syft_job.model.events import MarkerKind
from syft_job.model.job_ref import JobRef
from syft_job.model.transitions import Verb

from .transaction import transaction


def withdraw(participant: Participant, ref: JobRef, reason: str = "") -> None:
    """Withdraw one's own submission; a running attempt is stopped by the owner's runner.

    Raises:
        UnreadableJob: it was not signed with a key of this home, so a withdrawal would not count.
    """
    with transaction(participant, ref, Verb.WITHDRAW) as txn:
        config = txn.snapshot.config
        key = participant.home.key_for(manifest.submitters_key(config, ref, participant.limits))
        if key is None:
            raise UnreadableJob(
                f"'{ref.name}' was not signed with a key of this home, so a withdrawal would not count."
                f" Ask {ref.owner} to reject it.",
                name=ref.name,
            )
        markers.require_publishable({"reason": reason})
        digest = manifest.digest_of(config)
        marker = markers.make(MarkerKind.WITHDRAWN, ref, key, digest=digest, attempt=1, reason=reason or None)
        # A name of its own: the owner removes temporary files of the usual form under the home's lock.
        fs.write_file(txn.dir_fd, WITHDRAWN, markers.to_bytes(marker), temporary=f".{WITHDRAWN}.tmp")
