-- Six clients, one wrong line each. Which forgeries does each line let in?
local clients = {
  "no-dates", "no-purpose", "any-root", "no-ca-check", "no-signature",
  "name-prefix",
}
local controls = { "c00", "c01" }
local forgeries = {
  "t01", "t02", "t03", "t04", "t06", "t07", "s01", "s02", "s03", "s04", "s05",
  "v01", "v02", "v03", "v06", "n01", "n02", "n03", "n04", "n05", "n07", "n11",
  "n17", "n18", "p01", "p02", "p03", "p04", "p05", "p07", "u01", "u02", "u04",
  "u06", "x01",
}
local exhibits = {
  "c00-c01", "t01-t04", "t06-t07", "s01-s05", "v01-v03", "v06", "n01-n05",
  "n07", "n11", "n17-n18", "p01-p05", "p07", "u01-u02", "u04", "u06", "x01",
}
local rig = address.server .. ":443"

-- What each conversation of a tour came to, as the server saw it.
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

local function taken(run, act)
  local seen, count = verdicts(run, act), 0
  for _, id in ipairs(forgeries) do
    if seen[id] == "accepted" then count = count + 1 end
  end
  return count
end

local function takes_controls(run, act)
  local seen = verdicts(run, act)
  for _, id in ipairs(controls) do
    if seen[id] ~= "accepted" then return false end
  end
  return true
end

local function refuses_all(run, act)
  local seen = verdicts(run, act)
  for _, id in ipairs(forgeries) do
    if seen[id] ~= "refused" then return false end
  end
  return true
end

-- Step 1: all clients as they are.
local first, fooled = {
  { "tour", as = "careful", at = "victim", quiet = true,
    client = "https-client", connect = rig, visit = exhibits },
}, {
  { "the careful client takes the two good certificates",
    check = function(run) return takes_controls(run, "careful") end },
  { "and refuses every forgery",
    check = function(run) return refuses_all(run, "careful") end },
}
for _, name in ipairs(clients) do
  first[#first + 1] = { "tour", as = name, at = "victim", quiet = true,
                        client = "https-client-" .. name, connect = rig,
                        visit = exhibits }
  fooled[#fooled + 1] = { name .. " is fooled by some of them",
                          check = function(run)
                            return takes_controls(run, name) and
                              taken(run, name) > 0
                          end }
end

-- Step 2: the compiler. Step 3: the same tours, with what came out of it.
local builds, built, second, repaired = {}, {}, {}, {}
for _, name in ipairs(clients) do
  local source = "https_client_" .. name:gsub("-", "_") .. ".c"
  local build, again = "build-" .. name, "repaired-" .. name
  builds[#builds + 1] = {
    "cc", as = build, at = "victim",
    args = { "-D_GNU_SOURCE", "-O1", "-I", "workshop/include", "-o",
             "workshop/" .. name, "workshop/" .. source,
             "workshop/include/proxy/base/dial.c",
             "workshop/include/certs/err.c", "workshop/include/certs/verify.c",
             "-lssl", "-lcrypto", "-pthread" } }
  built[build] = { exit = 0 }
  second[#second + 1] = { "tour", as = again, at = "victim", quiet = true,
                          client = "workshop/" .. name, connect = rig,
                          visit = exhibits }
  repaired[#repaired + 1] = {
    name .. " takes the two good certificates",
    check = function(run) return takes_controls(run, again) end }
  repaired[#repaired + 1] = {
    name .. " refuses every forgery",
    check = function(run) return refuses_all(run, again) end }
  built[#built + 1] = {
    name .. ": 8 changed lines at most",
    check = function(run)
      return run.workshop["https-client-" .. name].changed <= 8
    end }
end

local function who_takes(id)
  return function(run)
    for _, name in ipairs(clients) do
      if verdicts(run, name)[id] == "accepted" then return name end
    end
    return "none"
  end
end

