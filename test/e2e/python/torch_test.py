#!/usr/bin/env python3
"""decay.torch on the processor: outputs, states and all gradients against float64 autograd through the recurrence.

    torch_test.py --root ROOT --decayc DECAYC        exit code 77 where there is no PyTorch
"""
import argparse
import contextlib
import os
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

arguments = argparse.Namespace(root=None, decayc=None)
try:
    import torch
except ImportError:
    print("no PyTorch here: skipped")
    sys.exit(77)

LIMIT = 2e-5
H, K, V = 2, 32, 48


class Case:
    """A design with inputs that are slices of one tensor, its parameters and states, twice: fp32 and float64."""

    def __init__(self, name, log_decay, B=2, T=37, offsets=None, scalar=False, layers=1, layer=0, first=0, **settings):
        self.design = decay.torch.load(name, device="cpu", **settings)
        self.log_decay, self.offsets, self.layer, self.layers, self.first = log_decay, offsets, layer, layers, first
        self.rotate = settings.get("position") == "rope"
        draw = torch.Generator().manual_seed(3)
        widths = [H * K, H * K, H * V, H if scalar else H * K]
        shapes = [(B, T, H, K), (B, T, H, K), (B, T, H, V), (B, T, H) if scalar else (B, T, H, K)]
        self.cut = lambda x: [part.view(shape) for part, shape in zip(x.split(widths, -1), shapes)]
        N = len(offsets) - 1 if offsets else B
        params = self.design.init_parameters(H, K, V, layer=layer, layers=layers, seed=1)
        make = lambda *shape: torch.randn(*shape, generator=draw)
        state = {"state": make(N, H, K, V), **{name: make(N, H, K) for name in self.design.carries}}
        self.projected = make(B, T, sum(widths))
        single = [self.projected, params, state]
        self.leaves = [{"x": dtype_of(single[0]), **{name: dtype_of(t) for name, t in single[1].items()},
                        **{"initial_" + name: dtype_of(t) for name, t in single[2].items()}}
                       for dtype_of in (lambda t: t.clone().requires_grad_(), lambda t: t.double().requires_grad_())]
        self.d_o = make(B, T, H, V)
        self.d_state = {name: torch.randn(t.shape, generator=draw) for name, t in state.items()}

    def states(self, leaves):
        return {name[8:]: tensor for name, tensor in leaves.items() if name.startswith("initial_")}

    def ours(self):
        leaves = self.leaves[0]
        state = self.states(leaves)
        offsets = torch.tensor(self.offsets) if self.offsets else None
        o, final = self.design(*self.cut(leaves["x"]), {name: leaves[name] for name in self.design.parameters},
                               initial_state=state if self.design.carries else state["state"], cu_seqlens=offsets,
                               layer=self.layer, position=self.first, output_final_state=True)
        return o, final if self.design.carries else {"state": final}

    def theirs(self):
        leaves = self.leaves[1]
        return reference.recurrence(self.log_decay, *self.cut(leaves["x"]), leaves, self.states(leaves), self.offsets,
                                    self.layer, self.rotate, self.first)

    def errors(self):
        results = [self.ours(), self.theirs()]
        for (o, final), leaves in zip(results, self.leaves):
            loss = (o * self.d_o).sum() + sum((final[name] * self.d_state[name]).sum() for name in final)
            loss.backward()
        errors = {"o": reference.relative_rms(results[0][0], results[1][0])}
        for name in results[1][1]:
            errors["final_" + name] = reference.relative_rms(results[0][1][name], results[1][1][name])
        for name, leaf in self.leaves[0].items():
            errors["d_" + name] = reference.relative_rms(leaf.grad, self.leaves[1][name].grad)
        return errors


