"""Every command of `decay` once, a design of one's own, and what bad input is told."""
import json
import shutil
import statistics

import support

OWN_DESIGN = """design own_decay
  summary "The network says after how many tokens a memory has halved"
  project f
  learn h = log(log_uniform(4, 400))
  log λ = -log(2) * sigmoid(-(f + h))
"""


class Commands(support.DecayTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.model = cls.folder / "run"
        cls.check_run(cls.train_command(cls, cls.model, "--sample.interval=30", "--sample.tokens=8", steps=60))

    def test_loss_falls_and_the_log_says_so(self):
        log = support.lines(self.model / "train.jsonl")
        losses = [line["loss"] for line in log if "loss" in line]
        self.assertEqual(len(losses), 60)
        # Of several steps: one step's text must not decide.
        self.assertLess(statistics.fmean(losses[-10:]), statistics.fmean(losses[:3]) - 0.6)
        self.assertTrue([line for line in log if "validation_bits_per_byte" in line])
        self.assertTrue([line for line in log if "sample" in line])
        timing = support.lines(self.model / "timing.jsonl")[-1]
        self.assertGreater(timing["tokens_per_second"], 0)
        self.assertGreater(timing["memory_bytes"], 0)
        self.assertEqual(timing["seconds_left"], 0)
        self.assertNotIn("mfu", timing)

    def test_the_log_has_rates_and_curves(self):
        run = self.folder / "curves"
        command = self.train_command(run, "--metrics.tensorboard=true", "--metrics.peak_tflops=0.1", steps=4)
        code, out, err = self.run_decay(command)
        self.assertEqual(code, 0, err)
        for text in ("step 4/4  loss ", "gradient norm", "tok/s  MFU ", " GiB  0 s left"):
            self.assertIn(text, err)
        timing = support.lines(run / "timing.jsonl")
        self.assertEqual([line["step"] for line in timing], [1, 2, 3, 4])
        self.assertTrue(all(line["mfu"] > 0 for line in timing))
        self.assertEqual(len(list((run / "tensorboard").glob("events.out.tfevents.*"))), 1)

    def test_memory_is_planned_said_and_refused(self):
        run = self.folder / "planned"
        code, out, err = self.run_decay(self.train_command(run, steps=2))
        self.assertEqual(code, 0, err)
        for text in ("  workspace  ", "  optimizer  ", "activation_checkpoint.mode", " free; ", "after the first step"):
            self.assertIn(text, err)
        self.assertGreater(support.lines(run / "timing.jsonl")[0]["memory_used_bytes"], 0)
        run = self.folder / "too_much"
        self.refused([*self.train_command(run, steps=2), "--training.batch_size=60000", "--model.num_hidden_layers=400"], 3,
                     "training needs", "are free", "training.batch_size smaller")
        self.assertEqual(list(run.glob("step-*")), [])

    def test_the_plan_is_what_training_takes(self):
        run = self.folder / "measured"
        code, out, err = self.run_decay([*self.train_command(run, steps=4), "--training.batch_size=32",
                                         "--training.seq_len=64", "--model.hidden_size=256"])
        self.assertEqual(code, 0, err)
        [verdict] = [line for line in err.splitlines() if "after the first step" in line]
        self.assertLess(float(verdict.split("(")[1].split(" %")[0]), 5, verdict)

    def test_layers_made_again_have_the_same_bits(self):
        folders = {mode: self.folder / f"recompute_{mode}" for mode in ("none", "full")}
        for mode, run in folders.items():
            self.check_run(self.train_command(run, f"--activation_checkpoint.mode={mode}", steps=12))
        self.assertEqual(self.result(folders["none"], 12), self.result(folders["full"], 12))
        self.refused(self.train_command(self.folder / "r", "--activation_checkpoint.mode=some"), 1, "'none', 'full'")

    def test_spikes_are_left_out_and_counted(self):
        run = self.folder / "spikes"
        # The norm falls below its first values, so that none is far above; a factor just over 1 finds many.
        flags = ["--training.spike_factor=1.0001", "--training.spike_window=4", "--training.max_skipped=1000"]
        code, out, err = self.run_decay(self.train_command(run, *flags, steps=30))
        self.assertEqual(code, 0, err)
        skipped = [line for line in support.lines(run / "train.jsonl") if "why" in line]
        self.assertTrue(skipped)
        self.assertIn("times the median of the last", skipped[0]["why"])
        self.assertEqual(support.lines(run / "train.jsonl")[-1].get("skipped", len(skipped)), len(skipped))
        self.assertIn("update skipped: ", err)
        # What is killed and goes on judges alike.
        again = self.folder / "spikes_again"
        self.check_run(self.train_command(again, *flags, "--checkpoint.interval=15", steps=30))
        shutil.rmtree(again / "step-000030")
        self.check_run(self.train_command(again, *flags, "--checkpoint.interval=15", steps=30))
        self.assertEqual(self.result(again), self.result(run))
        self.refused(self.train_command(self.folder / "r", "--training.spike_factor=0.5"), 1, "more than 1")

    def test_a_package_in_place_of_the_runs_own(self):
        package = self.model / "packages" / "simple_decay.so"
        own, other = (json.loads(self.check_run(["eval", self.model, "--json", *more]))
                      for more in ([], [f"--design={package}", "--device=cpu"]))
        self.assertEqual(own, other)
        run = self.folder / "hgrn2"
        self.check_run(["train", "--design=hgrn2", f"--training.dataset={self.data}", f"--job.dump_folder={run}",
                        "--training.steps=2", *support.MODEL])
        self.refused(["generate", self.model, "A", f"--design={run / 'packages' / 'hgrn2.so'}"], 1,
                     "is of design 'hgrn2', which is not the one")
        self.refused(["inspect", self.model, "--device=abacus"], 1, "this build has")

    def test_data_of_json_lines(self):
        source = self.folder / "web.jsonl"
        source.write_text("".join(json.dumps({"text": f"page {n} says \u00e9", "id": n}) + "\n" for n in range(200)))
        out = self.folder / "web"
        result = json.loads(self.check_run(["data", source, "-o", out, "--tokenizer", self.data, "--json"]))
        self.assertEqual(sum(split["documents"] for split in result["splits"].values()), 200)
        self.assertEqual(result["vocabulary"], 300)
        self.assertEqual((out / "tokenizer.json").read_bytes(), (self.data / "tokenizer.json").read_bytes())
        bad = self.folder / "bad.jsonl"
        bad.write_text('{"text": "a"}\n{"body": "b"}\n')
        command = ["data", "-o", out, "--validation=0", "--test=0"]
        self.refused([*command, bad], 1, "bad.jsonl line 2: 'text' is missing")
        self.refused([*command, source, "--tokenizer", bad], 1, "not GPT-2's vocabulary")
        self.refused([*command, source, "--tokenizer", self.data, "--vocabulary=400"], 1, "--vocabulary is for")
        self.refused([*command, source, "--tokenizer", self.folder / "none"], 3, "none")
        self.refused(["train", f"--training.dataset={out}", f"--job.dump_folder={self.folder}/r"], 3, "no dataset")

    def test_eval(self):
        result = json.loads(self.check_run(["eval", self.model, "--json"]))
        self.assertEqual(result["step"], 60)
        self.assertLess(result["bits_per_byte"], 8)
        text = (self.folder / "texts" / "test" / "000.txt")
        self.assertEqual(result["bytes"], text.stat().st_size)
        again = json.loads(self.check_run(["eval", self.model, "--text", text, "--json", "--batch=3"]))
        self.assertAlmostEqual(again["nats"], result["nats"], delta=1e-3 * result["nats"])

    def test_generate(self):
        command = ["generate", self.model, "The ", "-n", "12", "--seed", "3"]
        first = self.check_run(command)
        self.assertTrue(first.startswith("The "))
        self.assertEqual(first, self.check_run(command))
        greedy = json.loads(self.check_run(["generate", self.model, "The ", "--greedy", "-n", "5", "--json"]))
        self.assertEqual(greedy["prompt"], "The ")

    def test_inspect(self):
        plots = self.folder / "plots"
        result = json.loads(self.check_run(["inspect", self.model, "-o", plots, "--json", "-n", "100"]))
        self.assertEqual(len(result["lambda"]), 2)
        for layer in result["lambda"]:
            self.assertTrue(0 <= layer["least"] <= layer["low"] <= layer["median"] <= layer["high"] <= layer["most"] <= 1)
        self.assertIn("<svg", (plots / "lambda.svg").read_text())

    def test_bench_train(self):
        result = json.loads(self.check_run(["bench", "train", "--width=32", "--heads=2", "--layers=1", "--batch=2",
                                            "--seq-len=32", "--vocabulary=300", "--repeats=2", "--json"]))
        self.assertGreater(result["tokens_per_s"], 0)

    def test_a_design_of_ones_own_is_one_file(self):
        design = self.folder / "own_decay.decay"
        design.write_text(OWN_DESIGN)
        run = self.folder / "own"
        self.check_run(["train", f"--design={design}", f"--training.dataset={self.data}", f"--job.dump_folder={run}",
                        "--training.steps=20", *support.MODEL])
        losses = [line["loss"] for line in support.lines(run / "train.jsonl") if "loss" in line]
        self.assertLess(losses[-1], losses[0])
        self.check_run(["generate", run, "A", "-n", "4"])

    def test_bad_input_is_told_where_what_and_what_to_do(self):
        run = self.folder / "bad"
        base = [f"--training.dataset={self.data}", f"--job.dump_folder={run}"]
        self.refused(["train", "--design=simple_dekay", *base], 1, "simple_decay")
        self.refused(["train", "--design=missing.decay", *base], 3, "missing.decay")
        self.refused(["train", "--design=missing.so", *base], 3, "missing.so")
        self.refused(["train", "--design=missing.so", "--set", "p=0.9", *base], 1, "compiled package")
        self.refused(["train", "--device=abacus", *base], 1, "this build has")
        self.refused(["train", "--job.precision=bf16", *base], 1, "fp32 alone")
        self.refused(["train", self.folder / "missing.toml"], 3, "missing.toml")
        self.refused(["train", "--training.step=3", *base], 1, "training.step")
        self.refused(["train", "--training.batch_size=0", *base], 1, "training.batch_size")
        self.refused(["train", "--model.num_heads=3", *base], 1, "do not divide")
        self.refused(["train", f"--training.dataset={self.folder}/none", f"--job.dump_folder={run}"], 3, "none")
        self.refused(["train", "stray", "words", *base], 1, "words")
        self.refused(["eval", self.folder / "nothing"], 3, "nothing")
        self.refused(["eval", self.model, "--split=dev"], 1, "expected train, validation or test")
        self.refused(["generate", self.model, "--temperature=-1"], 1, "temperature")
        self.refused(["prepare", self.folder / "nothing", "-o", self.folder / "d"], 3, "nothing")
        broken = self.folder / "broken.toml"
        broken.write_text("[training\nsteps = 3\n")
        self.refused(["train", broken], 1, "broken.toml:1:")

    def test_training_that_blows_up_says_so(self):
        run = self.folder / "blown"
        train = self.train_command(run, "--training.max_skipped=3")
        train = [word.replace("lr=0.003", "lr=1e30") if word.startswith("--optimizer") else word for word in map(str, train)]
        with self.subTest("skipped, counted, then ended"):
            self.refused(train, 1, "3 updates in a row were skipped", "lower optimizer.lr")
            skipped = [line for line in support.lines(run / "train.jsonl") if "why" in line]
            self.assertEqual([line["skipped"] for line in skipped], [1, 2, 3])
            self.assertIn("first gradient", skipped[0]["why"])
        support.shutil.rmtree(run)
        with self.subTest("not skipped"):
            self.refused([*train, "--training.skip_nan_inf=false"], 1, "training.skip_nan_inf = true")

    def test_a_model_that_memory_cannot_hold_is_refused(self):
        self.refused(self.train_command(self.folder / "huge", "--training.batch_size=65536", "--training.seq_len=100000"),
                     3, "memory", "GiB")

    def test_help_teaches(self):
        for command in ("prepare", "train", "eval", "generate", "inspect", "bench"):
            out = self.check_run([command, "--help"])
            self.assertIn(f"decay {command}", out)
        self.assertIn("training.steps", self.check_run(["train", "--settings"]))


if __name__ == "__main__":
    support.main()
