"""The moving average of a student, which is what ships."""

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lumde.nets.bins import BinsHead


class MovingAverage(AveragedModel):
    """Weights and statistics averaged over steps; depth bins stand where the network has them by now."""

    def __init__(self, net: nn.Module, decay: float) -> None:
        """Begin with the network as it is."""
        super().__init__(net, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
        self._bins = [name for name, module in net.named_modules() if isinstance(module, BinsHead)]

    def update_parameters(self, model: nn.Module) -> None:
        """Take in one more step."""
        super().update_parameters(model)
        for name in self._bins:
            there = dict(model.get_submodule(name).named_buffers())
            self.module.get_submodule(name).load_state_dict(there, strict=False)
