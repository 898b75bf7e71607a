import pytest
import torch

from lumde.engine.optimize import OptimizerConfig, make_optimizer, rate_factor


def test_warmup_rises_linearly_then_cosine_falls_to_its_floor() -> None:
    config = OptimizerConfig(warmup_steps=10, schedule="cosine", final_factor=0.1)
    assert [rate_factor(config, s, 110) for s in (0, 4, 9)] == [0.1, 0.5, 1.0]
    assert rate_factor(config, 10, 110) == 1.0
    assert rate_factor(config, 60, 110) == pytest.approx(0.1 + 0.9 * 0.5)  # half way: cos(pi/2) = 0
    assert rate_factor(config, 110, 110) == pytest.approx(0.1)


def test_step_schedule_drops_once() -> None:
    config = OptimizerConfig(warmup_steps=1, schedule="step", drop_at=0.75, drop_factor=0.1)
    assert rate_factor(config, 74, 101) == 1.0
    assert rate_factor(config, 76, 101) == 0.1


@pytest.mark.parametrize("values", [{"rate": 0.0}, {"clip": -1.0}, {"warmup_steps": -1}])
def test_nonsense_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="positive|negative"):
        OptimizerConfig(**values)


def test_weights_decay_and_biases_and_norms_do_not() -> None:
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    groups = make_optimizer(OptimizerConfig(weight_decay=0.1), net.parameters()).param_groups
    found = {group["weight_decay"]: {id(p) for p in group["params"]} for group in groups}
    assert found == {0.1: {id(net[0].weight)}, 0.0: {id(net[0].bias), id(net[1].weight), id(net[1].bias)}}
