# Asks with LWP, and prints the body as it comes.

use strict;
use warnings;
use LWP::UserAgent;

my ($mode, $gate) = @ARGV;
my $more = $mode eq "stream" ? qq(, "stream": true, "standin": {"gate": "$gate"}) : "";
my $request = HTTP::Request->new(
    POST => "https://api.openai.com/v1/chat/completions",
    ["Content-Type" => "application/json", Authorization => "Bearer $ENV{OPENAI_API_KEY}"],
    qq({"model": "gpt-4o", "messages": [{"role": "user", "content": "hello there"}]$more}),
);
$| = 1;
my $response = LWP::UserAgent->new->request($request, sub { print $_[0] });
die $response->status_line unless $response->is_success;
