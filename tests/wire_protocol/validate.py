"""Judge envelopes, one a line, by a JSON Schema: as much of it as ours uses. Usage: validate.py SCHEMA < LINES"""

import json
import re
import sys

KNOWN = {"$schema", "$id", "$defs", "$ref", "title", "description", "type", "enum", "required", "properties",
         "additionalProperties", "minLength", "maxLength", "pattern", "minimum", "maximum", "if", "then", "else"}


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


TYPES = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "object": lambda value: isinstance(value, dict),
    "integer": lambda value: is_number(value) and value == int(value),
}


def is_valid(value, schema, root):
    if schema is True:
        return True
    unknown = set(schema) - KNOWN
    if unknown:
        sys.exit("this validator does not know %s: teach it" % ", ".join(sorted(unknown)))
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].split("/")[-1]]
    if "if" in schema:
        branch = "then" if is_valid(value, schema["if"], root) else "else"
        if not is_valid(value, schema.get(branch, True), root):
            return False
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(TYPES[name](value) for name in types):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, str):
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            return False
        # A `$` of Python's also matches before a last line end; that of JSON Schema does not.
        if not re.search(schema.get("pattern", "").replace("$", r"\Z"), value):
            return False
    if is_number(value) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        return False
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        if any(name not in value for name in schema.get("required", [])):
            return False
        return all(is_valid(value[name], properties[name], root) for name in value if name in properties)
    return True


with open(sys.argv[1], encoding="utf-8") as file:
    root = json.load(file)
for line in sys.stdin.buffer.read().decode().split("\n"):
    print("valid" if is_valid(json.loads(line), root, root) else "invalid")
