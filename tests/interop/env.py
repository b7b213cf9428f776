#!/usr/bin/env python3
"""What `tempest-fastapi-sdk` answers for flags in environment variables, as one JSON document.

    python tests/interop/env.py

The answers are the installed package's own. A test feeds the same environments to this crate's
`Env` backend and compares:

    {"cases":    [{"environment": {VARIABLE: VALUE}, "name": NAME, "enabled": true | false | null}],
     "listings": [{"note": WHY, "environment": {VARIABLE: VALUE}, "all": {NAME: true | false},
                   "read": {NAME: true | false | null}}]}

`enabled` is null when the package takes the flag for unset. `read` is what it answers for each name
that it lists: something else where the variable's own name is not in upper case. The table is the same in every run.
Variables and values are ones that a process can have: no NUL, no `=` in a name, no lone surrogate.

Left out, because there the crate deliberately answers more than the package or differently:

- a variable with `_` where the name has `-` or `.`, which the crate reads when the exact one is absent;
- two variables whose lower-cased names are one (`FEATURE_A`, `FEATURE_a`): the package lists the one
  that the environment has last, whichever of them it would read.
"""

import asyncio
import json
import random
import sys

from tempest_fastapi_sdk.flags import EnvFeatureFlagBackend, FeatureFlags

PREFIX = "FEATURE_"

NAMES = [
    # Plain.
    "a", "A", "x", "flag", "FLAG", "Flag", "fLaG", "new_checkout", "NEW_CHECKOUT", "New_Checkout", "newCheckout",
    "dark_mode", "search_v2", "2fa", "0", "42", "_", "__", "_leading", "trailing_", "a__b",
    # Dashes, dots and other ASCII: nothing but the case changes.
    "new-search", "New-Search", "-", "a-b_c", "a.b", "A.B.c", ".", "a..b", "checkout/v2", "team:flag", "a+b", "100%",
    "flag!", "(x)", "a,b", "a\\b", '"quoted"', "it's", "$HOME", "~", "@user",
    # White space is part of the name.
    "", " ", "a b", " a", "a ", "a\tb", "a\nb", "a\u00a0b",
    # The prefix again.
    "FEATURE_", "feature_flag",
    # Upper-casing that changes more than one letter, or lands in ASCII.
    "stra\u00dfe", "\u00df", "\u0131", "\u0131d", "\u0149", "\ufb01", "\ufb01ne", "o\ufb03ce", "\u01f0", "\u0390",
    "\u017f", "\u00b5", "\u0130", "i\u0307", "i",
    # Greek with a final sigma and without.
    "\u03bf\u03b4\u03cc\u03c2", "\u03bf\u03b4\u03cc\u03c3", "\u03c2", "\u03c3", "\u1fb3", "\u1f80",
    # Letters with case, with three cases, and without; composed and decomposed.
    "caf\u00e9", "cafe\u0301", "\u00fcber", "\u01c6", "\u01c5", "\u0436\u0443\u043a", "\u10d0", "\u13a0", "\uab70",
    "\u00aa", "\u2170", "\u24d0", "\uff41", "\U00010428", "\u65b0\u6a5f\u80fd", "\ud55c", "\u05e9\u05dc\u05d5\u05dd",
    "\u0645\u0631\u062d\u0628\u0627", "\U0001f680", "\U0001f468\u200d\U0001f469", "\u212a", "\u212b", "\u1e9e",
]

WORDS = ["1", "true", "yes", "on", "t", "y"]

# What Python's strip() takes off, and what it leaves.
STRIPPED = [
    "\t", "\n", "\x0b", "\x0c", "\r", "\x1c", "\x1d", "\x1e", "\x1f", " ", "\x85", "\u00a0", "\u1680", "\u2000",
    "\u2003", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000",
]
NOT_STRIPPED = [
    "\x01", "\x08", "\x0e", "\x1b", "\x7f", "\u00ad", "\u180e", "\u200b", "\u200c", "\u2060", "\ufeff",
    "\u0301",
]

VALUES = [
    # Each word as it is, and in odd cases.
    "1", "true", "yes", "on", "t", "y", "TRUE", "True", "tRuE", "YES", "Yes", "yEs", "ON", "On", "oN", "T", "Y",
    # Present, and off.
    "", " ", "\x1f", "\u3000", "0", "false", "FALSE", "no", "off", "f", "n", "2", "-1", "+1", "01", "1.0", "1e0", "10",
    "11", "null", "None", "nil", "enabled", "enable", "active", "ok", "yeah", "ja", "si", "tru", "truee", "ye", "yess",
    "o", "onn", "t t", "true true", "tr ue", "y es", "'true'", '"true"', "true;", "true,", "true#", "=true", "{}", "[]",
    '{"enabled": true}', "\\ttrue",
    # Looks like a word, is not one.
    "\uff54\uff52\uff55\uff45", "\uff11", "\u00b9", "\u0661", "\u2460", "\u0131", "\u0130", "\u0422", "\u0443",
    "\u0443es", "\u03bfn", "tr\u00fce", "true\u0301", "ye\u017f", "\U0001d42d", "\u24e3", "\u2713", "\U0001f44d",
    "\u212a",
    # White space about a word.
    "TRUE ", " true", "\ttrue\t", "on\n", "on\r\n", "\n1\n", " \t\r\n\x0b\x0cyes\x0c\x0b\n\r\t ", "t\x1c\x1d\x1e\x1f",
    *(space + "true" + space for space in STRIPPED),
    *("1" + other for other in NOT_STRIPPED),
    *(other + "on" for other in NOT_STRIPPED),
]


