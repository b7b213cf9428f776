#!/usr/bin/env python3
"""Conditions and rules, written a second time, and the vectors made with it.

    python tests/vectors/rules.py            writes rules.json beside this file
    python tests/vectors/rules.py --check    recomputes every row of it; 1 if any differs

A condition is true, false, or null when nobody can know: the attribute is missing, or is nothing
that could be compared. Splits are lists of names with weights, since their order counts. It follows the guide (src/docs/guide/rules.md) and shares no code with the
Rust crate; buckets are those of bucketing.py. Needs Python 3.7 and the package `xxhash`.
"""

import ipaddress
import json
import math
import re
import sys
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path

import bucketing

FILE = Path(__file__).with_name("rules.json")
FEWEST_ROWS = 200


# Three values.


def both(values):
    values = list(values)
    return False if False in values else None if None in values else True


def either(values):
    values = list(values)
    return True if True in values else None if None in values else False


def opposite(value):
    return None if value is None else not value


# Finding attributes.


def lookup(table, path):
    """The whole path is a name first; else its first part is, and the rest leads on."""
    if path in table:
        return [table[path]]
    name, dot, rest = path.partition(".")
    return follow(table[name], rest) if dot and name in table else []


def follow(value, path):
    if isinstance(value, dict):
        return lookup(value, path)
    if isinstance(value, list):
        if path.split(".")[0].isdigit():
            return lookup({str(index): element for index, element in enumerate(value)}, path)
        return [found for element in value for found in follow(element, path)]
    return []


def attribute(context, path):
    if path == "targeting_key":
        key = context.get("targeting_key")
        return [] if key is None else [key]
    if path == "groups":
        return [context.get("groups", [])]
    return lookup(context.get("attributes", {}), path)


# Comparing one value.


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_equal(seen, operand, fold):
    if isinstance(seen, bool) or isinstance(operand, bool):
        return seen is operand if isinstance(seen, bool) and isinstance(operand, bool) else None
    if is_number(seen) and is_number(operand):
        return seen == operand
    if isinstance(seen, str) and isinstance(operand, str):
        return fold(seen) == fold(operand)
    return None


def is_among(seen, operands, fold):
    equal = [is_equal(seen, operand, fold) for operand in operands]
    if not equal or True in equal:
        return bool(equal)
    return False if False in equal else None


def fold_case(text):
    return "".join(letter.lower() for letter in text)


VERSION = re.compile(
    r"(0|[1-9][0-9]*)(?:\.(0|[1-9][0-9]*))?(?:\.(0|[1-9][0-9]*))?"
    r"(?:-((?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*))?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)


def precedence(numbers, pre):
    """What SemVer 2.0.0, clause 11 orders by. A release comes after its pre-releases."""
    if pre is None:
        return (*numbers, 1, ())
    words = tuple((0, int(w), "") if w.isdigit() else (1, 0, w) for w in pre.split("."))
    return (*numbers, 0, words)


def version(text):
    # As tags have it; it says nothing.
    match = VERSION.fullmatch(text[1:] if text[:1] in ("v", "V") else text)
    if match is None:
        return None
    return precedence([int(number or 0) for number in match.groups()[:3]], match[4])


def allows(requirement, seen):
    return all(allows_part(part.strip(), seen) for part in requirement.split(","))


def allows_part(part, seen):
    match = re.fullmatch(r"(=|>=|>|<=|<|~|\^|)\s*[vV]?([0-9]+)(?:\.([0-9]+|\*))?(?:\.([0-9]+|\*))?(?:-(.+))?", part)
    if match is None:
        assert part == "*", part
        return True
    operator = match[1] or "^"
    written = [int(number) for number in match.groups()[1:4] if number not in (None, "*")]
    if "*" in match.groups():
        operator = "="
    numbers = written + [0] * (3 - len(written))
    this = precedence(numbers, match[5])

    def after(count):
        """The least version above all that share so many numbers."""
        upper = numbers[:count]
        upper[-1] += 1
        return precedence(upper + [0] * (3 - count), "0")

    count = len(written)
    if operator == "=":
        return seen == this if count == 3 else this <= seen < after(count)
    if operator == ">":
        return seen > this if count == 3 else seen >= after(count)
    if operator == ">=":
        return seen >= this
    if operator == "<":
        return seen < (this if count == 3 else precedence(numbers, "0"))
    if operator == "<=":
        return seen <= this if count == 3 else seen < after(count)
    if operator == "~":
        return this <= seen < after(min(count, 2))
    fixed = next((index + 1 for index in range(count) if numbers[index] > 0), count)
    return this <= seen < after(fixed)


def address(text):
    try:
        seen = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(seen, "ipv4_mapped", None) or seen


def is_inside(seen, network):
    net = ipaddress.ip_network(network, strict=False)
    mapped = getattr(net.network_address, "ipv4_mapped", None)
    if mapped is not None and net.prefixlen >= 96:
        net = ipaddress.ip_network((mapped, net.prefixlen - 96))
    return seen in net


EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)")


