#!/usr/bin/env python3
"""The published cases of Unleash's clients, as a flags.toml with tests.

    npm pack @unleash/client-specification@6.1.0 && tar xzf unleash-client-specification-6.1.0.tgz
    python tests/interop/unleash.py package > tests/vectors/unleash.toml

The package is Apache-2.0, one of the licences of this crate, and has no NOTICE. Its cases are
translated, so that the flags and their tests mean here what they mean there:

- A flag is on if one of its strategies is, so each strategy is a rule, and nobody else is in.
- There, a constraint that is negated holds for those who lack the attribute: `NOT_IN`, and
  `inverted`. Here nobody knows what they have, so the translation says it: `exists = false`.
- There, attributes are texts, which some operators read as numbers. Here a text is no number, so
  the attributes that a flag compares as numbers are numbers.

What is refused here and accepted there stays in: the test that runs this file lists it with reasons.

Left out:

- 03, 04, 05, 08, 10, 12, 16: percentages and variants. They are about the users whom MurmurHash3
  draws; here XXH3 does.
- 17: its prerequisites can ask for flags that are off, and are no flags with prerequisites.
- 19, 20: how a server sends changes.
- In 07, the flags with a strategy that draws.
- In all, questions for flags that are not in the file.
"""

import json
import re
import sys
from pathlib import Path

FILES = ["01", "02", "06", "07", "09", "11", "13", "14", "15", "18", "21", "22"]

DRAWING = {"gradualRolloutRandom", "gradualRolloutUserId", "gradualRolloutSessionId", "flexibleRollout"}

# By operator: ours, and how a value is written.
OPERATORS = {
    "IN": ("in", str),
    "NOT_IN": ("not_in", str),
    "STR_STARTS_WITH": ("starts_with", str),
    "STR_ENDS_WITH": ("ends_with", str),
    "STR_CONTAINS": ("contains", str),
    "REGEX": ("matches", str),
    "IN_CIDR": ("cidr", str),
    "NUM_EQ": ("eq", float),
    "NUM_GT": ("gt", float),
    "NUM_GTE": ("ge", float),
    "NUM_LT": ("lt", float),
    "NUM_LTE": ("le", float),
    "DATE_AFTER": ("after", str),
    "DATE_BEFORE": ("before", str),
    "SEMVER_EQ": ("semver", "={}".format),
    "SEMVER_GT": ("semver", ">{}".format),
    "SEMVER_GTE": ("semver", ">={}".format),
    "SEMVER_LT": ("semver", "<{}".format),
    "SEMVER_LTE": ("semver", "<={}".format),
}


def toml(value):
    """A value in TOML, inline. The strings of JSON are strings of TOML."""
    if isinstance(value, dict):
        members = ", ".join(f"{toml_key(key)} = {toml(member)}" for key, member in value.items())
        return "{ " + members + " }" if members else "{}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, bool | int | float | str):
        return json.dumps(value, ensure_ascii=False)
    raise TypeError(value)


def toml_key(key):
    return key if re.fullmatch("[A-Za-z0-9_-]+", key) else toml(key)


def attribute(name):
    return "targeting_key" if name == "userId" else name


def condition(constraint):
    operator = constraint["operator"]
    name, write = OPERATORS.get(operator, (operator.lower(), str))
    operand = write(constraint["value"]) if "value" in constraint else list(map(write, constraint["values"]))
    path = attribute(constraint["contextName"])
    comparison = {name: operand}
    if constraint.get("caseInsensitive"):
        comparison["ignore_case"] = True
    inverted = constraint.get("inverted", False)
    if operator == "NOT_IN" and inverted:
        return {path: {"in": operand}}
    if operator == "NOT_IN":
        return {"any": [{path: {"exists": False}}, {path: comparison}]}
    if inverted:
        return {"any": [{path: {"exists": False}}, {"not": {path: comparison}}]}
    return {path: comparison}


def listed(text):
    return [part.strip() for part in text.split(",") if part.strip()]


def rule(strategy, segment):
    parts = [condition(constraint) for constraint in strategy.get("constraints") or []]
    parts += [{"segment": segment(number)} for number in strategy.get("segments") or []]
    match strategy["name"]:
        case "default":
            pass
        case "userWithId":
            parts.append({"targeting_key": listed(strategy["parameters"]["userIds"])})
        case "remoteAddress":
            parts.append({"remoteAddress": {"cidr": listed(strategy["parameters"]["IPs"])}})
        case name:
            raise ValueError(name)
    return {"when": every(parts), "serve": True}


def every(parts):
    match parts:
        case []:
            return {}
        case [part]:
            return part
        case _:
            return {"all": parts}


def numeric(strategies, segments):
    constraints = [c for s in strategies for c in s.get("constraints") or []]
    constraints += [c for s in segments for c in s["constraints"]]
    return {c["contextName"] for c in constraints if c["operator"].startswith("NUM_")}


def attributes(context, numbers):
    flat = {key: value for key, value in context.items() if key not in ("userId", "properties")}
    flat |= context.get("properties") or {}
    return {
        key: float(value) if key in numbers else value for key, value in flat.items() if value is not None
    }


def translate(path, out):
    specification = json.loads(path.read_text())
    state, prefix = specification["state"], path.stem
    for segment in state.get("segments") or []:
        when = every([condition(constraint) for constraint in segment["constraints"]])
        name = toml(f"{prefix}/{segment['id']}")
        out.append(f"[segments.{name}]\nwhen = {toml(when)}\n")
    for feature in state["features"]:
        strategies = feature.get("strategies") or []
        if any(strategy["name"] in DRAWING for strategy in strategies):
            continue
        name = toml(f"{prefix}/{feature['name']}")
        lines = [f"[flags.{name}]", f"enabled = {toml(feature['enabled'])}"]
        if strategies:
            lines.append("percentage = 0")
        for strategy in strategies:
            made = rule(strategy, lambda number: f"{prefix}/{number}")
            lines += ["", f"[[flags.{name}.rules]]", *(f"{key} = {toml(part)}" for key, part in made.items())]
        numbers = numeric(strategies, state.get("segments") or [])
        for test in specification["tests"]:
            if test["toggleName"] != feature["name"]:
                continue
            lines += ["", f"[[flags.{name}.tests]]", f"name = {toml(test['description'])}"]
            if test["context"].get("userId") is not None:
                lines.append(f"user = {toml(test['context']['userId'])}")
            if others := attributes(test["context"], numbers):
                lines.append(f"attributes = {toml(others)}")
            lines.append(f"expect = {toml(test['expectedResult'])}")
        out.append("\n".join(lines) + "\n")


def main():
    package = Path(sys.argv[1])
    version = json.loads((package / "package.json").read_text())["version"]
    out = [
        f"# Made by tests/interop/unleash.py from @unleash/client-specification {version}, which is\n"
        "# Apache-2.0: see LICENSE-APACHE. Changed: translated to flags.toml.\n"
    ]
    for number in FILES:
        (path,) = (package / "specifications").glob(f"{number}-*.json")
        translate(path, out)
    print("\n".join(out), end="")


main()
