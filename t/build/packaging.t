# The packages of Debian, RPM and Alpine: one version, all files that install
# puts, and the versions of httpd that cgi/compat.h has.
use strict;
use warnings;
use Apache::Test;
use Apache::TestUtil 't_cmp';
use CGITest::Files;
use Program qw(run scratch need_program);

plan tests => 22, sub { need_program('make') };
my $top = Apache::Test::vars('top_dir');
chdir $top or die;
my $spec = read_file('packaging/rpm/mod_runscripts.spec');
my $alpine = read_file('packaging/alpine/APKBUILD');
my $control = read_file('debian/control');

# What the first parentheses of a regular expression match in a text, or ''.
sub first {
    my ($text, $regex) = @_;
    return $text =~ $regex ? $1 : '';
}

# ---- one version

my ($version) = read_file('base/version.h') =~ /^#define CGI_VERSION "(\S+)"$/m;
ok t_cmp(first(read_file('debian/changelog'), qr/^\S+ \(([^-)]+)/), $version);
ok t_cmp(first($spec, qr/^Version:\s+(\S+)$/m), $version);
ok t_cmp(first($spec, qr/^%changelog\n\*.* - (\S+)-\d+$/m), $version);
# apk has no "~", and takes _pre for earlier than the number without it.
ok t_cmp(first($alpine, qr/^pkgver=(\S+)$/m), $version =~ s/~dev$/_pre/r);

# ---- the versions of httpd

my $compat = read_file('cgi/compat.h');
my ($oldest) = $compat =~ /^#error ".* httpd (2\.4\.\d+) or newer/m;
ok t_cmp($oldest, qr/^2\.4\.\d+$/);
my ($least) = $compat =~ /^#if !AP_MODULE_MAGIC_AT_LEAST\(20120211, (\d+)\)\n#error/m;
ok($least);
ok t_cmp(first($control, qr/\bapache2-dev \(>= ([\d.]+)\)/), $oldest,
    'debian/control');
ok t_cmp(first($spec, qr/^BuildRequires: +httpd-devel >= ([\d.]+)$/m), $oldest,
    'the spec');
# Whatever a page says of a version, compat.h has it: as the oldest one, or
# beside what it does for older ones; or a test, that knows what older ones
# lack. The tables of one page have those that were tried.
my %known = map { $_ => 1 } $compat =~ /\b(2\.4\.\d+)/g;
for (glob 't/*/*.t t/lib/*.pm t/lib/*/*.pm') {
    $known{"2.4.$_"} = 1 for read_file($_) =~ /(?:since\(|=> \[)2, 4, (\d+)[)\]]/g;
}
my %tried = map { $_ => 1 } map { /\b(2\.4\.\d+)\b/g }
    read_file('doc/COMPATIBILITY.md') =~ /^\|.*/mg;
my @unknown;
for my $page (glob 'README.md doc/*.md doc/*.[18] debian/control packaging/*/*') {
    push @unknown, map { "$page: $_" } grep {
        !$known{$_} && !($page =~ /COMPAT/ && $tried{$_})
    } read_file($page) =~ /\b(2\.4\.\d+)\b/g;
}
ok t_cmp("@unknown", '');
# The number that stands for each version is httpd's own: its header tells which
# release had it first.
my $include = run($ENV{APXS}, '-q', 'INCLUDEDIR');
chomp $include;
my %release = read_file("$include/ap_mmn.h")
    =~ /^ \* 20120211\.(\d+) \(2\.4\.(\d+)-dev\)/mg;
