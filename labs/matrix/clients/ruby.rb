# SPDX-License-Identifier: MIT
# Reads lines "URL TRUST" and fetches each page with Net::HTTP.
require 'net/http'
require 'openssl'
$stdout.sync = true

def visit(url, trust)
  uri = URI(url)
  link = Net::HTTP.new(uri.host, uri.port, nil)
  link.use_ssl = true
  link.ca_file = trust
  link.open_timeout = link.ssl_timeout = link.read_timeout = 5
  link.max_retries = 0
  link.start { |http| http.get('/') }
  'ok'
end

$stdin.each_line do |line|
  begin
    puts visit(*line.split)
  rescue StandardError => error
    puts error.message.tr("\n", ' ')
  end
end