def words_in_odd_dress(count):
    """Words in random case with random white space about them, now and then with what is no space."""
    chance = random.Random("flagstaff env")
    around = STRIPPED * 4 + NOT_STRIPPED
    for _ in range(count):
        word = "".join(chance.choice([letter.lower(), letter.upper()]) for letter in chance.choice(WORDS))
        before = "".join(chance.choices(around, k=chance.randrange(3)))
        after = "".join(chance.choices(around, k=chance.randrange(3)))
        yield before + word + after


class Recorder(dict):
    """An environment that notes which variable it was asked for."""

    asked = None

    def get(self, variable, default=None):
        self.asked = variable
        return super().get(variable, default)


async def variable_of(name):
    """The variable that the package reads for a flag."""
    environment = Recorder()
    assert await EnvFeatureFlagBackend(environ=environment).get(name) is None
    return environment.asked


async def case(environment, name):
    backend = EnvFeatureFlagBackend(environ=environment)
    enabled = await backend.get(name)

    # The service in front of it adds only the default.
    flags = FeatureFlags(backend)
    assert await flags.is_enabled(name) is (enabled is True)
    assert await flags.is_enabled(name, default=True) is (enabled is not False)
    return {"environment": environment, "name": name, "enabled": enabled}


async def listing(note, environment):
    environment = dict(sorted(environment.items()))
    backend = EnvFeatureFlagBackend(environ=environment)
    answer = await backend.all()
    matching = [variable for variable in environment if variable.startswith(PREFIX)]
    assert len(answer) == len(matching), f"two variables share a name: {note}"
    read = {name: await backend.get(name) for name in answer}
    return {"note": note, "environment": environment, "all": answer, "read": read}


def as_the_crate_also_reads(variable):
    return variable.replace("-", "_").replace(".", "_")


async def cases():
    values = list(dict.fromkeys([*VALUES, *words_in_odd_dress(40)]))
    for name in NAMES:
        variable = await variable_of(name)
        yield await case({}, name)
        for value in values:
            yield await case({variable: value}, name)

        # Almost the right variable, beside unrelated ones.
        others = {"PATH": "/bin", "FEATURE": "1", "FEATURE_SOMETHING_ELSE": "1", "OTHER_PREFIX": "1"}
        yield await case(others | {variable: "1"}, name)
        yield await case(others | {variable: "0"}, name)
        nearly = [
            PREFIX + name, PREFIX + name.lower(), PREFIX + name.title(), PREFIX + name.casefold().upper(),
            PREFIX + variable, variable.lower(), variable[len(PREFIX) :], " " + variable, variable + " ",
        ]
        for near in dict.fromkeys(nearly):
            if near and "=" not in near and near != as_the_crate_also_reads(variable):
                yield await case(others | {near: "1"}, name)


async def listings():
    yield await listing("empty", {})
    yield await listing("no variable has the prefix", {"FEATURE": "1", "feature_x": "1", "XFEATURE_Y": "1"})
    yield await listing("plain", {"FEATURE_NEW_CHECKOUT": "1", "FEATURE_DARK_MODE": "no", "FEATURE_X": ""})
    yield await listing("the bare prefix is the empty name", {"FEATURE_": "1"})
    yield await listing("the prefix twice", {"FEATURE_FEATURE_X": "1"})
    yield await listing(
        "not upper-case: listed, though asking for the name does not find it",
        {"FEATURE_lower": "1", "FEATURE_Mixed_Case": "on", "FEATURE_camelCase": "0"},
    )
    yield await listing(
        "lower-casing is not the way back",
        {
            "FEATURE_STRASSE": "1",
            "FEATURE_stra\u00dfe": "1",
            "FEATURE_\u1e9e": "1",
            "FEATURE_\u0130": "1",
            "FEATURE_I": "1",
            "FEATURE_\u0131": "0",
            "FEATURE_FI": "1",
            "FEATURE_\ufb01": "0",
            "FEATURE_\u02bcN": "1",
            "FEATURE_\u212a": "1",
            "FEATURE_\u01c5": "1",
        },
    )
    yield await listing(
        "capital sigma: final at the end of a word, by the suffix alone",
        {
            "FEATURE_\u039f\u0394\u039f\u03a3": "1",
            "FEATURE_\u03a3": "1",
            "FEATURE_\u03a3\u03a3": "1",
            "FEATURE_\u0391\u03a3_\u0392": "1",
            "FEATURE_\u0391\u03a3-\u0392": "1",
            "FEATURE_\u0391\u03a3.\u0392": "1",
            "FEATURE_\u0391\u03a3.": "1",
            "FEATURE_\u0391.\u03a3": "1",
            "FEATURE_1\u03a3": "1",
        },
    )
    yield await listing(
        "dashes, dots and spaces stay",
        {"FEATURE_NEW-SEARCH": "1", "FEATURE_NEW_SEARCH": "0", "FEATURE_A.B": "t", "FEATURE_A B": "y"},
    )

    # Everything at once, a value for each.
    chance = random.Random("flagstaff env listings")
    for number in range(10):
        environment = {"PATH": "/bin"}
        listed = set()
        for name in chance.sample(NAMES, 30):
            variable = await variable_of(name)
            if variable[len(PREFIX) :].lower() not in listed:
                listed.add(variable[len(PREFIX) :].lower())
                environment[variable] = chance.choice(VALUES)
        yield await listing(f"mixed {number}", environment)


async def main():
    assert len(NAMES) >= 60 and len(set(NAMES)) == len(NAMES)
    assert len(VALUES) >= 60
    document = {
        "cases": [each async for each in cases()],
        "listings": [each async for each in listings()],
    }
    json.dump(document, sys.stdout, separators=(",", ":"))
    print()


if __name__ == "__main__":
    asyncio.run(main())
