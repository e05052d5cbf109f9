"""The stack `network`: a network for workers where an account has none for them, whose tasks and functions have no public address.

https://docs.aws.amazon.com/vpc/latest/userguide/vpc-example-private-subnets-nat.html
"""

from typing import Final

from aws_cdk import Aws, CfnResource, Fn, Token
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.naming import name_of
from infra.outputs import export
from infra.resources.boundary import bounded
from infra.resources.inputs import Inputs
from infra.resources.statements import allow, document
from infra.settings import STAGES
from infra.stack import FleetStack
from infra.stage import SWITCH

ZONES: Final = 2
PARTS: Final = 4  # of the network's addresses: private subnets of a fourth each, public ones of a fourth each
BITS: Final = "14"  # of a subnet of 10.40.0.0/16: 16,384 addresses
ANYWHERE: Final = "0.0.0.0/0"
HTTPS: Final = 443


class NetworkStack(FleetStack):
    """Two private subnets whose way out is one NAT gateway with a fixed address; tables and buckets are reached past it."""

    def __init__(self, scope: Construct) -> None:
        """Declare everything."""
        super().__init__(scope, "network", "The network of the worker fleet")
        inputs = Inputs(self, row={name: {"LogRetentionDays": str(row.log_retention)} for name, row in STAGES.items()})
        block = inputs.text("Addresses", "A /16 of its own", default="10.40.0.0/16", pattern=r"[0-9]+\.[0-9]+\.0\.0/16")
        vpc = ec2.CfnVPC(self, "Vpc", cidr_block=block, enable_dns_hostnames=True, enable_dns_support=True)
        self._blocks = Fn.cidr(block, PARTS, BITS)
        self._vpc = vpc.ref
        private = [self._subnet(f"Private{zone}", zone, part=zone) for zone in range(ZONES)]
        public = self._subnet("Public", 0, part=ZONES)
        routes = [self._routes("PublicRoutes", public), self._routes("PrivateRoutes", *private)]
        self._way_out(inputs, public, *routes)
        self._past_it(routes[1])
        self._group()
        self._flow_log(inputs)
        export(self, "VpcId", vpc.ref)
        export(self, "Subnets", Fn.join(",", [subnet.ref for subnet in private]))
        for each in self.node.find_all():
            if isinstance(each, CfnResource):
                each.override_logical_id(each.node.id)

    def _subnet(self, key: str, zone: int, *, part: int) -> ec2.CfnSubnet:
        return ec2.CfnSubnet(
            self,
            f"{key}Subnet",
            vpc_id=self._vpc,
            availability_zone=Fn.select(zone, Fn.get_azs()),
            cidr_block=Fn.select(part, self._blocks),
            map_public_ip_on_launch=False,
        )

    def _routes(self, key: str, *subnets: ec2.CfnSubnet) -> ec2.CfnRouteTable:
        table = ec2.CfnRouteTable(self, key, vpc_id=self._vpc)
        for subnet in subnets:
            ec2.CfnSubnetRouteTableAssociation(
                self, f"{subnet.node.id}Routes", subnet_id=subnet.ref, route_table_id=table.ref
            )
        return table

    def _way_out(
        self, inputs: Inputs, public: ec2.CfnSubnet, outer: ec2.CfnRouteTable, inner: ec2.CfnRouteTable
    ) -> None:
        """One gateway: a customer can let one address through. When its zone is lost, workers wait until it is back."""
        internet = ec2.CfnInternetGateway(self, "Internet")
        attached = ec2.CfnVPCGatewayAttachment(self, "Attached", vpc_id=self._vpc, internet_gateway_id=internet.ref)
        nat = inputs.word("NatGateway", "false where the private routes get another way out", SWITCH)
        on = inputs.condition("Natted", Fn.condition_equals(nat, "true"))
        address = ec2.CfnEIP(self, "Address", domain="vpc")
        gateway = ec2.CfnNatGateway(self, "Nat", subnet_id=public.ref, allocation_id=address.attr_allocation_id)
        address.add_resource_dependency(attached)
        to_internet = ec2.CfnRoute(
            self, "ToInternet", route_table_id=outer.ref, destination_cidr_block=ANYWHERE, gateway_id=internet.ref
        )
        to_internet.add_resource_dependency(attached)
        to_nat = ec2.CfnRoute(
            self, "ToNat", route_table_id=inner.ref, destination_cidr_block=ANYWHERE, nat_gateway_id=gateway.ref
        )
        for each in (address, gateway, to_nat):
            each.cfn_options.condition = on
        export(self, "FixedAddress", address.ref, on=on)

    def _past_it(self, routes: ec2.CfnRouteTable) -> None:
        """Gateway endpoints cost nothing, and what goes through them is not paid for at the NAT gateway."""
        for service in ("dynamodb", "s3"):
            ec2.CfnVPCEndpoint(
                self,
                f"{service.capitalize()}Endpoint",
                vpc_id=self._vpc,
                service_name=Fn.sub(f"com.amazonaws.${{AWS::Region}}.{service}"),
                vpc_endpoint_type="Gateway",
                route_table_ids=[routes.ref],
            )

    def _group(self) -> None:
        """Nothing comes in. Webhooks go to port 443; a customer's other port has to be added here."""
        group = ec2.CfnSecurityGroup(
            self,
            "Workers",
            group_description="Workers: nothing comes in, HTTPS goes out",
            group_name=name_of("workers"),
            vpc_id=self._vpc,
            security_group_egress=[
                ec2.CfnSecurityGroup.EgressProperty(
                    ip_protocol="tcp", from_port=HTTPS, to_port=HTTPS, cidr_ip=ANYWHERE, description="HTTPS"
                )
            ],
        )
        export(self, "SecurityGroups", group.attr_group_id)

    def _flow_log(self, inputs: Inputs) -> None:
        """What was refused, and nothing else: the rest is in the workers' own log."""
        group = logs.CfnLogGroup(
            self,
            "FlowLog",
            log_group_name=name_of("network", prefix="/aws/vpc/"),
            retention_in_days=Token.as_number(inputs.look_up("LogRetentionDays")),
        )
        role = iam.CfnRole(
            self,
            "FlowLogRole",
            role_name=name_of("network"),
            permissions_boundary=bounded(self),
            assume_role_policy_document=document(
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "vpc-flow-logs.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                    "Condition": {
                        "ArnLike": {"aws:SourceArn": Fn.sub(FLOW_LOGS)},
                        "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
                    },
                }
            ),
            policies=[
                iam.CfnRole.PolicyProperty(
                    policy_name="calls",
                    policy_document=document(
                        allow(
                            ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"], [group.attr_arn]
                        )
                    ),
                )
            ],
        )
        ec2.CfnFlowLog(
            self,
            "Refused",
            resource_id=self._vpc,
            resource_type="VPC",
            traffic_type="REJECT",
            log_destination_type="cloud-watch-logs",
            log_group_name=group.ref,
            deliver_logs_permission_arn=role.attr_arn,
        )


FLOW_LOGS: Final = "arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:vpc-flow-log/*"
