#!/usr/bin/env python3
"""Flags with all words of the language together, written a second time, and the vectors made with it.

    python tests/vectors/words.py            writes words.json beside this file
    python tests/vectors/words.py --check    recomputes every row of it; 1 if any differs

A row has flags, the entries of an environment or null, the segments, a context, and the answer of each
flag: on or off, the variant, and the value. It follows the guide (src/docs/guide) and shares no code
with the Rust crate. Buckets are those of bucketing.py, comparisons and units those of rules.py, and what
counts as off is that of off.py. Variants and splits are lists, since their order counts. All rows are of
the same instant. Needs Python 3.7 and the package `xxhash`.
"""

import json
import random
import sys
from pathlib import Path

import bucketing
import off
import rules
from linked import number
from rules import both, either, opposite

FILE = Path(__file__).with_name("words.json")
ROWS = 400
NOW = "2026-11-21"
DENY = ["denied_users", "denied_groups"]
LIFTED = ["requires", "active", "rules", "rollout", "percentage", "traffic", "allowed_users", "allowed_groups"]


# Environments.


def settings(written):
    """The settings of a flag that may be written in short."""
    if isinstance(written, bool):
        return {"enabled": written}
    if isinstance(written, str):
        return {"percentage": float(written.rstrip("%"))}
    return written


def merged(declared, entry):
    """The flag in the environment, whose entries are a patch."""
    flag = dict(settings(declared))
    if entry is False:
        return {**flag, "enabled": False}
    if entry is True:
        return forced_on(flag)
    for name, value in settings(entry).items():
        if name in DENY:
            known = flag.get(name, [])
            value = known + [one for one in value if one not in known]
        elif name == "variants":
            value = by_name(flag.get(name, []), value)
        elif name in ("metadata", "active", "rollout"):
            value = {**flag.get(name, {}), **value}
        flag[name] = value
    patch = settings(entry)
    if "percentage" in patch and "rollout" not in patch:
        flag.pop("rollout", None)
    if ("serve" in patch or "variants" in patch) and "value" not in patch:
        flag.pop("value", None)
    if "value" in patch and "serve" not in patch:
        flag.pop("serve", None)
    return flag


def by_name(below, above):
    """Variants keep their order, and new ones come last."""
    found = {name: [weight, *value] for name, weight, *value in below}
    for name, weight, *value in above:
        known = found.get(name, [])
        found[name] = [weight, *(value or known[1:])]
    return [[name, *rest] for name, rest in found.items()]


def forced_on(flag):
    """Deny-lists still hold, and no variant that counts as off is drawn."""
    flag = {name: value for name, value in flag.items() if name not in LIFTED}
    variants = flag.get("variants", [])
    is_off = off.counts_as_off(variants)
    names = [name for name, *_ in variants]
    flag["enabled"] = True
    if "value" in flag:
        return flag
    if flag.get("serve") in names and flag["serve"] not in is_off:
        return flag
    flag.pop("serve", None)
    if not variants:
        return flag
    drawn = off.drawn_when_forced_on(variants)
    if not drawn:
        return {**flag, "enabled": False}
    if len(drawn) == 1:
        return {**flag, "serve": drawn[0]}
    flag["variants"] = [
        [name, 0 if name in is_off else weight, *value] for name, weight, *value in variants
    ]
    return {**flag, "forced": True}


# Conditions of three values.


def elements(value):
    return value if isinstance(value, list) else [value]


def flags_of(condition, row):
    """The flags that a condition names, at any depth."""
    found = set()
    for key, part in condition.items():
        if key == "flag":
            found |= {need if isinstance(need, str) else need["flag"] for need in elements(part)}
        elif key in ("any", "all"):
            found |= {name for one in part for name in flags_of(one, row)}
        elif key in ("not", "unless"):
            found |= flags_of(part, row)
        elif key == "segment":
            for name in elements(part):
                found |= {flag for it in row["segments"][name].values() for flag in flags_of(it, row)}
    return found


def unless(condition, row):
    if any(name not in row["flags"] for name in flags_of(condition, row)):
        return None
    return holds(condition, row) is not True


def guarded(rule, row):
    """`when` and `unless` of a rule or a segment."""
    values = [holds(rule.get("when", {}), row)]
    if "unless" in rule:
        values.append(unless(rule["unless"], row))
    return both(values)


def holds(condition, row):
    return both([part(key, value, row) for key, value in condition.items()])


