"""The transforms of a template: AWS::Include, AWS::LanguageExtensions and SAM's, before anything else is checked."""

from __future__ import annotations

import copy
import importlib.util
import threading
from typing import TYPE_CHECKING, Any

from cfnbox.core.errors import Invalid, Refused
from cfnbox.core.extras import how_to_install
from cfnbox.core.profiles import session
from cfnbox.template import language_extensions
from cfnbox.template.functions import function_of, resolve
from cfnbox.template.limits import TemplateCharacters
from cfnbox.template.macros import MacroCalls, TransformFailed
from cfnbox.template.scope import Scope
from cfnbox.template.syntax import check_form, objects, read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.template.macros import FindMacro
    from cfnbox.template.parameters import Parameter

    ReadObject = Callable[[str, str], bytes | None]

SAM = "AWS::Serverless-2016-10-31"
_INCLUDE = "AWS::Include"
_NOT_TRANSFORMED = ("AWSTemplateFormatVersion", "Parameters", "Transform")
# SAM's translator keeps the region in a class attribute.
_TRANSLATOR = threading.Lock()


def declared_transforms(document: Json) -> list[str]:
    """The names of the macros for all of the template, in their order."""
    declared = document.get("Transform", [])
    entries = declared if isinstance(declared, list) else [declared]
    names = [one.get("Name") if isinstance(one, dict) else one for one in entries]
    return [one for one in names if isinstance(one, str)]


def transform(
    document: Json,
    parameters: Mapping[str, Parameter],
    place: Place,
    read_object: ReadObject,
    stack_name: str = "",
    find_macro: FindMacro = lambda _name: None,
) -> Json:
    """Return the template after its transforms; the document stays as it is.

    `read_object` returns what an S3 object, by bucket and key, holds, or None; `find_macro` a macro by its name, or
    None. Raise Refused if a transform is unknown or fails, or if its result is not a template.
    """
    _require_names(document)
    scope = Scope(place, stack_name, parameters=parameters, mappings=document.get("Mappings", {}))
    macros = MacroCalls(scope, find_macro)
    made = _included(document, scope, _limited(read_object), macros)
    names = declared_transforms(made)
    if language_extensions.NAME not in names:
        _refuse_language_extensions(made, ())
    for name in names:
        if name == language_extensions.NAME:
            made = language_extensions.extend(made, scope)
        elif name == SAM:
            made = _serverless(made, parameters, place)
        elif macros.has(name):
            made = macros.transformed(name, _parameters_of(document, name), made)
        elif name != _INCLUDE:
            raise _unknown(name, place)
    made.pop("Transform", None)
    check_form(made)
    return made


class BucketNotFound(Exception):
    """The S3 bucket of an included object does not exist."""


def _require_names(document: Json) -> None:
    declared = document.get("Transform", [])
    for entry in declared if isinstance(declared, list) else [declared]:
        if isinstance(entry, dict) and not isinstance(entry.get("Name"), str):
            # Recorded.
            raise Invalid("Key Name of transform definition must be a string.")


def _parameters_of(document: Json, name: str) -> Any:
    """Return the Parameters with which the top of a template calls a macro."""
    declared = document.get("Transform", [])
    entries = declared if isinstance(declared, list) else [declared]
    return next((one.get("Parameters", {}) for one in entries if isinstance(one, dict) and one["Name"] == name), {})


def _unknown(name: Any, place: Place) -> TransformFailed:
    full = name if "::" in str(name) else f"{place.account}::{name}"
    return TransformFailed(f"No transform named {full} found.")


def _included(document: Json, scope: Scope, read_object: ReadObject, macros: MacroCalls) -> Json:
    """Return the template with AWS::Include, embedded or at the top, and with embedded macros in their places."""

    def walk(value: Any) -> Any:
        if isinstance(value, list):
            return [walk(one) for one in value]
        if not isinstance(value, dict):
            return value
        rest: Any = {key: walk(one) for key, one in value.items() if key != "Fn::Transform"}
        calls = value.get("Fn::Transform", [])
        for call in calls if isinstance(calls, list) else [calls]:
            name = call.get("Name") if isinstance(call, dict) else call
            if isinstance(name, str) and macros.has(name):
                rest = macros.answer(name, call.get("Parameters", {}) if isinstance(call, dict) else {}, rest)
            else:
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
    left = TemplateCharacters()

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
    try:
        held = read_object(bucket, key)
    except BucketNotFound:
        raise _failed(_INCLUDE, f"S3 bucket [{bucket}] does not exist.") from None
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
        if key.startswith(language_extensions.FOR_EACH):
            raise Invalid(f"Template format error: [{_pointer(*path, key)}] resource definition is malformed")
        with_default = key == "Fn::FindInMap" and isinstance(one, list) and len(one) > 3
        if function_of(value) in language_extensions.FUNCTIONS or with_default:
            what = "Fn::FindInMap with a DefaultValue" if with_default else key
            raise Invalid(
                f"Template error: [{_pointer(*path)}] {what} needs the transform {language_extensions.NAME}."
            )
        _refuse_language_extensions(one, (*path, key))


def _pointer(*path: str) -> str:
    return "".join(f"/{part}" for part in path)


def _serverless(document: Json, parameters: Mapping[str, Parameter], place: Place) -> Json:
    if importlib.util.find_spec("samtranslator") is None:
        raise _failed(SAM, f"cfnbox runs it with a package that is not installed: {how_to_install('sam')}")
    from samtranslator.model.exceptions import InvalidDocumentException
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator
    from samtranslator.utils.py27hash_fix import to_py27_compatible_template, undo_mark_unicode_str_in_template

    for logical_id, resource in document["Resources"].items():
        properties = resource.get("Properties", {}) if isinstance(resource, dict) else {}
        if isinstance(properties, dict) and isinstance(properties.get("Location"), dict):
            raise _failed(SAM, f"Resource with id [{logical_id}] is an application of the Serverless Application "
                          "Repository, which cfnbox does not have: give its template as Location.")  # fmt: skip
    made, values = copy.deepcopy(document), {key: one.referred for key, one in parameters.items()}
    try:
        to_py27_compatible_template(made, values)
        with _TRANSLATOR:
            translator = Translator(None, Parser(), boto_session=session(place.region))
            try:
                made = translator.translate(made, values, get_managed_policy_map=dict)
            finally:
                # The publisher is a dummy. A translator that ends with unpublished metrics logs a warning.
                translator.metrics.publish()
    except InvalidDocumentException as failure:
        causes = " ".join(str(one.message) for one in failure.causes)
        raise _failed(SAM, f"{failure.message} {causes}") from None
    plain: Json = undo_mark_unicode_str_in_template(made)
    return plain


def _failed(name: str, reason: str) -> TransformFailed:
    return TransformFailed(f"Transform {name} failed with: {reason}")
