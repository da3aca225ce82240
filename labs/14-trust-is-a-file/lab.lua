-- What changes on the wire when one more CA is trusted?
local bank = "https://bank.lab.test/balance"

return lab {
  title    = "Trust is a file",
  question = "What changes on the wire when one more CA is trusted?",
  claims   = { "002.11", "003.7" },
  minutes  = 15,
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
    { "A rogue CA that nobody trusts",
      attacks = { { "rogue-ca", at = "attacker" } },
      predict = {
        { "The attacker has a CA of its own and a faithful copy of the bank's " ..
          "certificate. Does the victim talk to it?",
          { "yes", "no" }, answer = "no" },
      },
      act = {
        { "https-client", as = "before", at = "victim", get = bank,
          user = canary.user, password = canary.password },
      },
      expect = {
        before = { verdict = "refused", alert = "unknown_ca", app_bytes = 0,
                   exit = 60, attacker_misses = canary.password },
      },
      evidence = {
        { "the victim's refusal", act = "before", kind = "tls.alert",
          leg = "victim", filter = "tls.alert_message.desc == 48" },
      } },

    { "One more line in the trust file",
      attacks = { { "rogue-ca", at = "attacker" } },
      trust   = { victim = { "lab", "rogue" } },
      predict = {
        { "The attacker does exactly the same. What is the first thing on the " ..
          "wire that differs?",
          { "the ClientHello", "the forged certificate",
            "what the victim answers to the certificate" },
          answer = "what the victim answers to the certificate" },
        { "Who reads the password now?",
          { "only the bank", "the attacker too" },
          answer = "the attacker too" },
      },
      act = {
        { "https-client", as = "after", at = "victim", get = bank,
          user = canary.user, password = canary.password },
        { "curl", as = "curl", at = "victim", optional = true,
          args = { "--silent", "--show-error", "--cacert", file.trust,
                   "https://bank.lab.test/" } },
      },
      expect = {
        after = { verdict = "accepted", exit = 0, status = 200,
                  attacker_reads = canary.password,
                  server_gets = canary.password,
                  wire_lacks = canary.password },
        curl = { verdict = "accepted", exit = 0 },
        { "the names are the same, the issuer is not",
          check = function(run)
            local forged, original = run.acts.after.forged, run.acts.after.original
            return forged.subject == original.subject and
              forged.issuer ~= original.issuer
          end },
      },
      evidence = {
        { "the login, on the victim's side of the attacker", act = "after",
          kind = "http.request", leg = "victim", place = "attacker",
          filter = 'urlencoded-form.value == "' .. canary.password ..
                   '" and ip.src == ' .. address.victim },
      } },

    { "The line is taken out again",
      attacks = { { "rogue-ca", at = "attacker" } },
      trust   = { victim = { "lab" } },
      predict = {
        { "The extra CA is removed from the file. The victim has talked to " ..
          "this attacker before. Does it talk to it again?",
          { "yes", "no" }, answer = "no" },
      },
      act = {
        { "https-client", as = "repaired", at = "victim", get = bank,
          user = canary.user, password = canary.password },
      },
      expect = {
        repaired = { verdict = "refused", alert = "unknown_ca",
                     app_bytes = 0, exit = 60,
                     attacker_misses = canary.password },
      },
      evidence = {
        { "the victim's refusal", act = "repaired", kind = "tls.alert",
          leg = "victim", filter = "tls.alert_message.desc == 48" },
      } },
  },

  questions = {
    { "Who issued the certificate that the victim accepted in the second step? " ..
      "(its common name, all that stands behind CN =)",
      function(run) return run.acts.after.forged.issuer:match("CN=(.*)") end },
    { "And who issued the bank's own?",
      function(run) return run.acts.after.original.issuer:match("CN=(.*)") end },
    { "Which frame carries the password on the victim's side?",
      function(run) return run.steps[2].evidence[1].frame end },
  },
  hints = {
    { "The victim printed it: signed by ... CN = ...",
      "mitmlab cert show certs/step2-after-forged.pem, in the run folder.",
      "Copy the line issuer, from mitmlab TRAINING CA to the end." },
    { "The run folder has the bank's certificate too, in certs/.",
      "mitmlab cert show certs/step2-after-original.pem.",
      "Copy the issuer from there: it is the lab's issuing CA." },
    { "The step printed it.", "Use the display filter of the step.",
      "It holds POST /login, decrypted." },
  },
  solution = {
    predict = { { "no" },
                { "what the victim answers to the certificate",
                  "the attacker too" },
                { "no" } },
    answers = { true, true, true },
  },
  wrong = {
    predict = { { "yes" }, { "the ClientHello", "only the bank" }, { "yes" } },
    answers = { "the bank itself", "nobody", "1" },
  },
}
