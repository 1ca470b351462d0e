# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Scripts in interpreters that are loaded before, and what else is there
against their slow start."""

import os
import shutil
import time

from . import machine, measure
from .report import Series
from .rows import OURS, httpd, lighttpd, ours
from .servers import ServerError

WARM = OURS + ", warm"
FCGID = "mod_fcgid"
REGISTRY = "mod_perl, Registry"
WSGI = "mod_wsgi"

# Program, label, modules that it loads, goal against mod_cgid.
PROGRAMS = [
    ("hello.pl", "Perl, a plain page", None, 2),
    ("form.pl", "Perl, CGI.pm, a form", "CGI", 8),
    ("template.pl", "Perl, Template Toolkit", "Template", 12),
    ("hello.py", "Python, a plain page", None, 6),
    ("imports.py", "Python, nine modules", None, 15),
]
# So many at once, and how much memory each takes: program, label, modules.
HELD = 100
HOLDERS = [
    ("waits.pl", "Perl, CGI.pm", "CGI"),
    ("waits.py", "Python, nine modules", None),
]
LOADED = {
    # What a script's modules load themselves is named too: doc/warm.md.
    "cgi-warm-perl.so": "CGIWarm perl CGI HTML::Entities " + " ".join(
        "Template" + name for name in (
            "", "::Context", "::Document", "::Filters", "::Grammar",
            "::Iterator", "::Parser", "::Plugins", "::Provider", "::Service",
            "::Stash::XS", "::VMethods")) + "\n",
    "cgi-warm-python.so": "CGIWarm python3 datetime email.message "
                          "email.policy html http.cookies json logging "
                          "sqlite3 urllib.parse\n",
}


def fill_site(ws):
    """The scripts, as each server wants to find them."""
    source = os.path.join(machine.BENCH, "scripts", "warm")
    for folder, suffix in (("cgi-bin", ""), ("doit", ".doit"), ("warm", "")):
        os.makedirs(os.path.join(ws.site, folder), exist_ok=True)
        for name in os.listdir(source):
            target = os.path.join(ws.site, folder, name + suffix)
            shutil.copyfile(os.path.join(source, name), target)
            os.chmod(target, 0o755)


def peer(name, module, text, **settings):
    """httpd with a module of Debian's, and <Directory> warm/ for it."""
    def make(ws, port):
        lines = text.replace("@WARM@", os.path.join(ws.site, "warm"))
        return httpd(name, modules=[module],
                     extra=lines.replace("@DIR@", ws.dir),
                     **settings)(ws, port)
    return make


def warm_httpd(ws, port):
    lines = "".join(line for plugin, line in LOADED.items()
                    if machine.built(plugin))
    return httpd(WARM, cgi="runscripts", extra=lines + (
        '<Directory "%s/doit">\n    CGIWarmScripts On\n</Directory>\n'
        % ws.site))(ws, port)


def makers(bench):
    def have(name):
        return os.path.exists(os.path.join(machine.HTTPD_MODULES,
                                           "mod_%s.so" % name))

    found = ours(bench, httpd(OURS, cgi="runscripts"), warm_httpd)
    found += [httpd("mod_cgid", cgi="cgid"), lighttpd()]
    if have("fcgid"):
        found.append(peer(FCGID, "fcgid", (
            '<Directory "@WARM@">\n    Options +ExecCGI\n</Directory>\n'
            "AddHandler fcgid-script .fcgi\n")))
    if have("perl"):
        found.append(peer(REGISTRY, "perl", (
            "PerlModule ModPerl::Registry CGI Template\n"
            '<Directory "@WARM@">\n    <Files "*.pl">\n'
            "        SetHandler perl-script\n"
            "        PerlResponseHandler ModPerl::Registry\n"
            "        PerlOptions +ParseHeaders\n        Options +ExecCGI\n"
            "    </Files>\n</Directory>\n"), mpm="prefork"))
    if have("wsgi"):
        found.append(peer(WSGI, "wsgi", (
            'WSGISocketPrefix "@DIR@/wsgi"\n'
            "WSGIDaemonProcess bench processes=2 threads=8\n"
            "WSGIProcessGroup bench\nWSGIApplicationGroup %{GLOBAL}\n"
            'WSGIScriptAlias "/warm/imports.py" "@WARM@/imports.wsgi"\n')))
    return found


