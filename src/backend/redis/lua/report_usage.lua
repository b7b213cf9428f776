-- Records which flags an instance has and which of them it evaluates, by the clock of the server.
local usage = KEYS[1]
local evaluated_count = tonumber(ARGV[1])  -- the number of evaluated flags, whose names come first
local FIRST_FLAG = 2                       -- the names of all flags

local now = redis.call('TIME')[1]
for i = FIRST_FLAG, #ARGV do
  local flag = ARGV[i]
  local before = redis.call('HGET', usage, flag) or ''
  -- The first time stays; the last one is replaced by instances that evaluate the flag.
  local known = string.match(before, '^{"known":(%d+)') or now
  local evaluated = string.match(before, '"evaluated":(%d+)')
  if i < FIRST_FLAG + evaluated_count then evaluated = now end
  local report = '{"known":' .. known
  if evaluated then report = report .. ',"evaluated":' .. evaluated end
  redis.call('HSET', usage, flag, report .. '}')
end