def instant(value):
    """Seconds since 1970, exactly."""
    if is_number(value):
        return Fraction(value) if math.isfinite(value) and abs(value) < 2**35 else None
    if not isinstance(value, str):
        return None
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            value += "T00:00:00Z"
        match = TIME.fullmatch(value)
        if match is None:
            return None
        moment = datetime.strptime(f"{match[1]}T{match[2]}", "%Y-%m-%dT%H:%M:%S")
    except ValueError:
        return None
    offset = timedelta()
    if match[4] not in "Zz":
        hours, minutes = match[4][1:].split(":")
        offset = timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if match[4][0] == "-" else 1)
    since = moment.replace(tzinfo=timezone.utc) - offset - EPOCH
    return since.days * 86_400 + since.seconds + Fraction(int((match[3] or "0").ljust(9, "0")), 10**9)


def glob(pattern):
    """`*`, `?`, `[ab]` and `{a,b}`, which are all that the rows use."""
    parts = {"*": ".*", "?": ".", "{": "(?:", "}": ")", ",": "|", "[": "[", "]": "]"}
    return "".join(parts.get(letter, re.escape(letter)) for letter in pattern)


def texts(operand):
    return operand if isinstance(operand, list) else [operand]


def compare(operator, seen, operand, ignore_case):
    """One value against one operand, for operators that are no negation."""
    fold = fold_case if ignore_case else str
    flags = re.IGNORECASE if ignore_case else 0
    if operator == "eq":
        return is_among(seen, [operand], fold)
    if operator == "in":
        return is_among(seen, operand, fold)
    if operator in ("gt", "ge", "lt", "le"):
        if not is_number(seen):
            return None
        order = {"gt": seen > operand, "ge": seen >= operand, "lt": seen < operand, "le": seen <= operand}
        return order[operator]
    if operator in ("before", "after"):
        seen, operand = instant(seen), instant(operand)
        if seen is None:
            return None
        return seen < operand if operator == "before" else seen > operand
    if not isinstance(seen, str):
        return None
    if operator == "contains":
        return any(fold(text) in fold(seen) for text in texts(operand))
    if operator == "starts_with":
        return any(fold(seen).startswith(fold(text)) for text in texts(operand))
    if operator == "ends_with":
        return any(fold(seen).endswith(fold(text)) for text in texts(operand))
    if operator == "matches":
        return any(re.search(text, seen, flags) is not None for text in texts(operand))
    if operator == "glob":
        return any(re.fullmatch(glob(text), seen, flags | re.DOTALL) is not None for text in texts(operand))
    if operator == "semver":
        seen = version(seen)
        return None if seen is None else any(allows(text, seen) for text in texts(operand))
    if operator == "cidr":
        seen = address(seen)
        return None if seen is None else any(is_inside(seen, text) for text in texts(operand))
    raise AssertionError(operator)


def compare_any(operator, value, operand, ignore_case):
    """Of a list any element may match; those that cannot be compared do not count."""
    if not isinstance(value, list):
        return compare(operator, value, operand, ignore_case)
    outcomes = [
        None if isinstance(element, list) else compare(operator, element, operand, ignore_case)
        for element in value
    ]
    if True in outcomes:
        return True
    return None if outcomes and set(outcomes) == {None} else False


NEGATIONS = {"ne": "eq", "not_in": "in"}


def comparison(operator, found, operand, ignore_case):
    if operator == "exists":
        return bool(found) == operand
    if operator in NEGATIONS:
        return opposite(comparison(NEGATIONS[operator], found, operand, ignore_case))
    outcomes = [compare_any(operator, value, operand, ignore_case) for value in found]
    if True in outcomes:
        return True
    return False if False in outcomes else None


# Conditions.


def holds(when, context, segments):
    return both(part(key, value, context, segments) for key, value in when.items())


