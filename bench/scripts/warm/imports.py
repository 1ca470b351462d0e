#!/usr/bin/python3
import datetime
import email.message
import html
import http.cookies
import json
import logging
import os
import sqlite3
import urllib.parse

form = urllib.parse.parse_qs(os.environ["QUERY_STRING"])
logging.getLogger().setLevel(logging.ERROR)
db = sqlite3.connect(":memory:")
mail = email.message.EmailMessage()
mail["Date"] = datetime.datetime(2020, 1, 1)
cookie = http.cookies.SimpleCookie()
text = db.execute("select ?", (json.loads(json.dumps(form["word"][0])),))
print("Content-Type: text/plain\n\n" + html.escape(text.fetchone()[0]))
