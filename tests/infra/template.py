"""A committed template as a stage sees it: parameters filled in, mappings looked up, conditions decided."""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

INFRA = Path(__file__).resolve().parents[2] / "infra"
MESSAGING = INFRA / "templates" / "messaging.json"
ACCOUNT = "111122223333"
PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::StackName": "fleet-messaging",
}
NOTHING = object()


@cache
def raw(path: Path = MESSAGING) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


@dataclass(frozen=True)
class Template:
    """A template under given parameters; `Ref` of a resource reads as its logical id, `Fn::GetAtt` as `Id.Attribute`."""

    text: dict[str, Any]
    parameters: dict[str, str]

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """The resources of a type that exist under these parameters, with their properties evaluated."""
        return {
            name: {**resource, "Properties": self.value(resource["Properties"])}
            for name, resource in self.text["Resources"].items()
            if resource["Type"] == kind and self.holds(resource.get("Condition"))
        }

    def properties(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.value(self.text["Resources"][name]["Properties"])
        return found

    def outputs(self) -> dict[str, Any]:
        return {name: self.value(output) for name, output in self.text["Outputs"].items()}

    def holds(self, condition: str | None) -> bool:
        return condition is None or bool(self.value(self.text["Conditions"][condition]))

    def value(self, expression: Any) -> Any:
        if isinstance(expression, list):
            return [seen for item in expression if (seen := self.value(item)) is not NOTHING]
        if not isinstance(expression, dict):
            return expression
        if len(expression) == 1:
            (function, argument), *_ = expression.items()
            if (
                function == "Ref"
                or function.startswith("Fn::")
                or (function == "Condition" and isinstance(argument, str))
            ):
                return self._call(function, argument)
        return {key: seen for key, item in expression.items() if (seen := self.value(item)) is not NOTHING}

    def _call(self, function: str, argument: Any) -> Any:
        match function:
            case "Ref":
                answer: Any = self._ref(argument)
            case "Fn::GetAtt":
                answer = ".".join(argument)
            case "Fn::Sub":
                answer = re.sub(r"\$\{([^}]+)\}", lambda match: str(self._ref(match[1])), argument)
            case "Fn::Join":
                answer = argument[0].join(self.value(argument[1]))
            case "Fn::Select":
                answer = self.value(argument[1]).split(",")[argument[0]]
            case "Fn::FindInMap":
                mapping, row, column = self.value(argument)
                answer = self.text["Mappings"][mapping][row][column]
            case "Fn::If":
                answer = self.value(argument[1] if self.holds(argument[0]) else argument[2])
            case "Fn::ImportValue":
                answer = self.value(argument)
            case "Condition" | "Fn::Equals" | "Fn::And" | "Fn::Or" | "Fn::Not":
                answer = self._decision(function, argument)
            case _:
                raise AssertionError(f"{function} is not known to work on every emulator")
        return answer

    def _decision(self, function: str, argument: Any) -> bool:
        match function:
            case "Fn::Equals":
                left, right = self.value(argument)
                return bool(left == right)
            case "Fn::And":
                return all(self.value(argument))
            case "Fn::Or":
                return any(self.value(argument))
            case "Fn::Not":
                return not self.value(argument[0])
            case _:
                return self.holds(argument)

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NOTHING
        return self.parameters.get(name, PSEUDO.get(name, name))


def messaging(stage: str = "dev", **parameters: str) -> Template:
    return stack("messaging", stage, **parameters)


def stack(name: str, stage: str = "dev", **parameters: str) -> Template:
    """The committed template of a stack under its defaults and these parameters; one without a default reads as its own name."""
    text = raw(INFRA / "templates" / f"{name}.json")
    defaults = {key: parameter.get("Default", key) for key, parameter in text["Parameters"].items()}
    return Template(text, defaults | {"Stage": stage} | parameters)


def each_function(expression: Any) -> set[str]:
    """The names of all intrinsic functions below an expression."""
    match expression:
        case dict():
            here = {key for key in expression if key == "Ref" or key.startswith("Fn::")}
            return here.union(*(each_function(value) for value in expression.values()))
        case list():
            return set[str]().union(*(each_function(item) for item in expression))
        case _:
            return set()
