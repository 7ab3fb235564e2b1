from __future__ import annotations

from typing import Any

import pytest

from syft_job.errors import InvalidSubmission
from syft_job.exchange import submission_options


def test_lists_of_texts_are_checked():
    assert submission_options.check_texts("dependencies", ["numpy>=2"]) == ("numpy>=2",)
    wrong: Any
    for wrong in ("numpy", [""], ["a\nb"], [5], ["\x1b[0m"]):
        with pytest.raises(InvalidSubmission):
            submission_options.check_texts("dependencies", wrong)
