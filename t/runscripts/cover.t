# The media type of a cover sheet without a suffix: HTML or text by its first
# bytes, unless the configuration, or mod_mime_magic, has one.
use strict;
use warnings;
use Apache::Test;
use Apache::TestUtil 't_cmp';
use CGITest::Files;
use CGITest::Server;
use RunScripts;

my $html = "<!DOCTYPE html>\n<title>x</title>\n";
my $none = '';
# What the file is called, what it holds, its type.
my %sheets = (
    doctype => [$html, 'text/html'],
    lower   => ["<!doctype html><p>", 'text/html'],
    space   => [" \r\n\t<HTML lang=en>", 'text/html'],
    mark    => ["\xef\xbb\xbf<html>", 'text/html'],
    head    => ["<head\n>", 'text/html'],
    title   => ["<title>x", 'text/html'],
    comment => ["<!--#include virtual=\"x\" -->", 'text/html'],
    heading => ["<h1>x", 'text/html'],
    text    => ["The <html> of a page\n", 'text/plain'],
    other   => ["<htmlx>", 'text/plain'],
    xml     => ["<?xml version=\"1.0\"?><html>", 'text/plain'],
    utf8    => ["J\xc3\xbcrgen\n", 'text/plain'],
    empty   => ['', 'text/plain'],
    long    => ["\n" x 600 . "<html>", 'text/plain'],
    picture => ["\x89PNG\r\n\x1a\n\0\0\0\rIHDR", $none],
    # By the suffix, as ever.
    'a.html' => ["text\n", 'text/html'],
    'a.xyz'  => ["text\n", 'application/x-xyz'],
    'a.none' => [$html, 'text/html'],
);
my $conf = <<'EOC';
<Directory "@root@/htdocs">
    Options +RunScripts
    AddType text/html .html
    AddType application/x-xyz .xyz
</Directory>
<Directory "@root@/htdocs/charset">
    AddDefaultCharset utf-8
</Directory>
<Directory "@root@/htdocs/forced">
    ForceType image/x-forced
</Directory>
<Directory "@root@/htdocs/handled">
    SetHandler server-status
</Directory>
<Directory "@root@/htdocs/index">
    DirectoryIndex doctype
</Directory>
<Directory "@root@/htdocs/off">
    Options -RunScripts
</Directory>
<Directory "@root@/htdocs/ssi">
    Options +Includes
    XBitHack On
    AddOutputFilterByType INCLUDES text/html
</Directory>
EOC
plan tests => keys(%sheets) + 20;

my $httpd = CGITest::Server->plain(conf => $conf);
my $root = $httpd->root . '/htdocs';
my $port = $httpd->port;
sub type { return $_[0]{header}{'content-type'} // '' }
sub get { return request($port, 'GET', @_) }

for my $name (sort keys %sheets) {
    my ($text, $type) = @{$sheets{$name}};
    tree($root, $name => $text, "$name.doit" => script());
    ok t_cmp(type(get("/$name")), $type, $name);
}
for my $dir (qw(charset forced handled index off ssi)) {
    tree("$root/$dir", 'doctype' => $html, 'doctype.doit' => script(),
        'alone' => $html, 'nph' => $html, 'nph.nph' => nph_script());
}
my $head = request($port, 'HEAD', '/doctype');
ok t_cmp(type($head), 'text/html');
ok t_cmp($head->{header}{'content-length'}, length $html);
ok t_cmp($head->{body}, '');
my $part = get('/doctype', Range => 'bytes=2-4');
ok t_cmp(type($part), 'text/html');
ok t_cmp("$part->{status} $part->{body}", '206 DOC');
my $parts = get('/doctype', Range => 'bytes=0-1,8-9');
ok t_cmp($parts->{body}, qr{^Content-type: text/html\r$}mi);
ok t_cmp(get('/doctype', 'If-None-Match' => $head->{header}{etag})->{status},
    304);
ok t_cmp(ran(get('/doctype?x')), qr/^doctype\.doit/);

ok t_cmp(type(get('/charset/doctype')), 'text/html; charset=utf-8');
ok t_cmp(type(get('/charset/nph')), 'text/html; charset=utf-8');
ok t_cmp(type(get('/forced/doctype')), 'image/x-forced');
ok t_cmp(get('/handled/doctype')->{body}, qr/Server Status/);
ok t_cmp(type(get('/index/')), 'text/html');
ok t_cmp(type(get('/index/doctype')), 'text/html');
# What is no cover sheet is left to httpd.
ok t_cmp(type(get('/index/alone')), $none);
ok t_cmp(type(get('/off/doctype')), $none);
# Filters by type see it.
tree("$root/ssi", page => "<html><!--#echo var=\"DOCUMENT_NAME\" -->",
    'page.doit' => script());
ok t_cmp(get('/ssi/page')->{body}, '<html>page');
# A file that can't be read is core's to refuse.
chmod 0, "$root/lower" or die;
ok($> == 0 || get('/lower')->{status} == 403);
$httpd->stop;

# mod_mime_magic comes first, and what it does not know is ours.
my ($libexec) = read_file(Apache::Test::vars('httpd_conf'))
    =~ m{^LoadModule mime_module "?(\S+)/mod_mime\.so}m;
write_file("$root/../magic", "0\tstring\t\\<!DOCTYPE\ttext/x-magic\n");
$httpd = CGITest::Server->plain(conf => qq(LoadModule mime_magic_module )
    . qq("$libexec/mod_mime_magic.so"\nMimeMagicFile "$root/../magic"\n$conf));
# It passes over short files.
tree($httpd->root . '/htdocs', 'doctype' => $html x 1000, 'doctype.doit' => script(),
    'lower' => "<html>", 'lower.doit' => script());
$port = $httpd->port;
ok t_cmp(type(get('/doctype')), 'text/x-magic');
ok t_cmp(type(get('/lower')), qr{^text/});
