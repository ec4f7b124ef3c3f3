#!/usr/bin/env python3
"""Checks the rules of the house that no compiler checks: who includes what, who reads a clock, how a header opens.

Usage: rules.py ROOT          scans ROOT/src and ROOT/include; prints what breaks a rule; exit code 1 if anything does
       rules.py --self-test   checks that every rule finds what it is there for
Distribution headers are always visible, so linking cannot keep a library out of a floor; this does.
"""
import pathlib
import re
import sys

# The floors that a floor may include beside itself. `replica` and `flow` are siblings, and so are `net` and `admin`.
BELOW = {
    "base": {"base"},
    "http": {"base"},
    "store": {"base", "http"},
    "flow": {"base", "http", "store"},
    "replica": {"base", "http", "store"},
    "net": {"base", "http", "store", "flow", "replica"},
    "admin": {"base", "http", "store", "flow", "replica"},
    "app": {"base", "http", "store", "flow", "replica", "net", "admin"},
    "ping_echo": {"base", "http"},
    "main": {"base", "http", "store", "flow", "replica", "net", "admin", "app"},
}

# Libraries that belong to shells, and the floors that are none.
LIBRARIES = {
    "asio": re.compile(r"boost/asio"),
    "beast": re.compile(r"boost/beast"),
    "hiredis": re.compile(r"hiredis/"),
    "spdlog": re.compile(r"(spdlog|fmt)/"),
    "CLI11": re.compile(r"CLI/"),
    "toml++": re.compile(r"toml\+\+/"),
    "prometheus-cpp": re.compile(r"prometheus/"),
    "nlohmann-json": re.compile(r"nlohmann/"),
    "OpenSSL": re.compile(r"openssl/"),
}
PURE = {"base", "http", "store", "flow", "replica"}
# Which files of a pure floor may include one all the same: the shells of the link to Redis.
ADAPTERS = {
    "asio": re.compile(r"src/replica/redis_(connection|link\w*)\.[ch]pp"),
    "hiredis": re.compile(r"src/replica/redis_connection\.cpp"),
    "spdlog": re.compile(r"src/replica/redis_link\w*\.[ch]pp"),
    "OpenSSL": re.compile(r"src/replica/(redis_connection|keys)\.cpp"),
}
# One door each, in the whole program.
DOORS = {
    "hiredis": re.compile(r"src/replica/redis_connection\.cpp"),
    "CLI11": re.compile(r"src/(app|ping_echo)/\w+\.[ch]pp"),
    "toml++": re.compile(r"src/app/\w+\.[ch]pp"),
    "prometheus-cpp": re.compile(r"src/admin/\w+\.[ch]pp"),
}

# Everybody else gets the time as an argument or from a clock_source. In net it is the steady clock alone,
# for durations that are logged and for how long a connection took.
CLOCK_FILES = {
    re.compile(r"src/base/clock\.cpp"): re.compile(r"(system|steady)_clock::now|clock_gettime"),
    re.compile(r"src/net/\w+\.[ch]pp"): re.compile(r"steady_clock::now"),
    re.compile(r"src/ping_echo/\w+\.[ch]pp"): re.compile(r"\w+_clock::now"),
}
CLOCK = re.compile(r"[\w:]*\w\s*::\s*now\s*\(|\b(clock_gettime|gettimeofday)\b|\btime\s*\(\s*(NULL|nullptr|0)\s*\)")
UNDONE = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
SHORT_CIRCUIT = re.compile(r"&&|\|\||\?")
OPERAND = re.compile(r"\bco_await\b|[(){};,\[\]]")
BLANKED = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)