def part(key, value, context, segments):
    if key == "any":
        return either(holds(one, context, segments) for one in value)
    if key == "all":
        return both(holds(one, context, segments) for one in value)
    if key == "not":
        return opposite(holds(value, context, segments))
    if key == "segment":
        return either(holds(segments[name], context, segments) for name in texts(value))
    found = attribute(context, key)
    if key == "groups" and found == [[]] and isinstance(value, dict) and "exists" in value:
        found = []
    if isinstance(value, list):
        return comparison("in", found, value, False)
    if not isinstance(value, dict):
        return comparison("eq", found, value, False)
    ignore_case = value.get("ignore_case", False)
    operators = ((name, operand) for name, operand in value.items() if name != "ignore_case")
    return both(comparison(name, found, operand, ignore_case) for name, operand in operators)


# Rules.


def unit(context, bucket_by):
    found = attribute(context, bucket_by or "targeting_key")
    value = found[0] if found else None
    if isinstance(value, bool):
        value = "true" if value else "false"
    if isinstance(value, int):
        value = str(value)
    return bucketing.unit(value) if isinstance(value, str) else None


def decide(rule, flag, context):
    """Whether the flag is on, the variant that the rule chose, and whether a bucket decided."""
    serve = rule["serve"]
    if isinstance(serve, bool):
        return serve, None, False
    if isinstance(serve, str) and not serve.endswith("%"):
        return True, serve, False
    u = unit(context, rule.get("bucket_by"))
    h = None if u is None else bucketing.bucket(u, bucketing.seed(flag, None, f"rule:{rule['name']}"))
    if isinstance(serve, str):
        if serve in ("0%", "100%"):
            return serve == "100%", None, False
        if h is None:
            return False, None, False
        return bucketing.is_in(h, bucketing.threshold(serve[:-1])), None, True
    # Without a unit to draw by, a flag is out.
    if h is None:
        return False, None, False
    weights = [bucketing.ten_thousandths(str(weight)) for _, weight in serve]
    return True, serve[bucketing.variant_index(h, weights)][0], True


# The rows.


def condition_row(when, context, segments=None):
    row = {"when": when, "context": context}
    if segments:
        row["segments"] = segments
    row["holds"] = holds(when, context, segments or {})
    return row


def rule_row(flag, rules, context, variants=None):
    row = {"flag": flag, "rules": rules, "context": context}
    if variants:
        row["variants"] = variants
    matching = (index for index, rule in enumerate(rules) if holds(rule["when"], context, {}) is True)
    row["rule"] = next(matching, None)
    row["on"], row["variant"], row["drawn"] = True, None, False
    if row["rule"] is not None:
        row["on"], row["variant"], row["drawn"] = decide(rules[row["rule"]], flag, context)
    return row


ANA = {
    "targeting_key": "ana",
    "groups": ["beta", "staff"],
    "attributes": {
        "plan": "pro",
        "email": "Ana.Z\u00e4hler@Example.com",
        "age": 30,
        "share": 0.5,
        "large": 9007199254740993,
        "least": -9223372036854775808,
        "paid": True,
        "tags": ["a", "b"],
        "scores": [1, 7.5],
        "mixed": ["a", 1, True],
        "nested": [["a"]],
        "nothing": [],
        "company": {"id": 7, "plan": "team", "site.name": "x", "address": {"city": "Berlin"}},
        "orders": [{"total": 5}, {"total": 80, "paid": True}, "x"],
        "http.method": "GET",
    },
}
NOBODY = {}


def of(value):
    return {"attributes": {"x": value}}


