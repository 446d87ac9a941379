-- Takes the next job: by priority, then deficit round robin over the organizations.
--
-- Each time an organization's turn comes, it saves a quantum; it is served when its savings reach
-- the cost of its first job, and goes to the end of the ring. The one served last is passed over
-- while another one waits. When a whole round serves nobody, as many rounds as the nearest one
-- needs are granted at once.
--
-- KEYS  1 set of present ids, 2 organization served last, then for each priority three:
--       ring, hash of savings, prefix of the organizations' lists
-- ARGV  1 quantum
-- Returns the job id, or nil.
local present, last_key = KEYS[1], KEYS[2]
local quantum = tonumber(ARGV[1])

-- The cost of an organization's first job; nil when its list is gone.
local function first_cost(prefix, organization)
  local entry = redis.call('LINDEX', prefix .. organization, 0)
  return entry and tonumber(string.match(entry, '^%d+'))
end

local function serve(ring, savings, prefix, organization, saved, cost)
  local entry = redis.call('LPOP', prefix .. organization)
  local id = string.match(entry, ' (.*)$')
  redis.call('LREM', ring, 1, organization)
  if redis.call('EXISTS', prefix .. organization) == 1 then
    redis.call('RPUSH', ring, organization)
    redis.call('HSET', savings, organization, saved - cost)
  else
    redis.call('HDEL', savings, organization)
  end
  redis.call('SET', last_key, organization)
  redis.call('SREM', present, id)
  return id
end

local function pop(ring, savings, prefix)
  local waiting = redis.call('LLEN', ring)
  local last = redis.call('GET', last_key)
  local nearest, rounds, round = nil, nil, {}
  for _ = 1, waiting do
    local organization = redis.call('LINDEX', ring, 0)
    local cost = first_cost(prefix, organization)
    if not cost then
      redis.call('LPOP', ring)
      redis.call('HDEL', savings, organization)
    else
      local saved = tonumber(redis.call('HGET', savings, organization) or 0)
      saved = math.min(saved + quantum, math.max(cost, quantum))
      if organization ~= last or waiting == 1 then
        if saved >= cost then
          return serve(ring, savings, prefix, organization, saved, cost)
        end
        local needed = math.ceil((cost - saved) / quantum)
        if not rounds or needed < rounds then
          nearest, rounds = organization, needed
        end
      end
      round[#round + 1] = {organization, saved, cost}
      redis.call('HSET', savings, organization, saved)
      redis.call('LMOVE', ring, ring, 'LEFT', 'RIGHT')
    end
  end
  -- Only the one served last is left, after lists that were gone.
  if not nearest and #round > 0 then
    nearest, rounds = round[1][1], math.max(0, math.ceil((round[1][3] - round[1][2]) / quantum))
  end
  local id = nil
  for _, turn in ipairs(round) do
    local organization, cost = turn[1], turn[3]
    local saved = math.min(turn[2] + rounds * quantum, math.max(cost, quantum))
    if organization == nearest then
      id = serve(ring, savings, prefix, organization, saved, cost)
    else
      redis.call('HSET', savings, organization, saved)
    end
  end
  return id
end

for at = 3, #KEYS, 3 do
  local id = pop(KEYS[at], KEYS[at + 1], KEYS[at + 2])
  if id then
    return id
  end
end
return nil
