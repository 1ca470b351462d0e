# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Figures, ratios and their spread, as text and as Markdown."""

import statistics


class Series:
    """What each contender measured, round by round."""

    def __init__(self, unit, higher_is_better=True, digits=0):
        self.unit = unit
        self.higher = higher_is_better
        self.digits = digits
        self.values = {}

    def add(self, name, value):
        self.values.setdefault(name, []).append(value)

    def median(self, name):
        return statistics.median(self.values[name])

    def ratio(self, ours, peer):
        """Ratio of medians, with the smallest and largest of the ratios of
        the same round."""
        pairs = [a / b for a, b in zip(self.values[ours], self.values[peer])
                 if b]
        base = self.median(peer)
        if not base or not pairs:
            return None
        return self.median(ours) / base, min(pairs), max(pairs)

    def best(self, names):
        choose = max if self.higher else min
        return choose((n for n in names if n in self.values),
                      key=self.median)

    def show(self, value):
        return "%.*f" % (self.digits, value)


class Goal:
    """`ours` against `peer` in one series: at least (or at most) `bound`."""

    def __init__(self, text, series, ours, peer, bound, at_least=True):
        self.text = text
        self.series = series
        self.ours = ours
        self.peer = peer
        self.bound = bound
        self.at_least = at_least

    def line(self):
        if self.ours not in self.series.values or (
                self.peer and self.peer not in self.series.values):
            return [self.text, self._bound(), "not measured", "", "?"]
        if self.peer:
            ratio = self.series.ratio(self.ours, self.peer)
            if ratio is None:
                return [self.text, self._bound(), "too small to tell", "",
                        "?"]
            value, low, high = ratio
            spread = "%.2f - %.2f" % (low, high)
            shown = "%.2f" % value
        else:
            value = self.series.median(self.ours)
            seen = self.series.values[self.ours]
            spread = "%s - %s" % (self.series.show(min(seen)),
                                  self.series.show(max(seen)))
            shown = "%s %s" % (self.series.show(value), self.series.unit)
        reached = value >= self.bound if self.at_least else value <= self.bound
        return [self.text, self._bound(), shown, spread,
                "yes" if reached else "**no**"]

    def _bound(self):
        unit = "" if self.peer else " " + self.series.unit
        return "%s %g%s" % ("at least" if self.at_least else "at most",
                            self.bound, unit)


def table(head, rows):
    """A Markdown table whose source can be read as well."""
    rows = [[str(c) for c in row] for row in rows]
    widths = [max(len(row[i]) for row in [head] + rows)
              for i in range(len(head))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths)) + " |"
             for row in [head] + rows]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)


def series_table(series, ours):
    """Median, smallest and largest of each, and ours divided by it."""
    rows = []
    for name, values in series.values.items():
        ratio = series.ratio(ours, name) if ours in series.values else None
        rows.append([
            name, series.show(statistics.median(values)),
            "%s - %s" % (series.show(min(values)), series.show(max(values))),
            "" if name == ours or not ratio else
            "%.2f (%.2f - %.2f)" % ratio])
    return table(["server", series.unit, "smallest - largest",
                  "%s / it (by round)" % ours], rows)


class Report:
    """Sections in the order of measuring, goals in front."""

    def __init__(self, ours, before=None):
        """before: the name of another build of ours. Then the only goal is
        that no figure is worse than its own."""
        self.ours = ours
        self.before = before
        self.sections = []
        self.goals = []

    def section(self, title, text):
        self.sections.append((title, text))
        print("\n== %s\n%s" % (title, text), flush=True)

    def series(self, title, series, note=""):
        text = series_table(series, self.ours)
        self.section(title, text + ("\n\n" + note if note else ""))
        if self.before in series.values:
            self.goals.append(Goal(title, series, self.ours, self.before,
                                   0.97 if series.higher else 1.03,
                                   series.higher))

    def goal(self, *args, **kwargs):
        if not self.before:
            self.goals.append(Goal(*args, **kwargs))

    def goals_table(self):
        return table(["work", "goal", "reached", "by round", "done"],
                     [g.line() for g in self.goals])

    def markdown(self, machine, settings):
        parts = ["# Results",
                 "Written by `bench/run`; README.md says how to read it.",
                 "\n".join("- " + line for line in machine + settings)]
        if self.goals:
            parts += ["## Goals", self.goals_table()]
        for title, text in self.sections:
            parts += ["## " + title, text]
        return "\n\n".join(parts) + "\n"
