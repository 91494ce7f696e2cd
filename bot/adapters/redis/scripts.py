"""The Lua scripts: everything that must happen at once, or not at all.

Each one is safe to send twice: events are recorded by id, and a lease is recognised by its owner and epoch. They use no
key outside the cluster's hash tag.

Fencing is by epoch, not by the lease's time. The store remembers the number and the owner of the last lease it gave; a
write is refused when that is a higher number or another owner. A lease that ran out and that nobody took since is still
the newest, so its owner may go on: nobody else can have written. A lease that was given back is nobody's.

When the remembered number is *lower* than the writer's, the store has lost data (a failover, a wiped disk) and the
writer is the newest owner there is: it is taken back, and its investigation is listed as active again.
"""

from __future__ import annotations

from bot.model.events import INTAKE

_RECORD = """
local function record(log, ids, id, event)
  if redis.call('SADD', ids, id) == 0 then return 0 end
  redis.call('XADD', log, '*', 'event', event)
  return 1
end

local function newest(epoch, version)
  local known = tonumber(redis.call('HGET', epoch, 'v') or '0')
  if tonumber(version) > known then redis.call('HSET', epoch, 'v', version) end
end
"""

_INTAKE = f"""
local intake = {{{", ".join(f"['{kind}'] = true" for kind in sorted(INTAKE))}}}

local function asked(epoch, kind)
  if intake[kind] then redis.call('HINCRBY', epoch, 'asked', 1) end
end

local function unheard(epoch, closed)
  local heard = cjson.decode(closed)['data']['heard']
  return type(heard) == 'number' and tonumber(redis.call('HGET', epoch, 'asked') or '0') > heard
end
"""

_FENCE = """
local function fence(open, active, epoch, id, owner, number)
  local known = tonumber(redis.call('HGET', epoch, 'number') or '0')
  if known > number then return false end
  if known == number then return redis.call('HGET', epoch, 'owner') == owner end
  redis.call('HSET', epoch, 'number', number, 'owner', owner)
  redis.call('SADD', active, id)
  redis.call('SET', open, id, 'NX')
  return true
end
"""

LOST = -1
"""The lease is not the newest any more."""

UNKNOWN = -2
"""There is no such log."""

REPEATED = 2
"""The trigger had been heard before."""

TAKEN = -3
"""Another investigation of the cluster is open, or the id was used before."""

NOT_CLOSED = -4
"""The log does not end in ``closed``."""

UNHEARD = -6
"""Somebody asked for something that whoever closes had not seen yet."""

BEHIND = -5
"""The lease holds, but the store lost what was written to it: the event that was known to be there is not."""

OPEN = (
    _RECORD
    + """
local open, active, log, ids, epoch, heard = unpack(KEYS)
local id, version, opened_id, opened, joined_id, joined, prefix, remember = unpack(ARGV)

local current = redis.call('GET', open)
if heard then
  local before = redis.call('GET', heard)
  if before and before ~= id and redis.call('EXISTS', prefix .. before .. ':log') == 1 then
    redis.call('EXPIRE', heard, remember)
    return {before, 2}
  end
end
if current and current ~= id then
  local base = prefix .. current
  if redis.call('EXISTS', base .. ':log') == 1 then
    if record(base .. ':log', base .. ':ids', joined_id, joined) == 1 then redis.call('HINCRBY', base .. ':epoch', 'asked', 1) end
    newest(base .. ':epoch', version)
    if heard then redis.call('SET', heard, current, 'EX', remember) end
    return {current, 1}
  end
  redis.call('SREM', active, current)
end
if current ~= id and redis.call('EXISTS', log) == 1 then return {id, -3} end
redis.call('SET', open, id)
redis.call('SADD', active, id)
record(log, ids, opened_id, opened)
newest(epoch, version)
if heard then redis.call('SET', heard, id, 'EX', remember) end
return {id, 0}
"""
)
"""KEYS open active log ids epoch and, for a trigger that is heard once, heard. Returns the id and 1 when it was joined, 0
when it was opened, REPEATED or TAKEN."""

