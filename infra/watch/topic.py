"""The one topic of all alarms, and who hears of them: mail, pager, chat."""

from typing import Final

from aws_cdk import Aws, CfnCondition, CfnParameter, CfnResource, Fn
from aws_cdk import aws_chatbot as chatbot
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.naming import arn_of, name_of
from infra.outputs import export
from infra.resources.boundary import bounded
from infra.resources.statements import document

NOBODY: Final = "NONE"  # an empty default would not be an address, a channel, or a key


class Topic(Construct):
    """Everything that is optional is behind a parameter that is NONE by default."""

    def __init__(self, scope: Construct) -> None:
        """Declare the topic and its parameters."""
        super().__init__(scope, "Topic")
        mail = self._optional("AlarmEmail", "An address that confirms once and then hears of each alarm")
        pager = self._optional("PagerUrl", "The https address that a pager gives for SNS")
        workspace = self._optional(
            "SlackWorkspaceId", "The workspace that AWS Chatbot was let into; needs SlackChannelId"
        )
        channel = self._optional("SlackChannelId", "The channel that hears of each alarm")
        key = self._optional(
            "TopicKeyArn", "A KMS key that cloudwatch.amazonaws.com may use; without one the topic is plain"
        )
        topic = sns.CfnTopic(
            self,
            "AlarmTopic",
            topic_name=name_of("alarms"),
            kms_master_key_id=Fn.condition_if(self._given("Encrypted", key), Fn.ref(key), Aws.NO_VALUE).to_string(),
        )
        topic.override_logical_id("AlarmTopic")
        self.arn: str = topic.ref
        self._let_alarms_publish()
        for name, protocol, parameter in (("Mail", "email", mail), ("Pager", "https", pager)):
            subscription = sns.CfnSubscription(
                self, f"{name}Subscription", topic_arn=topic.ref, protocol=protocol, endpoint=Fn.ref(parameter)
            )
            self._only_if(subscription, self._given(f"{name}d", parameter))
        self._chat(workspace, channel)
        export(scope, "AlarmTopicArn", topic.ref)

    def _let_alarms_publish(self) -> None:
        of_this_account = {
            "ArnLike": {"aws:SourceArn": arn_of("cloudwatch", "*", kind="alarm:")},
            "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
        }
        policy = sns.CfnTopicPolicy(
            self,
            "AlarmTopicPolicy",
            topics=[self.arn],
            policy_document=document(
                {
                    "Sid": "AllowAlarms",
                    "Effect": "Allow",
                    "Principal": {"Service": "cloudwatch.amazonaws.com"},
                    "Action": "sns:Publish",
                    "Resource": self.arn,
                    "Condition": of_this_account,
                },
                {
                    "Sid": "DenyWithoutTls",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "sns:Publish",
                    "Resource": self.arn,
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                },
            ),
        )
        policy.override_logical_id("AlarmTopicPolicy")

    def _chat(self, workspace: str, channel: str) -> None:
        """Its role may do nothing: the channel is told of alarms, without pictures of metrics, and asks nothing of AWS."""
        given = self._given("Chatted", workspace)
        role = iam.CfnRole(
            self,
            "ChatRole",
            role_name=name_of("alarm-chat"),
            permissions_boundary=bounded(self),
            assume_role_policy_document=document(
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "chatbot.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                    "Condition": {"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
                }
            ),
        )
        chat = chatbot.CfnSlackChannelConfiguration(
            self,
            "AlarmChat",
            configuration_name=name_of("alarms"),
            iam_role_arn=role.attr_arn,
            slack_workspace_id=Fn.ref(workspace),
            slack_channel_id=Fn.ref(channel),
            sns_topic_arns=[self.arn],
            guardrail_policies=[Fn.sub("arn:${AWS::Partition}:iam::aws:policy/CloudWatchReadOnlyAccess")],
        )
        for resource in (role, chat):
            self._only_if(resource, given)

    def _optional(self, name: str, description: str) -> str:
        made = CfnParameter(self, name, default=NOBODY, description=description)
        made.override_logical_id(name)
        return name

    def _given(self, name: str, parameter: str) -> str:
        made = CfnCondition(self, name, expression=Fn.condition_not(Fn.condition_equals(Fn.ref(parameter), NOBODY)))
        made.override_logical_id(name)
        return name

    def _only_if(self, resource: CfnResource, condition: str) -> None:
        resource.override_logical_id(resource.node.id)
        resource.add_override("Condition", condition)
