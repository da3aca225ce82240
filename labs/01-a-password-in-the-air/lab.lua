-- What can somebody read who does nothing but listen?
return lab {
  title    = "A password in the air",
  question = "What can somebody read who does nothing but listen?",
  claims   = { "000.6", "001.2", "002.1", "003.1" },
  minutes  = 12,
  topology = { "hub", "loopback" },
  bare     = true,
  -- The lesson is that the second half stays closed: the keys lie beside the
  -- capture, not in it.
  secrets  = "after",
  places   = { "victim", "attacker", "server" },
  names    = { ["bank.lab.test"] = "server" },
  start    = {
    { "bank-server", at = "server", name = "bank.lab.test",
      http = true, https = true },
  },

  steps = {
    { "A login over HTTP",
      attacks = { { "sniff", at = "attacker", look = canary.user } },
      predict = {
        { "The attacker sends nothing. What can it read of the login?",
          { "nothing", "the addresses only", "the password" },
          answer = "the password" },
        { "And once the login is over, while the victim asks for its balance?",
          { "nothing more", "the session cookie" },
          answer = "the session cookie" },
      },
      act = {
        { "https-client", as = "open", at = "victim",
          user = canary.user, password = canary.password,
          get = "http://bank.lab.test/balance" },
      },
      expect = {
        open = { exit = 0, status = 200,
                 attacker_reads = canary.password,
                 wire_has = canary.password },
      },
      evidence = {
        { "the password, as it crossed the wire", act = "open",
          contains = canary.password,
          filter = 'frame contains "' .. canary.password .. '"' },
        { "the cookie that stands for the login from now on", act = "open",
          contains = "Set-Cookie: session=", filter = "http.set_cookie" },
      } },

    { "The same login inside TLS",
      attacks = { { "sniff", at = "attacker", look = canary.user } },
      predict = {
        { "The same words, the same listener, now https://. Which of them " ..
          "can the attacker still read?",
          { "the password", "the user's name only", "none of them" },
          answer = "none of them" },
      },
      act = {
        { "https-client", as = "sealed", at = "victim",
          user = canary.user, password = canary.password,
          get = "https://bank.lab.test/balance" },
      },
      expect = {
        sealed = { exit = 0, status = 200, verdict = "accepted",
                   server_gets = canary.password,
                   attacker_misses = canary.password,
                   wire_lacks = canary.password },
      },
      evidence = {
        { "the record that carries the same login", act = "sealed",
          kind = "http.request", leg = "victim",
          filter = "tls.app_data and ip.dst == " .. address.server },
      } },
  },

  questions = {
    { "Which password did the listener read in the first step?",
      "canary.password" },
    { "In which frame did it cross the wire?", function(run)
      return run.steps[1].evidence[1].frame
    end },
    { "How many frames of the second step hold the same password?",
      function(run) return run.acts.sealed.wire_count(canary.password) end },
  },
  hints = {
    { "In the first step, look for the lines that begin with attacker.",
      "Look into the capture with the filter http.request.method == \"POST\".",
      "It is the value behind password= in the body of POST /login." },
    { "The step printed it. Wireshark and tshark have it in the first column.",
      "Use the display filter that the step printed.",
      "The filter frame contains \"...\" with the password leaves one frame." },
    { "Run the same display filter as before, and look at the frame numbers.",
      "The second step begins at the first frame with tls in it.",
      "There is a frame with the login, but nothing in it is readable." },
  },
  solution = {
    predict = { { "the password", "the session cookie" }, { "none of them" } },
    answers = { canary.password, true, "0" },
  },
  wrong = {
    predict = { { "nothing", "nothing more" }, { "the password" } },
    answers = { "hunter2", "1", "1" },
  },
}
