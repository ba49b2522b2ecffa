"""Several processes train one model: as one process would, and to an end when one of them is lost."""
import os
import signal
import socket
import time
import unittest

import support

BATCH = "--training.batch_size="
WAIT = 60  # seconds, for whatever should take a few
SILENCE = 4  # seconds; short, and long enough for a busy machine


def free_port():
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return door.getsockname()[1]


def environment(**variables):
    kept = {name: value for name, value in os.environ.items()
            if name not in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")}
    return kept | {name: str(value) for name, value in variables.items()}


class Ranks(support.DecayTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.whole = cls.folder / "whole"
        cls.check_run(cls.command(cls, cls.whole), env=environment())

    def command(self, run, *more, steps=12):
        # The last of two equal settings counts: MODEL's batch of 4 is the sum of all ranks'.
        return support.DecayTest.train_command(self, run, "--job.threads=1", "--checkpoint.interval=6", f"--job.rank_timeout={SILENCE}", *more, steps=steps)

    def start_ranks(self, size, command, **variables):
        variables = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()} | variables
        return [self.start(command, env=environment(RANK=rank, WORLD_SIZE=size, **variables)) for rank in range(size)]

    def end(self, processes):
        """Exit codes and what was said, by rank."""
        said = [process.communicate(timeout=WAIT) for process in processes]
        return [process.returncode for process in processes], [err for _, err in said]

    def check_ranks(self, size, command):
        codes, errors = self.end(self.start_ranks(size, command))
        self.assertEqual(codes, [0] * size, errors)
        return errors

    def await_step(self, run, step, processes):
        begin = time.monotonic()
        while not (run / "train.jsonl").exists() or len(support.lines_of_steps(run)) < step:
            self.assertEqual([p.poll() for p in processes], [None] * len(processes), [p.stderr for p in processes])
            self.assertLess(time.monotonic() - begin, WAIT)
            time.sleep(0.02)

    def assert_same_run(self, run, steps=12):
        """As one rank's but for the order of sums, which a gradient's norm feels more than a loss."""
        found, expected = support.lines_of_steps(run), support.lines_of_steps(self.whole)
        self.assertEqual([line["step"] for line in found], list(range(1, steps + 1)))
        for mine, theirs in zip(found, expected):
            for key, bound in {"loss": 1e-5, "grad_norm": 5e-4 if mine["step"] > 1 else 1e-6}.items():
                self.assertAlmostEqual(mine[key] / theirs[key], 1, delta=bound, msg=f"{key} of step {mine['step']}")
            self.assertEqual(mine["tokens"], theirs["tokens"])

    def test_two_ranks_train_as_one_and_twice_the_same_bits(self):
        results = []
        for name in ("two", "again"):
            run = self.folder / name
            self.check_ranks(2, self.command(run, BATCH + "2"))
            self.assert_same_run(run)
            results.append(self.result(run, steps=12))
        self.assertEqual(*results)

    def test_three_ranks_with_passes_of_one_sequence(self):
        # 12 sequences an update, in two ways.
        one, three = self.folder / "one12", self.folder / "three12"
        self.check_run(self.command(one, BATCH + "12", steps=4), env=environment())
        self.check_ranks(3, self.command(three, BATCH + "2", "--training.gradient_accumulation_steps=2", steps=4))
        for mine, theirs in zip(support.lines_of_steps(three), support.lines_of_steps(one), strict=True):
            self.assertAlmostEqual(mine["loss"] / theirs["loss"], 1, delta=1e-5)

    def test_a_run_goes_on_with_another_number_of_ranks(self):
        # Two ranks are stopped by a signal to one of them, one rank goes on; then the other way.
        for first, then, batches in ((2, 1, "24"), (1, 2, "42")):
            run = self.folder / f"from{first}to{then}"
            self.check_ranks(first, self.command(run, BATCH + batches[0], "--checkpoint.interval=6"))
            support.shutil.rmtree(run / "step-000012")
            self.refused_ranks(then, self.command(run, BATCH + "3"), 1, "an update takes", "product times the ranks is 4")
            self.check_ranks(then, self.command(run, BATCH + batches[1]))
            self.assert_same_run(run)

    def refused_ranks(self, size, command, code, *texts):
        codes, errors = self.end(self.start_ranks(size, command))
        self.assertIn(code, codes, errors)
        for text in texts:
            self.assertIn(text, "".join(errors))

    def test_two_ranks_go_on_to_the_same_bits(self):
        whole, cut = self.folder / "whole2", self.folder / "cut2"
        self.check_ranks(2, self.command(whole, BATCH + "2"))
        processes = self.start_ranks(2, self.command(cut, BATCH + "2", "--checkpoint.interval=3"))
        self.await_step(cut, 5, processes)
        for process in processes:
            process.kill()
        self.end(processes)
        self.check_ranks(2, self.command(cut, BATCH + "2", "--checkpoint.interval=3"))
        self.assertEqual(self.result(cut, steps=12), self.result(whole, steps=12))

    def test_all_ranks_skip_the_same_updates(self):
        run = self.folder / "skipped"
        codes, errors = self.end(self.start_ranks(2, self.command(
            run, BATCH + "2", "--optimizer.lr=1e30", "--training.max_skipped=3", steps=100)))
        self.assertEqual(codes, [1, 1], errors)
        for error in errors:
            self.assertIn("3 updates in a row were skipped", error)
        why = [line["why"] for line in support.lines(run / "train.jsonl") if "why" in line]
        self.assertEqual(len(why), 3)
        self.assertIn(f"because of {why[-1]};", errors[1])

    def test_a_signal_to_one_rank_stops_and_saves_all(self):
        run = self.folder / "stopped"
        processes = self.start_ranks(2, self.command(run, BATCH + "2", steps=100000))
        self.await_step(run, 2, processes)
        processes[1].send_signal(signal.SIGTERM)
        codes, errors = self.end(processes)
        self.assertEqual(codes, [0, 0], errors)
        self.assertIn("stopped and saved", errors[0])
        self.assertTrue(list(run.glob("step-*")))

    def lose(self, victim, number, text):
        """Rank `victim` of three gets a signal; the others stop, name it, and leave a checkpoint that one rank loads."""
        run = self.folder / f"lost{victim}by{int(number)}"
        processes = self.start_ranks(3, self.command(run, BATCH + "1", "--checkpoint.interval=2", steps=100000))
        try:
            self.await_step(run, 4, processes)
            processes[victim].send_signal(number)
            begin = time.monotonic()
            others = [process for rank, process in enumerate(processes) if rank != victim]
            codes, errors = self.end(others)
            self.assertLess(time.monotonic() - begin, 20)
            self.assertEqual(codes, [3, 3], errors)
            for error in errors:
                self.assertIn(f"rank {victim} (process {processes[victim].pid} on ", error)
                self.assertIn(text, error)
        finally:
            for process in processes:
                process.kill()
                process.communicate()
        saved = max(run.glob("step-*"))
        steps = int(saved.name.split("-")[1])
        self.assertGreaterEqual(steps, 2)
        self.check_run(["eval", saved, "--split=validation"], env=environment())

    def test_a_killed_rank_is_named(self):
        self.lose(1, signal.SIGKILL, "its connection closed")

    def test_a_killed_first_rank_is_named(self):
        self.lose(0, signal.SIGKILL, "its connection closed")

    def test_a_stopped_rank_is_named(self):
        self.lose(2, signal.SIGSTOP, f"no sign of life for {SILENCE} s")

    def test_a_failing_rank_takes_the_others_along(self):
        # Rank 0 has the run's folder; what it finds wrong the others say too.
        codes, errors = self.end(self.start_ranks(2, self.command(self.folder / "none", "--training.dataset=/nowhere")))
        self.assertIn(codes[0], (1, 3), errors)
        self.assertEqual(codes[1], 3, errors)
        self.assertIn("/nowhere", errors[0])
        self.assertIn("rank 0: ", errors[1])

    def test_ranks_that_do_not_come_are_named(self):
        run = self.folder / "absent"
        code, _, err = self.run_decay(self.command(run, "--job.start_timeout=0.5"), env=environment(
            RANK=0, WORLD_SIZE=3, MASTER_ADDR="127.0.0.1", MASTER_PORT=free_port()))
        self.assertEqual(code, 3, err)
        self.assertIn("ranks 1, 2 did not come", err)
        code, _, err = self.run_decay(self.command(run, "--job.start_timeout=0.5"), env=environment(
            RANK=1, WORLD_SIZE=3, MASTER_ADDR="127.0.0.1", MASTER_PORT=free_port()))
        self.assertEqual(code, 3, err)
        self.assertIn("nobody answers at 127.0.0.1:", err)

    def test_half_a_launcher_is_refused(self):
        code, _, err = self.run_decay(self.command(self.folder / "half"), env=environment(RANK=0))
        self.assertEqual(code, 1, err)
        self.assertIn("WORLD_SIZE is not set", err)

    def test_other_settings_on_one_rank_are_refused(self):
        variables = {"WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
        processes = [self.start(self.command(self.folder / "differ", f"--optimizer.lr=0.00{3 + rank}"),
                                env=environment(RANK=rank, **variables)) for rank in range(2)]
        codes, errors = self.end(processes)
        self.assertEqual(codes, [1, 1], errors)
        self.assertIn("rank 1 was started with other settings", errors[0])


if __name__ == "__main__":
    support.main()
