# SPDX-License-Identifier: MIT
# Reads lines "URL TRUST" and fetches each page with HTTP::Tiny.
use strict;
use warnings;
use HTTP::Tiny;
$| = 1;
while (my $line = <STDIN>) {
    my ($url, $trust) = split ' ', $line;
    my $answer = HTTP::Tiny->new(
        timeout => 5, verify_SSL => 1, SSL_options => {SSL_ca_file => $trust},
    )->get($url);
    my $said = $answer->{success} ? 'ok' : $answer->{content};
    $said =~ s/\s+/ /g;
    print "$said\n";
}
