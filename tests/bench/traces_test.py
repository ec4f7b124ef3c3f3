#!/usr/bin/env python3
"""bench/run traces: what is generated is what it says, bench/replay counts as it should, and the tables read it right.
MESHCACHE_REPLAY names the binary; without it, it is taken from where the preset release builds it, if it is there."""
import os
import sys
import unittest
from collections import Counter
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from kit import generated, traces  # noqa: E402
from kit.machine import BenchError  # noqa: E402

NAMED = os.environ.get("MESHCACHE_REPLAY")
REPLAY = Path(NAMED or ROOT / "build" / "release" / "bench" / "replay")


class GeneratedTest(unittest.TestCase):
    def test_the_same_seed_gives_the_same_trace(self):
        def make(seed):
            asked = generated.zipf(seed, keys=100, requests=1000)
            return asked, generated.scanned(seed, asked, 3, 50), generated.resized(seed, asked)

        self.assertEqual(make(7), make(7))
        for one, other in zip(make(7), make(8)):
            self.assertNotEqual(one, other)

    def test_keys_come_by_the_law_of_zipf(self):
        asked = Counter(generated.zipf(1, keys=1000, requests=100_000))
        self.assertTrue(asked.keys() <= set(range(1000)))
        for key in (0, 1, 9):  # 7.485: the sum of 1/(k + 1)
            self.assertAlmostEqual(asked[key] * 7.485 * (key + 1) / 100_000, 1, delta=.1)

    def test_scans_ask_once_for_keys_of_their_own_and_leave_the_others_in_their_order(self):
        asked = generated.zipf(1, keys=100, requests=1000)
        trace = generated.scanned(2, asked, scans=3, length=50, share=.8)
        self.assertEqual([key for key in trace if key < 100], asked)
        self.assertEqual([key for key in trace if key >= 100], list(range(max(asked) + 1, max(asked) + 151)))
        # The others go on while a scan does.
        first, last = trace.index(max(asked) + 1), trace.index(max(asked) + 50)
        self.assertGreater(sum(key < 100 for key in trace[first:last]), 2)

    def test_scans_that_outlast_the_others_come_to_their_end(self):
        self.assertEqual(sorted(generated.scanned(1, [0, 1], scans=1, length=100)), list(range(102)))

    def test_a_loop_asks_for_all_keys_in_turn(self):
        self.assertEqual(generated.loop(3, 2), [0, 1, 2, 0, 1, 2])

    def test_sizes_stay_between_their_bounds_and_change_as_often_as_told(self):
        asked = [0] * 10_000
        trace = generated.resized(1, asked, changed=.1)
        self.assertEqual([key for key, _ in trace], asked)
        sizes = [size for _, size in trace]
        self.assertTrue(all(512 <= size < 65536 for size in sizes))
        self.assertAlmostEqual(sum(a != b for a, b in zip(sizes, sizes[1:])) / 10_000, .1, delta=.02)
        self.assertEqual(len(set(size for _, size in generated.resized(1, asked, changed=0))), 1)

    def test_the_text_has_a_request_a_line(self):
        self.assertEqual(generated.text([3, 4]), b"3\n4\n")
        self.assertEqual(generated.text([(3, 512), (4, 9)]), b"3 512\n4 9\n")


