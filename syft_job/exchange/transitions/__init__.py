"""What can be done to a job: one function per event of the table.

Each takes the home's lock, reads the folder again, asks `allowed`, says it in the ledger and then publishes it as a
marker. Whoever acts, a person or the runner, does it here. Every act may be killed after any write and repeated: the
ledger decides, and `restore` puts back whatever the folder lacks.
"""

from syft_job.model.containment import BARE, BUBBLEWRAP

from .approve import approve
from .attempts import finish, permit, record_finish, start
from .block import publish_blocked
from .clean import clean
from .decide import CANCEL_REQUEST, ask_to_stop, cancel, reject, rerun, withdraw
from .recovery import is_out_of_order
from .share import carry_out_release, deposit, may_share, promise, share
from .transaction import Stage, allowed_events, check_allowed, require_home, restore, roles_of, stage, transaction

__all__ = [
    "BARE",
    "BUBBLEWRAP",
    "CANCEL_REQUEST",
    "Stage",
    "allowed_events",
    "approve",
    "ask_to_stop",
    "cancel",
    "carry_out_release",
    "check_allowed",
    "clean",
    "deposit",
    "finish",
    "is_out_of_order",
    "may_share",
    "permit",
    "promise",
    "publish_blocked",
    "record_finish",
    "reject",
    "require_home",
    "rerun",
    "restore",
    "roles_of",
    "share",
    "stage",
    "start",
    "transaction",
    "withdraw",
]
