-- Asks with LuaSec, and prints the body as it comes.

local https = require("ssl.https")
local ltn12 = require("ltn12")

local mode, gate = arg[1], arg[2]
local more = mode == "stream" and (', "stream": true, "standin": {"gate": "%s"}'):format(gate) or ""
local body = '{"model": "gpt-4o", "messages": [{"role": "user", "content": "hello there"}]' .. more .. "}"
io.stdout:setvbuf("no")
local done, status = https.request({
  url = "https://api.openai.com/v1/chat/completions",
  method = "POST",
  headers = {
    ["Content-Type"] = "application/json",
    ["Content-Length"] = #body,
    ["Authorization"] = "Bearer " .. os.getenv("OPENAI_API_KEY"),
  },
  source = ltn12.source.string(body),
  sink = function(chunk) io.write(chunk or "") return 1 end,
})
assert(done and status == 200, status)
