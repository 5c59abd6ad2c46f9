"""The transforms of a template: AWS::Include, AWS::LanguageExtensions and SAM's, before anything else is looked at.

The only module of the control plane that knows private names of ministack, whose language extensions it uses.
"""

from __future__ import annotations

import copy
import importlib
import importlib.metadata
import json
import logging
import threading
from collections import ChainMap
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from cfnbox.core.errors import Invalid, Refused
from cfnbox.template.functions import ResolutionFailed, function_of, resolve
from cfnbox.template.parameters import Parameter
from cfnbox.template.scope import Scope
from cfnbox.template.syntax import URL_BYTES, check_form, objects, read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place

    ReadObject = Callable[[str, str], bytes | None]

SAM = "AWS::Serverless-2016-10-31"
LANGUAGE_EXTENSIONS = "AWS::LanguageExtensions"
_INCLUDE = "AWS::Include"
_OF_LANGUAGE_EXTENSIONS = ("Fn::Length", "Fn::ToJsonString")
# A member of an object in JSON, such as `"A":1,`.
_SHORTEST_MEMBER = 6
_FOR_EACH = "Fn::ForEach::"
_EXTENDED = ("Conditions", "Resources", "Outputs")
# The functions that the transform replaces by what they give.
_COUNTED = ("Fn::FindInMap", "Fn::Length", "Fn::Sub", "Fn::ToJsonString", "Ref")
_NOT_TRANSFORMED = ("AWSTemplateFormatVersion", "Parameters", "Transform")
_MINISTACK_VERSION = "1.5.33"
_MINISTACK_MODULE = "ministack.services.cloudformation.language_extensions"
_MINISTACK_NAMES = ("apply", "refuse_embedded", "LanguageExtensionsError")
# SAM's translator keeps the region in a class attribute.
_TRANSLATOR = threading.Lock()


def declared_transforms(document: Json) -> list[str]:
    """The names of the macros for all of the template, in their order."""
    declared = document.get("Transform", [])
    entries = declared if isinstance(declared, list) else [declared]
    names = [one.get("Name") if isinstance(one, dict) else one for one in entries]
    return [one for one in names if isinstance(one, str)]


def transform(document: Json, parameters: Mapping[str, Parameter], place: Place, read_object: ReadObject) -> Json:
    """The template after its transforms; the given one stays as it is.

    `read_object` returns what an S3 object, by bucket and key, holds, or None. Refused when a transform is unknown or
    fails, or when what it makes is no template.
    """
    scope = Scope(place, parameters=parameters, mappings=document.get("Mappings", {}))
    made = _included(document, scope, _limited(read_object))
    names = declared_transforms(made)
    if LANGUAGE_EXTENSIONS not in names:
        _refuse_language_extensions(made, ())
    for name in names:
        if name == LANGUAGE_EXTENSIONS:
            made = _extended(made, scope)
        elif name == SAM:
            made = _serverless(made, parameters, place)
        elif name != _INCLUDE:
            raise _unknown(name, place)
    made.pop("Transform", None)
    check_form(made)
    return made


class TransformFailed(Invalid):
    """A transform is unknown or fails: what CloudFormation finds while it makes a change set, which then FAILED."""


def _unknown(name: Any, place: Place) -> TransformFailed:
    full = name if "::" in str(name) else f"{place.account}::{name}"
    return TransformFailed(f"No transform named {full} found.")


def _included(document: Json, scope: Scope, read_object: ReadObject) -> Json:
    """The template with the snippets of AWS::Include, embedded or at the top, in their places."""

    def walk(value: Any) -> Any:
        if isinstance(value, list):
            return [walk(one) for one in value]
        if not isinstance(value, dict):
            return value
        rest = {key: walk(one) for key, one in value.items() if key != "Fn::Transform"}
        calls = value.get("Fn::Transform", [])
        for call in calls if isinstance(calls, list) else [calls]:
            rest |= _snippet(call, scope, read_object)
        return rest

    made: Json = {key: one if key in _NOT_TRANSFORMED else walk(one) for key, one in document.items()}
    declared = document.get("Transform", [])
    for one in declared if isinstance(declared, list) else [declared]:
        if isinstance(one, dict) and one.get("Name") == _INCLUDE:
            made |= _snippet(one, scope, read_object)
    return made


