"""Type configurations: what an account gives to a type's handlers, such as the address and key of a service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cfnbox.aws.http import json_value
from cfnbox.core.errors import Refused
from cfnbox.core.paths import Json
from cfnbox.core.type_definition import TypeDefinition
from cfnbox.providers.properties import violations
from cfnbox.registry.types import Configuration, RegisteredType, TypeRegistry, now

if TYPE_CHECKING:
    from cfnbox.core.place import Place

_DEFAULT_ALIAS = "default"


class Configurations:
    """SetTypeConfiguration and BatchDescribeTypeConfigurations. No refusal holds a value of a configuration."""

    def __init__(self, types: TypeRegistry) -> None:
        self._types = types

    def set(self, place: Place, request: Json) -> Json:
        """SetTypeConfiguration: the next operation's handler gets it when its alias is `default`."""
        alias = request.get("ConfigurationAlias", _DEFAULT_ALIAS)
        with self._types.changing:
            registered = self._found(place, request)
            if registered is None or not registered.live:
                name = request.get("TypeName") or request.get("TypeArn")
                raise Refused("TypeNotFoundException", f"The type '{name}' cannot be found.", 404)
            value = _checked(registered, request["Configuration"])
            registered.configurations[alias] = Configuration(request["Configuration"], value, now())
            return {"ConfigurationArn": _arn(registered, alias)}

    def describe(self, place: Place, request: Json) -> Json:
        """BatchDescribeTypeConfigurations: each one that is named, or why it is not there."""
        found, errors = list[Json](), list[Json]()
        with self._types.changing:
            for one in request["TypeConfigurationIdentifiers"]:
                registered, alias = self._identified(place, one)
                configuration = registered.configurations.get(alias) if registered else None
                if registered is None or configuration is None:
                    text = f"There is no type configuration {alias} of {one.get('TypeName') or 'that type'}."
                    error = {"ErrorCode": "404", "ErrorMessage": text, "TypeConfigurationIdentifier": one}
                    errors.append(error)
                else:
                    found.append(_details(registered, alias, configuration))
        return {"TypeConfigurations": found, "Errors": errors, "UnprocessedTypeConfigurations": []}

    def _identified(self, place: Place, one: Json) -> tuple[RegisteredType | None, str]:
        if "TypeConfigurationArn" in one:
            arn, _, alias = one["TypeConfigurationArn"].rpartition("/")
            return self._of_arn(place, arn.replace(":type-configuration/", ":type/")), alias
        return self._found(place, one), one.get("TypeConfigurationAlias", _DEFAULT_ALIAS)

    def _found(self, place: Place, request: Json) -> RegisteredType | None:
        if "TypeArn" in request:
            return self._of_arn(place, request["TypeArn"])
        if "TypeName" not in request:
            raise Refused("CFNRegistryException", "Give either the TypeArn, or the TypeName with its Type.")
        return self._types.of(place).get(request["TypeName"])

    def _of_arn(self, place: Place, arn: str) -> RegisteredType | None:
        return next((one for one in self._types.of(place).values() if one.arn == arn), None)


def _checked(registered: RegisteredType, text: str) -> Any:
    """The configuration, if the default version's schema allows it."""
    definition = registered.default_version.definition
    schema = definition.schema.get("typeConfiguration")
    if schema is None:
        raise Refused("CFNRegistryException", f"The schema of {registered.name} has no typeConfiguration to set.")
    try:
        value = json_value(text)
    except ValueError:
        raise Refused("CFNRegistryException", f"The configuration of {registered.name} is not JSON.") from None
    checked = TypeDefinition.from_schema(
        {**schema, "definitions": definition.schema.get("definitions", {}), "typeName": registered.name,
         "primaryIdentifier": []}
    )  # fmt: skip
    if problems := violations(checked, value) if isinstance(value, dict) else ["#: expected type: JSONObject"]:
        raise Refused(
            "CFNRegistryException",
            f"The configuration of {registered.name} does not meet its schema: {', '.join(problems)}",
        )
    return value


def _arn(registered: RegisteredType, alias: str) -> str:
    return f"{registered.arn.replace(':type/', ':type-configuration/')}/{alias}"


def _details(registered: RegisteredType, alias: str, configuration: Configuration) -> Json:
    return {
        "Arn": _arn(registered, alias),
        "Alias": alias,
        "Configuration": configuration.text,
        "LastUpdated": configuration.updated,
        "TypeArn": registered.arn,
        "TypeName": registered.name,
        "IsDefaultConfiguration": alias == _DEFAULT_ALIAS,
    }