class Gradients(unittest.TestCase):
    def agree(self, *names, **options):
        for name, error in Case(*names, **options).errors().items():
            self.assertLess(error, LIMIT, name)

    def test_simple_decay(self):
        self.agree("simple_decay", reference.log_decay_simple, p=0.8)

    def test_packed(self):
        self.agree("simple_decay", reference.log_decay_simple, B=1, T=150, offsets=[0, 1, 64, 81, 150], p=0.8)

    def test_scalar_mamba2(self):
        self.agree("mamba2", reference.log_decay_mamba2, scalar=True, granularity="scalar")

    def test_hgrn2_spans_layers(self):
        self.agree("hgrn2", reference.log_decay_hgrn2, layers=3, layer=1)

    def test_lightnet_carries(self):
        self.agree("lightnet", "lightnet")

    def test_packed_lightnet(self):
        self.agree("lightnet", "lightnet", B=1, T=70, offsets=[0, 30, 70])

    def test_rope(self):
        self.agree("simple_decay", reference.log_decay_simple, first=5, p=0.8, position="rope")


class WithInputs(unittest.TestCase):
    def setUp(self):
        self.case = Case("simple_decay", reference.log_decay_simple)
        self.design = self.case.design
        self.inputs = [part.detach() for part in self.case.cut(self.case.projected)]
        self.params = self.design.init_parameters(H, K)


