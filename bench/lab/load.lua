-- What wrk sends, told by the environment: TOKEN, and either one path (LOAD_PATH), or paths with ids up to LOAD_IDS in
-- place of %d, or one of several lines by chance, in a random or (LOAD_SEQUENTIAL) rising order; LOAD_METHOD with LOAD_BODY (%d in it: a random number).
local path = os.getenv("LOAD_PATH")
local ids = tonumber(os.getenv("LOAD_IDS") or "0")
local method = os.getenv("LOAD_METHOD") or "GET"
local body = os.getenv("LOAD_BODY")

wrk.headers["Authorization"] = "Bearer " .. os.getenv("TOKEN")
if os.getenv("LOAD_NO_CACHE") then wrk.headers["Cache-Control"] = "no-cache" end
if body then wrk.headers["Content-Type"] = "application/json" end
wrk.method = method
wrk.path = path

if os.getenv("LOAD_SEQUENTIAL") then
	local at = 0
	request = function()
		at = at % ids + 1
		return wrk.format(method, string.format(path, at), nil, nil)
	end
elseif ids > 0 or body or string.find(path, "\n") then
	local made = {}
	local count = 50000
	local paths = {}
	for line in string.gmatch(path, "[^\n]+") do paths[#paths + 1] = line end
	init = function(args)
		math.randomseed(os.time() + os.clock() * 1000000)
		for i = 1, count do
			local text = body and string.gsub(body, "%%d", tostring(math.random(0, 99999))) or nil
			made[i] = wrk.format(method, string.gsub(paths[math.random(#paths)], "%%d", tostring(math.random(1, math.max(ids, 1)))), nil, text)
		end
	end
	local at = 0
	request = function()
		at = at % count + 1
		return made[at]
	end
end

done = function(summary, latency, requests)
	io.write(string.format('\nRESULT {"requests":%d,"seconds":%.6f,"p50_us":%d,"p99_us":%d,"refused":%d,"broken":%d,"bytes":%d}\n',
		summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99), summary.errors.status,
		summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout, summary.bytes))
end
