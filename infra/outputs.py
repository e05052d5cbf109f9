"""What a stack tells the rest: outputs, each exported as `${StackName}-Key`."""

from aws_cdk import CfnOutput, Fn
from constructs import Construct


def export(scope: Construct, key: str, value: str) -> None:
    """Declare the output `key` and its export."""
    output = CfnOutput(scope, f"{key}Output", value=value, export_name=Fn.sub(f"${{AWS::StackName}}-{key}"))
    output.override_logical_id(key)
