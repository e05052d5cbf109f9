"""The network that is made for workers: no way in, one way out with an address that stays, and past it to tables and buckets."""

import json
import uuid

import pytest

from fleet.dev.deploy import session, stand, template
from fleet.dev.emulators.ministack import Endpoint
from tests.infra.template import INFRA, Template, raw, stack


class Network(Template):
    """Of a region with two zones or more."""

    def _call(self, function: str, argument: object) -> object:
        match function, argument:
            case "Fn::GetAZs", _:
                return ["a", "b", "c"]
            case "Fn::Cidr", [_, int(count), _]:
                return [f"part {number}" for number in range(count)]
            case "Fn::Select", [number, of]:
                return self.value(of)[number]
            case _:
                return super()._call(function, argument)


def network(**parameters: str) -> Network:
    plain = stack("network", **parameters)
    return Network(plain.text, plain.parameters)


def test_private_subnets_lie_in_two_zones_and_no_address_is_given_out() -> None:
    subnets = network().resources("AWS::EC2::Subnet")
    private = [each["Properties"] for name, each in subnets.items() if name.startswith("Private")]
    assert [each["AvailabilityZone"] for each in private] == ["a", "b"]
    assert len({each["Properties"]["CidrBlock"] for each in subnets.values()}) == len(subnets)
    assert not any(each["Properties"]["MapPublicIpOnLaunch"] for each in subnets.values())
    assert network().outputs()["Subnets"]["Value"] == "Private0Subnet,Private1Subnet"


def test_the_way_out_has_one_address_that_stays_and_the_way_to_tables_and_buckets_does_not_take_it() -> None:
    routes = {name: each["Properties"] for name, each in network().resources("AWS::EC2::Route").items()}
    assert {each["DestinationCidrBlock"] for each in routes.values()} == {"0.0.0.0/0"}
    assert (routes["ToNat"]["RouteTableId"], routes["ToNat"]["NatGatewayId"]) == ("PrivateRoutes", "Nat")
    assert (routes["ToInternet"]["RouteTableId"], routes["ToInternet"]["GatewayId"]) == ("PublicRoutes", "Internet")
    tables = {
        each["Properties"]["SubnetId"]: each["Properties"]["RouteTableId"]
        for each in network().resources("AWS::EC2::SubnetRouteTableAssociation").values()
    }
    assert tables == {
        "Private0Subnet": "PrivateRoutes", "Private1Subnet": "PrivateRoutes", "PublicSubnet": "PublicRoutes",
    }  # fmt: skip
    nat = network().properties("Nat")
    assert (nat["SubnetId"], nat["AllocationId"]) == ("PublicSubnet", "Address.AllocationId")
    assert network().outputs()["FixedAddress"]["Value"] == "Address"
    ends = [each["Properties"] for each in network().resources("AWS::EC2::VPCEndpoint").values()]
    assert [(each["ServiceName"].rpartition(".")[2], each["RouteTableIds"]) for each in ends] == [
        ("dynamodb", ["PrivateRoutes"]), ("s3", ["PrivateRoutes"]),
    ]  # fmt: skip


def test_nothing_comes_in_and_only_https_goes_out() -> None:
    group = network().properties("Workers")
    assert "SecurityGroupIngress" not in group
    [out] = group["SecurityGroupEgress"]
    assert (out["IpProtocol"], out["FromPort"], out["ToPort"]) == ("tcp", 443, 443)


def test_without_a_gateway_nothing_of_it_is_left() -> None:
    without = network(NatGateway="false")
    for kind in ("AWS::EC2::NatGateway", "AWS::EC2::EIP"):
        assert network().resources(kind)
        assert not without.resources(kind)
    assert "ToNat" not in without.resources("AWS::EC2::Route")
    assert without.text["Outputs"]["FixedAddress"]["Condition"] == "Natted"


def test_what_was_refused_is_logged_by_a_role_for_this_accounts_flow_logs_alone() -> None:
    log = network().properties("Refused")
    assert (log["TrafficType"], log["ResourceId"], log["LogGroupName"]) == ("REJECT", "Vpc", "FlowLog")
    role = network().properties("FlowLogRole")
    [policy] = role["Policies"]
    [statement] = policy["PolicyDocument"]["Statement"]
    assert statement["Resource"] == ["FlowLog.Arn"]
    assert statement["Action"] == ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    [trust] = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Condition"]["StringEquals"] == {"aws:SourceAccount": "111122223333"}


def test_its_outputs_are_called_as_the_parameters_that_take_them() -> None:
    told = {"Subnets", "SecurityGroups"}
    assert told <= set(raw(INFRA / "templates" / "network.json")["Outputs"])
    for name in ("workers", "services"):
        assert told <= set(raw(INFRA / "templates" / f"{name}.json")["Parameters"])
    assert json.dumps(raw(INFRA / "templates" / "access.json")["Parameters"]).count('"Subnets"') == 1


@pytest.mark.slow
def test_it_stands_twice_without_its_gateway_which_no_emulator_has(emulator: Endpoint) -> None:
    project = f"n{uuid.uuid4().hex[:8]}"
    whole = json.loads(template("network").read_text())
    del whole["Resources"]["Refused"]  # MiniStack: Unrecognized resource types: [AWS::EC2::FlowLog]
    text = json.dumps(whole)
    seen = []
    for _ in range(2):
        stand(emulator, f"{project}-network-dev", text, ProjectName=project, NatGateway="false")
        found = session(emulator).client("cloudformation", endpoint_url=emulator.url)
        [described] = found.describe_stacks(StackName=f"{project}-network-dev")["Stacks"]
        seen.append({each["OutputKey"]: each["OutputValue"] for each in described["Outputs"]})
    assert seen[0] == seen[1]
    assert seen[0].keys() == {"SecurityGroups", "Subnets", "VpcId"}
    assert len(set(seen[0]["Subnets"].split(","))) == 2