EQUALITIES = [
    ({"plan": "pro"}, ANA), ({"plan": "Pro"}, ANA), ({"plan": "free"}, ANA), ({"plan": ["free", "pro"]}, ANA),
    ({"plan": []}, ANA), ({"plan": {"not_in": []}}, ANA), ({"plan": 1}, ANA), ({"plan": [1, 2]}, ANA),
    ({"plan": [1, "free"]}, ANA), ({"plan": {"ne": "free"}}, ANA), ({"plan": {"ne": "pro"}}, ANA),
    ({"plan": {"ne": 1}}, ANA), ({"plan": {"not_in": ["free", "team"]}}, ANA), ({"plan": {"not_in": ["pro"]}}, ANA),
    ({"plan": {"not_in": [1, True]}}, ANA), ({"paid": True}, ANA), ({"paid": False}, ANA), ({"paid": 1}, ANA),
    ({"paid": "true"}, ANA), ({"paid": {"ne": False}}, ANA), ({"age": 30}, ANA), ({"age": 30.0}, ANA),
    ({"age": "30"}, ANA), ({"age": [29, 30.0, 31]}, ANA), ({"share": 0.5}, ANA), ({"share": [1, 2, 3]}, ANA),
    ({"large": 9007199254740993}, ANA), ({"large": 9007199254740992}, ANA), ({"large": 9007199254740992.0}, ANA),
    ({"large": {"gt": 9007199254740992.0}}, ANA), ({"least": {"ge": -9223372036854775808.0}}, ANA),
    ({"least": {"lt": -9.3e18}}, ANA), ({"least": -9223372036854775808.0}, ANA),
    ({"tags": "a"}, ANA), ({"tags": "c"}, ANA), ({"tags": ["c", "b"]}, ANA), ({"tags": {"ne": "a"}}, ANA),
    ({"tags": {"ne": "c"}}, ANA), ({"tags": {"not_in": ["c", "a"]}}, ANA), ({"tags": {"not_in": ["c"]}}, ANA),
    ({"tags": 1}, ANA), ({"scores": {"gt": 7}}, ANA), ({"scores": {"gt": 8}}, ANA), ({"scores": {"lt": 2}}, ANA),
    ({"mixed": "b"}, ANA), ({"mixed": 1.0}, ANA), ({"mixed": {"ne": "b"}}, ANA), ({"mixed": False}, ANA),
    ({"nested": "a"}, ANA), ({"nothing": "a"}, ANA), ({"nothing": {"ne": "a"}}, ANA), ({"nothing": {"gt": 1}}, ANA),
    ({"company": "team"}, ANA), ({"country": "DE"}, ANA), ({"country": {"ne": "DE"}}, ANA),
    ({"country": {"not_in": ["DE"]}}, ANA), ({"country": ["DE"]}, ANA),
    ({"plan": {"eq": "PRO", "ignore_case": True}}, ANA), ({"plan": {"ne": "PRO", "ignore_case": True}}, ANA),
    ({"plan": {"in": ["FREE", "PRO"], "ignore_case": True}}, ANA),
    ({"plan": {"not_in": ["FREE", "PRO"], "ignore_case": True}}, ANA),
    ({"plan": {"in": ["FREE", 1], "ignore_case": True}}, ANA), ({"x": {"eq": "STRASSE", "ignore_case": True}}, of("straße")),
    ({"x": {"eq": "\u0130", "ignore_case": True}}, of("i\u0307")), ({"x": {"eq": "\u03a3", "ignore_case": True}}, of("\u03c3")),
    ({"x": ""}, of("")), ({"x": {"ne": ""}}, of("")), ({"x": "\u00e9"}, of("e\u0301")), ({"x": 0}, of(-0.0)),
]

USERS = [
    ({"targeting_key": "ana"}, ANA), ({"targeting_key": "bob"}, ANA), ({"targeting_key": "ana"}, NOBODY),
    ({"targeting_key": {"ne": "ana"}}, NOBODY), ({"targeting_key": {"exists": True}}, ANA),
    ({"targeting_key": {"exists": True}}, NOBODY), ({"targeting_key": {"exists": False}}, NOBODY),
    ({"targeting_key": [f"user-{n}" for n in range(20)] + ["ana"]}, ANA),
    ({"targeting_key": {"not_in": [f"user-{n}" for n in range(20)]}}, ANA),
    ({"groups": "beta"}, ANA), ({"groups": ["x", "staff"]}, ANA), ({"groups": "x"}, ANA), ({"groups": "beta"}, NOBODY),
    ({"groups": {"ne": "beta"}}, ANA), ({"groups": {"ne": "x"}}, ANA), ({"groups": {"ne": "beta"}}, NOBODY),
    ({"groups": {"exists": True}}, ANA), ({"groups": {"exists": True}}, NOBODY), ({"groups": 1}, ANA),
    ({"groups": {"starts_with": "st"}}, ANA), ({"targeting_key": {"ends_with": "na"}}, ANA),
]

