-- Ninety certificates, one careful client, seven that are not. Who takes what?
local exhibits = {
  "c00-c01", "t01-t11", "s01-s08", "v01-v04", "v06-v08", "n01-n15", "n17-n20",
  "n22", "n25-n26", "p01-p08", "p10-p16", "p19-p21", "u01-u06", "x01-x03",
  "x05-x09", "x11", "k01-k03", "k05-k07", "r02",
}
-- What the careful client takes: legal, if unusual, or wrong in a way that no
-- client of TLS looks at.
local fair = { c00 = true, c01 = true, t08 = true, v04 = true, n06 = true,
               n12 = true, n19 = true, p08 = true, p11 = true, p15 = true,
               p16 = true, u03 = true, u05 = true, x02 = true, x05 = true,
               x08 = true, x09 = true, r02 = true }
local flawed = { "no-verify", "no-name-check", "no-dates", "any-root",
                 "no-purpose", "no-ca-check", "name-prefix" }
local rig = address.server .. ":443"

local yes, no = "accepted", "refused"
local chain = "whether the chain ends at a CA on the list"
local signature = "the signatures of the chain"
local key = "whether the server has the key"
local dates = "the dates"
local name = "the name"
local powers = "what a CA may do"
local purpose = "the purpose"
local critical = "critical extensions"
local strength = "how strong the keys are"
local nothing = "nothing: no check of a careful client objects"

local function verdicts(run, act)
  local seen = {}
  for _, event in ipairs(run.events) do
    if event.kind == "tls.verdict" and event.role == "server" and
       event.act == act then
      seen[event.data.forgery] = event.data.verdict
    end
  end
  return seen
end

