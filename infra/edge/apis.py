"""The two APIs: HTTP for sessions, WebSocket for those who wait."""

from collections.abc import Mapping
from typing import Any, Final

from aws_cdk import CfnCondition, Fn
from aws_cdk import aws_apigatewayv2 as apis
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.naming import name_of
from infra.resources.compute.settings import camel

SOCKET_STAGE: Final = "browsers"
Functions = Mapping[str, lambda_.CfnFunction]

BURST, RATE = 200, 100.0
"""Calls at once, and in a second, of each API: what is above is answered 429."""


class Sessions(Construct):
    """The HTTP API. Who may open a session: whose token an issuer signed, where there is one; else whom IAM permits to invoke it."""

    def __init__(
        self,
        scope: Construct,
        functions: Functions,
        *,
        issued: CfnCondition,
        issuer: str,
        audience: list[str],
        origins: Any,
    ) -> None:
        """`issued`: whether `issuer` and `audience` of a JWT were given; `origins` of web pages that may call."""
        super().__init__(scope, "Sessions")
        api = apis.CfnApi(
            self,
            "SessionsApi",
            name=name_of("sessions"),
            protocol_type="HTTP",
            cors_configuration=origins,
        )
        authorizer = apis.CfnAuthorizer(
            self,
            "SessionsAuthorizer",
            api_id=api.ref,
            authorizer_type="JWT",
            name="issuer",
            identity_source=["$request.header.Authorization"],
            jwt_configuration=apis.CfnAuthorizer.JWTConfigurationProperty(issuer=issuer, audience=audience),
        )
        authorizer.cfn_options.condition = issued
        opens = {
            "authorization_type": Fn.condition_if(issued.logical_id, "JWT", "AWS_IAM").to_string(),
            "authorizer_id": Fn.condition_if(issued.logical_id, authorizer.ref, Fn.ref("AWS::NoValue")).to_string(),
        }
        made = [api, authorizer]
        nobodys = {"authorization_type": "NONE"}
        calls: tuple[tuple[str, str, Any], ...] = (
            ("POST /sessions", "open-session", opens),
            ("GET /sessions/{sessionId}", "read-session", nobodys),
            ("POST /sessions/{sessionId}/tokens", "make-token", nobodys),
        )
        for key, name, guard in calls:
            integration = _integration(self, name, api, functions[name], payload="2.0")
            route = apis.CfnRoute(
                self,
                f"{camel(name)}Route",
                api_id=api.ref,
                route_key=key,
                target=Fn.join("/", ["integrations", integration.ref]),
                **guard,
            )
            made += [integration, route, _permission(self, name, api, functions[name])]
        stage = apis.CfnStage(
            self,
            "SessionsStage",
            api_id=api.ref,
            stage_name="$default",
            auto_deploy=True,
            default_route_settings=apis.CfnStage.RouteSettingsProperty(
                throttling_burst_limit=BURST, throttling_rate_limit=RATE
            ),
        )
        for each in (*made, stage):
            each.override_logical_id(each.node.id)
        self.url = api.attr_api_endpoint
        self.api = api.ref


class Browsers(Construct):
    """The WebSocket API. A browser is let in by its session's token."""

    def __init__(self, scope: Construct, functions: Functions) -> None:
        """Of `authorize`, `connect`, `disconnect` and `resume`."""
        super().__init__(scope, "Browsers")
        api = apis.CfnApi(
            self,
            "BrowsersApi",
            name=name_of("browsers"),
            protocol_type="WEBSOCKET",
            route_selection_expression="$request.body.action",
        )
        authorizer = apis.CfnAuthorizer(
            self,
            "BrowsersAuthorizer",
            api_id=api.ref,
            authorizer_type="REQUEST",
            name="token",
            identity_source=["route.request.querystring.sessionId", "route.request.querystring.token"],
            authorizer_uri=_invocation(functions["authorize"]),
        )
        made: list[Any] = [api, authorizer, _permission(self, "authorize", api, functions["authorize"])]
        routes = []
        keys: tuple[tuple[str, str, Any], ...] = (
            ("$connect", "connect", {"authorization_type": "CUSTOM", "authorizer_id": authorizer.ref}),
            ("$disconnect", "disconnect", {}),
            ("resume", "resume", {"route_response_selection_expression": "$default"}),
        )
        for key, name, more in keys:
            integration = _integration(self, name, api, functions[name])
            route = apis.CfnRoute(
                self,
                f"{camel(name)}Route",
                api_id=api.ref,
                route_key=key,
                target=Fn.join("/", ["integrations", integration.ref]),
                **more,
            )
            made += [integration, _permission(self, name, api, functions[name])]
            routes.append(route)
        answers = apis.CfnRouteResponse(
            self, "ResumeAnswer", api_id=api.ref, route_id=routes[-1].ref, route_response_key="$default"
        )
        stage = apis.CfnStage(
            self,
            "BrowsersStage",
            api_id=api.ref,
            stage_name=SOCKET_STAGE,
            auto_deploy=True,
            default_route_settings=apis.CfnStage.RouteSettingsProperty(
                throttling_burst_limit=BURST, throttling_rate_limit=RATE
            ),
        )
        for each in (*made, *routes, answers, stage):
            each.override_logical_id(each.node.id)
        self.host = Fn.join("", [api.ref, ".execute-api.", Fn.ref("AWS::Region"), ".", Fn.ref("AWS::URLSuffix")])
        self.connections = Fn.join("/", [api.ref, SOCKET_STAGE])
        self.api = api.ref


def _integration(
    scope: Construct, name: str, api: apis.CfnApi, function: lambda_.CfnFunction, *, payload: str | None = None
) -> apis.CfnIntegration:
    return apis.CfnIntegration(
        scope,
        f"{camel(name)}Integration",
        api_id=api.ref,
        integration_type="AWS_PROXY",
        integration_uri=_invocation(function),
        payload_format_version=payload,
    )


def _invocation(function: lambda_.CfnFunction) -> str:
    start = Fn.sub("arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/")
    return Fn.join("", [start, function.attr_arn, "/invocations"])


def _permission(scope: Construct, name: str, api: apis.CfnApi, function: lambda_.CfnFunction) -> lambda_.CfnPermission:
    """This API may call it, and no other."""
    return lambda_.CfnPermission(
        scope,
        f"{camel(name)}Permission",
        action="lambda:InvokeFunction",
        function_name=function.ref,
        principal="apigateway.amazonaws.com",
        source_arn=Fn.join(
            "", [Fn.sub("arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:"), api.ref, "/*"]
        ),
    )
