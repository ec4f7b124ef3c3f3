#!/usr/bin/env python3
"""The bench's tools do what it relies on: the upstream counts and tells keys, the load finds wrong answers, the
proofs find servers that cheat, and the tables mark what does not hold. Nothing here depends on how long things take."""
import json
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from kit import (compare, following, latency, load, machine, plot, posting, proof, rounds, servers,  # noqa: E402
                 turns)
from kit.candidates import Candidate  # noqa: E402
from kit.machine import BenchError  # noqa: E402

CORE = sorted(machine.os.sched_getaffinity(0))[0]


class ToolsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="meshcache-bench-test-")
        self.addCleanup(folder.cleanup)
        self.directory = Path(folder.name)

    def upstream(self, *options, size=1024):
        server = servers.Upstream(size, CORE, self.directory, *options)
        self.addCleanup(server.stop)
        return server

    def tool(self, name, *words):
        """Starts bench/NAME; its port."""
        port = servers.free_port()
        server = servers.Server([machine.compile_tool(name), port, *words], CORE, self.directory, name)
        self.addCleanup(server.stop)
        server.wait_for_port(port)
        return port

    def ask(self, port, asked, *options):
        return load.run(CORE, port, asked, 60, *options, connections=7)

    def test_the_usage_of_each_tool_names_all_its_options(self):
        for name in ("limit", "load"):
            options = set(re.findall(r'name == "(--[a-z-]+)"', (ROOT / "bench" / f"{name}.cpp").read_text()))
            self.assertGreater(len(options), 3, name)
            said = subprocess.run([machine.compile_tool(name)], capture_output=True, text=True, check=False)
            self.assertEqual(said.returncode, 2)
            for option in options:
                self.assertIn(option, said.stderr, name)

    def test_the_load_asks_as_often_as_it_should_and_the_upstream_counts(self):
        upstream = self.upstream()
        report = self.ask(upstream.port, load.Load(1024), "--requests", 1000)
        self.assertEqual(report["requests"], 1000)
        self.assertEqual(upstream.answered(), 1000)

    def test_the_load_asks_as_often_at_a_fixed_rate(self):
        upstream = self.upstream()
        report = self.ask(upstream.port, load.Load(1024), "--requests", 500, "--rate", 20000)
        self.assertEqual((report["requests"], report["unanswered"]), (500, 0))
        self.assertEqual(upstream.answered(), 500)

    def test_keys_come_in_order_and_are_told(self):
        upstream = self.upstream("--keys")
        asked = load.Load(1024, load.KEYED_PATH, options=("--sequence", 41, "--check"))
        self.assertEqual(self.ask(upstream.port, asked, "--requests", 100)["next_key"], 141)
        self.assertTrue(proof.content(upstream, load.key_path(12345678)).startswith(b"12345678"))

    def test_the_content_of_another_key_ends_the_load(self):
        upstream = self.upstream()  # always the same content
        asked = load.Load(1024, load.KEYED_PATH, options=("--zipf", 1000, "--check"))
        with self.assertRaisesRegex(BenchError, "another key"):
            self.ask(upstream.port, asked, "--requests", 100)

    def test_new_keys_come_between_the_others(self):
        upstream = self.upstream("--keys")
        asked = load.Load(1024, load.KEYED_PATH, options=("--zipf", 10, "--new", 4, 5000, "--check"))
        self.assertEqual(self.ask(upstream.port, asked, "--requests", 100)["new_keys"], 25)

    def test_contents_of_many_sizes_are_read_to_their_end(self):
        upstream = self.upstream("--keys", "--vary", size=65536)
        self.assertEqual(len(proof.content(upstream, load.key_path(15))), 65536)
        asked = load.Load(65536, load.KEYED_PATH, options=("--sequence", 0, "--vary", "--check"))
        self.assertEqual(self.ask(upstream.port, asked, "--requests", 500)["requests"], 500)
        fixed = load.Load(65536, load.KEYED_PATH, options=("--sequence", 15, "--check"))
        self.assertEqual(self.ask(upstream.port, fixed, "--requests", 1)["requests"], 1)

    def test_another_status_ends_the_load(self):
        upstream = self.upstream("--status", "304")
        self.assertEqual(self.ask(upstream.port, load.Load(0, status=304), "--requests", 10)["requests"], 10)
        with self.assertRaisesRegex(BenchError, "another status"):
            self.ask(upstream.port, load.Load(0), "--requests", 10)

    def test_the_relay_passes_large_answers_unchanged(self):
        upstream = self.upstream(size=3 << 20)
        port = self.tool("relay", upstream.port)
        connection = proof.http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.addCleanup(connection.close)
        expected = proof.content(upstream, load.PATH)
        for _ in range(3):
            self.assertEqual(proof.get(connection, {})[1], expected)

    def test_tags_follow_the_key(self):
        upstream = self.upstream("--keys", "--tags")
        connection = proof.http.client.HTTPConnection("127.0.0.1", upstream.port, timeout=60)
        self.addCleanup(connection.close)
        response, _ = proof.get(connection, {}, load.key_path(1_000_000))
        self.assertEqual(response.getheader("Surrogate-Key"), "t01")

    def test_a_proxy_that_stores_nothing_is_no_cache(self):
        upstream = self.upstream()

        class Pretender(Candidate):
            """Marks hits, and asks the upstream all the same."""
            name = "pretender"

            def is_hit(self, _response):
                return True

        candidate = Pretender()
        candidate.port = self.tool("relay", upstream.port)
        with self.assertRaisesRegex(BenchError, "asks the upstream although it marks hits"):
            proof.hits(candidate, upstream, {})

    def test_a_cache_passes_nothing(self):
        upstream = self.upstream()
        class Cache(Candidate):
            name = "cache"

            def is_hit(self, _response):
                return False

        candidate = Cache()
        candidate.port = self.tool("limit", 1024)  # answers by itself
        with self.assertRaisesRegex(BenchError, "does not ask the upstream once"):
            proof.passes(candidate, upstream, {})
        with self.assertRaisesRegex(BenchError, "does not ask the upstream once"):
            proof.passes(candidate, upstream, {}, "POST", b"x" * 1024)

    def test_each_post_is_answered_once(self):
        upstream = self.upstream("--content", 1024)
        candidate = Candidate()
        candidate.port = self.tool("relay", upstream.port)
        candidate.is_cache = False
        proof.passes(candidate, upstream, {}, "POST", b"x" * 1024)
        posted = posting.Post(1024, []).load(candidate)
        before = upstream.answered()
        self.assertEqual(self.ask(candidate.port, posted, "--requests", 100)["requests"], 100)
        self.assertEqual(upstream.answered(), before + 100)