PATHS = [
    ({"company.plan": "team"}, ANA), ({"company.plan": "pro"}, ANA), ({"company.name": "x"}, ANA),
    ({"company.address.city": "Berlin"}, ANA), ({"company.address.zip": {"exists": False}}, ANA),
    ({"company.site.name": "x"}, ANA), ({"company.plan.x": "team"}, ANA), ({"company": {"exists": True}}, ANA),
    ({"company.id": {"gt": 6}}, ANA), ({"http.method": "GET"}, ANA), ({"http.method.x": {"exists": True}}, ANA),
    ({"orders.total": {"gt": 50}}, ANA), ({"orders.total": {"gt": 100}}, ANA), ({"orders.0.total": {"gt": 50}}, ANA),
    ({"orders.1.total": {"gt": 50}}, ANA), ({"orders.9.total": {"gt": 50}}, ANA), ({"orders.paid": True}, ANA),
    ({"orders.paid": {"ne": True}}, ANA), ({"orders.name": {"exists": True}}, ANA), ({"orders.2": "x"}, ANA),
    ({"orders": "x"}, ANA), ({"tags.0": "a"}, ANA), ({"tags.1": "a"}, ANA), ({"tags.2": "a"}, ANA),
    ({"nested.0": "a"}, ANA), ({"nested.0.0": "a"}, ANA), ({"plan": {"exists": True}}, ANA),
    ({"plan": {"exists": False}}, ANA), ({"country": {"exists": True}}, ANA), ({"country": {"exists": False}}, ANA),
    ({"nothing": {"exists": True}}, ANA),
]

ORDERS = [
    ({"age": {operator: bound}}, ANA)
    for operator in ["gt", "ge", "lt", "le"]
    for bound in [29, 30, 30.0, 30.5, -1e300]
] + [({"plan": {"gt": 1}}, ANA), ({"paid": {"ge": 0}}, ANA), ({"age": {"gt": 18, "lt": 65}}, ANA),
     ({"age": {"gt": 18, "lt": 30}}, ANA), ({"age": {"gt": 18, "starts_with": "3"}}, ANA)]

TEXTS = [
    ({"email": {operator: text, **case}}, ANA)
    for operator, found in [("contains", "hler@"), ("starts_with", "Ana."), ("ends_with", "@Example.com")]
    for text in [found, found.upper(), ["x", found], [], "", "x"]
    for case in [{}, {"ignore_case": True}]
] + [
    ({"email": {"contains": "Z\u00c4HLER", "ignore_case": True}}, ANA), ({"age": {"contains": "3"}}, ANA),
    ({"tags": {"contains": "b"}}, ANA),
    ({"email": {"matches": "^Ana"}}, ANA), ({"email": {"matches": "^ana"}}, ANA),
    ({"email": {"matches": "^ana", "ignore_case": True}}, ANA), ({"email": {"matches": "@Example\\.com$"}}, ANA),
    ({"email": {"matches": ["^x", "[zZ]\u00e4"]}}, ANA), ({"email": {"matches": "^\\w+\\.\\w+@"}}, ANA),
    ({"age": {"matches": "3"}}, ANA), ({"email": {"glob": "*@Example.com"}}, ANA), ({"email": {"glob": "*@example.com"}}, ANA),
    ({"email": {"glob": "*@example.COM", "ignore_case": True}}, ANA), ({"email": {"glob": "Ana"}}, ANA),
    ({"x": {"glob": "/api/*"}}, of("/api/users/1")), ({"x": {"glob": "/api/?"}}, of("/api/1")),
    ({"x": {"glob": "/api/?"}}, of("/api/12")), ({"x": {"glob": "{de,at}-*"}}, of("at-wien")),
    ({"x": {"glob": "[ab]c"}}, of("bc")), ({"x": {"glob": ["x", "[ab]c"]}}, of("cc")), ({"x": {"glob": "a.c"}}, of("abc")),
]

