# Asks with Mojolicious, and prints the body as it comes.

use strict;
use warnings;
use Mojo::UserAgent;

my ($mode, $gate) = @ARGV;
my $body = {model => "gpt-4o", messages => [{role => "user", content => "hello there"}]};
$body = {%$body, stream => \1, standin => {gate => $gate}} if $mode eq "stream";
my $ua = Mojo::UserAgent->new;
my $tx = $ua->build_tx(
    POST => "https://api.openai.com/v1/chat/completions",
    {Authorization => "Bearer $ENV{OPENAI_API_KEY}"},
    json => $body,
);
$| = 1;
$tx->res->content->unsubscribe("read")->on(read => sub { print $_[1] });
die $tx->error->{message} if $ua->start($tx)->error;