@unittest.skipUnless(NAMED or REPLAY.exists(), f"{REPLAY} is not built")
class ReplayTest(unittest.TestCase):
    def replay(self, trace, percents=(), bounds=(), content=1024):
        arguments = type("Arguments", (), {"replay": REPLAY, "content": content, "shards": 1})
        return traces.Replay(arguments).run("test", generated.text(trace), percents, bounds)

    def hits(self, trace, fit, policy):
        """With room for so many of its keys, all of one size."""
        keys = len(set(trace))
        # A little more than they take, for what is rounded.
        return self.replay(trace, [100 * (fit + .01) / keys])[0][policy]["hits"]

    def test_lru_keeps_what_was_used_the_latest(self):
        self.assertEqual(self.hits([1, 2, 1, 3, 1, 2], 2, "lru"), 2)
        self.assertEqual(self.hits([1, 2, 3] * 5, 2, "lru"), 0)

    def test_sieve_keeps_what_was_used_since_its_hand_went_by(self):
        # 1 is used and survives 3; 2 leaves. Then the hand stands before 3, which was not used, and 2 takes its place.
        self.assertEqual(self.hits([1, 2, 1, 3, 1, 2, 1, 3], 2, "sieve"), 3)
        # An LRU would have lost 1 to the four that follow.
        self.assertEqual(self.hits([1, 1, 2, 3, 4, 5, 1], 3, "sieve"), 2)
        self.assertEqual(self.hits([1, 1, 2, 3, 4, 5, 1], 3, "lru"), 1)

    def test_belady_keeps_what_is_asked_for_again_the_soonest(self):
        self.assertEqual(self.hits([1, 2, 3] * 5, 2, "belady"), 8)  # 1 and 2 stay
        self.assertEqual(self.hits([1, 2, 3, 4], 2, "belady"), 0)

    def test_everything_hits_where_there_is_room_for_everything(self):
        line = self.replay([*range(500)] * 2, [300])[0]
        self.assertEqual({policy: line[policy]["hits"] for policy in traces.POLICIES},
                         dict.fromkeys(traces.POLICIES, 500))

    def test_another_size_is_a_new_version_and_a_miss(self):
        line = self.replay([(1, 1000), (1, 1000), (1, 2000), (1, 2000), (1, 1000)], bounds=[1 << 20])[0]
        for policy in traces.POLICIES:
            self.assertEqual(line[policy]["hits"], 2, policy)
            self.assertAlmostEqual(line[policy]["bytes"], 3000 / 7000, places=4)

    def test_a_bound_in_bytes_is_the_same_as_its_percent(self):
        trace = generated.zipf(1, keys=1000, requests=10_000)
        percent = self.replay(trace, [20])[0]
        bound = self.replay(trace, bounds=[percent["limit"]])[0]
        self.assertAlmostEqual(bound["percent"], 20, places=3)
        self.assertEqual(dict(bound, percent=0), dict(percent, percent=0))

    def test_no_scan_takes_the_frequent_keys_from_the_store(self):
        asked = generated.zipf(1, keys=5000, requests=50_000)
        alone = self.replay(asked, [10])[0]
        scanned = self.replay(generated.scanned(1, asked, 10, 2500), bounds=[alone["limit"]])[0]
        _, figures = traces.scan_row(alone, scanned, len(asked))
        self.assertGreater(figures["lru_lost"], .02)
        self.assertLess(figures["meshcache_lost"], .005)

    def test_what_is_no_trace_is_refused(self):
        with self.assertRaisesRegex(BenchError, "the trace is empty"):
            self.replay([], [10])
        with self.assertRaisesRegex(BenchError, "usage: replay"):
            self.replay([1], [-1])
        with self.assertRaisesRegex(BenchError, "usage: replay"):
            self.replay([1])


def line(percent, **hits):
    ratios = {policy: {"hits": n, "objects": n / 100, "bytes": n / 200} for policy, n in hits.items()}
    return {"percent": percent, "limit": 2048, "requests": 100, **ratios}


class TablesTest(unittest.TestCase):
    def test_a_row_tells_how_much_of_the_way_was_gone(self):
        self.assertEqual(traces.row("one", line(5, lru=20, sieve=25, meshcache=30, belady=60)),
                         "| one | 5 % | 2 KiB | 0.200 / 0.100 | 0.250 / 0.125 | 0.300 / 0.150 | 0.600 / 0.300 | 0.25 |")
        self.assertTrue(traces.row("one", line(5, lru=2, sieve=2, meshcache=2, belady=2)).endswith("|  |"))

    def test_what_a_scan_took_is_of_the_requests_that_are_not_its_own(self):
        text, figures = traces.scan_row(line(5, lru=20, sieve=25, meshcache=30, belady=40),
                                        line(1, lru=10, sieve=25, meshcache=28, belady=40), 50)
        self.assertEqual(text, "| 5 % | 2 KiB | 0.400 → 0.200 (-0.200) | 0.500 → 0.500 (+0.000) | "
                               "0.600 → 0.560 (-0.040) | 0.800 → 0.800 (+0.000) |")
        self.assertAlmostEqual(figures["meshcache_lost"], .04)
        self.assertAlmostEqual(figures["lru_scanned"], .2)

    def test_a_folder_without_traces_is_refused(self):
        with self.assertRaisesRegex(BenchError, "no trace"):
            traces.recorded(ROOT / "src")


if __name__ == "__main__":
    unittest.main()