def url_of(server, program):
    """The path of a program, or None: not for this server."""
    stem, kind = program.rsplit(".", 1)
    if server.name in (OURS, WARM):
        path = "/doit/" + program
    elif server.name == FCGID:
        path = "/warm/form.fcgi" if stem == "form" else None
    elif server.name == REGISTRY:
        path = "/warm/" + program if kind == "pl" else None
    elif server.name == WSGI:
        path = "/warm/" + program if stem == "imports" else None
    else:
        path = "/cgi-bin/" + program
    return path and path + "?word=hello"


def wait_warm(server, kind):
    """Scripts start without the interpreter until it is loaded."""
    for _ in range(120):
        try:
            measure.check(server, "/doit/where." + kind, "warm")
            return
        except measure.WrongAnswer:
            time.sleep(0.5)
    raise ServerError("%s: no interpreter of %s" % (server.name, kind))


def has_modules(modules):
    return not modules or os.system(
        "perl -M%s -e 1 >/dev/null 2>&1" % modules) == 0


def is_built(program):
    return machine.built("cgi-warm-perl.so" if program.endswith(".pl")
                         else "cgi-warm-python.so")


def one_program(bench, servers, program, label, goal):
    series = Series("requests/s")
    contenders = {}
    for server in servers:
        url = url_of(server, program)
        if not url:
            continue
        if server.name == WARM:
            wait_warm(server, program.rsplit(".", 1)[1])
        measure.check(server, url, "hello")
        contenders[server.name] = server.url(url)

    def one(name, where):
        series.add(name, measure.wrk(where, bench.seconds, 8)[0])
        bench.say("%s, %s: %.0f/s" % (label, name, series.values[name][-1]))

    bench.turns(contenders, one)
    bench.report.series(
        "Interpreters, %s, 8 keep-alive connections" % label, series,
        "mod_fcgid, Registry and mod_wsgi keep the script itself: it is no "
        "process of its own.")
    bench.report.goal("%s, warm, against mod_cgid" % label, series, WARM,
                      "mod_cgid", goal)


def memory(bench, servers, program, label):
    kib = Series("KiB per script", False)
    where = {OURS: "doit", WARM: "doit", "mod_cgid": "cgi-bin"}
    for _ in range(min(3, bench.rounds)):
        for server in servers:
            if server.name not in where:
                continue
            go = os.path.join(bench.ws.site, where[server.name], "go")
            kib.add(server.name, measure.held(
                server, url_of(server, program), HELD, go))
            bench.say("%d that wait, %s, %s: %.0f KiB each" % (
                HELD, label, server.name, kib.values[server.name][-1]))
    bench.report.series(
        "Interpreters, %s: memory of each of %d that wait" % (label, HELD),
        kib, "Of the script and the server together; a page that processes "
        "share counts once.")
    bench.report.goal("%s, %d that wait, memory, warm against mod_cgid" % (
        label, HELD), kib, WARM, "mod_cgid", 0.4, at_least=False)


def warm(bench):
    """Five scripts whose start is most of their work."""
    fill_site(bench.ws)
    with bench.up(*makers(bench)) as servers:
        for program, label, modules, goal in PROGRAMS:
            if is_built(program) and has_modules(modules):
                one_program(bench, servers, program, label, goal)
        for program, label, modules in HOLDERS:
            if is_built(program) and has_modules(modules):
                memory(bench, servers, program, label)


ROWS = {"warm": warm}