def _limited(read_object: ReadObject) -> ReadObject:
    """Return a reader of objects that together are no larger than a template may be."""
    left = _Characters()

    def read(bucket: str, key: str) -> bytes | None:
        content = read_object(bucket, key)
        left.take(len(content or b""))
        return content

    return read


def _snippet(call: Any, scope: Scope, read_object: ReadObject) -> Json:
    if not isinstance(call, dict) or call.get("Name") != _INCLUDE:
        raise _unknown(call.get("Name") if isinstance(call, dict) else call, scope.place)
    asked = call.get("Parameters")
    location = resolve(asked.get("Location"), scope) if isinstance(asked, dict) else None
    bucket, _, key = location.removeprefix("s3://").partition("/") if isinstance(location, str) else ("", "", "")
    if not str(location).startswith("s3://") or not bucket or not key:
        raise _failed(_INCLUDE, "The location parameter is not a valid S3 uri.")
    held = read_object(bucket, key)
    if held is None:
        raise _failed(_INCLUDE, f"The S3 object {location} does not exist.")
    try:
        snippet = read(held.decode(), short_forms=False)
    except (UnicodeDecodeError, Refused):
        snippet = None
    if not isinstance(snippet, dict):
        raise _failed(_INCLUDE, "The specified S3 object's content should be valid Yaml/JSON")
    if any("Fn::Transform" in one for one in objects(snippet)):
        raise _failed(_INCLUDE, f"The snippet at {location} names a transform, which cannot be nested.")
    return snippet


def _refuse_language_extensions(value: Any, path: tuple[str, ...]) -> None:
    """Refused where a function of AWS::LanguageExtensions stands in a template that does not declare it."""
    if isinstance(value, list):
        for position, one in enumerate(value):
            _refuse_language_extensions(one, (*path, str(position)))
    if not isinstance(value, dict):
        return
    for key, one in value.items():
        if key.startswith("Fn::ForEach::"):
            raise Invalid(f"Template format error: [{_pointer(*path, key)}] resource definition is malformed")
        with_default = key == "Fn::FindInMap" and isinstance(one, list) and len(one) > 3
        if function_of(value) in _OF_LANGUAGE_EXTENSIONS or with_default:
            what = "Fn::FindInMap with a DefaultValue" if with_default else key
            raise Invalid(f"Template error: [{_pointer(*path)}] {what} needs the transform {LANGUAGE_EXTENSIONS}.")
        _refuse_language_extensions(one, (*path, key))


def _pointer(*path: str) -> str:
    return "".join(f"/{part}" for part in path)


def _extended(document: Json, scope: Scope) -> Json:
    _count_extended({key: document.get(key, {}) for key in _EXTENDED}, scope)
    ministack = _language_extensions()
    values = {key: one.text for key, one in scope.parameters.items()}
    try:
        ministack.refuse_embedded(document)
        made: Json = ministack.apply(copy.deepcopy(document), values)
    except ministack.LanguageExtensionsError as failure:
        raise Invalid(str(failure)) from None
    except (AttributeError, KeyError, TypeError, ValueError):
        raise _failed(LANGUAGE_EXTENSIONS, "A function of it has arguments that it does not take.") from None
    for resource in made["Resources"].values():
        for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
            if isinstance(resource, dict) and policy in resource:
                resource[policy] = resolve(resource[policy], scope)
    return made


