-- Who notices when a page is changed on the way?
local pay = canary.payee .. "=" .. canary.amount

return lab {
  title    = "The page that lied",
  question = "Who notices when a page is changed on the way?",
  claims   = { "002.4", "003.13", "004.2" },
  minutes  = 20,
  topology = { "switch" },
  secrets  = "all",
  places   = { "victim", "attacker", "server" },
  names    = { ["bank.lab.test"] = "server" },
  -- How an attacker comes to sit on the path is a lesson of its own. Here the
  -- victim's route to the server simply leads through it.
  route    = { { "victim", to = "server", via = "attacker" } },
  start    = {
    { "bank-server", at = "server", name = "bank.lab.test",
      http = true, https = true },
  },

  steps = {
    { "An honest transfer",
      act = {
        { "https-client", as = "honest", at = "victim",
          user = canary.user, password = canary.password, transfer = pay,
          get = "http://bank.lab.test/balance" },
      },
      expect = {
        honest = { exit = 0, status = 200, output = canary.payee },
        { "the ledger holds the payee that the victim typed",
          check = function(run)
            return run.acts.honest.ledger[1].to == canary.payee
          end },
      },
      evidence = {
        { "the order, as the server got it", act = "honest",
          contains = "payee=" .. canary.payee,
          filter = 'http.request.uri == "/transfer"' },
      } },

    { "A payee changes on the way",
      attacks = {
        { "rewrite", at = "attacker", ["in"] = "request",
          find = "payee=" .. canary.payee, with = "payee=" .. canary.mule },
        { "rewrite", at = "attacker", ["in"] = "response",
          find = canary.mule, with = canary.payee },
      },
      predict = {
        { "The order is changed on its way to the bank. Which payee does the " ..
          "victim's page show afterwards?",
          { "its own", "the attacker's" }, answer = "its own" },
        { "Will the bank notice that the order was changed?",
          { "yes", "no" }, answer = "no" },
      },
      act = {
        { "https-client", as = "robbed", at = "victim",
          user = canary.user, password = canary.password, transfer = pay,
          get = "http://bank.lab.test/balance" },
      },
      expect = {
        robbed = { exit = 0, status = 200, output = canary.payee,
                   server_gets = "payee=" .. canary.mule },
        { "the ledger holds the attacker's payee",
          check = function(run)
            return run.acts.robbed.ledger[1].to == canary.mule
          end },
        { "the victim's page never shows it",
          check = function(run)
            return not run.acts.robbed.output:find(canary.mule, 1, true)
          end },
      },
      evidence = {
        { "the order, as the victim sent it", act = "robbed",
          contains = "payee=" .. canary.payee,
          filter = 'http.request.uri == "/transfer" and ' ..
                   'frame contains "payee=' .. canary.payee .. '"' },
        { "the same order, as the server got it", act = "robbed",
          contains = "payee=" .. canary.mule,
          filter = 'http.request.uri == "/transfer" and ' ..
                   'frame contains "payee=' .. canary.mule .. '"' },
        { "the receipt, as the server wrote it", act = "robbed",
          kind = "http.response", place = "server",
          contains = canary.mule,
          filter = 'http.response and frame contains "' .. canary.mule .. '"' },
      } },

    { "When the length is wrong",
      attacks = {
        { "rewrite", at = "attacker", ["in"] = "request",
          find = "payee=", with = "payee=x-", naive = true },
      },
      predict = {
        { "Two more bytes go into the order, and nobody corrects its " ..
          "Content-Length. What does the bank book?",
          { "nothing", "the right amount", "a smaller amount" },
          answer = "a smaller amount" },
      },
      act = {
        { "https-client", as = "cut", at = "victim",
          user = canary.user, password = canary.password, transfer = pay,
          timeout = 2, get = "http://bank.lab.test/balance" },
      },
      expect = {
        { "the amount lost its last two digits",
          check = function(run)
            local booked = run.acts.cut.ledger[1]
            return booked and tostring(booked.amount) ==
              tostring(canary.amount):sub(1, -3)
          end },
      },
      evidence = {
        { "a body that is two bytes longer than its Content-Length says",
          act = "cut", contains = "payee=x-" .. canary.payee,
          filter = 'frame contains "payee=x-' .. canary.payee .. '"' },
      } },

    { "The same attack on HTTPS",
      attacks = {
        { "rewrite", at = "attacker", ["in"] = "request",
          find = "payee=" .. canary.payee, with = "payee=" .. canary.mule },
      },
      predict = {
        { "The same rule, now against https://. What does the bank book?",
          { "the attacker's payee", "the victim's payee", "nothing" },
          answer = "nothing" },
      },
      act = {
        { "https-client", as = "sealed", at = "victim",
          user = canary.user, password = canary.password, transfer = pay,
          get = "https://bank.lab.test/balance" },
      },
      expect = {
        sealed = { verdict = "refused", alert = "unknown_ca", app_bytes = 0,
                   exit = 60 },
        { "nothing was booked",
          check = function(run) return #run.acts.sealed.ledger == 0 end },
      },
      evidence = {
        { "the victim hangs up before it says anything", act = "sealed",
          kind = "tls.alert", leg = "victim",
          filter = "tls.alert_message.desc == 48" },
      } },
  },

  questions = {
    { "To which payee did the bank book the second transfer?",
      function(run) return run.acts.robbed.ledger[1].to end },
    { "By how many bytes did the body of that order grow on its way?",
      function() return #canary.mule - #canary.payee end },
    { "Which frame carried the changed order to the server?",
      function(run) return run.steps[2].evidence[2].frame end },
    { "Which alert did the victim send in the last step (its name)?",
      function(run) return run.acts.sealed.alert end },
  },
  hints = {
    { "The server writes every booking as an event.",
      "Look for ledger.entry in events.jsonl.",
      "It begins with mallory." },
    { "Compare the Content-Length of the two requests.",
      "Filter for http.request.uri == \"/transfer\": the same order stands in two conversations.",
      "It is the difference between the lengths of the two names." },
    { "The proxy opens a second TCP connection, from its own address.",
      "It is the frame that leaves the attacker.",
      "The step printed its number and the filter." },
    { "RFC 8446 6 lists the alerts by number and name.",
      "Filter for tls.alert_message.",
      "It is number 48." },
  },
  solution = {
    predict = { {}, { "its own", "no" }, { "a smaller amount" }, { "nothing" } },
    answers = { canary.mule, true, true, "unknown_ca" },
  },
  wrong = {
    predict = { {}, { "the attacker's", "yes" }, { "nothing" },
                { "the victim's payee" } },
    answers = { canary.payee, "-1", "1", "bad_certificate" },
  },
}
