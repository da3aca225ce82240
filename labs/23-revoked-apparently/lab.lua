-- A certificate was taken back. Who notices?
local bank, branch = "https://bank.lab.test/", "https://branch.lab.test/"
local ocsp = 'http.content_type == "application/ocsp-request"'
local from_victim = " and ip.src == " .. address.victim

local function visit(as, how, url, tls)
  return { "https-client-status", as = as, at = "victim", status = how,
           get = url, tls = tls, user = canary.user, password = canary.password }
end

-- How many of these acts did accept the certificate.
local function accepted(run, acts)
  local count = 0
  for _, name in ipairs(acts) do
    if run.acts[name].verdict == "accepted" then count = count + 1 end
  end
  return count
end

return lab {
  title    = "Revoked, apparently",
  question = "A certificate was taken back. Who notices?",
  minutes  = 20,
  topology = { "switch", "loopback" },
  bare     = true,
  secrets  = "all",
  places   = { "victim", "attacker", "server", "branch", "ca" },
  names    = { ["bank.lab.test"] = "server", ["branch.lab.test"] = "branch",
               ["ocsp.lab.test"] = "ca" },
  route    = { { "victim", to = "ca", via = "attacker" } },
  start    = {
    { "ocsp-responder", at = "ca", name = "ocsp.lab.test", http = true },
    { "bank-server", at = "server", name = "bank.lab.test", https = true,
      responder = "ocsp.lab.test", must_staple = true, revoked = true },
    { "bank-server", at = "branch", name = "branch.lab.test", https = true,
      responder = "ocsp.lab.test", must_staple = true, staple = true },
  },

  steps = {
    { "The CA takes it back",
      predict = {
        { "The bank's key was stolen and its certificate revoked. A client " ..
          "that checks chain, dates and name, but asks nobody: does it connect?",
          { "yes", "no" }, answer = "yes" },
        { "Is the revocation written into the certificate?",
          { "yes", "no, somebody has to be asked" },
          answer = "no, somebody has to be asked" },
      },
      act = {
        visit("none", "none", bank), visit("soft", "soft", bank),
        visit("hard", "hard", bank), visit("staple", "staple", bank),
      },
      expect = {
        none = { verdict = "accepted", exit = 0, server_gets = canary.password },
        soft = { verdict = "refused", alert = "certificate_revoked",
                 app_bytes = 0, exit = 60 },
        hard = { verdict = "refused", alert = "certificate_revoked",
                 app_bytes = 0, exit = 60 },
        staple = { verdict = "refused", app_bytes = 0, exit = 60,
                   alert = "bad_certificate_status_response" },
      },
      evidence = {
        { "the question to the CA", act = "soft", kind = "http.request",
          place = "ca", filter = ocsp .. from_victim },
        { "the CA's answer: revoked", act = "soft", kind = "http.response",
          place = "ca", filter = "ocsp.certStatus == 1" },
        { "the victim's refusal", act = "soft", kind = "tls.alert",
          place = "server", filter = "tls.alert_message.desc == 44" },
        { "the refusal of the one who asks nobody, but wants a staple",
          act = "staple", kind = "tls.alert", place = "server",
          filter = "tls.alert_message.desc == 113" },
      } },

    { "Nobody answers",
      attacks = { { "block", at = "attacker", host = "ocsp.lab.test" } },
      predict = {
        { "Now the thief stands between the victim and the CA, and lets no " ..
          "answer through. Which of the four clients changes its mind?",
          { "none", "soft", "hard", "staple" }, answer = "soft" },
        { "Does the thief need a key or a certificate for that?",
          { "yes", "no" }, answer = "no" },
      },
      act = {
        visit("none2", "none", bank), visit("soft2", "soft", bank),
        visit("hard2", "hard", bank), visit("staple2", "staple", bank),
      },
      expect = {
        none2 = { verdict = "accepted", exit = 0 },
        soft2 = { verdict = "accepted", exit = 0,
                  server_gets = canary.password, output = "no answer" },
        hard2 = { verdict = "refused", app_bytes = 0, exit = 60,
                  output = "no answer" },
        staple2 = { verdict = "refused", app_bytes = 0, exit = 60,
                    alert = "bad_certificate_status_response" },
      },
      evidence = {
        { "the question that got no answer, from the soft client",
          act = "soft2", kind = "attack.blocked", place = "attacker",
          filter = ocsp .. from_victim },
        { "and from the hard one", act = "hard2", kind = "attack.blocked",
          place = "attacker", filter = ocsp .. from_victim },
        { "the password, inside of TLS, to whoever has the stolen key",
          act = "soft2", kind = "http.request", place = "server",
          filter = 'urlencoded-form.value == "' .. canary.password .. '"' },
      } },

    { "The answer comes along",
      attacks = { { "block", at = "attacker", host = "ocsp.lab.test" } },
      predict = {
        { "The branch has a certificate that holds. The thief still blocks " ..
          "the CA. Which client cannot do its work any more?",
          { "none", "soft", "hard", "staple" }, answer = "hard" },
      },
      act = {
        visit("none3", "none", branch), visit("soft3", "soft", branch),
        visit("hard3", "hard", branch), visit("staple3", "staple", branch, "1.2"),
      },
      expect = {
        none3 = { verdict = "accepted", exit = 0 },
        soft3 = { verdict = "accepted", exit = 0 },
        hard3 = { verdict = "refused", app_bytes = 0, exit = 60 },
        staple3 = { verdict = "accepted", exit = 0,
                    output = "the stapled answer of the CA is good" },
      },
      evidence = {
        { "the branch shows its certificate, and the CA's answer behind it",
          act = "staple3", kind = "tls.cert", place = "branch",
          filter = "tls.handshake.type == 11" },
        { "the visit of the client that got its answer from the branch itself",
          act = "staple3", kind = "http.request", place = "branch",
          filter = 'urlencoded-form.value == "' .. canary.password .. '"' },
      } },

    { "Programs that you know",
      act = {
        { "https-client", as = "ours", at = "victim", get = bank },
        { "curl", as = "curl", at = "victim", optional = true,
          args = { "--silent", "--show-error", "--output", "/dev/null",
                   "--cacert", file.trust, bank } },
        { "wget", as = "wget", at = "victim", optional = true,
          args = { "--quiet", "--tries=1", "--output-document=/dev/null",
                   "--ca-certificate=" .. file.trust, bank } },
        { "openssl", as = "list", at = "victim", optional = true,
          args = { "s_client", "-brief", "-connect", "bank.lab.test:443",
                   "-CAfile", file.trust, "-crl_check", "-CRL", "lab.crl",
                   "-verify_return_error" } },
      },
      expect = {
        ours = { verdict = "accepted", exit = 0 },
        list = { verdict = "refused", alert = "certificate_revoked" },
      },
      evidence = {
        { "our careful client asks the revoked server for its page",
          act = "ours", kind = "http.request", place = "server",
          filter = 'http.host contains "bank.lab.test"' },
      } },
  },

  questions = {
    { "How many of the four clients took the revoked certificate in step 1?",
      function(run)
        return accepted(run, { "none", "soft", "hard", "staple" })
      end },
    { "And in step 2?",
      function(run)
        return accepted(run, { "none2", "soft2", "hard2", "staple2" })
      end },
    { "What is the number of the alert with which the soft client refused " ..
      "in step 1?",
      function(run) return run.acts.soft.alert_code end },
    { "Which frame carries the question of the soft client that the thief " ..
      "held back?",
      function(run) return run.steps[2].evidence[1].frame end },
    { "Which setting refuses the stolen certificate whatever the thief " ..
      "blocks, and still reaches the branch?",
      function() return "staple" end,
      choices = { "none", "soft", "hard", "staple" } },
  },
  hints = {
    { "Look for \"saw the victim accept\" in step 1.",
      "Count the commands of step 1 that ended without an exit code.",
      "Only one of them asks nobody at all." },
    { "Look for \"saw the victim accept\" in step 2.",
      "Compare it with step 1: who changed its mind?",
      "One more than in step 1." },
    { "Filter for tls.alert_message in the frames of step 1.",
      "Its name is certificate_revoked.", "RFC 8446 6 has the list." },
    { "Step 2 printed it.", "Use the display filter of that step.",
      "It holds POST / to ocsp.lab.test, and nothing comes back." },
    { "Compare steps 2 and 3.", "hard cannot reach the branch any more.",
      "The one that wants the server to bring the answer." },
  },
  solution = {
    predict = { { "yes", "no, somebody has to be asked" }, { "soft", "no" },
                { "hard" }, {} },
    answers = { "1", "2", "44", true, "staple" },
  },
  wrong = {
    predict = { { "no", "yes" }, { "none", "yes" }, { "staple" }, {} },
    answers = { "0", "0", "45", "1", "hard" },
  },
}
