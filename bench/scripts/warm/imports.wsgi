import html
import json
import sqlite3
import urllib.parse


def application(environ, start_response):
    form = urllib.parse.parse_qs(environ["QUERY_STRING"])
    db = sqlite3.connect(":memory:")
    text = db.execute("select ?", (json.loads(json.dumps(form["word"][0])),))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [(html.escape(text.fetchone()[0]) + "\n").encode()]
