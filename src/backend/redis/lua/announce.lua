-- Records what an instance has seen, by the clock of the server, and removes instances that have
-- long been silent.
local instances = KEYS[1]
local instance = ARGV[1]
local seen = ARGV[2]              -- a JSON object without its opening brace
local listed = tonumber(ARGV[3])  -- the seconds for which a silent instance is listed

local now = redis.call('TIME')[1]
redis.call('HSET', instances, instance, '{"at":' .. now .. ',' .. seen)
-- The list of a store without instances goes as well.
redis.call('EXPIRE', instances, listed)

-- A pattern instead of cjson: reading every announcement as JSON would keep the server busy.
local all = redis.call('HGETALL', instances)
for i = 1, #all, 2 do
  local at = tonumber(string.match(all[i + 1], '^{"at":(%d+)'))
  if not at or now - at > listed then redis.call('HDEL', instances, all[i]) end
end
