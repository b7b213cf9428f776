#!/usr/bin/env python3
"""Environments of a flags.toml, merged and evaluated a second time, and the vectors made with it.

    python tests/vectors/environments.py            writes environments.json beside this file
    python tests/vectors/environments.py --check    recomputes every row of it; 1 if any differs

It follows the guide (src/docs/guide/environments.md) and shares no code with the Rust crate; buckets are
those of bucketing.py, and what counts as off is that of off.py. A variant is a list of its name, its weight,
and its value if it has one; `null` as a user is nobody. Needs Python 3.7 and the package `xxhash`.
"""

import itertools
import json
import sys
from pathlib import Path

import bucketing
import off

FILE = Path(__file__).with_name("environments.json")
FEWEST_ROWS = 200
FLAG = "f"


# Merging.


def settings(said):
    """The settings of a flag that may be written in short."""
    if said is None:
        return {}
    if isinstance(said, bool):
        return {"enabled": said}
    if isinstance(said, str):
        return {"percentage": said.rstrip("%")}
    return dict(said)


def merged(declared, entry):
    """What the flag is in the environment."""
    flag = settings(declared)
    if isinstance(entry, bool):
        return forced_on(flag) if entry else {**flag, "enabled": False}
    for name, value in settings(entry).items():
        if name == "denied_users":
            known = flag.get(name, [])
            value = known + [user for user in value if user not in known]
        if name == "variants":
            value = by_name(flag.get(name, []), value)
        flag[name] = value
    return flag


def forced_on(flag):
    """Lists that deny stay, what lets few users in goes, and no variant is drawn that counts as off."""
    variants = flag.get("variants", [])
    drawn = off.drawn_when_forced_on(variants)
    if variants and not drawn:
        return {**flag, "enabled": False}
    kept = {name: flag[name] for name in ["denied_users", "off"] if name in flag}
    kept.update(enabled=True, forced=True)
    if variants:
        only = len(drawn) == 1
        kept["variants"] = [
            [name, (weight or int(only)) if name in drawn else 0, *value]
            for name, weight, *value in variants
        ]
    return kept


def by_name(below, above):
    """Variants keep their order, and new ones come last."""
    found = {name: [weight, *value] for name, weight, *value in below}
    for name, weight, *value in above:
        known = found.get(name, [])
        found[name] = [weight, *(value or known[1:])]
    return [[name, *rest] for name, rest in found.items()]


# Evaluating.


def is_in(user, percentage):
    border = bucketing.threshold(percentage)
    if user is None or border in ["everybody", "0"]:
        return border == "everybody"
    h = bucketing.bucket(bucketing.unit(user), bucketing.seed(FLAG, None, "rollout"))
    return bucketing.is_in(h, border)


def answer(flag, user):
    """Whether it is on, and the variant."""
    variants = flag.get("variants", [])
    left_out = [False, off.off_variant(variants, flag.get("off"))]
    if flag.get("enabled") is False or user in flag.get("denied_users", []):
        return left_out
    is_allowed = user in flag.get("allowed_users", [])
    if not is_allowed and not is_in(user, flag.get("percentage", "100")):
        return left_out
    if not variants:
        return [True, None]
    counts_as_off = off.counts_as_off(variants)
    # An allow-list draws among the variants that turn the flag on.
    hidden = counts_as_off if is_allowed else []
    weighed = [(name, weight) for name, weight, *_ in variants if weight and name not in hidden]
    if len(weighed) > 1 and user is None:
        return [True, None] if flag.get("forced") else left_out
    name = weighed[0][0]
    if len(weighed) > 1:
        h = bucketing.bucket(bucketing.unit(user), bucketing.seed(FLAG, None, "variant"))
        weights = [weight * 10_000 for _, weight in weighed]
        name = weighed[bucketing.variant_index(h, weights)][0]
    return [name not in counts_as_off, name]


# Making rows.


DECLARED = [
    None,
    True,
    False,
    "10%",
    {"percentage": "50", "denied_users": ["mallory"]},
    {"percentage": "0", "allowed_users": ["ana"]},
    {"enabled": False, "percentage": "30", "allowed_users": ["bob"]},
    {"variants": [["small", 50, 1], ["large", 50, 2]]},
    {"variants": [["on", 10], ["off", 90]], "denied_users": ["mallory"]},
    {"variants": [["control", 1], ["treatment", 1]], "percentage": "40", "allowed_users": ["eve"]},
    {"variants": [["a", 3], ["b", 1]], "off": "b", "enabled": False},
]
ENTRIES = [
    True,
    False,
    "25%",
    "0%",
    {},
    {"enabled": True},
    {"enabled": False},
    {"percentage": "75", "denied_users": ["eve", "mallory"]},
    {"allowed_users": ["bob"], "percentage": "20"},
    {"denied_users": ["ana"]},
]
WITH_VARIANTS = [
    {"variants": [["small", 0]]},
    {"variants": [["large", 150, 3]]},
    {"variants": [["huge", 25, 9], ["small", 25]]},
    {"variants": [["huge", 1, 9]], "off": "huge", "enabled": False},
    {"variants": [["small", 0]], "percentage": "60", "denied_users": ["bob"]},
]
USERS = [None, "ana", "bob", "eve", "mallory", "user-1", "user-2", "user-3", "user-4", "user-5"]


def toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {member(name, it)}" for name, it in value.items()) + " }"
    return json.dumps(value)


def member(name, value):
    if name == "percentage":
        return value
    if name != "variants":
        return json.dumps(value)
    variants = [
        f"{name} = {{ weight = {weight}, value = {json.dumps(rest[0])} }}" if rest else f"{name} = {weight}"
        for name, weight, *rest in value
    ]
    return "{ " + ", ".join(variants) + " }"


def text(declared, entry):
    flag = "" if declared is None else f"{FLAG} = {toml(declared)}\n"
    return f"[flags]\n{flag}[environments.staging]\n{FLAG} = {toml(entry)}\n"


def cases():
    yield from itertools.product(DECLARED, ENTRIES)
    yield from itertools.product(DECLARED[7:8], WITH_VARIANTS)


def row(declared, entry, user):
    is_on, variant = answer(merged(declared, entry), user)
    return {
        "declared": declared,
        "entry": entry,
        "file": text(declared, entry),
        "user": user,
        "on": is_on,
        "variant": variant,
    }


def rows():
    for declared, entry in cases():
        for user in USERS:
            yield row(declared, entry, user)


def check():
    kept = json.loads(FILE.read_text())["environments"]
    wrong = [it for it in kept if row(it["declared"], it["entry"], it["user"]) != it]
    for it in wrong:
        print("differs:", json.dumps(it))
    print(f"{len(kept)} rows, {len(wrong)} differ")
    return 1 if wrong or len(kept) < FEWEST_ROWS else 0


def write():
    lines = ",\n".join("    " + json.dumps(it) for it in rows())
    FILE.write_text('{\n  "environments": [\n' + lines + "\n  ]\n}\n")
    return check()


if __name__ == "__main__":
    sys.exit(check() if "--check" in sys.argv[1:] else write())