def part(key, value, row):
    if key == "any":
        return either([holds(one, row) for one in value])
    if key == "all":
        return both([holds(one, row) for one in value])
    if key == "not":
        return opposite(holds(value, row))
    if key == "unless":
        return unless(value, row)
    if key == "flag":
        return either([state(need, row) for need in elements(value)])
    if key == "segment":
        return either([guarded(row["segments"][name], row) for name in elements(value)])
    if key == "attributes":
        return both([compared(name, operand, row) for name, operand in value.items()])
    return compared(key, value, row)


def compared(name, operand, row):
    """A comparison of the attribute of this name, which may be a word of conditions."""
    found = rules.attribute(row["context"], name)
    if isinstance(operand, dict) and operand.get("as") == "number":
        found = [read for read in map(number, found) if read is not None]
        operand = {key: value for key, value in operand.items() if key != "as"}
    context = {"attributes": {"found": found[0]} if found else {}}
    return rules.part("found", operand, context, {})


# Flags.


def state(need, row):
    """The truth of a prerequisite; null if no source has the flag."""
    name = need if isinstance(need, str) else need["flag"]
    if name not in row["flags"]:
        return None
    found = answer(name, row)
    if isinstance(need, dict) and "variant" in need:
        # Of a flag that is off, only a variant that counts as off.
        is_off = off.counts_as_off(definition(name, row).get("variants", []))
        is_meant = found["on"] or found["variant"] in is_off
        return is_meant and found["variant"] in elements(need["variant"])
    wanted = need.get("on", True) if isinstance(need, dict) else True
    return found["on"] == wanted


def served(flag, on, name):
    known = off.values(flag.get("variants", []))
    return {"on": on, "variant": name, "value": None if name is None else known.get(name, name)}


def out(flag):
    return served(flag, False, off.off_variant(flag.get("variants", []), flag.get("off")))


def one(flag, name):
    return served(flag, name not in off.counts_as_off(flag["variants"]), name)


def definition(name, row):
    declared = row["flags"].get(name, {})
    entries = row["environment"] or {}
    return merged(declared, entries[name]) if name in entries else dict(settings(declared))


def draw(flag, name, purpose, context, bucket_by):
    """A bucket; null without a unit."""
    unit = rules.unit(context, bucket_by)
    seed = bucketing.seed(name, flag.get("salt"), purpose)
    return None if unit is None else bucketing.bucket(unit, seed)


def is_in(percentage, bucket):
    """In the percentage, or null without a unit to draw by."""
    border = bucketing.threshold(bucketing.percentage_text(round(percentage * 10_000)))
    if border in ("everybody", "0"):
        return border == "everybody"
    return None if bucket is None else bucketing.is_in(bucket, border)


def percentage_now(flag):
    """The percentage, or that of the stage of the rollout. All stages have dates here."""
    if "rollout" not in flag:
        return flag.get("percentage", 100)
    begun = [stage["percentage"] for stage in flag["rollout"]["stages"] if stage["at"] <= NOW]
    return begun[-1] if begun else 0


def answer(name, row):
    flag, context = definition(name, row), row["context"]
    active = flag.get("active", {})
    if flag.get("enabled") is False or not active.get("from", NOW) <= NOW < active.get("until", "9"):
        return out(flag)
    if not all(state(need, row) is True for need in flag.get("requires", [])):
        return out(flag)
    user, groups = context.get("targeting_key"), context.get("groups", [])

    def is_listed(kind):
        in_groups = any(group in groups for group in flag.get(f"{kind}_groups", []))
        return user in flag.get(f"{kind}_users", []) or in_groups

    if is_listed("denied"):
        return out(flag)
    if is_listed("allowed"):
        return left(flag, name, context, True)
    for rule in flag.get("rules", []):
        if guarded(rule, row) is True:
            return decided(rule, flag, name, context)
    bucket = draw(flag, name, "rollout", context, flag.get("bucket_by"))
    if is_in(percentage_now(flag), bucket) is not True:
        return out(flag)
    return left(flag, name, context, False)


def decided(rule, flag, name, context):
    serve, names = rule["serve"], [name for name, *_ in flag.get("variants", [])]
    if isinstance(serve, bool):
        return left(flag, name, context, True) if serve else out(flag)
    if isinstance(serve, str) and serve in names:
        return one(flag, serve)
    if serve == "default":
        return served(flag, False, None)
    bucket = draw(flag, name, f"rule:{rule['name']}", context, rule.get("bucket_by"))
    if isinstance(serve, str):
        is_drawn = is_in(float(serve[:-1]), bucket)
        return left(flag, name, context, False) if is_drawn is True else out(flag)
    if bucket is None:
        return out(flag)
    weights = [bucketing.ten_thousandths(str(weight)) for _, weight in serve]
    return one(flag, serve[bucketing.variant_index(bucket, weights)][0])