class Calls(WithInputs):
    def test_slices_and_copies_give_the_same_bits(self):
        dense = [tensor.contiguous() for tensor in self.inputs]
        self.assertNotEqual(self.inputs[0].stride(), dense[0].stride())
        self.assertTrue(torch.equal(self.design(*self.inputs, self.params), self.design(*dense, self.params)))

    def test_steps_are_the_whole(self):
        whole, last = self.design(*self.inputs, self.params, output_final_state=True)
        state, rows = None, []
        for t in range(whole.shape[1]):
            o, state = self.design.step(*[x[:, t:t + 1] for x in self.inputs], self.params, state=state)
            rows.append(o)
        self.assertLess(reference.relative_rms(torch.cat(rows, 1), whole.double()), LIMIT)
        self.assertLess(reference.relative_rms(state, last.double()), LIMIT)

    def test_loss_of_the_final_state_alone(self):
        q, k, v, f = (tensor.clone().requires_grad_() for tensor in self.inputs)
        _, state = self.design(q, k, v, f, self.params, output_final_state=True)
        state.sum().backward()
        self.assertEqual(q.grad.abs().max().item(), 0)
        self.assertGreater(k.grad.abs().max().item(), 0)

    def test_gradients_that_nobody_wants_are_left_out(self):
        q = self.inputs[0].clone().requires_grad_()
        self.design(q, *self.inputs[1:], self.params).sum().backward()
        self.assertIsNone(self.inputs[1].grad)
        self.assertGreater(q.grad.abs().max().item(), 0)

    def test_workers_change_no_bit(self):
        threads, results = torch.get_num_threads(), []
        for count in (1, 3):
            torch.set_num_threads(count)
            results.append(self.design(*self.inputs, self.params))
        torch.set_num_threads(threads)
        self.assertTrue(torch.equal(*results))

    def test_module_trains_its_parameters(self):
        mixer = decay.torch.DecayMixer(self.design, H, K)
        mixer(*self.inputs).sum().backward()
        self.assertEqual([name for name, _ in mixer.named_parameters()], ["params.delta"])
        self.assertGreater(mixer.params["delta"].grad.abs().max().item(), 0)
        self.assertFalse(mixer.params["delta"].no_weight_decay)

    def test_same_seed_same_parameters(self):
        design = decay.torch.load("mamba2", device="cpu")
        a, b, c = (design.init_parameters(H, K, seed=seed)["a"] for seed in (5, 5, 6))
        self.assertTrue(torch.equal(a, b))
        self.assertFalse(torch.equal(a, c))

    @unittest.skipUnless(hasattr(torch, "compile"), "PyTorch 1 has no compiler")
    def test_compiled_model_breaks_its_graph_here(self):
        compiled = torch.compile(lambda *tensors: 2 * self.design(*tensors, self.params), backend="eager")
        self.assertTrue(torch.equal(compiled(*self.inputs), 2 * self.design(*self.inputs, self.params)))

    def test_decay_out_of_range(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "loose.decay"
            path.write_text("design loose\n  project f\n  learn w = 1\n  λ = f * w\n", encoding="utf-8")
            with self.assertWarnsRegex(UserWarning, "cannot prove that λ lies in"):
                design = decay.torch.load(path, device="cpu")
            bad = torch.full_like(self.inputs[3], 0.5)
            bad[1, 3, 1, 2] = 1.5
            with self.assertRaisesRegex(ValueError, "λ is 1.5 at sequence 1, token 3, head 1, channel 2"):
                design(*self.inputs[:3], bad, design.init_parameters(H, K))


class RepeatedCalls(WithInputs):
    """What was checked once is not checked again; all else is as in a first call, which a design of its own makes."""

    def gradients(self, design, tensors, d_o=None, hooks=contextlib.nullcontext(), **options):
        """o, the final state and gradients of the inputs and of delta."""
        leaves = [tensor.detach().requires_grad_() for tensor in (*tensors, self.params["delta"])]
        with hooks:
            o, state = design(*leaves[:4], {"delta": leaves[4]}, output_final_state=True, **options)
        loss = o.sum() + state.sum() if d_o is None else (o * d_o).sum()
        return [o, state, *torch.autograd.grad(loss, leaves)]

    def same(self, *results):
        for found, expected in zip(*results):
            self.assertTrue(torch.equal(found, expected))

    def others(self):
        """Tensors of the same layouts with other values."""
        return [part.detach() for part in self.case.cut(torch.randn_like(self.case.projected))]

    def test_other_values(self):
        self.gradients(self.design, self.inputs)
        tensors, first = self.others(), decay.torch.load("simple_decay", device="cpu")
        self.same(self.gradients(self.design, tensors), self.gradients(first, tensors))
        with torch.no_grad():
            self.same([self.design(*tensors, self.params)], [first(*tensors, self.params)])

    def test_other_layouts_between(self):
        expected = self.gradients(self.design, self.inputs)
        for _ in range(2):
            dense = [tensor.contiguous() for tensor in self.inputs]
            self.same(self.gradients(self.design, dense), expected)
            shorter, first = [tensor[:1, :20] for tensor in self.inputs], decay.torch.load("simple_decay", device="cpu")
            self.same(self.gradients(self.design, shorter), self.gradients(first, shorter))
            self.same(self.gradients(self.design, self.inputs), expected)

    def test_other_gradients_of_outputs(self):
        d_o = torch.randn(2, 37, H, V)
        turned = d_o.transpose(1, 2).contiguous().transpose(1, 2)
        self.gradients(self.design, self.inputs)  # of expanded ones
        results = [self.gradients(self.design, self.inputs, each) for each in (d_o, turned, d_o)]
        self.same(results[1], results[0])
        self.same(results[2], results[0])

    def test_other_gradients_wanted(self):
        expected = self.gradients(self.design, self.inputs)[2:]
        for place in (0, 3, 0):
            leaves = [tensor.clone().requires_grad_(place == other) for other, tensor in enumerate(self.inputs)]
            o, state = self.design(*leaves, self.params, output_final_state=True)
            self.same(torch.autograd.grad(o.sum() + state.sum(), leaves[place]), [expected[place]])

    def test_saved_tensors_that_come_back_dense(self):
        hooks = torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor, lambda tensor: tensor.contiguous())
        expected = self.gradients(self.design, self.inputs)
        self.same(self.gradients(self.design, self.inputs, hooks=hooks), expected)

    def test_saved_tensors_that_come_back_wrong(self):
        self.gradients(self.design, self.inputs)
        hooks = torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor, lambda tensor: tensor.double())
        with self.assertRaisesRegex(TypeError, "backward of 'simple_decay': 'q' holds torch.float64, expected fp32"):
            self.gradients(self.design, self.inputs, hooks=hooks)

    def test_other_sequences(self):
        tensors = [tensor[:1] for tensor in self.inputs]
        for offsets in ([0, 5, 37], [0, 30, 37], [0, 5, 37], [0, 1, 2, 37]):
            offsets, first = torch.tensor(offsets), decay.torch.load("simple_decay", device="cpu")
            self.same(self.gradients(self.design, tensors, cu_seqlens=offsets),
                      self.gradients(first, tensors, cu_seqlens=offsets))

    def test_steps_at_their_positions(self):
        design, state, rows = decay.torch.load("simple_decay", device="cpu", position="rope"), None, []
        whole = design(*self.inputs, self.params, position=3)
        for t in range(whole.shape[1]):
            token = [tensor[:, t:t + 1] for tensor in self.inputs]
            o, state = design.step(*token, self.params, state=state, position=3 + t)
            rows.append(o)
        self.assertLess(reference.relative_rms(torch.cat(rows, 1), whole.double()), LIMIT)
        with self.assertRaisesRegex(ValueError, "step of 'simple_decay': position is -1, expected 0 or more"):
            design.step(*token, self.params, state=state, position=-1)

    def test_queued_as_on_a_gpu(self):
        """The way of launches on GPUs, with the processor's package: workspaces are kept and grow, and packed calls with
        other offsets are not checked again. The first have the longest sequence, as here workspaces depend on it."""
        one, package = [tensor[:1] for tensor in self.inputs], self.design.package("cpu")
        packed = [torch.tensor(offsets) for offsets in ([0, 1, 37], [0, 20, 37], [0, 1, 37])]
        expected = [self.gradients(self.design, self.inputs),
                    *[self.gradients(self.design, one, cu_seqlens=offsets) for offsets in packed]]
        with mock.patch.object(package, "on_device", True), \
                mock.patch("decay.torch.launches._current_stream", lambda _: 0), \
                mock.patch.object(torch.cuda, "current_device", lambda: None):
            design = decay.torch.load("simple_decay", device="cpu")
            self.gradients(design, [tensor[:1, :5] for tensor in self.inputs])
            for _ in range(2):
                self.same(self.gradients(design, self.inputs), expected[0])
                for offsets, result in zip(packed, expected[1:]):
                    self.same(self.gradients(design, one, cu_seqlens=offsets), result)
            self.assertEqual(len(package.workspaces()), 2)

    def test_tangents_are_refused(self):
        with torch.autograd.forward_ad.dual_level(), torch.no_grad(), self.assertRaisesRegex(RuntimeError, "forward"):
            q = torch.autograd.forward_ad.make_dual(self.inputs[0], torch.ones_like(self.inputs[0]))
            self.design(q, *self.inputs[1:], self.params)


