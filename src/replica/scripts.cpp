#include "keys.hpp"
#include "scripts.hpp"

#include <meshcache/base/test_hooks.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

namespace meshcache::replica {
namespace {

// Entries of the log are numbered, so that who follows it sees at once when some that he has not read are
// gone.
constexpr std::string_view numbering = R"lua(
local function number_of_entry(name)
  local number = redis.pcall('INCR', name)
  if type(number) == 'number' then return number end
  redis.call('DEL', name) -- it was none
  return redis.call('INCR', name)
end
)lua";

// Versions are compared byte by byte: `<` on Lua strings follows the locale in which Redis was started.
//
// A floor's score is its version's position: milliseconds, and the counter as 4096ths. A double holds that
// much exactly, and not a whole version. What lies on one position with a floor counts as below it.
constexpr std::string_view common = R"lua(
local function milliseconds(version)
  local a, b, c, d, e, f = string.byte(version, 1, 6)
  return ((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f
end
local function position(version)
  local high, low = string.byte(version, 7, 8)
  return milliseconds(version) + math.min(high * 256 + low, 4095) / 4096
end
local function compare(a, b)
  for i = 1, 16 do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y and -1 or 1 end
  end
  return 0
end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local latest = now + tonumber(ARGV[3])
local skew = tonumber(ARGV[4])
-- The version of the record at that name; nil if there is none, or nothing that could be one, or one that a
-- broken clock made: all of these make way.
local function version_at(name)
  local held = redis.pcall('GETRANGE', name, '0', '15')
  if type(held) == 'string' and #held == 16 and milliseconds(held) <= latest then return held end
  return nil
end
-- What a floor of its key is held against: of a note that responses vary its epoch, which ends the record.
local function oldest(version, kind, epoch)
  if kind == '\1' and #epoch == 16 and compare(epoch, version) < 0 then return epoch end
  return version
end
)lua";

// A replica whose clock runs ahead may have made an older response with a version above a floor. So a record
// is held against the floor itself only if its maker knew of that floor, and else against the floor and the
// skew that is allowed between clocks.
//
// What this costs is what limits how much all replicas together can write, so the usual record passes through
// few calls and few strings: Lua hashes every string that it is given or makes, byte by byte, and Redis
// formats every number that a call is given.
constexpr std::string_view put_text = R"lua(
local log, packed, count = KEYS[1], ARGV[5], #KEYS - 5
-- What is above all floors of a set, whoever made it, need not be looked up there: most is, soon after a purge.
local function reach(set)
  local highest = redis.call('ZREVRANGE', set, '0', '0', 'WITHSCORES')[2]
  return highest and tonumber(highest) + skew or 0
end
local reach_of_keys, reach_of_groups = reach(KEYS[2]), reach(KEYS[3])
local reach_of_any = math.max(reach_of_keys, reach_of_groups)
-- The items of the entry in the log, one a record, and the cache keys in them.
local items, keys
local function read_items()
  if items then return end
  items, keys = {}, {}
  local at = 1
  for n = 1, count do
    local a, b, c, d = string.byte(packed, at + 16, at + 19)
    local last = at + 19 + ((a * 256 + b) * 256 + c) * 256 + d
    items[n], keys[n] = string.sub(packed, at, last), string.sub(packed, at + 20, last)
    at = last + 1
  end
end
-- What it takes to look floors up, made when the first record needs it: whether a floor covers a record.
local function prepare()
  read_items()
  local function below(made, floor, known)
    if not floor then return false end
    floor = tonumber(floor)
    if floor > known then floor = floor + skew end
    return made <= floor
  end
  local tags, known, none = {}, {}, {}
  local at = 6 + 2 * count
  while at <= #ARGV do
    local n, own, floors = tonumber(ARGV[at]), {}, {}
    at = at + 2
    for _ = 1, tonumber(ARGV[at - 1]) do
      own[#own + 1] = ARGV[at]
      at = at + 1
    end
    at = at + 1
    for _ = 1, tonumber(ARGV[at - 1]) do
      floors[ARGV[at]] = tonumber(ARGV[at + 1])
      at = at + 2
    end
    tags[n], known[n] = own, floors
  end
  -- The key without what tells a variant from others, or nil if it has none.
  local function primary_of(key)
    local at = 1
    while at <= #key do
      if string.byte(key, at) == 59 then return string.sub(key, 1, at - 1) end
      local size, from = string.match(key, '^(%d+):()', at)
      if not size then return nil end
      at = from + tonumber(size)
    end
    return nil
  end
  local selectors, primary_at = {}, {}
  for n = 1, count do selectors[n] = 'k' .. keys[n] end
  for n = 1, count do
    local primary = string.find(keys[n], ';', 1, true) and primary_of(keys[n])
    if primary then
      selectors[#selectors + 1] = 'k' .. primary
      primary_at[n] = #selectors
    end
  end
  local floors = reach_of_keys > 0 and redis.call('ZMSCORE', KEYS[2], unpack(selectors)) or none
  local lengths
  local function read_lengths()
    lengths = {}
    for _, length in ipairs(redis.call('ZRANGE', KEYS[4], '0', '-1')) do
      lengths[#lengths + 1] = {string.sub(length, 1, 1), tonumber(string.sub(length, 2))}
    end
  end
  -- Host, path and query, and the key of the URI alone, read from a cache key; nil if it is none.
  local function split(key)
    local parts, at = {}, 1
    for n = 1, 4 do
      local size, from = string.match(key, '^(%d+):()', at)
      if not size then return nil end
      at = from + tonumber(size)
      parts[n] = string.sub(key, from, at - 1)
    end
    return parts[2], parts[4], string.sub(key, 1, at - 1)
  end
  -- What stands for merged floors of keys is held against `eldest` as these would be.
  local function purged(made, eldest, key, tags, known)
    if not lengths then read_lengths() end
    local groups = {'a'}
    for _, tag in ipairs(tags) do groups[#groups + 1] = 't' .. tag end
    local host, path, uri = split(key)
    if host then
      groups[#groups + 1] = 'x' .. uri
      for _, length in ipairs(lengths) do
        if length[2] <= #path then
          local prefix = string.sub(path, 1, length[2])
          groups[#groups + 1] = length[1] == 'u' and 'u' .. host .. prefix or 'w' .. prefix
        end
      end
    end
    for n, floor in ipairs(redis.call('ZMSCORE', KEYS[3], unpack(groups))) do
      if below(n == 1 and eldest or made, floor, known[groups[n]] or 0) then return true end
    end
    return false
  end
  return function(n, made, eldest)
    local own, primary = known[n] or none, primary_at[n]
    return below(eldest, floors[n], own[selectors[n]] or 0)
      or (primary and below(made, floors[primary], own[selectors[primary]] or 0))
      or (eldest <= reach_of_groups and purged(made, eldest, keys[n], tags[n] or none, own))
  end
end
local covered
local verdicts, refused = {}, false
for n = 1, count do
  local name, record = KEYS[n + 5], ARGV[n * 2 + 4]
  local made = position(record)
  local eldest = made
  if string.byte(record, 18) == 1 then
    eldest = position(oldest(string.sub(record, 1, 16), '\1', string.sub(record, -16)))
  end
  local verdict = '0'
  if made >= latest + 1 then
    verdict = '3'
  else
    if eldest <= reach_of_any then covered = covered or prepare() end
    local held = version_at(name)
    local order = held and compare(record, held) or 1
    if eldest <= reach_of_any and covered(n, made, eldest) then
      verdict = '2'
    elseif order == 0 then
      verdict = '4'
    elseif order < 0 then
      verdict = '1'
    else
      redis.call('SET', name, record, 'PX', ARGV[n * 2 + 5])
    end
  end
  refused = refused or verdict ~= '0'
  verdicts[n] = verdict
end
verdicts = table.concat(verdicts)
if refused then
  read_items()
  local taken = {}
  for n = 1, count do
    if string.byte(verdicts, n) == 48 then taken[#taken + 1] = items[n] end
  end
  packed = table.concat(taken)
end
-- Who has followed a log knows by the first entry of another that it was lost, with everything else.
if packed ~= '' then
  local number = number_of_entry(KEYS[5])
  if not redis.call('XADD', log, 'NOMKSTREAM', 'MAXLEN', '~', ARGV[1], '*', 'i', ARGV[2], 's', number,
      'p', packed) then
    redis.call('XADD', log, 'MAXLEN', '~', ARGV[1], '*', 'i', ARGV[2], 's', number, 'n', '', 'p', packed)
  end
end
return verdicts
)lua";

// A floor of a broken clock is taken down to the clock of Redis: an invalidation must neither be lost
// nor drag the others along.
//
// Floors of keys are kept for a day. What a floor holds back are older responses that may still come: those
// in flight or queued somewhere (seconds to minutes), and those in a replica that was cut off. A replica that
// was cut off for longer than that puts nothing again, and drops what Redis does not hold (see
// reconcile.hpp), so after a day nothing is left for a floor to hold back. Floors of groups leave the records
// that they cover where they are, and so are kept until the last of these has expired. Too many of either
// merge into one for everything, which loses hits and lets nothing through.
//
// Of two floors of one selector the later one may be the lower, since clocks may differ. Whoever knew of one
// of them need not have known of the other, whichever it is, and to keep the higher would hide the lower. So
// the two become one that lies a step above both and is nobody's: none who made something before he read of
// it in the log knows of it. Unless the new one is the higher, and its maker knew of the other: `known` is
// the highest floor of the selector up to which he had read the log.
//
// The put script looks a path up once for each length of a prefix. Beyond 64 lengths a shorter prefix stands
// in for a new one.
constexpr std::string_view purge_text = R"lua(
local entry = {'XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'i', ARGV[2]}
-- Who has followed a log knows by this that it was lost, with everything else.
if redis.call('EXISTS', KEYS[1]) == 0 then
  entry[#entry + 1] = 'n'
  entry[#entry + 1] = ''
end
local number = #entry + 2 -- where it goes, if there is anything to tell
entry[number - 1], entry[number] = 's', ''
local function fit(selector, length)
  local kind = string.sub(selector, 1, 1)
  if redis.call('ZSCORE', KEYS[4], kind .. length) or redis.call('ZCARD', KEYS[4]) < 64 then
    return selector, length
  end
  local best = 0
  for _, other in ipairs(redis.call('ZRANGE', KEYS[4], 0, -1)) do
    local size = tonumber(string.sub(other, 2))
    if string.sub(other, 1, 1) == kind and size < length and size > best then best = size end
  end
  return string.sub(selector, 1, #selector - length + best), best
end
local function stamp(ms, counter)
  local high = math.floor(ms / 4294967296)
  return struct.pack('>I2I4I2', high, ms - high * 4294967296, counter)
end
-- Raises a floor, and returns what it has become.
local function raise(set, member, floor, known)
  local score = position(floor)
  local other = tonumber(redis.call('ZSCORE', set, member) or 0)
  if (other >= score or other > known) and math.abs(other - score) <= skew then
    score = math.max(other, score) + 1 / 4096
    local ms = math.floor(score)
    local counter = (score - ms) * 4096
    floor = stamp(ms, counter < 4095 and counter or 65535) .. string.rep('\0', 8)
  end
  redis.call('ZADD', set, 'GT', string.format('%.17g', score), member)
  return floor
end
for n = 6, #KEYS do
  local at = 9 + (n - 6) * 4
  local selector, floor, length, known = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
  if milliseconds(floor) > latest then floor = stamp(now, 65535) .. string.sub(floor, 9) end
  if string.sub(selector, 1, 1) == 'k' then
    floor = raise(KEYS[2], selector, floor, known)
    local held = version_at(KEYS[n])
    if held then
      held = oldest(held, redis.call('GETRANGE', KEYS[n], 17, 17), redis.call('GETRANGE', KEYS[n], -16, -1))
    end
    if not held or compare(held, floor) < 0 or (string.sub(held, 9) ~= string.sub(floor, 9)
        and position(held) <= position(floor) + skew) then
      redis.call('DEL', KEYS[n])
    end
  else
    local member = selector
    if length ~= '' then
      member, length = fit(selector, tonumber(length))
      if member ~= selector then known = 0 end
      local score = string.format('%.17g', position(floor))
      redis.call('ZADD', KEYS[4], 'GT', score, string.sub(selector, 1, 1) .. length)
      if member == 'w' then member = 'a' end
    end
    floor = raise(KEYS[3], member, floor, known)
  end
  entry[#entry + 1] = selector
  entry[#entry + 1] = floor
end
local place = ''
if #entry > number then
  entry[number] = number_of_entry(KEYS[5])
  place = redis.call(unpack(entry))
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('(%.0f', now - tonumber(ARGV[5])))
local outlived = string.format('(%.0f', now - tonumber(ARGV[6]))
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', outlived)
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', outlived)
-- So many at a time take Redis no time worth speaking of, and no call adds as many.
local too_many = math.min(redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[8]), 1000)
if too_many > 0 then
  local popped = redis.call('ZPOPMIN', KEYS[2], too_many)
  redis.call('ZADD', KEYS[3], 'GT', popped[#popped], 'a')
end
local excess = redis.call('ZCARD', KEYS[3]) - tonumber(ARGV[7])
if excess > 0 then
  local oldest_ones = redis.call('ZPOPMIN', KEYS[3], excess)
  for n = 1, #oldest_ones, 2 do
    local all = string.sub(oldest_ones[n], 1, 1) == 's' and 'sa' or 'a'
    redis.call('ZADD', KEYS[3], 'GT', oldest_ones[n + 1], all)
  end
end
return place
)lua";

// A lease spares the upstreams requests; nothing depends on its being kept. A holder that was paused beyond
// its time puts what it fetched all the same, and the newest version wins.
constexpr std::string_view lease_text = R"lua(
local record = redis.pcall('GET', KEYS[1])
if type(record) == 'string' and string.sub(record, 1, 16) ~= ARGV[3] then return record end
local held = redis.call('GET', KEYS[2])
if not held or held == ARGV[1] then
  redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
  return 1
end
if held == 'unshareable' then return 2 end
return {redis.call('PTTL', KEYS[2])}
)lua";

constexpr std::string_view end_lease_text = R"lua(
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local what = ARGV[2]
if what == 'renew' then return redis.call('PEXPIRE', KEYS[1], ARGV[6]) end
if what == 'unshareable' then
  redis.call('SET', KEYS[1], what, 'PX', ARGV[6])
else
  redis.call('DEL', KEYS[1])
end
if what ~= 'stored' then
  local number = number_of_entry(KEYS[3])
  local entry = {'XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', 'i', ARGV[4], 's', number}
  if redis.call('EXISTS', KEYS[2]) == 0 then
    entry[#entry + 1] = 'n'
    entry[#entry + 1] = ''
  end
  entry[#entry + 1] = (what == 'over' and 'l' or 'm') .. ARGV[5]
  entry[#entry + 1] = ARGV[1]
  redis.call(unpack(entry))
end
return 1
)lua";

/// Of a millisecond, in a position.
constexpr unsigned steps = 4096;

/// The checker's mutants have one line of a script changed; without one, this is nothing.
void plant(std::string& text, mutant what, std::string_view line, std::string_view instead) {
    if (planted == what && text.find(line) != std::string::npos)
        text.replace(text.find(line), line.size(), instead);
}

script make(std::string text) {
    plant(text, mutant::put_ignores_versions, "elseif order < 0 then", "elseif false then");
    plant(text, mutant::put_ignores_floors, "return made <= floor", "return false");
    plant(text, mutant::purge_keeps_record, "redis.call('DEL', KEYS[n])", "redis.call('EXISTS', KEYS[n])");
    plant(text, mutant::floor_hides_floor, "if (other >= score or other > known)", "if false");
    std::string sha = sha1_hex(text);
    return {std::move(text), std::move(sha)};
}

} // namespace

std::string position_text(const store::version& v) {
    const auto counter = std::min<std::uint64_t>(v.stamp & 0xffff, steps - 1);
    char text[32];
    // Exact: 41 bits of milliseconds and 12 of the fraction.
    const double position = static_cast<double>(v.stamp >> 16) + static_cast<double>(counter) / steps;
    const auto end = std::to_chars(text, text + sizeof text, position).ptr;
    return {text, end};
}

std::optional<store::version> version_at_score(std::string_view text) noexcept {
    double position = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, position);
    if (text.empty() || error != std::errc{} || stop != end) return std::nullopt;
    if (!(position >= 0 && position < 281474976710656.0)) return std::nullopt; // 2^48
    const double ms = std::floor(position);
    auto counter = static_cast<std::uint64_t>((position - ms) * steps);
    if (counter == steps - 1) counter = 0xffff; // whatever lies above has this position
    return store::version{static_cast<std::uint64_t>(ms) << 16 | counter,
                          std::numeric_limits<std::uint64_t>::max()};
}

const script& put_script() {
    static const script instance = make(std::string(numbering).append(common).append(put_text));
    return instance;
}

const script& purge_script() {
    static const script instance = make(std::string(numbering).append(common).append(purge_text));
    return instance;
}

const script& lease_script() {
    static const script instance = make(std::string(lease_text));
    return instance;
}

const script& end_lease_script() {
    static const script instance = make(std::string(numbering).append(end_lease_text));
    return instance;
}

} // namespace meshcache::replica
