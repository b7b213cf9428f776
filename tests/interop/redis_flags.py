#!/usr/bin/env python3
"""Flags in Redis as `tempest-fastapi-sdk` reads and writes them, driven from outside.

    python tests/interop/redis_flags.py URL

Every line of the input is a call as a JSON array, such as `["enable", "new_checkout"]`; its answer is a line of
the output. A failure ends the process. Reading and writing flags is the installed package's own; beside it there
are writers that it does not have:

- `write` stores raw values in the hash;
- `write_json` and `update_json` store a flag in the layout with one JSON key per flag, with `json.dumps` as it is.
"""

import asyncio
import json
import random
import sys

from env import NAMES, STRIPPED, VALUES, words_in_odd_dress
from tempest_fastapi_sdk.cache import AsyncRedisManager
from tempest_fastapi_sdk.flags import FeatureFlags, RedisFeatureFlagBackend

KEY = "feature_flags"
PREFIX = "ff"

# What only a hash can hold: no variable of an environment has such a name or value.
MORE_NAMES = ["a=b", "=", "nul\0byte", "feature_flags", "{feature_flags}:log", "\ufeff", "\U0010ffff", "n" * 1000]
MORE_VALUES = ["nul\0byte", "1\0", "\0true", "\u2029y\u2028", "x" * 5000, " " * 5000 + "on"]


def table():
    """Names and raw values: every name, every value, and some of both by chance."""
    names = [*NAMES, *MORE_NAMES]
    values = list(dict.fromkeys([*VALUES, *MORE_VALUES, *words_in_odd_dress(40)]))
    # JSON objects are definitions of the crate's own, which the package takes for off.
    values = [value for value in values if not value.strip().startswith("{")]
    chance = random.Random("flagstaff redis")
    fields = {name: chance.choice(values) for name in names}
    fields |= {f"value {number}": value for number, value in enumerate(values)}
    for _ in range(200):
        name = "".join(chance.choices([*NAMES, *STRIPPED], k=2))
        fields[name] = chance.choice(values)
    return fields


class Calls:
    def __init__(self, redis):
        self.redis = redis
        flags = FeatureFlags(RedisFeatureFlagBackend(redis, key=KEY))
        self.enable, self.disable, self.set = flags.enable, flags.disable, flags.set
        self.is_enabled, self.all = flags.is_enabled, flags.all

    async def write(self, fields):
        await self.redis.hset(KEY, mapping=fields)

    async def table(self):
        return table()

    async def write_json(self, flag, definition):
        await self.redis.set(f"{PREFIX}:{flag}", json.dumps(json.loads(definition)))

    async def update_json(self, flag, fields):
        stored = await self.redis.get(f"{PREFIX}:{flag}")
        definition = json.loads(stored) if stored else {}
        definition.update(json.loads(fields))
        await self.redis.set(f"{PREFIX}:{flag}", json.dumps(definition))


async def main():
    sys.stdin.reconfigure(encoding="utf-8", newline="\n")
    sys.stdout.reconfigure(encoding="utf-8")
    manager = AsyncRedisManager(sys.argv[1])
    await manager.connect()
    calls = Calls(manager.client)
    # Nothing else runs meanwhile, so that the loop may be blocked.
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        answer = await getattr(calls, name)(*arguments)
        print(json.dumps(answer), flush=True)
    await manager.disconnect()


if __name__ == "__main__":
    asyncio.run(main())
