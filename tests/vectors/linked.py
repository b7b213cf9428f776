#!/usr/bin/env python3
"""Flags that depend on each other, written a second time, and the vectors made with it.

    python tests/vectors/linked.py            writes linked.json beside this file
    python tests/vectors/linked.py --check    recomputes every row of it; 1 if any differs

A condition is true, false, or null when it is unknown. An unknown comparison is one with an attribute that
the context lacks, an unknown `flag` is one that no source has. `unless` is true where its condition is not
true, but unknown if any flag in it is unknown. Each answer is computed from the definition of the other
flags, over and over; the Rust crate computes each once. It follows the guide (src/docs/guide/rules.md) and shares
no code with the crate. Needs Python 3.7.
"""

import json
import random
import re
import sys
from pathlib import Path

FILE = Path(__file__).with_name("linked.json")
ROWS = 400
WORDS = {"any", "all", "not", "unless", "flag", "attributes"}
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


# Conditions of three values.


def both(values):
    return False if False in values else None if None in values else True


def either(values):
    return True if True in values else None if None in values else False


def opposite(value):
    return None if value is None else not value


def elements(value):
    return value if isinstance(value, list) else [value]


def flags_of(condition):
    """The flags that a condition names, at any depth."""
    found = set()
    for key, part in condition.items():
        if key == "flag":
            found |= {it if isinstance(it, str) else it["flag"] for it in elements(part)}
        elif key in ("any", "all"):
            found |= {name for one in part for name in flags_of(one)}
        elif key in ("not", "unless"):
            found |= flags_of(part)
    return found


def number(value):
    if isinstance(value, str):
        return float(value) if NUMBER.fullmatch(value) else None
    return None if isinstance(value, bool) else value


def compare(operand, attributes, name):
    if name not in attributes:
        return None
    seen = attributes[name]
    if isinstance(operand, str):
        return seen == operand
    if isinstance(operand, list):
        return seen in operand
    if operand.get("as") == "number":
        seen = number(seen)
        if seen is None:
            return None
        tests = {
            "eq": lambda wanted: seen == wanted,
            "ne": lambda wanted: seen != wanted,
            "in": lambda wanted: seen in wanted,
            "not_in": lambda wanted: seen not in wanted,
            "gt": lambda wanted: seen > wanted,
            "le": lambda wanted: seen <= wanted,
        }
        return both([tests[name](wanted) for name, wanted in operand.items() if name != "as"])
    return seen != operand["ne"]


def holds(condition, row):
    values = []
    for key, part in condition.items():
        if key == "any":
            values.append(either([holds(one, row) for one in part]))
        elif key == "all":
            values.append(both([holds(one, row) for one in part]))
        elif key == "not":
            values.append(opposite(holds(part, row)))
        elif key == "unless":
            values.append(unless(part, row))
        elif key == "flag":
            values.append(either([state(one, row) for one in elements(part)]))
        elif key == "attributes":
            values.extend(compare(it, row["attributes"], name) for name, it in part.items())
        else:
            values.append(compare(part, row["attributes"], key))
    return both(values)


def unless(condition, row):
    if any(name not in row["flags"] for name in flags_of(condition)):
        return None
    return holds(condition, row) is not True


# Flags.


def state(need, row):
    """Whether another flag is in a state; null if no source has it."""
    name = need if isinstance(need, str) else need["flag"]
    if name not in row["flags"]:
        return None
    on, variant = answer(name, row)
    if isinstance(need, dict) and "variant" in need:
        # No variant here counts as off.
        return on and variant in elements(need["variant"])
    wanted = need.get("on", True) if isinstance(need, dict) else True
    return on == wanted


def answer(name, row):
    """On or off, and the variant."""
    flag = row["flags"][name]
    if not flag.get("enabled", True):
        return False, None
    if not all(state(need, row) is True for need in flag.get("requires", [])):
        return False, None
    for rule in flag.get("rules", []):
        matches = holds(rule.get("when", {}), row) is True
        if matches and "unless" in rule:
            matches = unless(rule["unless"], row) is True
        if matches:
            serve = rule["serve"]
            return (serve, "a" if serve else None) if isinstance(serve, bool) else (True, serve)
    on = flag.get("percentage", 100) == 100
    return on, "a" if on else None