my ($third) = $oldest =~ /(\d+)$/;
# (2.5 has none of them.)
ok(!%release || $release{$least} <= $third);
my %explained = reverse $compat =~ m{\b2\.4\.(\d+)[\s*]+\(20120211, (\d+)\)}g;
my @wrong = map { "$_: 2.4.$explained{$_}" }
    grep { ($release{$_} // $explained{$_}) != $explained{$_} } sort keys %explained;
ok(keys %explained >= 4);
ok t_cmp("@wrong", '', 'numbers that are of another version');
my @unsaid = grep { $_ != $least && !$explained{$_} }
    $compat =~ /AP_MODULE_MAGIC_AT_LEAST\(20120211, (\d+)\)/g;
ok t_cmp("@unsaid", '', 'numbers that compat.h uses and does not explain');

# ---- the files

# Where the spec's macros lead; what it defines itself is read from it.
my %macro = (name => 'mod_runscripts', _bindir => '/usr/bin',
    _libexecdir => '/usr/libexec', _mandir => '/usr/share/man',
    _pkgdocdir => '/usr/share/doc/mod_runscripts',
    _httpd_moddir => '/usr/lib64/httpd/modules',
    _httpd_confdir => '/etc/httpd/conf.d',
    _httpd_modconfdir => '/etc/httpd/conf.modules.d');

sub expand {
    my $text = shift;
    1 while $text =~ s/%\{(\w+)\}/$macro{$1} \/\/ die "%{$1} is new here"/e;
    return $text;
}
($macro{launcherdir}) = map { expand($_) } $spec =~ /^%global launcherdir (\S+)$/m;

# The paths of all %files sections; those with a slash at the end have all below.
my @owned;
while ($spec =~ /^%files(?: \w+)?\n(.*?)(?=^%files|^%changelog|^%if)/msg) {
    for my $line (split /\n/, $1) {
        next if $line eq '' || $line =~ /^%(?:license|dir|endif)\b/;
        my $doc = $line =~ s/^%doc //;
        $line =~ s/^%config\(noreplace\) //;
        my $path = quotemeta expand($line);
        $path =~ s/\\\*/[^\/]*/g;
        push @owned, $doc ? qr{^$path/} : qr{^$path$};
    }
}
my $root = scratch('packaging');
ok t_cmp(first($spec, qr/\bLAYOUT=(\w+)/), 'fedora');
run('make', '-f', 'Makefile.apxs', '-o', 'all', 'LAYOUT=fedora', 'STRIP=',
    "DESTDIR=$root", 'install', "LAUNCHERDIR=$macro{launcherdir}",
    'LIBEXECDIR=/usr/lib64/httpd/modules', 'BINDIR=/usr/bin',
    'SYSCONFDIR=/etc/httpd/conf', 'MANDIR=/usr/share/man',
    'DOCDIR=/usr/share/doc/mod_runscripts');
ok t_cmp($?, 0);
my @files = map { s/^\Q$root\E//r } split /\n/, run('find', $root, '!', '-type', 'd');
ok(@files > 30);
my @missing = grep { my $file = $_; !grep { $file =~ $_ } @owned } @files;
ok t_cmp("@missing", '', 'installed, and in no %files of the spec');
my @nowhere = grep { my $pattern = $_; !grep { $_ =~ $pattern } @files }
    grep { !/cgi-warm-/ } @owned;    # which need headers
ok t_cmp("@nowhere", '', 'in %files of the spec, and not installed');

# Debian's lists name what is built, each file once, and where it goes.
my $lists = join '', map { read_file($_) }
    glob 'debian/*.install debian/*.apache2 debian/*.manpages debian/*.docs';
@missing = grep { index($lists, $_) < 0 } map { m{([^/]+)$} }
    grep { m{/(?:modules|mod_runscripts/cgi-[^/]+$|bin|man\d)\b} || /guard/ }
    grep { !m{/doc/} } @files;
ok t_cmp("@missing", '', 'installed, and in none of debian/*');

# Alpine's moves the plug-ins to packages of their own.
@missing = grep { $alpine !~ /^\tamove usr\/lib\/apache2\/cgi-warm-$_\.so$/m }
    map { m{cgi-warm-(\w+)\.so$} } @files;
ok t_cmp("@missing", '');
@missing = grep { !-e "packaging/alpine/$_" } map { s/\$pkgname/apache2-mod-runscripts/gr }
    map { split } $alpine =~ /^install="(.*)"$/m;
ok t_cmp("@missing", '');
@wrong = grep { run('sh', '-n', $_) ne '' || $? } glob 'packaging/alpine/*';
ok t_cmp("@wrong", '');
