"""Type configurations: an account's settings for the handlers of a type, such as the address of a service."""

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
    """SetTypeConfiguration and BatchDescribeTypeConfigurations. No message contains a value of a configuration."""

    def __init__(self, types: TypeRegistry) -> None:
        self._types = types

    def set(self, place: Place, request: Json) -> Json:
        """SetTypeConfiguration. The next operation passes the configuration of the alias `default` to the handler."""
        alias = request.get("ConfigurationAlias", _DEFAULT_ALIAS)
        with self._types.changing:
            registered = self._find(place, request)
            if registered is None or not registered.is_live:
                name = request.get("TypeName") or request.get("TypeArn")
                raise Refused("TypeNotFoundException", f"The type '{name}' cannot be found.", 404)
            value = _checked(registered, request["Configuration"])
            registered.configurations[alias] = Configuration(request["Configuration"], value, now())
            return {"ConfigurationArn": _arn(registered, alias)}

    def describe(self, place: Place, request: Json) -> Json:
        """BatchDescribeTypeConfigurations: a description or an error for each identifier."""
        configurations, errors = list[Json](), list[Json]()
        with self._types.changing:
            for identifier in request["TypeConfigurationIdentifiers"]:
                registered, alias = self._type_and_alias(place, identifier)
                configuration = registered.configurations.get(alias) if registered else None
                if registered is None or configuration is None:
                    text = f"{identifier.get('TypeName') or 'The type'} has no type configuration {alias}."
                    error = {"ErrorCode": "404", "ErrorMessage": text, "TypeConfigurationIdentifier": identifier}
                    errors.append(error)
                else:
                    configurations.append(_details(registered, alias, configuration))
        return {"TypeConfigurations": configurations, "Errors": errors, "UnprocessedTypeConfigurations": []}

    def _type_and_alias(self, place: Place, identifier: Json) -> tuple[RegisteredType | None, str]:
        if "TypeConfigurationArn" in identifier:
            arn, _, alias = identifier["TypeConfigurationArn"].rpartition("/")
            return self._find_by_arn(place, arn.replace(":type-configuration/", ":type/")), alias
        return self._find(place, identifier), identifier.get("TypeConfigurationAlias", _DEFAULT_ALIAS)

    def _find(self, place: Place, request: Json) -> RegisteredType | None:
        if "TypeArn" in request:
            return self._find_by_arn(place, request["TypeArn"])
        if "TypeName" not in request:
            raise Refused("CFNRegistryException", "Specify either TypeArn, or TypeName and Type.")
        return self._types.of(place).get(request["TypeName"])

    def _find_by_arn(self, place: Place, arn: str) -> RegisteredType | None:
        return next((registered for registered in self._types.of(place).values() if registered.arn == arn), None)


def _checked(registered: RegisteredType, text: str) -> Any:
    """Return the parsed configuration. Raise Refused unless it is valid for the schema of the default version."""
    definition = registered.default_version.definition
    schema = definition.schema.get("typeConfiguration")
    if schema is None:
        raise Refused("CFNRegistryException", f"The schema of {registered.name} has no typeConfiguration.")
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
            f"The configuration of {registered.name} is not valid for its schema: {', '.join(problems)}",
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
