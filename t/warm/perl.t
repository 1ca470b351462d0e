# sanitize: no
# A Perl script can't tell whether it runs in an interpreter that was there
# before it, or in one that was started for it.
use strict;
use warnings;
use Test::More;
use CGITest;
use CGITest::Server;
use Warm;

my $build = CGITest::Server::build_dir();
plan skip_all => 'built without libperl' unless -e "$build/cgi-warm-perl.so";

my @cases = Warm::cases("$CGITest::Server::t/warm/perl.cases",
    '#!/usr/bin/perl', 'print "Content-Type: text/plain\n\n";');
my $versioned = sprintf 'perl%vd', $^V;
$_->{text} =~ s/perl5\.36\.0/$versioned/ for @cases;
my $ready = {name => 'ready', file => {}, text => "#!/usr/bin/perl\n"
    . qq(print "Content-Type: text/plain\\n\\n", readlink '/proc/self/exe';\n)};
my $cgi = eval { require CGI; 1 } ? 'CGI ' : '';
@cases = grep { !$_->{cgi} } @cases unless $cgi;
my $s = start_three("CGIWarm perl ${cgi}POSIX Data::Dumper List::Util Encode\n"
    . 'CGIWarm perl File::Temp Time::Local FindBin Fcntl IO::File Storable', [$ready, @cases], sub {
        my ($server) = @_;
        my $dir = $server->root . '/htdocs/s';
        rename "$dir/path_link/run.doit", "$dir/path_link/real.pl" or die;
        symlink 'real.pl', "$dir/path_link/run.doit" or die;
        chmod 0644, "$dir/not_executable/run.doit" or die;
    });
cmp_ok(scalar(@cases), '>=', 60, 'enough cases');
like($s->error_log, qr/cgi-warm: FindBin is left to the scripts that load it/,
    'the log says which module is not loaded');
compare_all($s, @cases);
done_testing();
