-- Moves or copies the value of a flag to another name, byte by byte, with an entry in the log for
-- each of the two. A key of its own keeps the time that it has left. Begins with shared.lua.
--
-- A value that is already stored under the new name is never replaced. If the two values are equal,
-- as after a copy, only the old one is removed.
local old_store = KEYS[1]
local new_store = KEYS[2]
local log = KEYS[3]
local layout = ARGV[1]            -- hash or keys
local old = ARGV[2]
local new = ARGV[3]
local mode = ARGV[4]              -- move or copy
local condition = ARGV[5]         -- anything, is
local expected = ARGV[6]          -- the stored value that the condition `is` requires
local since = ARGV[7]             -- a revision after which neither flag must have changed, or empty
local keep = tonumber(ARGV[8])    -- the minimum number of entries that the log keeps
local max_fields = tonumber(ARGV[9])
local max_bytes = tonumber(ARGV[10])
local FIRST_NOTE = 11             -- the rest of each entry: names and values in turn

local value = get(layout, old_store, old)
local there = get(layout, new_store, new)
local large = size_if_large(value, max_bytes)

if condition == 'is' and value ~= expected then return refused_by(value, max_bytes) end
if since ~= '' and is_changed_since(log, since, keep, {[old] = true, [new] = true}) then
  return refused_by(value, max_bytes)
end
if not value or (mode == 'copy' and there == value) then return {'nothing'} end
if there and (there ~= value or condition == 'is') then return refused_by(there, max_bytes) end
-- A move leaves as many flags as there were.
if mode == 'copy' and layout == 'hash' then
  local fields = redis.call('HLEN', old_store)
  if fields >= max_fields then return {'full', tostring(fields)} end
end

local revision, last = next_revision(log)
-- 2^53 - 2: Lua cannot count further than to the second of two entries.
if revision > 9007199254740990 then return {'log full', last} end

local left = time_left(layout, old_store)
local added = {}

-- Adds an entry with these fields. Returns the error of the server if that fails.
local function add(...)
  local entry = {...}
  for i = FIRST_NOTE, #ARGV do entry[#entry + 1] = ARGV[i] end
  local id = append(log, keep, revision, entry)
  if is_error(id) then return id end
  added[#added + 1] = id
  revision = tonumber(revision_of(id)) + 1
end

-- Redis does not roll back, so half a move is undone here.
local function undone(failure)
  for _, id in ipairs(added) do redis.call('XDEL', log, id) end
  put(layout, old_store, old, value, left)
  put(layout, new_store, new, there, 'keep')
  return failure
end

if not there then
  put(layout, new_store, new, value, left)
  local failure
  if large then
    failure = add('flag', new, 'renamed_from', old)
  else
    failure = add('flag', new, 'renamed_from', old, 'after', value)
  end
  if failure then return undone(failure) end
end
if mode == 'move' then
  put(layout, old_store, old, false)
  local failure =
    add('flag', old, 'renamed_to', new, large and 'large' or 'before', large or value)
  if failure then return undone(failure) end
end
return {'done', revision_of(added[#added])}