def one_round(**figures):
    usual = {"rate": 1000., "cpu_s": 1., "cpu_us": 10., "user_us": 3., "p50_us": 5, "p99_us": 9, "server_busy": .99,
             "generator_busy": .5, "foreign": 0.}
    return dict(usual, **figures)


def result(**summaries):
    return {"name": "hits", "title": "1024 bytes", "peers": ["nginx"],
            "summary": {name: rounds.summarise(values) for name, values in summaries.items()}}


class TablesTest(unittest.TestCase):
    def test_medians_and_spreads(self):
        summary = rounds.summarise([one_round(rate=r) for r in (100., 120., 110.)])
        self.assertEqual(summary["rate"], 110.)
        self.assertAlmostEqual(summary["rate_spread"], 20 / 110)

    def test_ratios_to_the_limit_and_to_the_best_peer(self):
        text = rounds.table(result(limit=[one_round(rate=2000., cpu_us=5.)],
                                   meshcache=[one_round(rate=1500., cpu_us=6.25)], nginx=[one_round()]))
        row = next(line for line in text.splitlines() if line.startswith("| meshcache"))
        self.assertIn("| 1,500 | 0% | 0.75 | 1.50 | 6.25 (3.00) | 0% | 0.80 | 1.60 |", row)
        self.assertNotIn("†", text)

    def test_a_rate_of_a_server_that_was_not_busy_is_marked(self):
        text = rounds.table(result(meshcache=[one_round(server_busy=.5)], nginx=[one_round()]))
        row = next(line for line in text.splitlines() if line.startswith("| meshcache"))
        self.assertIn("1,000 †", row)
        self.assertIn("1.00 †", row)
        self.assertIn("† the server took less than 90%", text)

    def test_disturbed_and_too_short_rounds_are_marked(self):
        text = rounds.table(result(meshcache=[one_round(foreign=.2), one_round()]))
        self.assertIn("| meshcache ‡ |", text)
        self.assertIn("–", rounds.table(result(meshcache=[one_round(cpu_s=.1)])))

    def test_an_invalid_peer_marks_the_ratio_to_it(self):
        both = result(meshcache=[one_round()], nginx=[one_round(server_busy=.2)], haproxy=[one_round(rate=100.)])
        both["peers"] = ["nginx", "haproxy"]
        text = rounds.table(both)
        row = next(line for line in text.splitlines() if line.startswith("| meshcache"))
        self.assertIn("1.00 †", row)

    def test_the_upstream_is_asked_as_often_as_the_scenario_says(self):
        def check(share, tolerated, requests, asked):
            scenario = rounds.Scenario()
            scenario.asks_upstream, scenario.tolerated = share, tolerated
            candidate = Candidate()
            candidate.name = "one"
            rounds.check_upstream(candidate, scenario, requests, asked)

        check(0., 0., 1000, 0)
        check(1., 0., 1000, 1000)
        check(.05, .002, 1000, 50)
        check(0., .001, 10000, 10)
        for wrong in ((0., 0., 1000, 1), (1., 0., 1000, 999), (1., 0., 1000, 1011), (.05, .002, 1000, 48),
                      (.05, .002, 1000, 53)):
            with self.assertRaises(BenchError, msg=wrong):
                check(*wrong)

    def test_rounds_alternate(self):
        class Named:
            def __init__(self, name):
                self.name = name

        order = []
        rounds.take_turns([Named("a"), Named("b"), Named("c")], 2, lambda c, _: order.append(c.name))
        self.assertEqual("".join(order), "abcbca")

    def test_the_longest_turns_of_event_loops_are_those_of_the_interval(self):
        infinite = float("inf")
        before = {"worker": [(.001, 5), (.002, 6), (infinite, 6)], "main": [(.001, 1), (.002, 1), (infinite, 1)]}
        after = {"worker": [(.001, 9), (.002, 10), (infinite, 10)], "main": [(.001, 1), (.002, 1), (infinite, 1)],
                 "redis": [(.001, 2), (.002, 3), (infinite, 4)]}
        seen = turns.Turns()
        seen.add(before, after)
        self.assertEqual(seen.describe(),
                         "worker 4, the longest within 1 ms; redis 4, the longest above 2 ms, 2 above 1 ms")
        seen.add(before, after)
        self.assertTrue(seen.describe().startswith("worker 8, "))

    def test_the_log_tells_when_a_reconciliation_began_and_ended(self):
        log = ("2026-11-26T21:10:00.123Z warning redis 127.0.0.1:7: the change log has a gap after 1795733580329-0\n"
               "2026-11-26T21:10:01.000Z info redis 127.0.0.1:7: something else\n"
               "2026-11-26T21:10:02.500Z info redis 127.0.0.1:7: reconciled\n")
        self.assertEqual(latency.RECONCILIATION.findall(log), ["2026-11-26T21:10:00.123", "2026-11-26T21:10:02.500"])

    def test_a_line_through_points(self):
        base, each = following.fit([(2, 14.), (5, 20.), (20, 50.)])
        self.assertAlmostEqual(base, 10.)
        self.assertAlmostEqual(each, 2.)


class ResultsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="meshcache-bench-test-")
        self.addCleanup(folder.cleanup)
        self.directory = Path(folder.name)

    def write(self, name, one):
        path = self.directory / name
        path.write_text(json.dumps({"about": {"bench": "hits"}, "results": [one]}))
        return str(path)

    def bench(self, *words):
        done = subprocess.run([sys.executable, ROOT / "bench" / "run", *words], capture_output=True, text=True,
                              check=False)
        return done.returncode, done.stdout + done.stderr

    def test_two_results_are_compared(self):
        old = self.write("old.json", result(limit=[one_round(cpu_us=5.)], meshcache=[one_round(cpu_us=10.)]))
        new = self.write("new.json", result(limit=[one_round(cpu_us=6.)], meshcache=[one_round(cpu_us=9.)]))
        code, text = self.bench("compare", old, new)
        self.assertEqual(code, 0, text)
        self.assertIn("| hits: 1024 bytes | meshcache | CPU µs | 10 | 9 | 0.90 | 0.75 |", text)

    def test_what_is_no_result_is_refused(self):
        path = self.directory / "no.json"
        path.write_text("{}")
        code, text = self.bench("compare", str(path), str(path))
        self.assertEqual(code, 1)
        self.assertIn("is no result of --json", text)
        with self.assertRaises(BenchError):
            compare.read(self.directory / "missing.json")

    def test_a_picture_has_a_bar_for_each_candidate(self):
        results = {("hits", "1024 bytes"): result(limit=[one_round()], meshcache=[one_round()])}
        picture = plot.draw(results)
        self.assertEqual(picture.count("<rect x=\"170\""), 2)
        self.assertIn(">meshcache</text>", picture)

    def test_every_bench_has_a_help_text(self):
        code, text = self.bench("--help")
        self.assertEqual(code, 0, text)
        for name in ("hits", "latency", "redis", "traces", "compare", "all"):
            self.assertEqual(self.bench(name, "--help")[0], 0)


if __name__ == "__main__":
    unittest.main()
