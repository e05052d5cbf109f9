"""The stack `edge`: what a browser calls to open a session, to read it, and to wait for its upload."""

from aws_cdk import Fn, Token
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.edge.apis import SOCKET_STAGE, Browsers, Sessions
from infra.edge.functions import CALLS, Zip, function
from infra.edge.watches import NUMBERS, edge_watches
from infra.outputs import export
from infra.resources.inputs import Inputs, where
from infra.settings import STAGES
from infra.stack import FleetStack
from infra.stacks.alarms import TOPIC
from infra.stacks.workers import RUNTIMES
from infra.watch.alarm import Alarms
from infra.watch.stack import led


class EdgeStack(FleetStack):
    """Needs `messaging`; its outputs are the parameters WebSocketApi of `access` and WsApiEndpoint of `workers`."""

    def __init__(self, scope: Construct) -> None:
        """Declare everything."""
        super().__init__(scope, "edge", "What browsers call: upload sessions and their WebSocket")
        inputs = Inputs(self, row={name: row.as_workers_mapping() for name, row in STAGES.items()})
        issuer = inputs.text(
            "JwtIssuer", "Who signs the tokens of callers that open sessions; none: IAM says who", default=""
        )
        audience = inputs.names("JwtAudience", "For whom those tokens are", default="none")
        pages = inputs.names(
            "WebOrigins", "Origins of web pages that call: https://app.example; none: no page does", default=""
        )
        made_of = Zip(
            code=lambda_.CfnFunction.CodeProperty(
                s3_bucket=inputs.text("LambdaDeploymentBucket", "Bucket of the zip that `make bundle` builds"),
                s3_key=inputs.text("LambdaCodeKey", "Its key there; another zip, another key", most=48),
            ),
            runtime=inputs.word("LambdaRuntime", "The Python that the zip was built for", RUNTIMES),
            retention=inputs.look_up("LogRetentionDays"),
            key=Token.as_string(inputs.key()),
        )
        functions = {each.name: function(self, each, made_of) for each in CALLS}
        issued = inputs.condition("Issued", Fn.condition_not(Fn.condition_equals(issuer, "")))
        paged = inputs.condition("Paged", Fn.condition_not(Fn.condition_equals(Fn.join("", pages), "")))
        cors = {  # plain: inside Fn::If the CDK spells a typed one otherwise
            "AllowOrigins": pages,
            "AllowMethods": ["GET", "POST"],
            "AllowHeaders": ["authorization", "content-type"],
            "MaxAge": 600,
        }
        sessions = Sessions(
            self, functions, issued=issued, issuer=issuer, audience=audience, origins=where(paged, cors)
        )
        browsers = Browsers(self, functions)
        led(self, NUMBERS)
        # The topic comes later, with `alarms`: until then they call nobody.
        Alarms(self, TOPIC).add(edge_watches(sessions.api, browsers.api))
        export(self, "SessionsUrl", sessions.url)
        export(self, "WsApiEndpoint", Fn.join("/", [browsers.host, SOCKET_STAGE]))
        export(self, "WebSocketApi", browsers.connections)
