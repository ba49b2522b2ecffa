"""The recurrence of one layer as a module that owns the design's learned parameters."""
import torch


class DecayMixer(torch.nn.Module):
    """Projections in, o out: `mixer(q, k, v, f)` is the design with the parameters of this layer.

    A design's parameters that span the layers belong to the model: give one module's `params` to the others. Parameters
    that the design keeps out of weight decay have the attribute `no_weight_decay`.
    """

    def __init__(self, design, H, K, V=None, layer=0, layers=1, seed=0, device="cpu", params=None):
        super().__init__()
        self.design, self.layer, self.layers = design, layer, layers
        self.params = params
        if params is None:
            made = design.init_parameters(H, K, V, layer, layers, seed, device)
            self.params = torch.nn.ParameterDict({name: torch.nn.Parameter(tensor) for name, tensor in made.items()})
        for parameter in design.manifest["parameters"]:
            self.params[parameter["name"]].no_weight_decay = not parameter["weight_decay"]

    def forward(self, *projections, **options):
        return self.design(*projections, params=self.params, layer=self.layer, layers=self.layers, **options)

    def step(self, *projections, **options):
        return self.design.step(*projections, params=self.params, layer=self.layer, layers=self.layers, **options)