def _count_extended(value: Any, scope: Scope, left: _Characters | None = None) -> None:
    """Refused when the loops and functions of AWS::LanguageExtensions make more of it than a template may hold.

    "Using the Fn::ForEach intrinsic function does not change the quotas, which apply to the resultant template"
    (user guide, "Fn::ForEach"). Each loop is gone through as its expansion would, but nothing is made.
    """
    left = left or _Characters()
    if isinstance(value, list):
        for item in value:
            left.take(1)
            _count_extended(item, scope, left)
    elif function_of(value) in _COUNTED and (size := _resolved_size(value, scope)) is not None:
        left.take(size)
    elif isinstance(value, dict):
        for key, member in value.items():
            left.take(len(key))
            if key.startswith(_FOR_EACH):
                _count_loop(member, scope, left)
            else:
                _count_extended(member, scope, left)
    else:
        left.take(len(str(value)))


def _count_loop(loop: Any, scope: Scope, left: _Characters) -> None:
    # What is malformed makes nothing: the transform itself refuses it.
    if not isinstance(loop, list) or len(loop) != 3 or not isinstance(loop[0], str):
        return
    identifier, collection, fragment = loop
    try:
        items = resolve(collection, scope)
    except ResolutionFailed:
        return
    for item in items if isinstance(items, list) else ():
        left.take(_SHORTEST_MEMBER)
        bound = _bound(scope, identifier, str(item))
        _count_extended(fragment, replace(scope, parameters=bound), left)


def _bound(scope: Scope, identifier: str, item: str) -> Mapping[str, Parameter]:
    # A view, because there may be many items and many parameters.
    others = cast("dict[str, Parameter]", scope.parameters)
    return ChainMap({identifier: Parameter(identifier, item)}, others)


def _resolved_size(call: Json, scope: Scope) -> int | None:
    """How much text a function gives; None where only the stack knows it."""
    try:
        return len(json.dumps(resolve(call, scope)))
    except ResolutionFailed:
        return None


class _Characters:
    """The characters that the template may still hold."""

    def __init__(self) -> None:
        self._left = URL_BYTES

    def take(self, count: int) -> None:
        """Raise Invalid when no more are left."""
        self._left -= count
        if self._left < 0:
            raise Invalid(f"Template may not exceed {URL_BYTES} bytes in size.")


def _language_extensions() -> Any:
    try:
        version = importlib.metadata.version("ministack")
        module = importlib.import_module(_MINISTACK_MODULE)
    except ImportError as error:
        version, module = str(error), None
    missing = [one for one in _MINISTACK_NAMES if not hasattr(module, one)]
    if missing or version != _MINISTACK_VERSION:
        raise Refused(
            "InternalFailure",
            f"{LANGUAGE_EXTENSIONS} needs ministack {_MINISTACK_VERSION}, but here is {version}. Install the pinned "
            f"version: pip install ministack=={_MINISTACK_VERSION}",
            500,
        )
    return module


def _serverless(document: Json, parameters: Mapping[str, Parameter], place: Place) -> Json:
    import boto3
    from samtranslator.model.exceptions import InvalidDocumentException
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator
    from samtranslator.utils.py27hash_fix import to_py27_compatible_template, undo_mark_unicode_str_in_template

    for logical_id, resource in document["Resources"].items():
        properties = resource.get("Properties", {}) if isinstance(resource, dict) else {}
        if isinstance(properties, dict) and isinstance(properties.get("Location"), dict):
            raise _failed(SAM, f"Resource with id [{logical_id}] is an application of the Serverless Application "
                          "Repository, which cfnbox does not have: give its template as Location.")  # fmt: skip
    logging.getLogger("samtranslator").setLevel(logging.CRITICAL)  # it warns of what only AWS has
    made, values = copy.deepcopy(document), {key: one.referred for key, one in parameters.items()}
    try:
        to_py27_compatible_template(made, values)
        with _TRANSLATOR:
            translator = Translator(None, Parser(), boto_session=boto3.Session(region_name=place.region))
            made = translator.translate(made, values, get_managed_policy_map=dict)
    except InvalidDocumentException as failure:
        causes = " ".join(str(one.message) for one in failure.causes)
        raise _failed(SAM, f"{failure.message} {causes}") from None
    plain: Json = undo_mark_unicode_str_in_template(made)
    return plain


def _failed(name: str, reason: str) -> TransformFailed:
    return TransformFailed(f"Transform {name} failed with: {reason}")