class Errors(WithInputs):
    """One wrong thing each: refused before anything runs, with the operand and what was expected."""

    def refused(self, kind, *parts, **changed):
        given = dict(zip("qkvf", self.inputs), params=self.params)
        options = {name: changed.pop(name) for name in list(changed) if name not in given}
        given.update(changed)
        with self.assertRaises(kind) as caught:
            self.design(*[given[name] for name in "qkvf"], given["params"], **options)
        for part in parts:
            self.assertIn(part, str(caught.exception))

    def test_wrong_dtype(self):
        self.refused(TypeError, "'k'", "torch.float64", "expected fp32", k=self.inputs[1].double())

    def test_wrong_dtype_bf16(self):
        self.refused(TypeError, "'v'", "bf16", "expected fp32", v=self.inputs[2].bfloat16())

    def test_wrong_shape(self):
        self.refused(ValueError, "'f'", "[2, 36, 2, 32]", "[B T H K] = [2, 37, 2, 32]", f=self.inputs[3][:, 1:])

    def test_wrong_rank(self):
        self.refused(ValueError, "'q'", "[2, 37, 64]", "[B T H K]", q=self.inputs[0].reshape(2, 37, H * K))

    def test_wrong_stride(self):
        turned = self.inputs[1].transpose(1, 2).contiguous().transpose(1, 2)
        self.refused(ValueError, "'k'", "strides", "only the distance between tokens is free", k=turned)

    def test_wrong_device(self):
        self.refused(ValueError, "'v'", "lies on meta", "expected cpu", v=self.inputs[2].to("meta"))

    def test_missing_projection(self):
        with self.assertRaisesRegex(TypeError, "takes q, k, v, f and params, but 3"):
            self.design(*self.inputs[:3])

    def test_projection_that_is_no_tensor(self):
        self.refused(TypeError, "'f' is a NoneType, expected a tensor", f=None)

    def test_missing_parameter(self):
        self.refused(ValueError, "['delta']", "params holds []", params={})

    def test_parameter_of_wrong_shape(self):
        self.refused(ValueError, "'delta'", "[32]", "[H K] = [2, 32]", params={"delta": self.params["delta"][0]})

    def test_state_of_wrong_shape(self):
        self.refused(ValueError, "'initial_state'", "[N H W V] = [2, 2, 32, 48]", initial_state=torch.zeros(1, H, K, V))

    def test_carried_state_is_a_dictionary(self):
        design = decay.torch.load("lightnet", device="cpu")
        with self.assertRaisesRegex(TypeError, "dictionary of 'state' and .'z'."):
            design(*self.inputs, {}, initial_state=torch.zeros(2, H, K, V))

    def test_packed_batch(self):
        self.refused(ValueError, "packed sequences need B = 1, but B is 2", cu_seqlens=torch.tensor([0, 37]))

    def test_offsets_that_do_not_add_up(self):
        one = {name: tensor[:1] for name, tensor in zip("qkvf", self.inputs)}
        for offsets in ([0, 20, 36], [1, 37], [0, 20, 20, 37]):
            self.refused(ValueError, "cu_seqlens must rise from 0 to T = 37", cu_seqlens=torch.tensor(offsets), **one)

    def test_offsets_of_wrong_dtype(self):
        self.refused(TypeError, "cu_seqlens must be a dense int64", cu_seqlens=torch.tensor([0, 37], dtype=torch.int32))

    def test_offsets_that_are_no_tensor(self):
        self.refused(TypeError, "cu_seqlens must be a dense int64", cu_seqlens=[0, 37])

    def test_position_before_the_first(self):
        self.refused(ValueError, "forward of 'simple_decay': position is -1, expected 0 or more", position=-1)

    def test_parameter_that_is_no_tensor(self):
        self.refused(TypeError, "forward of 'simple_decay': 'delta' is a list, expected a tensor", params={"delta": [1.0]})

    def test_state_of_wrong_dtype(self):
        self.refused(TypeError, "'initial_state' holds bf16, expected fp32",
                     initial_state=torch.zeros(2, H, K, V, dtype=torch.bfloat16))

    def test_no_tokens(self):
        empty = {name: tensor[:, :0] for name, tensor in zip("qkvf", self.inputs)}
        self.refused(ValueError, "T is 0, expected 1", **empty)

    def test_layer_out_of_range(self):
        self.refused(ValueError, "layer is 4, expected 0 to 3", layer=4, layers=4)

    def test_two_tokens_for_a_step(self):
        with self.assertRaisesRegex(ValueError, "T is 37, but a step takes one token"):
            self.design.step(*self.inputs, self.params)

    def test_package_of_another_target(self):
        with self.assertRaisesRegex(ValueError, "was compiled for cpu, but the tensors lie on meta"):
            ready = decay.torch.load(self.design.package("cpu").path)
            ready(*[tensor.to("meta") for tensor in self.inputs], self.params)


class ErrorsAfterCalls(Errors):
    """The same, of a design that has taken what is right before."""

    def setUp(self):
        super().setUp()
        one = [tensor[:1] for tensor in self.inputs]
        for _ in range(2):
            self.design(*self.inputs, self.params, initial_state=torch.zeros(2, H, K, V))
            self.design(*self.inputs, self.params)
            self.design(*one, self.params, cu_seqlens=torch.tensor([0, 20, 37]))
            self.design.step(*[tensor[:, :1] for tensor in self.inputs], self.params)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--decayc", type=pathlib.Path, required=True)
    _, rest = parser.parse_known_args(namespace=arguments)
    sys.path.insert(0, str(arguments.root / "runtime" / "python"))
    with tempfile.TemporaryDirectory(prefix="decay-python-") as cache:
        os.environ.update(DECAYC=str(arguments.decayc), DECAY_CACHE=cache)
        global decay, reference
        import decay.torch
        import reference
        unittest.main(argv=[sys.argv[0], *rest], verbosity=2)


main()
