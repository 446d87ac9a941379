-- Puts a job into the list of its organization, unless it is in one.
--
-- KEYS  1 list of the organization's jobs, 2 ring, 3 set of present ids, 4 bell
-- ARGV  1 job id, 2 cost, 3 organization, 4 most tokens on the bell
-- Returns 1 when the job was put, 0 when it was there.
if redis.call('SADD', KEYS[3], ARGV[1]) == 0 then
  return 0
end
if redis.call('RPUSH', KEYS[1], ARGV[2] .. ' ' .. ARGV[1]) == 1 then
  redis.call('RPUSH', KEYS[2], ARGV[3])
end
if redis.call('LLEN', KEYS[4]) < tonumber(ARGV[4]) then
  redis.call('RPUSH', KEYS[4], '1')
end
return 1
