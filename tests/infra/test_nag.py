"""A finding of cdk-nag without a reason is a fault, and so is a reason without a finding; `make nag` looks at the stacks themselves."""

import pytest

from infra.nag import ACCEPTED, faults

REASONS = {r"care: \w+Bucket: AwsSolutions-S1": "because"}


def test_what_was_found_and_accepted_is_no_fault() -> None:
    assert faults(["care: TrailBucket: AwsSolutions-S1"], REASONS) == []


@pytest.mark.parametrize(
    "found", ["care: TrailBucket: AwsSolutions-S10", "care: Trail: AwsSolutions-S1", "keys: KeyBucket: AwsSolutions-S1"]
)
def test_what_nobody_accepted_is_a_fault(found: str) -> None:
    assert f"{found}: mend it, or say in infra/nag.py why it stays" in faults([found], REASONS)


def test_a_reason_for_what_is_found_no_more_is_a_fault() -> None:
    [gone] = faults([], REASONS)
    assert gone.endswith("take it out of infra/nag.py")


def test_each_reason_is_told() -> None:
    assert all(len(reason) > 20 for reason in ACCEPTED.values())
