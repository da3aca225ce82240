-- What is in a certificate, and what does a careful client check of it?
local bank = "https://bank.lab.test/"

return lab {
  title    = "Signed, not encrypted",
  question = "What is in a certificate, and what does a client check of it?",
  claims   = { "002.11", "002.15", "002.16", "002.17", "002.20", "003.6",
               "003.7", "003.13", "003.14", "003.17", "003.18" },
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
    { "Read a certificate off the wire",
      predict = {
        { "A certificate is signed by a CA. Which key does somebody need who " ..
          "wants to read it on the wire?",
          { "the CA's public key", "the server's private key", "none" },
          answer = "none" },
      },
      -- TLS 1.2, here and in the next three steps, because 1.3 encrypts the
      -- certificate and the alert on their way.
      act = {
        { "https-client", as = "visit", at = "victim", get = bank,
          tls = "1.2" },
      },
      expect = {
        visit = { verdict = "accepted", exit = 0, status = 200,
                  wire_has = "bank.lab.test" },
        { "the issuer's name stands in a frame, readable without any key",
          check = function(run)
            return run.acts.visit.wire_count("TRAINING CA") > 0
          end },
      },
      evidence = {
        { "the certificate, in clear", act = "visit",
          kind = "tls.cert", leg = "victim",
          filter = "tls.handshake.type == 11" },
      } },

    { "Signed by itself",
      attacks = { { "forged-cert", at = "attacker", forgery = "t01" } },
      predict = {
        { "The attacker answers with a certificate that says bank.lab.test " ..
          "and is signed with its own key. Does the victim's password leave " ..
          "the victim?",
          { "yes", "no" }, answer = "no" },
        { "How does the victim say no?",
          { "it just hangs up", "with an alert, in the handshake",
            "with an HTTP error" },
          answer = "with an alert, in the handshake" },
      },
      act = {
        { "https-client", as = "selfsigned", at = "victim", get = bank,
          tls = "1.2", user = canary.user, password = canary.password },
      },
      expect = {
        selfsigned = { verdict = "refused", how = "alert",
                       alert = "unknown_ca", app_bytes = 0, exit = 60,
                       attacker_misses = canary.password },
      },
      evidence = {
        { "the victim's refusal", act = "selfsigned", kind = "tls.alert",
          leg = "victim", filter = "tls.alert_message.desc == 48" },
      } },

    { "Signed by a CA that nobody installed",
      attacks = { { "forged-cert", at = "attacker", forgery = "t03" } },
      predict = {
        { "This time there is a whole chain, and the CA's certificate comes " ..
          "along. Does that help the attacker?",
          { "yes", "no" }, answer = "no" },
      },
      act = {
        { "https-client", as = "rogue", at = "victim", get = bank,
          tls = "1.2", user = canary.user, password = canary.password },
      },
      expect = {
        rogue = { verdict = "refused", alert = "unknown_ca", app_bytes = 0,
                  exit = 60, attacker_misses = canary.password },
        { "all was copied but the key and the signature",
          check = function(run)
            local forged, original = run.acts.rogue.forged, run.acts.rogue.original
            return forged.subject == original.subject and
              forged.key ~= original.key
          end },
      },
      evidence = {
        { "the victim's refusal", act = "rogue", kind = "tls.alert",
          leg = "victim", filter = "tls.alert_message.desc == 48" },
      } },

    { "One flipped bit",
      attacks = { { "forged-cert", at = "attacker", forgery = "s01" } },
      predict = {
        { "Now the right CA, and one bit of its signature is wrong. What does " ..
          "the victim answer?",
          { "unknown_ca, as before", "decrypt_error", "nothing, it accepts" },
          answer = "decrypt_error" },
      },
      act = {
        { "https-client", as = "flipped", at = "victim", get = bank,
          tls = "1.2", user = canary.user, password = canary.password },
      },
      expect = {
        flipped = { verdict = "refused", alert = "decrypt_error",
                    app_bytes = 0, exit = 60 },
      },
      evidence = {
        { "the victim's refusal", act = "flipped", kind = "tls.alert",
          leg = "victim", filter = "tls.alert_message.desc == 51" },
      } },

    { "A client that does not look",
      attacks = { { "forged-cert", at = "attacker", forgery = "t03" } },
      predict = {
        { "The same forgery, and a client with verification switched off. " ..
          "Who reads the password?",
          { "only the bank", "the attacker too" },
          answer = "the attacker too" },
      },
      act = {
        { "https-client-no-verify", as = "careless", at = "victim",
          get = bank, user = canary.user, password = canary.password },
      },
      expect = {
        careless = { verdict = "accepted", exit = 0,
                     attacker_reads = canary.password,
                     wire_lacks = canary.password },
      },
      evidence = {
        { "the login that the attacker read", act = "careless",
          kind = "http.request", leg = "victim", place = "attacker",
          filter = 'urlencoded-form.value == "' .. canary.password ..
                   '" and ip.src == ' .. address.victim },
      } },
  },

  questions = {
    { "Which key does it take to read a certificate (one word)?",
      function() return "none" end },
    { "What is the number of the alert unknown_ca?",
      function(run)
        return run.acts.selfsigned.alert_code
      end },
    { "How many bytes of application data left the victim in the second step?",
      function(run) return run.acts.selfsigned.app_bytes end },
    { "Which frame carries the refusal of the self-signed certificate?",
      function(run) return run.steps[2].evidence[1].frame end },
  },
  hints = {
    { "Which key did you type to read the certificate in step 1?",
      "You filtered for tls.handshake.type == 11 and it opened.",
      "No key was asked for." },
    { "RFC 8446 6 has the list.", "Filter for tls.alert_message.",
      "Wireshark shows it behind Description." },
    { "Look for \"saw victim refuse\" in the second step's output.",
      "Is there any record of type Application Data from the victim, between that certificate and the alert?",
      "The victim sent its hello and an alert, nothing else." },
    { "The second step printed it.", "It is a frame of the victim.",
      "tls.alert_message.desc == 48, the first of them." },
  },
  solution = {
    predict = { { "none" }, { "no", "with an alert, in the handshake" },
                { "no" }, { "decrypt_error" }, { "the attacker too" } },
    answers = { "none", "48", "0", true },
  },
  wrong = {
    predict = { { "the CA's public key" }, { "yes", "it just hangs up" },
                { "yes" }, { "unknown_ca, as before" }, { "only the bank" } },
    answers = { "the CA's public key", "42", "100", "1" },
  },
}
