"""A run that is stopped, killed or damaged goes on to the same bits."""
import random
import signal
import time

import support


class Resume(support.DecayTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.whole = cls.folder / "whole"
        begin = time.monotonic()
        cls.check_run(cls.train_command(cls, cls.whole))
        cls.seconds = time.monotonic() - begin
        cls.expected = cls.result(cls.whole)

    def test_one_and_two_threads_give_the_same_bits(self):
        for threads in (1, 2):
            run = self.folder / f"threads{threads}"
            self.check_run(self.train_command(run, f"--job.threads={threads}"))
            self.assertEqual(self.result(run), self.expected, f"{threads} threads")

    def test_killed_at_random_moments(self):
        kills = 100 if support.arguments.full else 6
        seed = random.randrange(1 << 30)
        print(f"seed {seed}", flush=True)
        moments = random.Random(seed)
        run, done, finished = self.folder / "killed", 0, 0
        while done < kills:
            process = self.start(self.train_command(run, "--checkpoint.interval=3"))
            try:
                process.wait(moments.uniform(0, 1.1 * self.seconds))
                self.assertEqual(process.returncode, 0, process.stderr.read())
                finished += 1
                self.assertEqual(self.result(run), self.expected)
                support.shutil.rmtree(run)
            except support.subprocess.TimeoutExpired:
                process.kill()
                done += 1
            process.communicate()
        self.check_run(self.train_command(run, "--checkpoint.interval=3"))
        self.assertEqual(self.result(run), self.expected, f"after {done} kills, seed {seed}")
        print(f"{done} kills, {finished + 1} runs to the end, all equal", flush=True)

    def test_a_signal_saves_and_leaves(self):
        run = self.folder / "stopped"
        for number in (signal.SIGTERM, signal.SIGINT):
            process = self.start(self.train_command(run, steps=100000))
            while process.poll() is None and len(support.lines(run / "train.jsonl") if (run / "train.jsonl").exists() else []) < 3:
                time.sleep(0.02)
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 0, err)
            self.assertIn("stopped and saved", err)
            self.assertTrue(list(run.glob("step-*")))
            support.shutil.rmtree(run)

    def test_damage_is_named_and_the_previous_checkpoint_is_used_when_asked(self):
        run = self.folder / "damaged"
        self.check_run(self.train_command(run, "--checkpoint.interval=20"))
        file = run / "step-000030" / "model.safetensors"
        content = bytearray(file.read_bytes())
        content[-5] ^= 16
        file.write_bytes(content)
        self.refused(self.train_command(run), 3, "model.safetensors", "tensor '", "is damaged")
        self.check_run(self.train_command(run, "--fall-back"))
        self.assertEqual(self.result(run), self.expected)
        file.write_bytes(content[: len(content) // 2])
        self.refused(self.train_command(run), 3, "model.safetensors")

    def test_other_settings_are_refused(self):
        self.refused(self.train_command(self.whole, "--optimizer.lr=0.5"), 1, "optimizer.lr is 0.5, was 0.003")

    def test_one_process_at_a_time(self):
        run = self.folder / "twice"
        process = self.start(self.train_command(run, steps=100000))
        try:
            while not (run / "train.jsonl").exists():
                self.assertIsNone(process.poll())
                time.sleep(0.02)
            self.refused(self.train_command(run), 1, "another process trains in")
        finally:
            process.kill()
            process.communicate()

    def test_a_full_disk_loses_nothing(self):
        run = self.folder / "full"
        self.check_run(self.train_command(run, "--checkpoint.interval=10", steps=30))
        before = sorted(p.name for p in run.glob("step-*"))
        largest = 50_000  # bytes: less than a checkpoint's tensors
        def limit():
            import resource
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
        other = self.folder / "full2"
        support.shutil.copytree(run, other)
        newest = other / "step-000030"
        support.shutil.rmtree(newest)
        code, out, err = self.run_decay(self.train_command(other, "--checkpoint.interval=10"), preexec_fn=limit)
        self.assertEqual(code, 3, err)
        self.assertIn("step-", err)
        self.assertEqual(sorted(p.name for p in other.glob("step-*")), [n for n in before if n != "step-000030"])
        self.check_run(self.train_command(other, "--checkpoint.interval=10"))
        self.assertEqual(self.result(other), self.expected)


if __name__ == "__main__":
    support.main()
