"""What a stack tells the rest: outputs, each exported as `${StackName}-Key`."""

from aws_cdk import CfnCondition, CfnOutput, Fn
from constructs import Construct


def export(scope: Construct, key: str, value: str, *, on: CfnCondition | None = None) -> None:
    """Declare the output `key` and its export; only where `on` holds, if it is given."""
    name = Fn.sub(f"${{AWS::StackName}}-{key}")
    output = CfnOutput(scope, f"{key}Output", value=value, export_name=name, condition=on)
    output.override_logical_id(key)