-- What a trainee would change; the signature in one way or another.
local function repair(signature)
  return {
    ["https-client-no-dates"] = {
      find = "X509_VERIFY_PARAM_set_flags(wanted, X509_V_FLAG_NO_CHECK_TIME);",
      put = "" },
    ["https-client-no-purpose"] = {
      find = "X509_PURPOSE_ANY", put = "X509_PURPOSE_SSL_SERVER" },
    ["https-client-any-root"] = { find = "return 1;", put = "return good;" },
    ["https-client-no-ca-check"] = {
      find = "good || depth > 0", put = "good" },
    ["https-client-no-signature"] = { find = "answer >= 0", put = signature },
    ["https-client-name-prefix"] = {
      find = "len >= strlen(host)", put = "len == strlen(host)" },
  }
end

return lab {
  title    = "Repair the client",
  question = "What does one wrong line in a client let in?",
  claims   = { "004.12" },
  minutes  = 45,
  topology = { "switch", "loopback" },
  secrets  = "all",
  places   = { "victim", "server" },
  names    = { ["bank.lab.test"] = "server" },
  start    = {
    { "rig", at = "server", name = "bank.lab.test", https = 443,
      forgeries = "c,t,s,v,n,p,u,x01",
      ["by-name"] = true, brief = true },
  },
  workshop = {
    at = "victim",
    "https-client-no-dates", "https-client-no-purpose",
    "https-client-any-root", "https-client-no-ca-check",
    "https-client-no-signature", "https-client-name-prefix",
  },

  steps = {
    { "Six clients as they are",
      predict = {
        { "p01 is signed with the key of an ordinary certificate, which no CA " ..
          "meant for signing. Which client takes it?",
          clients, answer = "no-ca-check" },
        { "n11 is a good certificate for n11.lab.test.evil.test. Who takes it " ..
          "for n11.lab.test?",
          clients, answer = "name-prefix" },
        { "One of the exhibits, s04, is a genuine certificate shown by " ..
          "somebody without its key. How many of the six take it?",
          { "none", "one", "all" }, answer = "none" },
      },
      act = first, expect = fooled,
      evidence = {
        { "the client without dates asks a server whose certificate ran out",
          act = "no-dates", kind = "http.request",
          data = { forgery = "v01" },
          filter = 'http.host == "v01.lab.test"' },
      } },

    { "The compiler", act = builds, expect = built },

    { "Six clients, repaired",
      act = second, expect = repaired,
      evidence = {
        { "the repaired client still asks the server with a good certificate",
          act = "repaired-no-dates", kind = "http.request",
          data = { forgery = "c00" },
          filter = 'http.host == "c00.lab.test"' },
        { "and says what it has found out", act = "repaired-no-dates",
          kind = "tls.alert", data = { name = "certificate_expired" },
          filter = "tls.alert_message.desc == 45" },
      } },
  },

  questions = {
    { "How many forgeries did no-dates take, before?",
      function(run) return taken(run, "no-dates") end },
    { "How many did any-root take?",
      function(run) return taken(run, "any-root") end },
    { "Who took u01, a certificate for a client?", who_takes("u01"),
      choices = clients },
    { "Who took s01, with one flipped bit?", who_takes("s01"),
      choices = clients },
  },
  hints = {
    { "Step 1 sent it on a tour.", "Look at the line that begins with exit 0.",
      "Without c00 and c01, which are good." },
    { "Step 1 sent it on a tour.", "Look at the line that begins with exit 0.",
      "Without c00 and c01, which are good." },
    { "Look for u01 behind exit 0 in step 1.", "A purpose was not asked for.",
      "Its name says so." },
    { "Look for s01 behind exit 0 in step 1.", "A signature was misread.",
      "Its name says so." },
  },
  solution = {
    predict = { { "no-ca-check", "name-prefix", "none" }, {}, {} },
    answers = { true, true, "no-purpose", "no-signature" },
    edits = repair("answer == 1"),
  },
  wrong = {
    predict = { { "any-root", "no-dates", "all" }, {}, {} },
    answers = { "0", "0", "no-dates", "any-root" },
    -- 0 is a wrong signature, and still taken for a right one.
    edits = repair("answer != -1"),
  },
}
