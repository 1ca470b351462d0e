# sanitize: no
# A Python script can't tell whether it runs in an interpreter that was there
# before it, or in one that was started for it.
use strict;
use warnings;
use Test::More;
use CGITest;
use CGITest::HTTP;
use CGITest::Server;
use Warm;

my $build = CGITest::Server::build_dir();
plan skip_all => 'built without libpython'
    unless -e "$build/cgi-warm-python.so";

my @cases = Warm::cases("$CGITest::Server::t/warm/python.cases",
    '#!/usr/bin/python3', 'print("Content-Type: text/plain\n")');
# What only older ones have, and the name with the version.
my $old = join ' ', grep { !system "/usr/bin/python3 -I -W ignore -c 'import $_' 2>/dev/null" }
    qw(cgi imp);
# libffi 3.5 keeps its own file open: that is refused.
my $ctypes = system('/usr/bin/python3', '-I', '-c', <<'END') ? '' : 'ctypes';
import os
before = len(os.listdir('/proc/self/fd'))
import ctypes
exit(len(os.listdir('/proc/self/fd')) > before)
END
chomp(my $versioned = qx{/usr/bin/python3 -c 'import sys; print("python%d.%d" % sys.version_info[:2])'});
$_->{text} =~ s/python3\.11/$versioned/ for @cases;
my $ready = {name => 'ready', file => {}, text => "#!/usr/bin/python3\n"
    . qq(import os\nprint("Content-Type: text/plain\\n")\n)
    . "print(os.readlink('/proc/self/exe'))\n"};
my $secret = {name => 'secret', file => {}, text => <<'END'};
#!/usr/bin/python3
import multiprocessing, os
print("Content-Type: text/plain\n")
print(os.readlink('/proc/self/exe'),
      multiprocessing.current_process().authkey.hex(), end='')
END
my $s = start_three(
    'CGIWarm python3 json html datetime sqlite3 email.message http.cookies logging '
    . "$old\nCGIWarm python3 threading random tempfile subprocess uuid "
    . "multiprocessing asyncio concurrent.futures inspect $ctypes resource secrets",
    [$ready, $secret, @cases], sub {
        my ($server) = @_;
        my $dir = $server->root . '/htdocs/s';
        rename "$dir/path_link/run.doit", "$dir/path_link/real.py" or die;
        symlink 'real.py', "$dir/path_link/run.doit" or die;
        chmod 0644, "$dir/not_executable/run.doit" or die;
        # a zip archive that says "archive", behind a first line
        system('/usr/bin/python3', '-c', <<'END', "$dir/archive/run.doit") and die;
import sys, zipfile
with open(sys.argv[1], 'wb') as f:
    f.write(b'#!/usr/bin/python3\n')
    with zipfile.ZipFile(f, 'w') as z:
        z.writestr('__main__.py', 'print("Content-Type: text/plain\\n\\narchive", __name__)')
END
    });
cmp_ok(scalar(@cases), '>=', 60, 'enough cases');
compare_all($s, @cases);
my ($one, $other) = map { CGITest::HTTP->once(
    {host => '127.0.0.1', port => $s->port(2)}, 'GET', '/s/secret/run')->body } 1, 2;
like($one, qr{^\S*cgi-warm [0-9a-f]{64}$}, 'a secret of multiprocessing');
isnt($one, $other, 'which no other script has');
done_testing();