VERSIONS = [
    ({"x": {"semver": requirement}}, of(seen))
    for requirement, versions in [
        ("<5.2.0", ["5.1.9", "5.2.0", "5.2.0-beta.1", "5.1.0-beta", "5.2", "5", "4.99.99"]),
        ("<5.2", ["5.1.9", "5.2.0-beta", "5.2.0"]),
        (">=5.2.0, <6", ["5.2.0", "5.2.0-rc.1", "5.9", "6.0.0-rc.1", "6.0.0"]),
        ("5.2", ["5.2.0", "5.1.9", "5.9.1", "6.0.0-alpha", "5.2.0-rc.1"]),
        ("~5.2.1", ["5.2.0", "5.2.1", "5.2.9", "5.3.0-x", "5.3.0"]),
        ("^0.2.3", ["0.2.3", "0.2.9", "0.3.0", "0.2.2", "0.3.0-a"]),
        ("^0.0.3", ["0.0.3", "0.0.4"]),
        ("=1.2.3", ["1.2.3", "1.2.3+build.7", "1.2.3-rc.1", "1.2.4"]),
        ("=1.2", ["1.2.0", "1.2.9", "1.3.0"]),
        (">1.2", ["1.2.9", "1.3.0"]),
        ("<=1.2", ["1.2.9", "1.3.0", "1.3.0-a"]),
        (">=1.0.0-alpha.2", ["1.0.0-alpha.1", "1.0.0-alpha.10", "1.0.0-alpha", "1.0.0-beta", "1.0.0-1", "1.0.0"]),
        ("1.*", ["1.0.0", "1.9.9", "2.0.0"]),
        (">=v1.2, <V2", ["v1.2.3", "V1.0", "1.9.9", "v2.0.0"]),
        ("*", ["0.0.0", "1.0.0-a", "v1.2.3", "vv1", "1.2.3.4", "01.2.3", "1.2.3-01", "", "five", "1.", " 1.2.3"]),
    ]
    for seen in versions
] + [({"x": {"semver": ["<1", ">=2"]}}, of("2.1.0")), ({"x": {"semver": ["<1", ">=2"]}}, of("1.5.0")), ({"x": {"semver": "1"}}, of(1))]

NETWORKS = [
    ({"x": {"cidr": network}}, of(seen))
    for network, addresses in [
        ("10.0.0.0/8", ["10.0.0.0", "10.255.255.255", "11.0.0.0", "::ffff:10.1.2.3", "::ffff:11.1.2.3", "::1"]),
        ("10.1.2.3", ["10.1.2.3", "10.1.2.4"]),
        ("10.1.2.3/8", ["10.9.9.9"]),
        ("0.0.0.0/0", ["1.2.3.4", "::1", "localhost", "", "1.2.3", "1.2.3.4:80", "01.2.3.4"]),
        ("2001:db8::/32", ["2001:db8::1", "2001:DB8:ffff::", "2001:db9::1", "10.0.0.1"]),
        ("::ffff:10.0.0.0/104", ["10.1.2.3", "::ffff:10.1.2.3", "11.1.2.3"]),
        ("::/0", ["2001:db8::1"]),
        (["192.168.0.0/16", "10.0.0.0/8"], ["10.1.1.1", "192.168.1.1", "172.16.0.1"]),
    ]
    for seen in addresses
]

INSTANTS = [
    ({"x": {operator: bound}}, of(seen))
    for operator in ["before", "after"]
    for bound, values in [
        ("2026-11-01", ["2026-10-31", "2026-11-01", "2026-10-31T23:59:59Z", "2026-11-01T01:00:00+02:00", 1793491200]),
        ("2026-11-01T00:00:00.5Z", [1793491200.25, 1793491200.5, 1793491201, "2026-11-01T00:00:00.500000001Z"]),
    ]
    for seen in values
] + [
    ({"x": {"before": "2026-11-01"}}, of(seen))
    for seen in ["soon", "", "2026-11-01T00:00:00", "2026-13-01", "2026-02-30", "09:00:00Z", True, 1793491200000, ["2026-01-01", "x"]]
]

TRUE, FALSE, UNKNOWN = {"plan": "pro"}, {"plan": "free"}, {"country": "DE"}

LOGIC = [({}, ANA), ({"any": []}, ANA), ({"all": []}, ANA), ({"not": {}}, ANA), ({"not": UNKNOWN}, ANA)] + [
    (shape(a, b), ANA)
    for a in [TRUE, FALSE, UNKNOWN]
    for b in [TRUE, FALSE, UNKNOWN]
    for shape in [
        lambda a, b: {"all": [a, b]},
        lambda a, b: {"any": [a, b]},
        lambda a, b: {"not": {"any": [a, {"not": b}]}},
        lambda a, b: {"not": a, "all": [b]},
    ]
]

SEGMENTS = {
    "german": {"country": ["DE", "AT"]},
    "pros": {"plan": "pro"},
    "german_pros": {"segment": "german", "all": [{"segment": "pros"}]},
}

GROUPED = [
    ({"segment": name}, {"attributes": attributes})
    for name in ["german", "german_pros", ["german", "pros"]]
    for attributes in [{"country": "DE", "plan": "pro"}, {"country": "CH", "plan": "pro"}, {"plan": "free"}]
] + [({"not": {"segment": "german_pros"}}, {"attributes": {"plan": "free"}})]