local all = {}
for _, some in ipairs(exhibits) do
  local letter, from, to = some:match("^(%l)(%d+)-?%l?(%d*)$")
  for number = tonumber(from), tonumber(to) or tonumber(from) do
    all[#all + 1] = string.format("%s%02d", letter, number)
  end
end

local function taken(run, act)
  local seen, count = verdicts(run, act), 0
  for _, id in ipairs(all) do
    if seen[id] == yes then count = count + 1 end
  end
  return count
end

local function tour(as, client)
  return { "tour", as = as, at = "victim", quiet = true, client = client,
           connect = rig, visit = exhibits }
end

-- A prediction about one exhibit.
local function guess(who, id, what, answer, because)
  return { who .. " meets " .. id .. ", " .. what .. ":", { yes, no },
           answer = answer, because = because }
end

local tours, checks = {}, {
  { "without the key (s04, s08) nobody gets through",
    check = function(run)
      for _, client in ipairs(flawed) do
        local seen = verdicts(run, client)
        if seen.s04 ~= no or seen.s08 ~= no then return false end
      end
      return true
    end },
}
for _, client in ipairs(flawed) do
  tours[#tours + 1] = tour(client, "https-client-" .. client)
  checks[#checks + 1] = {
    client .. " takes what the careful client refused",
    check = function(run)
      local seen = verdicts(run, client)
      for _, id in ipairs(all) do
        if seen[id] == yes and not fair[id] then return true end
      end
      return false
    end }
end

return lab {
  title    = "The forger's gallery",
  question = "Which check stops which forgery?",
  claims   = { "002.16", "003.7", "004.16" },
  minutes  = 45,
  topology = { "switch", "loopback" },
  secrets  = "all",
  places   = { "victim", "server" },
  names    = { ["bank.lab.test"] = "server" },
  start    = {
    { "rig", at = "server", name = "bank.lab.test", https = 443,
      forgeries = "c,t,s,v,n,p,u,x,k01,k02,k03,k05,k06,k07,r02",
      ["by-name"] = true, brief = true },
  },
  enough   = 80,

  steps = {
    { "The careful client",
      predict = {
        guess("It", "t07", "genuine, but the intermediate CA is not sent", no,
              chain),
        guess("It", "t08", "a good chain, sent in the wrong order", yes,
              nothing),
        guess("It", "s03", "the bank's name written in after signing", no,
              signature),
        guess("It", "s04", "the genuine certificate, without its private key",
              no, key),
        guess("It", "v04", "valid for ten years", yes, nothing),
        guess("It", "n02", "the name in the subject only", no, name),
        guess("It", "n06", "*.lab.test", yes, nothing),
        guess("It", "n07", "a wildcard for part of a label, n*.lab.test", no,
              name),
        guess("It", "p05", "a CA that may only sign for other names", no,
              powers),
        guess("It", "u03", "no extended key usage at all", yes, nothing),
        guess("It", "x01", "an unknown extension, marked critical", no,
              critical),
        guess("It", "k01", "an RSA key of 1024 bits", no, strength),
        guess("It", "r02", "revoked, on a list that the client does not ask for",
              yes, nothing),
      },
      act = { tour("careful", "https-client") },
      expect = {
        { "the careful client takes what is fair, and nothing else",
          check = function(run)
            local seen = verdicts(run, "careful")
            for _, id in ipairs(all) do
              if seen[id] ~= (fair[id] and yes or no) then return false end
            end
            return true
          end },
      },
      evidence = {
        { "a good certificate: the client asks for its page",
          act = "careful", kind = "http.request", data = { forgery = "c00" },
          filter = 'http.host == "c00.lab.test"' },
        { "a wrong signature: the first alert decrypt_error", act = "careful",
          kind = "tls.alert", data = { name = "decrypt_error" },
          filter = "tls.alert_message.desc == 51" },
        { "a wrong name, among others: the first alert bad_certificate",
          act = "careful", kind = "tls.alert",
          data = { name = "bad_certificate" },
          filter = "tls.alert_message.desc == 42" },
      } },

    { "Seven that are not",
      predict = {
        guess("no-dates", "v03", "an intermediate CA that has run out", yes,
              dates),
        guess("no-verify", "s08", "a handshake that is signed wrongly", no, key),
        guess("no-name-check", "t03", "signed by an unknown CA", no, chain),
        guess("any-root", "n01", "a good CA, another name", no, name),
        guess("no-purpose", "u02", "a certificate for signing programs", yes,
              purpose),
        guess("no-ca-check", "p01", "signed with the key of an ordinary " ..
              "certificate", yes, powers),
        guess("name-prefix", "n17", "a zero byte behind the bank's name", yes,
              name),
      },
      act = tours, expect = checks,
      evidence = {
        { "a request to a server whose certificate ran out", act = "no-dates",
          kind = "http.request", data = { forgery = "v01" },
          filter = 'http.host == "v01.lab.test"' },
        { "a request to one whom nobody knows", act = "any-root",
          kind = "http.request", data = { forgery = "t03" },
          filter = 'http.host == "t03.lab.test"' },
      } },
  },

  questions = {
    { "How many of the exhibits does the careful client take?",
      function(run) return taken(run, "careful") end },
    { "How many does no-verify refuse, all told?",
      function(run)
        local seen, count = verdicts(run, "no-verify"), 0
        for _, id in ipairs(all) do
          if seen[id] == no then count = count + 1 end
        end
        return count
      end },
    { "How many does no-name-check take?",
      function(run) return taken(run, "no-name-check") end },
  },
  hints = {
    { "Step 1 sent it on a tour.", "Its output has a line for each exit code.",
      "The number behind exit 0." },
    { "Look at its tour in step 2.", "Everything but exit 0.",
      "It is the two for which a key was missing." },
    { "Look at its tour in step 2.", "Its output has a line for each exit code.",
      "The number behind exit 0." },
  },
  -- A quarter is missed, and made good: so that this way to pass is played too.
  solution = {
    predict = { { yes, no, yes, no, yes, no, no, yes, no, yes, no, no, yes },
                { yes, no, no, no, yes, yes, yes } },
    answers = { true, true, true },
  },
  wrong = {
    predict = { { yes, no, yes, yes, no, yes, no, yes, yes, no, yes, yes, no },
                { no, yes, yes, yes, no, no, no } },
    answers = { true, true, true },
  },
}
