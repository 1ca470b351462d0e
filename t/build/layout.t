# The layouts below one ServerRoot: that of a httpd which its own ./configure has
# installed, Fedora's and Alpine's. What install has put there runs, and after
# uninstall only the guard is left, which denies what was run.
use strict;
use warnings;
use Apache::Test;
use Apache::TestUtil 't_cmp';
use File::Path 'make_path';
use CGITest::Files;
use CGITest::Server;
use Program qw(run need_program);
use RunScripts qw(request tree);

# What apxs says of each, the directories that say which one it is, what httpd
# reads there, and what is left in the end.
my @layouts = (
    {name => 'httpd', sysconf => 'conf', dirs => [], read => [],
        guard => 'conf/extra/runscripts-guard.conf',
        files => [map { "conf/extra/$_" } qw(runscripts.load runscripts.conf
            cgiroute.load cgiroute.conf)]},
    {name => 'fedora', sysconf => 'conf', dirs => [qw(conf.modules.d conf.d)],
        read => [qw(conf.modules.d/*.conf conf.d/*.conf)],
        guard => 'conf.d/runscripts-guard.conf',
        files => [qw(conf.modules.d/10-runscripts.conf conf.d/runscripts.conf
            conf.modules.d/10-cgiroute.conf conf.d/cgiroute.conf)]},
    {name => 'alpine', sysconf => 'etc', dirs => ['etc/conf.d'],
        read => ['etc/conf.d/*.conf'], guard => 'etc/conf.d/runscripts-guard.conf',
        files => [map { "etc/conf.d/$_" } qw(00-runscripts.conf runscripts.conf
            00-cgiroute.conf cgiroute.conf)]},
);
my $each = 12;
plan tests => $each * @layouts, sub { need_program('make') };

chdir Apache::Test::vars('top_dir') or die;
my $script = <<'END';
#!/bin/sh
printf 'Content-Type: text/plain\n\n'
echo "$SCRIPT_NAME of $GATEWAY_INTERFACE"
END
my @none = (without => [qw(runscripts cgiroute)]);

sub make_for {
    my ($root, $target) = @_;
    return run('make', '-f', 'Makefile.apxs', '-o', 'all', "APXS=$root/bin/apxs",
        $target);
}

for my $layout (@layouts) {
    my ($said, @before);
    my $httpd = CGITest::Server->new(plain => 1, @none, prepare => sub {
        my $root = $_[0]->root;
        make_path("$root/bin", map { "$root/$_" } $layout->{sysconf},
            @{$layout->{dirs}});
        # As apxs of such a httpd answers.
        my %answer = (LIBEXECDIR => 'modules', BINDIR => 'bin', MANDIR => 'man',
            SYSCONFDIR => $layout->{sysconf});
        write_file("$root/bin/apxs", "#!/bin/sh\ncase \$2 in\n",
            (map { "$_) echo '$root/$answer{$_}' ;;\n" } sort keys %answer),
            qq{*) exec "$ENV{APXS}" "\$@" ;;\nesac\n});
        chmod 0755, "$root/bin/apxs" or die;
        tree($root, 'htdocs/tool.doit' => $script, 'cgi/route' => $script);
        $said = make_for($root, 'install');
    }, conf => join("\n", $layout->{name} eq 'httpd'
            ? (map { "Include \@root\@/conf/extra/$_" } qw(runscripts.load
                runscripts.conf cgiroute.load cgiroute.conf runscripts-guard.conf))
            : map { "Include \@root\@/$_" } @{$layout->{read}})
        . <<'END');

<IfModule runscripts_module>
    <Directory "@root@/htdocs">
        Options +RunScripts
    </Directory>
</IfModule>
<IfModule cgiroute_module>
    CGIRoute "^/go$" "route" dir="@root@/cgi"
    <Directory "@root@/cgi">
        Require all granted
    </Directory>
</IfModule>
END
    my $root = $httpd->root;
    my @missing = grep { !-s "$root/$_" } @{$layout->{files}}, $layout->{guard},
        qw(modules/mod_runscripts.so modules/mod_cgiroute.so modules/cgi-launcher
        modules/cgi-warm bin/cgi-check man/man1/cgi-check.1 man/man8/cgi-launcher.8
        doc/libapache2-mod-runscripts/doc/directives.md);
    ok t_cmp("@missing", '', $layout->{name});
    # The lines that it prints are those that are needed, and no others.
    my @includes = $said =~ m{^ +Include \Q$root\E/(\S+)$}mg;
    ok t_cmp("@{[sort @includes]}", $layout->{name} eq 'httpd'
        ? "@{[sort @{$layout->{files}}, $layout->{guard}]}" : '');
    $httpd->launch;
    ok($httpd->log_until(0, qr{mod_cgiroute/\S+ configured}, 10));
    ok t_cmp(request($httpd->port, 'GET', '/tool')->{body}, "/tool of CGI/1.1\n");
    ok t_cmp(request($httpd->port, 'GET', '/go')->{body}, "/go of CGI/1.1\n");
    ok t_cmp(scalar(grep { readlink("/proc/$_/exe") eq "$root/modules/cgi-launcher" }
            $httpd->launchers) > 0, 1);
    my @command = (CGITest::Server::program(), '-d', $root, '-f', "$root/httpd.conf");
    my $checked = run("$root/bin/cgi-check", $httpd->url('/tool'), $httpd->url('/go'),
        @command);
    ok t_cmp("$? " . join(' ', $checked =~ m{\Q$root\E/(htdocs/tool\.doit|cgi/route)}g),
        qr{^0 .*htdocs/tool\.doit.* cgi/route});
    my @left = $httpd->stop;
    ok t_cmp(scalar @left, 0);

    $said = make_for($root, 'uninstall');
    ok t_cmp($?, 0);
    @left = grep { !m{/(?:error_log|httpd\.conf|out|bin/apxs|htdocs/tool\.doit|cgi/route)$} }
        split /\n/, run('find', $root, '!', '-type', 'd');
    ok t_cmp("@left", "$root/$layout->{guard}");

    # Without the modules, the guard still holds.
    my $guarded = CGITest::Server->plain(@none, conf =>
        qq(Include "$root/$layout->{guard}"\nAlias /old "$root/htdocs"\n)
        . qq(<Directory "$root/htdocs">\nRequire all granted\n</Directory>\n));
    ok t_cmp(request($guarded->port, 'GET', '/old/tool.doit')->{status}, 403);
    ok t_cmp(request($guarded->port, 'GET', '/old/')->{status}, qr{^(?:403|404)$});
}
