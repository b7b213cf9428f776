-- Returns the instances with the time by which their ages count. One script, so that no
-- announcement comes between the two.
local instances = KEYS[1]

return {redis.call('TIME')[1], redis.call('HGETALL', instances)}