# Rows, which are the same each time.


def make_need(chance, names):
    name = chance.choice(names)
    kind = chance.randrange(6)
    if kind < 2 or name == "nosuch":
        return name if kind % 2 == 0 else {"flag": name, "on": chance.random() < 0.3}
    if kind < 4:
        return {"flag": name, "on": False}
    return {"flag": name, "variant": chance.choice(["a", "b", ["a", "b"], ["b"]])}


def make_condition(chance, names, depth=0):
    condition = {}
    for _ in range(chance.choice([1, 1, 1, 2])):
        kind = chance.randrange(9 if depth < 3 else 5)
        if kind < 2 and names:
            several = chance.random() < 0.2
            needs = [make_need(chance, names) for _ in range(2)]
            condition["flag"] = needs if several else needs[0]
        elif kind == 2:
            condition["plan"] = chance.choice(["pro", ["pro", "team"], {"ne": "pro"}])
        elif kind == 3:
            operators = [{"gt": 10}, {"le": 12.5}, {"eq": 100}, {"ne": 100}, {"in": [7, 100]}, {"not_in": [7]}]
            condition["total"] = dict(chance.choice(operators), **{"as": "number"})
        elif kind == 4:
            condition["attributes"] = {"flag": chance.choice(["gold", {"ne": "gold"}])}
        elif kind in (5, 6):
            condition[chance.choice(["any", "all"])] = [
                make_condition(chance, names, depth + 1) for _ in range(chance.randrange(3))
            ]
        else:
            condition[chance.choice(["not", "unless"])] = make_condition(chance, names, depth + 1)
    return condition


def make_flag(chance, names):
    flag = {"variants": {"a": 1, "b": 0}}
    if chance.random() < 0.1:
        flag["enabled"] = False
    if names and chance.random() < 0.4:
        flag["requires"] = [make_need(chance, names) for _ in range(chance.choice([1, 1, 2]))]
    rules = []
    for _ in range(chance.randrange(3)):
        rule = {"serve": chance.choice([True, False, "a", "b"])}
        if chance.random() < 0.8:
            rule["when"] = make_condition(chance, names)
        if "when" not in rule or chance.random() < 0.5:
            rule["unless"] = make_condition(chance, names)
        rules.append(rule)
    if rules:
        flag["rules"] = rules
    if chance.random() < 0.4:
        flag["percentage"] = 0
    return flag


def make_row(seed):
    chance = random.Random(seed)
    flags = {}
    for index in range(chance.randrange(2, 7)):
        # Only flags before it: none needs itself.
        names = list(flags) + (["nosuch"] if chance.random() < 0.5 else [])
        flags[f"f{index}"] = make_flag(chance, names)
    attributes = {}
    if chance.random() < 0.7:
        attributes["plan"] = chance.choice(["pro", "team", "free"])
    if chance.random() < 0.7:
        attributes["total"] = chance.choice([7, 12.5, "12.5", "100", "1e2", "+007", "many", "", True])
    if chance.random() < 0.5:
        attributes["flag"] = chance.choice(["gold", "f0"])
    return answered({"flags": flags, "attributes": attributes})


def answered(row):
    row = {"flags": row["flags"], "attributes": row["attributes"]}
    return dict(row, on={name: answer(name, row)[0] for name in row["flags"]})


# The commands.


def write():
    lines = ",\n".join("  " + json.dumps(make_row(seed)) for seed in range(ROWS))
    FILE.write_text("[\n" + lines + "\n]\n", encoding="ascii", newline="\n")
    print(f"wrote {FILE.name}")


def check():
    rows = json.loads(FILE.read_text(encoding="utf-8"))
    wrong = [number for number, row in enumerate(rows) if answered(row) != row]
    for number in wrong:
        print(f"error: row {number} differs", file=sys.stderr)
    if wrong or len(rows) < ROWS:
        print(f"{FILE.name}: {len(wrong)} of {len(rows)} rows are wrong", file=sys.stderr)
        return 1
    print(f"{FILE.name}: {len(rows)} rows, all as recomputed")
    return 0


def main(arguments):
    if arguments == []:
        write()
        return 0
    if arguments == ["--check"]:
        return check()
    print("usage: linked.py [--check]", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
