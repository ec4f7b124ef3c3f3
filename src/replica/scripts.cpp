#include "keys.hpp"
#include "scripts.hpp"

#include <meshcache/base/test_hooks.hpp>

#include <utility>

namespace meshcache::replica {
namespace {

// Versions are compared byte by byte: `<` on Lua strings follows the locale in which Redis was started.
// A floor is in milliseconds (a double holds those, not a whole version), so a version made in the very
// millisecond of a floor counts as below it: an extra miss, never a stale answer.
constexpr std::string_view common = R"lua(
local function milliseconds(version)
  local a, b, c, d, e, f = string.byte(version, 1, 6)
  return ((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f
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
-- The version of the record at that name; nil if there is none, or nothing that could be one, or one that a
-- broken clock made: all of these make way.
local function version_at(name)
  local held = redis.pcall('GETRANGE', name, 0, 15)
  if type(held) == 'string' and #held == 16 and milliseconds(held) <= latest then return held end
  return nil
end
local entry = {'XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'i', ARGV[2]}
local bare = #entry
)lua";

// A replica whose clock runs ahead may have made an older response with a version above a floor. So a record
// is held against the floor itself only if its maker knew of that floor, and else against the floor and the
// skew that is allowed between clocks.
constexpr std::string_view put_text = R"lua(
local skew = tonumber(ARGV[4])
local function floor_above(made, selector, known)
  local floor = redis.call('ZSCORE', KEYS[2], selector)
  if not floor then return false end
  floor = tonumber(floor)
  if tonumber(known) < floor then floor = floor + skew end
  return made <= floor
end
local verdicts = {}
for n = 3, #KEYS do
  local at = 6 + (n - 3) * 4
  local key, record = ARGV[at], ARGV[at + 1]
  local version = string.sub(record, 1, 16)
  local made = milliseconds(version)
  local held = version_at(KEYS[n])
  local order = held and compare(version, held) or 1
  local verdict = 0
  if made > latest then
    verdict = 3
  elseif floor_above(made, 'a', ARGV[5]) or floor_above(made, 'k' .. key, ARGV[at + 3]) then
    verdict = 2
  elseif order == 0 then
    verdict = 4
  elseif order < 0 then
    verdict = 1
  else
    redis.call('SET', KEYS[n], record, 'PX', ARGV[at + 2])
    entry[#entry + 1] = 'p' .. key
    entry[#entry + 1] = version
  end
  verdicts[#verdicts + 1] = verdict
end
if #entry > bare then redis.call(unpack(entry)) end
return verdicts
)lua";

// A floor of a broken clock is taken down to the clock of Redis: an invalidation must neither be lost
// nor drag the others along.
//
// Floors are kept for a day. What a floor holds back are older responses that may still come: those in flight
// or queued somewhere (seconds to minutes), and those in a replica that was cut off. A replica that was cut
// off for longer than that puts nothing again, and drops what Redis does not hold (see reconciler), so after
// a day nothing is left for a floor to hold back.
constexpr std::string_view purge_text = R"lua(
for n = 3, #KEYS do
  local at = 6 + (n - 3) * 2
  local selector, floor = ARGV[at], ARGV[at + 1]
  if milliseconds(floor) > latest then
    local high = math.floor(now / 4294967296)
    floor = struct.pack('>I2I4I2', high, now - high * 4294967296, 65535) .. string.sub(floor, 9)
  end
  redis.call('ZADD', KEYS[2], 'GT', string.format('%.0f', milliseconds(floor)), selector)
  if string.sub(selector, 1, 1) == 'k' then
    local held = version_at(KEYS[n])
    if not held or compare(held, floor) < 0 or (string.sub(held, 9) ~= string.sub(floor, 9)
        and milliseconds(held) <= milliseconds(floor) + tonumber(ARGV[4])) then
      redis.call('DEL', KEYS[n])
    end
  end
  entry[#entry + 1] = selector
  entry[#entry + 1] = floor
end
local position = ''
if #entry > bare then position = redis.call(unpack(entry)) end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('(%.0f', now - tonumber(ARGV[5])))
return position
)lua";

/// The checker's mutants have one line of a script changed; without one, this is nothing.
void plant(std::string& text, mutant what, std::string_view line, std::string_view instead) {
    if (planted == what && text.find(line) != std::string::npos)
        text.replace(text.find(line), line.size(), instead);
}

script make(std::string_view body) {
    std::string text(common);
    text += body;
    plant(text, mutant::put_ignores_versions, "elseif order < 0 then", "elseif false then");
    plant(text, mutant::put_ignores_floors, "return made <= floor", "return false");
    plant(text, mutant::purge_keeps_record, "redis.call('DEL', KEYS[n])", "redis.call('EXISTS', KEYS[n])");
    std::string sha = sha1_hex(text);
    return {std::move(text), std::move(sha)};
}

} // namespace

const script& put_script() {
    static const script instance = make(put_text);
    return instance;
}

const script& purge_script() {
    static const script instance = make(purge_text);
    return instance;
}

} // namespace meshcache::replica
