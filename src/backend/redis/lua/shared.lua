-- Functions of the scripts that change flags. Each of those scripts begins with this file.

-- Returns the stored value of a flag; false without one.
local function get(layout, key, flag)
  if layout == 'hash' then return redis.call('HGET', key, flag) end
  return redis.call('GET', key)
end

-- Returns the milliseconds that the key of a flag has left; nil if it stays, or if the user may
-- not ask. A change must not fail because of that right: rules from before name no PTTL.
local function time_left(layout, key)
  if layout == 'hash' then return nil end
  local left = redis.pcall('PTTL', key)
  if type(left) ~= 'number' or left < 0 then return nil end
  -- SET refuses a time of 0.
  return math.max(left, 1)
end

-- Returns the milliseconds of the server's clock.
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Stores the value of a flag; false removes it. A key of its own keeps the time that it has left
-- if `time` is 'keep', and gets the time if it is a number of milliseconds. Otherwise it stays.
local function put(layout, key, flag, value, time)
  if layout == 'hash' then
    if value then redis.call('HSET', key, flag, value) else redis.call('HDEL', key, flag) end
  elseif not value then
    redis.call('DEL', key)
  elseif type(time) == 'number' then
    redis.call('SET', key, value, 'PX', string.format('%.0f', time))
  elseif time ~= 'keep' or redis.pcall('SET', key, value, 'KEEPTTL').err then
    -- Redis 5 knows no KEEPTTL. Any other error comes again.
    redis.call('SET', key, value)
  end
end

-- Returns the size of a value that is too large to be an override; false for other values.
local function size_if_large(value, max_bytes)
  return value and #value > max_bytes and tostring(#value)
end

-- Refuses a change because of the stored value. A value that is too large is not returned: the
-- answer to a small change would fill the connection of the writer.
local function refused_by(value, max_bytes)
  local large = size_if_large(value, max_bytes)
  if large then return {'large', large} end
  return {'differs', value}
end

-- Returns true if one of these flags may have changed after a revision. It is true as well if more
-- changes follow the revision than the log has to keep: reading them would keep the server busy.
local function is_changed_since(log, since, keep, flags)
  local entries = redis.call('XRANGE', log, since .. '-1', '+', 'COUNT', keep)
  if #entries == keep then return true end
  for _, entry in ipairs(entries) do
    local fields = entry[2]
    for i = 1, #fields, 2 do
      if fields[i] == 'flag' and flags[fields[i + 1]] then return true end
    end
  end
  return false
end

-- Returns the number of the next entry of the log, and the id of the latest one.
local function next_revision(log)
  local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
  if not last then return 1 end
  return tonumber(string.match(last[1], '^%d+')) + 1, last[1]
end

local function is_error(answer)
  return type(answer) == 'table' and answer.err
end

-- Adds an entry to the log. Returns its id, or the error of the server.
--
-- No number comes twice in a stream, so the server refuses one that belonged to an entry that was
-- removed. The log then continues with the time as its number. Any other error comes again at the
-- second attempt, so the two need not be distinguished by their words.
local function append(log, keep, revision, entry)
  local id = string.format('%.0f-0', revision)
  local added = redis.pcall('XADD', log, 'MAXLEN', '~', keep, id, unpack(entry))
  if is_error(added) then
    added = redis.pcall('XADD', log, 'MAXLEN', '~', keep, '*', unpack(entry))
  end
  return added
end

-- Returns the revision of the entry with this id.
local function revision_of(id)
  return string.match(id, '^%d+')
end
