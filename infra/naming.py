"""`{project}-{resource}-{stage}`: the one place where a physical name is built."""

from typing import Final

from aws_cdk import Fn, Tags
from constructs import Construct

PROJECT: Final = "ProjectName"
STAGE: Final = "Stage"
UNTAGGED: Final = ["aws:cdk:stack", "AWS::CloudWatch::Dashboard"]


def name_of(resource: str, *, prefix: str = "") -> str:
    """The physical name of a resource, as a token: `fleet-uploads-dev` under the default parameters."""
    return Fn.sub(prefix + pattern_of(resource))


def arn_of(service: str, resource: str, *, kind: str = "", part: str = "") -> str:
    """The ARN of a resource of this account, or of a part of it, before it exists, where an attribute would close a circle."""
    return Fn.sub(
        f"arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{kind}{pattern_of(resource)}{part}"
    )


def bucket_arn_of(resource: str, *, part: str = "") -> str:
    """The ARN of a bucket, or of its objects, before it exists; it names neither region nor account."""
    return Fn.sub(f"arn:${{AWS::Partition}}:s3:::{pattern_of(resource)}{part}")


def tag_everything(scope: Construct) -> None:
    """Tag each resource with its project and its stage; not the stack, whose own tags know no parameters, nor what costs nothing."""
    for key, parameter in (("Project", PROJECT), ("Environment", STAGE)):
        Tags.of(scope).add(key, Fn.ref(parameter), exclude_resource_types=UNTAGGED)


def pattern_of(resource: str) -> str:
    """Such a name inside a text that `Fn.sub` fills in."""
    return f"${{{PROJECT}}}-{resource}-${{{STAGE}}}"