def left(flag, name, context, insists):
    """The answer to those for whom the steps before turned the flag on."""
    variants, serve = flag.get("variants", []), flag.get("serve")
    is_off = off.counts_as_off(variants)
    names = [name for name, *_ in variants]
    if "value" in flag:
        return {"on": True, "variant": None, "value": flag["value"]}
    if serve in names and not (insists and serve in is_off):
        return one(flag, serve)
    if not names and serve is None:
        return served(flag, True, None)
    weighed = [(name, weight) for name, weight, *_ in variants if weight]
    if insists:
        weighed = [(name, weight) for name, weight in weighed if name not in is_off]
        candidates = off.drawn_when_forced_on(variants)
        if not weighed and len(candidates) == 1:
            return one(flag, candidates[0])
    elif serve is not None:
        return out(flag)
    traffic = 100 if insists else flag.get("traffic", 100)
    if not weighed or traffic == 0:
        return out(flag)
    if len(weighed) == 1 and traffic == 100:
        return one(flag, weighed[0][0])
    bucket = draw(flag, name, "variant", context, flag.get("bucket_by"))
    if bucket is None:
        return served(flag, True, None) if insists or flag.get("forced") else out(flag)
    if is_in(traffic, draw(flag, name, "traffic", context, flag.get("bucket_by"))) is not True:
        return out(flag)
    weights = [bucketing.ten_thousandths(str(weight)) for _, weight in weighed]
    return one(flag, weighed[bucketing.variant_index(bucket, weights)][0])


# Rows, which are the same each time.

KINDS = [
    {},
    {"value": 50},
    {"value": "text"},
    {"variants": [["control", 1], ["treatment", 1]]},
    {"variants": [["on", 3], ["off", 1]]},
    {"variants": [["control", 1], ["default", 2]]},
    {"variants": [["small", 0, 1], ["large", 1, 2], ["huge", 2, 3]], "off": "small"},
    {"variants": [["old", 1, False], ["new", 2, True]]},
]
WINDOWS = [
    {"from": "2026-01-01", "until": NOW},
    {"from": NOW, "until": "2027-01-01"},
    {"until": "2026-12-01"},
]
FACTS = {
    "permanent": True,
    "metadata": {"issue": "PAY-412"},
    "client": True,
    "testable": True,
    "description": "A flag",
    "owner": "web",
    "tags": ["a"],
    "created": "2026-01-01",
    "expires": "2026-06-01",
}
SEGMENTS = {
    "gold": {"when": {"plan": "gold"}},
    "asking": {"unless": {"plan": "free"}},
}


def names_of(kind):
    return [name for name, *_ in kind.get("variants", [])]


def make_need(chance, kinds):
    name = chance.choice(list(kinds))
    names = names_of(kinds[name])
    choice = chance.randrange(4)
    if choice == 0:
        return name
    if choice == 1 or not names:
        return {"flag": name, "on": chance.random() < 0.2}
    return {"flag": name, "variant": names if choice == 2 else chance.choice(names)}


def make_condition(chance, kinds, depth=0):
    condition = {}
    for _ in range(chance.choice([1, 1, 2])):
        choice = chance.randrange(7 if depth > 1 else 10)
        if choice in (0, 1) and kinds:
            condition["flag"] = make_need(chance, kinds)
        elif choice == 2:
            condition["plan"] = chance.choice(["gold", ["gold", "team"], {"ne": "free"}])
        elif choice == 3:
            operators = [{"gt": 10}, {"le": 12.5}, {"eq": 12}, {"not_in": [12, 7]}]
            condition["seats"] = dict(chance.choice(operators), **{"as": "number"})
        elif choice == 4:
            condition["attributes"] = {"segment": chance.choice(["x", {"ne": "x"}])}
        elif choice == 5:
            condition["segment"] = chance.choice(["gold", "asking", ["gold", "asking"]])
        elif choice == 6:
            condition["groups"] = "beta"
        elif choice == 7:
            condition[chance.choice(["any", "all"])] = [
                make_condition(chance, kinds, depth + 1) for _ in range(2)
            ]
        else:
            condition[chance.choice(["not", "unless"])] = make_condition(chance, kinds, depth + 1)
    return condition


def make_rule(chance, kinds, names, index):
    serves = [True, False, "50%", "default"] + names
    if len(names) > 1:
        serves.append([[names[0], 1], [names[1], 2]])
    rule = {"name": f"r{index}", "when": make_condition(chance, kinds), "serve": chance.choice(serves)}
    if chance.random() < 0.4:
        rule["unless"] = make_condition(chance, kinds)
    if chance.random() < 0.2:
        rule["bucket_by"] = "plan"
    return rule