APPEND = (
    _RECORD
    + _INTAKE
    + _FENCE
    + """
local open, active, log, ids, epoch = unpack(KEYS)
local id, owner, number, version = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]

if owner == '' then
  if redis.call('EXISTS', log) == 0 then return -2 end
elseif not fence(open, active, epoch, id, owner, number) then
  return -1
end
for i = 5, #ARGV, 3 do
  if ARGV[i + 1] == 'reopened' then
    local current = redis.call('GET', open)
    if current and current ~= id then return -3 end
  elseif ARGV[i + 1] == 'closed' and redis.call('SISMEMBER', ids, ARGV[i]) == 0 and unheard(epoch, ARGV[i + 2]) then
    return -6
  end
end

local added = 0
for i = 5, #ARGV, 3 do
  if record(log, ids, ARGV[i], ARGV[i + 2]) == 1 then
    added = added + 1
    asked(epoch, ARGV[i + 1])
    if ARGV[i + 1] == 'cancel-requested' then
      if redis.call('GET', open) == id then redis.call('DEL', open) end
    elseif ARGV[i + 1] == 'closed' then
      redis.call('HSET', epoch, 'closed', 1)
      if redis.call('GET', open) == id then redis.call('DEL', open) end
    elseif ARGV[i + 1] == 'reopened' then
      redis.call('HDEL', epoch, 'closed')
      redis.call('SET', open, id)
      redis.call('SADD', active, id)
      redis.call('PERSIST', log)
      redis.call('PERSIST', ids)
      redis.call('PERSIST', epoch)
    end
  end
end
newest(epoch, version)
return added
"""
)
"""KEYS open active log ids epoch; ARGV id owner number version, then id, type and JSON of each event. An empty owner is
intake. Returns how many were new, LOST, UNKNOWN, TAKEN or UNHEARD. Closing frees the cluster at once, and so does the wish to
cancel: whoever asks while an investigation is being ended, or its end delivered, gets a new one, not one that nobody works
on. For the same reason ``closed`` says how many intake events its owner had seen, and is refused when there are more."""

ACQUIRE = """
local active, log, lease, epoch = unpack(KEYS)
local id, owner, length, version = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

if redis.call('EXISTS', log) == 0 then
  redis.call('SREM', active, id)
  return 0
end
if tonumber(redis.call('HGET', epoch, 'v') or '0') > version then return 0 end
local holder = redis.call('GET', lease)
if holder and holder ~= owner then return 0 end
local number = redis.call('HINCRBY', epoch, 'number', 1)
redis.call('HSET', epoch, 'owner', owner)
redis.call('SET', lease, owner, 'PX', length)
return number
"""
"""KEYS active log lease epoch; ARGV id owner milliseconds version. Returns the new number, or 0."""

RENEW = (
    _FENCE
    + """
local open, active, lease, epoch, ids = unpack(KEYS)
if not fence(open, active, epoch, ARGV[1], ARGV[2], tonumber(ARGV[3])) then return -1 end
redis.call('SET', lease, ARGV[2], 'PX', ARGV[4])
if ARGV[5] ~= '' and redis.call('SISMEMBER', ids, ARGV[5]) == 0 then return -5 end
return 1
"""
)
"""KEYS open active lease epoch ids; ARGV id owner number milliseconds and the id of an event that was in the log, or nothing.
Returns 1, LOST or BEHIND. A server that lost data lost the end of what was written, so the last event stands for all."""

RELEASE = """
local lease, epoch = unpack(KEYS)
local known = redis.call('HMGET', epoch, 'number', 'owner')
if known[1] ~= ARGV[2] or known[2] ~= ARGV[1] then return 0 end
redis.call('HSET', epoch, 'owner', '')
if redis.call('GET', lease) == ARGV[1] then redis.call('DEL', lease) end
return 1
"""
"""KEYS lease epoch; ARGV owner number. Returns 1, or 0 when there was nothing to give back."""

SETTLE = (
    _FENCE
    + """
local open, active, log, ids, lease, epoch = unpack(KEYS)
local id, owner, number, keep = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]

if not fence(open, active, epoch, id, owner, number) then return -1 end
if redis.call('HGET', epoch, 'closed') ~= '1' then return -4 end
redis.call('SREM', active, id)
if redis.call('GET', open) == id then redis.call('DEL', open) end
if redis.call('GET', lease) == owner then redis.call('DEL', lease) end
redis.call('EXPIRE', log, keep)
redis.call('EXPIRE', ids, keep)
redis.call('EXPIRE', epoch, keep)
return 1
"""
)
"""KEYS open active log ids lease epoch; ARGV id owner number seconds. Returns 1, LOST or NOT_CLOSED."""

BIND = """
if ARGV[1] ~= '' then redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2], 'NX') end
return redis.call('GET', KEYS[1]) or ''
"""
"""KEYS seen; ARGV what it is about, or nothing, and seconds. Returns what it is about; nothing when that is not known."""

REMEMBER = """
return redis.call('ZADD', KEYS[1], redis.call('TIME')[1], ARGV[1])
"""
"""KEYS clusters; ARGV the cluster's name."""

FORGET = """
local oldest = redis.call('TIME')[1] - ARGV[1]
local gone = 0
for i = 2, #ARGV do
  local last = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if last and tonumber(last) < oldest then gone = gone + redis.call('ZREM', KEYS[1], ARGV[i]) end
end
return gone
"""
"""KEYS clusters; ARGV seconds, names. Removes those names whose last opening is longer ago."""