def code_of(text):
    """The text without comments and literals; lines stay where they are."""
    return BLANKED.sub(lambda m: " " + "\n" * m.group(0).count("\n"), text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def awaits_in_operand(code, position):
    """Whether there is a co_await between an operator's end and the end of the expression that it stands in."""
    depth = 0
    for m in OPERAND.finditer(code, position):
        what = m.group(0)
        if what == "co_await":
            return True
        if what in "([":
            depth += 1
        elif what in ")]":
            depth -= 1
        if depth < 0 or what in ";{}" or (what == "," and depth == 0):
            return False
    return False


def floor_of(path):
    parts = path.split("/")
    if path.startswith("include/meshcache/"):
        return parts[2]
    return parts[1] if len(parts) > 2 else "main"


class house:
    """Files by path (relative, with slashes) and what is wrong with them."""

    def __init__(self, files):
        self.files = files
        self.wrong = []

    def complain(self, path, line, why):
        self.wrong.append(f"{path}:{line}: {why}")

    def check(self):
        for path, text in sorted(self.files.items()):
            floor = floor_of(path)
            if floor not in BELOW:
                self.complain(path, 1, f"'{floor}' is no floor of this house")
                continue
            self.check_includes(path, floor, text)
            code = code_of(text)
            self.check_clocks(path, code)
            for m in SHORT_CIRCUIT.finditer(code):
                if awaits_in_operand(code, m.end()):
                    self.complain(path, line_of(code, m.start()),
                                  "co_await behind &&, || or ?: (g++ 12 makes wrong code of it); use an if")
            for m in UNDONE.finditer(text):
                self.complain(path, line_of(text, m.start()), f"'{m.group(0)}': nothing is left undone in the code")
            if path.endswith(".hpp"):
                self.check_opening(path, text)
        return self.wrong

    def check_includes(self, path, floor, text):
        for m in INCLUDE.finditer(text):
            quote, name = m.groups()
            line = line_of(text, m.start())
            if quote == '"':
                beside = path.rsplit("/", 1)[0] + "/" + name
                if ".." in name or beside not in self.files:
                    self.complain(path, line, f'"{name}": quotes are for headers of the same folder')
                elif floor_of(beside) != floor and floor_of(beside) not in BELOW[floor]:
                    self.complain(path, line, f"{floor} must not include {floor_of(beside)}: {name}")
                continue
            if name.startswith("meshcache/"):
                other = name.split("/")[1]
                if other != floor and other not in BELOW[floor]:
                    self.complain(path, line, f"{floor} must not include {other}: {name}")
                if "include/" + name not in self.files:
                    self.complain(path, line, f"no such header: {name}")
                continue
            for library, pattern in LIBRARIES.items():
                if not pattern.match(name):
                    continue
                door = DOORS.get(library)
                if door and not door.fullmatch(path):
                    self.complain(path, line, f"{library} has one door, and this is not it: {name}")
                elif floor in PURE and not (library in ADAPTERS and ADAPTERS[library].fullmatch(path)):
                    self.complain(path, line, f"{floor} must not include {library}: {name}")

    def check_clocks(self, path, code):
        allowed = [what for where, what in CLOCK_FILES.items() if where.fullmatch(path)]
        for m in CLOCK.finditer(code):
            if not any(what.search(m.group(0)) for what in allowed):
                self.complain(path, line_of(code, m.start()),
                              f"{m.group(0).rstrip('( ')}: time is an argument, or comes from a clock_source")

    def check_opening(self, path, text):
        lines = text.split("\n", 2)
        if lines[0] != "#pragma once":
            self.complain(path, 1, "a header begins with #pragma once")
        elif len(lines) < 2 or not lines[1].startswith("//"):
            self.complain(path, 2, "a header opens with a comment: what for, whose, which thread")


def self_test():
    opening = "#pragma once\n// What for.\n"
    bad = {
        "src/http/a.cpp": '#include <boost/asio/post.hpp>\n',
        "src/store/a.cpp": "  #  include <spdlog/logger.h>\n",
        "src/replica/codec.cpp": "#include <hiredis/hiredis.h>\n",
        "src/replica/redis_link.cpp": "#include <hiredis/async.h>\n",
        "src/net/a.cpp": "#include <CLI/CLI.hpp>\n",
        "src/flow/b.cpp": "#include <meshcache/net/x.hpp>\n",
        "src/flow/c.cpp": "#include <meshcache/replica/x.hpp>\n",
        "src/net/b.cpp": "#include <meshcache/admin/x.hpp>\n",
        "src/base/b.cpp": "#include <meshcache/base/gone.hpp>\n",
        "src/base/c.cpp": '#include "../http/x.hpp"\n',
        "src/flow/d.cpp": "auto t = std::chrono::steady_clock::now();\n",
        "src/app/d.cpp": "using clock = std::chrono::system_clock; auto t = clock::now();\n",
        "src/net/d.cpp": "auto t = std::chrono::system_clock::now();\n",
        "src/net/e.cpp": "if (!done() && !co_await more()) return;\n",
        "src/net/f.cpp": "if (done() ||\n    co_await more()) return;\n",
        "src/net/ff.cpp": "if ((a || b) && sent(x, co_await more())) return;\n",
        "src/net/g.cpp": "auto x = a ? co_await b() : c;\n",
        "src/net/h.cpp": "// TO" + "DO later\n",
        "src/base/i.hpp": "// What for.\n#pragma once\n",
        "src/base/j.hpp": "#pragma once\n#include <string>\n",
        "src/cellar/k.cpp": "int x;\n",
    }
    good = {
        "include/meshcache/net/x.hpp": opening,
        "include/meshcache/admin/x.hpp": opening,
        "include/meshcache/replica/x.hpp": opening,
        "src/net/z.hpp": opening,
        "src/net/z.cpp": '#include "z.hpp"\n#include <meshcache/net/x.hpp>\n#include <boost/asio/post.hpp>\n'
                         "// if (a && co_await b) std::chrono::system_clock::now()\n"
                         'log("a ? co_await b : system_clock::now()");\n'
                         "if (!(co_await more()) || done()) return;\n"
                         "if (a || b) { co_await more(); }\nif (a || (b && c)) co_await more();\n"
                         "f(a || b, co_await c());\ntemplate <class T> void g(T&& t, int);\n"
                         "if (a && b) co_return;\nco_await c();\n"
                         "auto t = std::chrono::steady_clock::now();\nwall_time now(); sweep.now();\n",
        "src/replica/redis_connection.cpp": "#include <hiredis/async.h>\n#include <boost/asio/post.hpp>\n",
        "src/base/clock.cpp": "auto t = std::chrono::system_clock::now();\n",
        "src/main.cpp": '#include "net/z.hpp"\nint main() {}\n',
    }
    failed = house(dict(good)).check()
    for path, text in bad.items():
        wrong = house(dict(good, **{path: text})).check()
        if len(wrong) != 1 or not wrong[0].startswith(path + ":"):
            failed.append(f"{text!r} in {path} should be one complaint, not {wrong}")
    return failed


def main(arguments):
    if arguments == ["--self-test"]:
        wrong = self_test()
    elif len(arguments) == 1:
        root = pathlib.Path(arguments[0])
        files = {
            path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
            for top in ("src", "include")
            for path in (root / top).rglob("*")
            if path.suffix in (".hpp", ".cpp")
        }
        if len(files) < 10:
            sys.exit(f"{root} does not look like the sources")
        wrong = house(files).check()
    else:
        sys.exit(__doc__)
    for complaint in wrong:
        print(complaint)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
