-- Compares the stored value of a flag with the expected one, then changes it and adds an entry to
-- the log. Begins with shared.lua.
--
-- The script compares bytes, so it notices changes by writers that keep no log, too.
local store = KEYS[1]
local log = KEYS[2]
local layout = ARGV[1]            -- hash or keys
local flag = ARGV[2]
local condition = ARGV[3]         -- anything, absent, is, plain, large
local expected = ARGV[4]          -- the stored value that the condition `is` requires
local operation = ARGV[5]         -- set or clear
local new = ARGV[6]               -- the value to set
local since = ARGV[7]             -- a revision after which the flag must not have changed, or empty
local keep = tonumber(ARGV[8])    -- the minimum number of entries that the log keeps
local ended = ARGV[9]             -- the millisecond that the server must have reached, or empty
local max_fields = tonumber(ARGV[10])
local max_bytes = tonumber(ARGV[11])
local time = ARGV[12]             -- of a key with a time to live: keep, drop, after (keep it if the
                                  -- key ends after the next argument), at (the key ends then)
local instant = tonumber(ARGV[13]) -- in milliseconds, or nil
local FIRST_NOTE = 14             -- the rest of the entry: names and values in turn

local now = get(layout, store, flag)
local large = size_if_large(now, max_bytes)

if condition == 'is' and now ~= expected then return refused_by(now, max_bytes) end
if condition == 'absent' and now then return refused_by(now, max_bytes) end
-- A switch keeps the settings of a JSON value, which the caller has to have read.
if condition == 'plain' and now and not large and string.find(now, '^%s*{') then
  return refused_by(now, max_bytes)
end
if condition == 'large' and not large then return refused_by(now, max_bytes) end
if since ~= '' and is_changed_since(log, since, keep, {[flag] = true}) then
  return refused_by(now, max_bytes)
end

if operation == 'clear' and not now then return {'nothing'} end
-- Readers refuse a store with more flags than this. In a store that they refuse already, a change
-- is made, since readers follow changed flags.
if operation == 'set' and not now and layout == 'hash' then
  local fields = redis.call('HLEN', store)
  if fields == max_fields then return {'full', tostring(fields)} end
end
-- The clock of the writer may be fast, and those of the readers right.
if ended ~= '' then
  if clock() < tonumber(ended) then return {'nothing'} end
end

local revision, last = next_revision(log)
-- 2^53 - 1: Lua cannot count further.
if revision > 9007199254740991 then return {'log full', last} end

local entry = {'flag', flag}
local function note(name, value)
  entry[#entry + 1] = name
  entry[#entry + 1] = value
end
if large then note('large', large) elseif now then note('before', now) end
if operation == 'set' then note('after', new) end

-- The time that the key gets back if the change cannot be logged.
local left = 'keep'
if operation == 'clear' or time ~= 'keep' then
  left = time_left(layout, store)
  local ends = left and clock() + left
  if time == 'after' then time = ends and ends > instant and 'keep' or 'drop' end
  -- The change takes the time from the key, and undoing the change brings it back.
  if ends and (operation == 'clear' or time == 'drop') then
    note('key_ends', string.format('%.0f', ends))
  end
  if time == 'at' then time = math.max(instant - clock(), 1) end
end
for i = FIRST_NOTE, #ARGV do entry[#entry + 1] = ARGV[i] end

put(layout, store, flag, operation == 'set' and new, time)
local added = append(log, keep, revision, entry)
if is_error(added) then
  -- Redis does not roll back: a change without an entry could not be explained or undone.
  put(layout, store, flag, now, left)
  return added
end
return {'done', revision_of(added)}