RULES = [
    {"when": {"os": "ios", "app_version": {"semver": "<5.2.0"}}, "serve": False},
    {"name": "staff", "when": {"groups": "staff"}, "serve": True},
    {"name": "half", "when": {"plan": "pro"}, "serve": "50%"},
    {"name": "companies", "when": {"plan": "team"}, "serve": "33.3333%", "bucket_by": "company.id"},
    {"name": "all", "when": {"plan": "all"}, "serve": "100%"},
    {"name": "none", "when": {"plan": "none"}, "serve": "0%"},
]

VARIANTS = ["control", "higher", "lower"]

SPLITS = [
    {"when": {"plan": "free"}, "serve": "lower"},
    {"name": "pros", "when": {"plan": "pro"}, "serve": [["higher", 1], ["lower", 1]]},
    {"name": "teams", "when": {"plan": "team"}, "serve": [["lower", 10], ["control", 0], ["higher", 89.9999]], "bucket_by": "company.id"},
    {"when": {"plan": "none"}, "serve": False},
]


def conditions():
    for when, context in EQUALITIES + USERS + PATHS + ORDERS + TEXTS + VERSIONS + NETWORKS + INSTANTS + LOGIC:
        yield condition_row(when, context)
    for when, context in GROUPED:
        yield condition_row(when, context, SEGMENTS)


def who(user, **attributes):
    return {"targeting_key": user, "attributes": attributes}


def rules():
    yield rule_row("checkout", RULES, who("ana", os="ios", app_version="5.1.0"))
    yield rule_row("checkout", RULES, {**who("ana", os="ios", app_version="5.2.0"), "groups": ["staff"]})
    yield rule_row("checkout", RULES, NOBODY)
    for plan in ["all", "none", "pro", "team", "other"]:
        yield rule_row("checkout", RULES, {"attributes": {"plan": plan}})
    for n in range(20):
        yield rule_row("checkout", RULES, who(f"user-{n}", plan="pro"))
        yield rule_row("search", RULES, who(f"user-{n}", plan="pro"))
        yield rule_row("checkout", RULES, who("ana", plan="team", company={"id": n}))
        yield rule_row("price", SPLITS, who(f"user-{n}", plan="pro"), VARIANTS)
        yield rule_row("price", SPLITS, who("ana", plan="team", company={"id": f"company-{n}"}), VARIANTS)
    for identity in [True, False, "7", 7, -7, 0.5, [7], {}]:
        yield rule_row("checkout", RULES, who("ana", plan="team", company={"id": identity}))
    for plan in ["free", "none", "pro", "team"]:
        yield rule_row("price", SPLITS, {"attributes": {"plan": plan}}, VARIANTS)


SECTIONS = {
    "conditions": (conditions, condition_row, ["when", "context"], ["segments"]),
    "rules": (rules, rule_row, ["flag", "rules", "context"], ["variants"]),
}


# The commands.


def write():
    sections = []
    for name, (rows, *_) in SECTIONS.items():
        lines = ",\n".join("    " + json.dumps(row) for row in rows())
        sections.append(f'  "{name}": [\n{lines}\n  ]')
    FILE.write_text("{\n" + ",\n".join(sections) + "\n}\n", encoding="ascii", newline="\n")
    print(f"wrote {FILE.name}")


def check():
    document = json.loads(FILE.read_text(encoding="utf-8"))
    problems = []
    for name, (_, make, inputs, options) in SECTIONS.items():
        for number, row in enumerate(document.get(name, [])):
            optional = {field: row[field] for field in options if field in row}
            expected = make(*(row[field] for field in inputs), **optional)
            if row != expected:
                problems.append(f"{name}[{number}]: is {row}, expected {expected}")
        if len(document.get(name, [])) < FEWEST_ROWS / len(SECTIONS):
            problems.append(f"{name}: too few rows")
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if problems:
        print(f"{FILE.name}: {len(problems)} problems", file=sys.stderr)
        return 1
    counts = ", ".join(f"{len(document[name])} {name}" for name in SECTIONS)
    print(f"{FILE.name}: {counts}, all as recomputed")
    return 0


def main(arguments):
    if arguments == []:
        write()
        return 0
    if arguments == ["--check"]:
        return check()
    print("usage: rules.py [--check]", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