def make_settings(chance, kinds, kind):
    """Settings that a flag and an entry of an environment can have."""
    flag, names = {}, names_of(kind)
    if names and chance.random() < 0.3:
        flag["serve"] = chance.choice(names)
    if names and chance.random() < 0.4:
        known = off.values(kind["variants"])
        flag["off"] = chance.choice(["default", next(name for name in names if known.get(name) is not True)])
    if names and chance.random() < 0.3:
        flag["traffic"] = chance.choice([0, 50, 50])
    if kinds and chance.random() < 0.3:
        flag["requires"] = [make_need(chance, kinds) for _ in range(chance.choice([1, 1, 2]))]
    rules = [make_rule(chance, kinds, names, index) for index in range(chance.choice([0, 0, 1, 2]))]
    if rules:
        flag["rules"] = rules
    lists = [("allowed_users", "ana"), ("allowed_groups", "beta"), ("denied_users", "eve"), ("denied_groups", "banned")]
    for name, entry in lists:
        if chance.random() < 0.15:
            flag[name] = [entry]
    share = chance.random()
    if share < 0.3:
        flag["percentage"] = chance.choice([0, 50, 12.5])
    elif share < 0.45:
        dates = ["2026-11-01", chance.choice(["2026-11-20", "2026-11-22"])]
        flag["rollout"] = {"stages": [{"percentage": 25, "at": dates[0]}, {"percentage": 100, "at": dates[1]}]}
    for name, value in [("bucket_by", "plan"), ("salt", "other")]:
        if chance.random() < 0.15:
            flag[name] = value
    if chance.random() < 0.1:
        flag["active"] = chance.choice(WINDOWS)
    if chance.random() < 0.1:
        flag["enabled"] = chance.choice([False, True])
    return flag


def make_row(seed):
    chance = random.Random(seed)
    flags, kinds, entries = {}, {}, {}
    for name in "abcd"[: chance.randrange(2, 5)]:
        kind = chance.choice(KINDS)
        # Only flags before it, so none needs itself.
        others = dict(kinds, **({"nosuch": {}} if chance.random() < 0.2 else {}))
        flags[name] = {**kind, **make_settings(chance, others, kind)}
        if chance.random() < 0.3:
            flags[name].update(FACTS)
        if not kind and chance.random() < 0.2:
            flags[name] = chance.choice([True, False, "50%"])
        if chance.random() < 0.5:
            entries[name] = make_entry(chance, others, kind)
        kinds[name] = kind
    attributes = {}
    for name, values in [("plan", ["gold", "team", "free"]), ("seats", ["12", 12, "7", "many", 100]), ("segment", ["x", "y"])]:
        if chance.random() < 0.7:
            attributes[name] = chance.choice(values)
    context = {"attributes": attributes}
    if chance.random() < 0.85:
        context["targeting_key"] = chance.choice(["ana", "eve", "user-1", "user-2", "user-3"])
    groups = [group for group in ["beta", "banned"] if chance.random() < 0.2]
    if groups:
        context["groups"] = groups
    environment = entries if chance.random() < 0.6 else None
    return answered({"flags": flags, "environment": environment, "segments": SEGMENTS, "context": context})


def make_entry(chance, kinds, kind):
    choice = chance.randrange(6)
    if choice < 3:
        return [True, False, "75%"][choice]
    entry = make_settings(chance, kinds, kind)
    if kind.get("value") == 50:
        entry.update(chance.choice([{"value": 60}, {"serve": "few", "variants": [["few", 1, 5], ["many", 1, 9]]}]))
    if kind.get("off") == "small":
        entry["variants"] = chance.choice([[["small", 1]], [["large", 0]], [["new", 5, 4]]])
    return entry


def answered(row):
    row = {name: row[name] for name in ["flags", "environment", "segments", "context"]}
    return dict(row, answers={name: answer(name, row) for name in row["flags"]})


# The commands.


def write():
    lines = ",\n".join("  " + json.dumps(make_row(seed)) for seed in range(ROWS))
    FILE.write_text("[\n" + lines + "\n]\n", encoding="ascii", newline="\n")
    print(f"wrote {FILE.name}")


def check():
    rows = json.loads(FILE.read_text(encoding="utf-8"))
    wrong = [index for index, row in enumerate(rows) if answered(row) != row]
    for index in wrong:
        print(f"error: row {index} differs", file=sys.stderr)
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
    print("usage: words.py [--check]", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
