-- How does it look on the wire when a client refuses a certificate?
local bank = "https://bank.lab.test/"
local in_handshake = "in the handshake, with an alert"
local hung_up = "in the handshake, by hanging up"
local good_bye = "after the handshake, with close_notify"
local fin = "after the handshake, with a FIN and no word"
local rst = "after the handshake, with a RST"
local never = "it did not refuse in time"
local ways = { in_handshake, hung_up, good_bye, fin, rst, never }

-- What the attacker, at the other end of the conversation, saw of it.
local function way_of(run, act)
  local how = run.acts[act].how
  if how == "alert" then return in_handshake end
  if how == "abort" then return hung_up end
  if how == "close_notify" then return good_bye end
  if how == "data" then return never end
  for _, step in ipairs(run.steps) do
    for _, item in ipairs(step.evidence) do
      if item.act == act and item.decoded == "TCP RST" then return rst end
    end
  end
  return fin
end

local function which(act)
  return { "How did " .. act .. " refuse?",
           function(run) return way_of(run, act) end, choices = ways }
end

local function hints(where, filter)
  return { "Find the conversation of this name in " .. where .. ".",
           "In its frames, look at the last that the victim sent: " .. filter,
           "The line \"saw the victim ...\" below its command says it in words." }
end

return lab {
  title    = "Four ways to say no",
  question = "How does a refused certificate look on the wire?",
  claims   = { "003.7", "004.14" },
  minutes  = 20,
  topology = { "switch", "loopback" },
  bare     = true,
  secrets  = "all",
  places   = { "victim", "attacker", "server" },
  names    = { ["bank.lab.test"] = "server" },
  route    = { { "victim", to = "server", via = "attacker" } },
  start    = {
    { "bank-server", at = "server", name = "bank.lab.test", https = true },
  },

  steps = {
    { "No, in the handshake",
      attacks = { { "forged-cert", at = "attacker", forgery = "t03" } },
      predict = {
        { "The forged certificate comes from an unknown CA. Does TLS oblige " ..
          "a client to say why it leaves?",
          { "yes, it must send an alert", "no, some just hang up" },
          answer = "no, some just hang up" },
        { "TLS 1.3 encrypts what follows the server's hello. B, a client of " ..
          "OpenSSL, sends its alert there. Can somebody who only listens " ..
          "read it?",
          { "yes, as in TLS 1.2", "no, it is encrypted" },
          answer = "yes, as in TLS 1.2" },
      },
      act = {
        { "https-client", as = "A", at = "victim", get = bank, tls = "1.2" },
        { "https-client", as = "B", at = "victim", get = bank, tls = "1.3" },
        { "https-client-late", as = "C", at = "victim", get = bank,
          tls = "1.2", leave = "abort" },
      },
      expect = {
        A = { verdict = "refused", how = "alert", alert = "unknown_ca",
              app_bytes = 0, exit = 60 },
        B = { verdict = "refused", how = "alert", alert = "unknown_ca",
              app_bytes = 0, exit = 60 },
        C = { verdict = "refused", how = "abort", app_bytes = 0, exit = 60 },
        { "A and B: the alert is on the wire in clear",
          check = function(run)
            local alert = "\21\3\3\0\2\2\48" -- fatal, 48
            return run.acts.A.wire_count(alert) > 0 and
              run.acts.B.wire_count(alert) > 0
          end },
      },
      evidence = {
        { "A: the alert, in clear", act = "A", kind = "tls.alert",
          leg = "victim", filter = "tls.alert_message.desc == 48" },
        { "B: the alert, in TLS 1.3 and in clear", act = "B",
          kind = "tls.alert", leg = "victim",
          filter = "tls.alert_message.desc == 48 and not tls.record.opaque_type" },
        { "C: the victim ends the connection, with no alert before",
          act = "C", kind = "flow.end", leg = "victim",
          filter = "tcp.flags.fin == 1 and ip.src == " .. address.victim },
      } },

    { "No, after the handshake",
      attacks = { { "forged-cert", at = "attacker", forgery = "n01" } },
      predict = {
        { "These clients complete the handshake with a certificate for " ..
          "another name, and check it then. Has that cost them anything?",
          { "yes, their password", "no, not a byte of their own went out" },
          answer = "no, not a byte of their own went out" },
        { "A handshake that is complete, then close_notify. Who looks like " ..
          "that on the wire?",
          { "only a client that refuses", "a client that changed its mind, too" },
          answer = "a client that changed its mind, too" },
      },
      act = {
        { "https-client-late", as = "D", at = "victim", get = bank,
          tls = "1.2", leave = "close" },
        { "https-client-late", as = "E", at = "victim", get = bank,
          tls = "1.3", leave = "close" },
        { "https-client-late", as = "F", at = "victim", get = bank,
          tls = "1.3", leave = "fin" },
        { "https-client-late", as = "G", at = "victim", get = bank,
          tls = "1.2", leave = "reset" },
      },
      expect = {
        D = { verdict = "refused", how = "close_notify", app_bytes = 0,
              exit = 60 },
        E = { verdict = "refused", how = "close_notify", app_bytes = 0,
              exit = 60 },
        F = { verdict = "refused", how = "silent", app_bytes = 0, exit = 60 },
        G = { verdict = "refused", how = "silent", app_bytes = 0, exit = 60 },
        { "D: an alert can be seen, and not which; E: not even that",
          check = function(run)
            local record, clear = "\21\3\3\0", "\21\3\3\0\2"
            return run.acts.D.wire_count(record) > 0 and
              run.acts.D.wire_count(clear) == 0 and
              run.acts.E.wire_count(record) == 0
          end },
      },
      evidence = {
        { "D: close_notify, the polite good-bye", act = "D",
          kind = "tls.alert", leg = "victim", data = { name = "close_notify" },
          filter = "tls.alert_message.desc == 0" },
        { "E: the same in TLS 1.3, dressed as application data", act = "E",
          kind = "tls.alert", leg = "victim", data = { name = "close_notify" },
          filter = "tls.alert_message.desc == 0 and " ..
                   "tls.record.opaque_type == 23" },
        { "F: TCP ends, and TLS says nothing", act = "F", kind = "flow.end",
          leg = "victim",
          filter = "tcp.flags.fin == 1 and ip.src == " .. address.victim },
        { "G: the connection is torn down", act = "G", kind = "flow.end",
          leg = "victim",
          filter = "tcp.flags.reset == 1 and ip.src == " .. address.victim },
      } },

    { "No, and too late",
      attacks = { { "forged-cert", at = "attacker", forgery = "v01" } },
      predict = {
        { "This client prints \"certificate refused\" like the others, and " ..
          "has the same exit code. What can the attacker know?",
          { "nothing", "the session cookie" },
          answer = "the session cookie" },
      },
      act = {
        { "https-client-too-late", as = "H", at = "victim", get = bank,
          tls = "1.3", field = "Cookie: session=" .. canary.session },
      },
      expect = {
        H = { verdict = "accepted", how = "data", exit = 60,
              output = "certificate refused", attacker_reads = canary.session },
      },
      evidence = {
        { "H: the cookie, on its way to the attacker", act = "H",
          kind = "http.request", leg = "victim", place = "attacker",
          filter = 'http.cookie contains "' .. canary.session ..
                   '" and ip.src == ' .. address.victim },
      } },

    { "Programs that you know",
      attacks = { { "forged-cert", at = "attacker", forgery = "n01" } },
      act = {
        { "https-client", as = "ours", at = "victim", get = bank },
        { "curl", as = "curl", at = "victim", optional = true,
          args = { "--silent", "--show-error", "--cacert", file.trust, bank } },
        { "wget", as = "wget", at = "victim", optional = true,
          args = { "--quiet", "--tries=1", "--output-document=-",
                   "--ca-certificate=" .. file.trust, bank } },
        { "node", as = "node", at = "victim", optional = true,
          args = { "-e", "require('https').get({ host: 'bank.lab.test', " ..
                   "ca: require('fs').readFileSync('trust.pem') })" ..
                   ".on('error', e => { console.log(e.code); " ..
                   "process.exit(1) })" } },
      },
      expect = {
        ours = { verdict = "refused", how = "alert", alert = "bad_certificate",
                 app_bytes = 0 },
        curl = { verdict = "refused", app_bytes = 0 },
        wget = { verdict = "refused", app_bytes = 0 },
        node = { verdict = "refused", app_bytes = 0 },
      },
      evidence = {
        { "the alert of our own client", act = "ours", kind = "tls.alert",
          leg = "victim", filter = "tls.alert_message.desc == 42" },
      } },
  },

  questions = {
    which("A"), which("B"), which("C"), which("D"),
    which("E"), which("F"), which("G"), which("H"),
    { "Which frame carries the cookie of H?",
      function(run) return run.steps[3].evidence[1].frame end },
    { "What is the number of the alert in A?",
      function(run) return run.acts.A.alert_code end },
  },
  hints = {
    hints("step 1", "tls.alert_message"),
    hints("step 1", "tls.alert_message"),
    hints("step 1", "is there any TLS record from the victim behind the " ..
          "certificate?"),
    hints("step 2", "tls.alert_message"),
    hints("step 2", "tls.alert_message"),
    hints("step 2", "tcp.flags.fin == 1"),
    hints("step 2", "tcp.flags.reset == 1"),
    hints("step 3", "did anything go out before it?"),
    { "Step 3 printed it.", "Use the display filter of that step.",
      "It holds GET /, decrypted." },
    { "RFC 8446 6 has the list.", "Filter for tls.alert_message.",
      "Wireshark shows it behind Description." },
  },
  solution = {
    predict = { { "no, some just hang up", "yes, as in TLS 1.2" },
                { "no, not a byte of their own went out",
                  "a client that changed its mind, too" },
                { "the session cookie" }, {} },
    answers = { in_handshake, in_handshake, hung_up, good_bye, good_bye, fin,
                rst, never, true, "48" },
  },
  wrong = {
    predict = { { "yes, it must send an alert", "no, it is encrypted" },
                { "yes, their password", "only a client that refuses" },
                { "nothing" }, {} },
    answers = { in_handshake, good_bye, in_handshake, hung_up, fin, rst, fin,
                good_bye, "1", "0" },
  },
}
