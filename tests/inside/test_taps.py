"""Taps in plans: activations of all layers and gradients from each to the picture against PyTorch in
float64, and what a plan computes and leaves out."""
import os

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch (python3-torch)")

import nets  # noqa: E402
from nets import D, SMALL_D, Failed, Guided, Network, Plan, apart, run  # noqa: E402

pytestmark = pytest.mark.skipif(not nets.PLAIN, reason=nets.SANITIZED)

RICH = "c8v,R,B,P,D0.25,12v,c1x1:9,R,L,M,14/f14,B,R,D0.5,f11,7"
# (arch, batch_norm, layout: 1 paper, 2 torchvision, 3 global, 4 global-max)
NETS = [(SMALL_D, False, 1), (SMALL_D, True, 2), (RICH, False, 1), ("9,17,M,20,M,33/12", True, 3),
        ("9,M,c17,B,c20,R/B,f12,R,9", False, 4)]
IDS = ["D", "D-bn", "rich", "global", "global-max"]


def picture(count=2, side=32, seed=5, channels=3):
    return np.random.default_rng(seed).standard_normal([count, channels, side, side]).astype(np.float32)


def expected(network, inputs, average_pools=False):
    x = torch.from_numpy(inputs.astype(np.float64)).requires_grad_()
    return x, run(network, x, average_pools)


def direction(values, seed):
    return np.random.default_rng(seed).standard_normal(values.shape)


@pytest.mark.parametrize("arch,batch_norm,layout", NETS, ids=IDS)
@pytest.mark.parametrize("gradients", [False, True])
def test_activations_of_every_layer(arch, batch_norm, layout, gradients):
    network = Network(arch, batch_norm=batch_norm, layout=layout)
    everywhere = range(len(network.layers))
    values, logits = Plan(network, everywhere, batch=2, gradients=gradients).forward(picture())
    _, outputs = expected(network, picture())
    for layer in everywhere:
        assert apart(values[layer], outputs[layer].detach()) < 1e-5, network.layers[layer].name
    assert (logits == values[-1]).all()


@pytest.mark.parametrize("arch,batch_norm,layout", NETS, ids=IDS)
def test_activations_of_one_layer_at_a_time(arch, batch_norm, layout):
    network = Network(arch, batch_norm=batch_norm, layout=layout)
    _, outputs = expected(network, picture())
    for layer in range(len(network.layers)):
        values, logits = Plan(network, [layer], batch=2, ends_at_taps=True).forward(picture())
        assert logits is None
        assert apart(values[0], outputs[layer].detach()) < 1e-5, network.layers[layer].name


@pytest.mark.parametrize("all_taps", [False, True])
@pytest.mark.parametrize("arch,batch_norm,layout", NETS, ids=IDS)
def test_gradients_from_every_layer_reach_the_picture(arch, batch_norm, layout, all_taps):
    network = Network(arch, batch_norm=batch_norm, layout=layout)
    everywhere = list(range(len(network.layers)))
    x, outputs = expected(network, picture())
    whole = Plan(network, everywhere, batch=2, input_gradient=True) if all_taps else None
    for layer in everywhere:
        given = direction(outputs[layer], layer)
        (wanted,) = torch.autograd.grad(outputs[layer], x, torch.from_numpy(given), retain_graph=True)
        plan = whole or Plan(network, [layer], batch=2, input_gradient=True, ends_at_taps=True)
        plan.forward(picture())
        _, found = plan.backward({layer if all_taps else 0: given})
        assert apart(found, wanted) < 1e-4, network.layers[layer].name


@pytest.mark.parametrize("arch,batch_norm,layout", NETS, ids=IDS)
def test_gradients_arrive_at_every_layer(arch, batch_norm, layout):
    """Those of the logits and of each tap, added up, with and without what lies below."""
    network = Network(arch, batch_norm=batch_norm, layout=layout)
    everywhere = list(range(len(network.layers)))
    x, outputs = expected(network, picture())
    given = {t: direction(outputs[t], t) for t in everywhere}
    top = direction(outputs[-1], 99)
    sum((outputs[t] * torch.from_numpy(given[t])).sum() for t in everywhere).backward(retain_graph=True)
    (outputs[-1] * torch.from_numpy(top)).sum().backward(retain_graph=True)
    plan = Plan(network, everywhere, batch=2, input_gradient=True)
    plan.forward(picture())
    found, to = plan.backward(given, top, wanted=everywhere)
    assert apart(to, x.grad) < 1e-4
    for layer in everywhere:
        assert apart(found[layer], outputs[layer].grad) < 1e-4, network.layers[layer].name
    for layer in everywhere:
        alone = Plan(network, [layer], batch=2, gradients=True)
        alone.forward(picture())
        (found,), _ = alone.backward({}, top, wanted=[0], to_input=False)
        (wanted,) = torch.autograd.grad(outputs[-1], outputs[layer], torch.from_numpy(top), retain_graph=True) \
            if layer < len(everywhere) - 1 else (torch.from_numpy(top),)
        assert apart(found, wanted) < 1e-4, network.layers[layer].name


def test_a_gradient_above_the_start_is_zero():
    network = Network("8,M,12/16")
    plan = Plan(network, [2, 4, 0], gradients=True)
    values, _ = plan.forward(picture(1))
    (above, below), _ = plan.backward({0: direction(values[0], 1)}, wanted=[1, 2], to_input=False)
    assert not above.any() and below.any()


@pytest.mark.parametrize("batch_norm", [False, True])
def test_average_in_place_of_max_pools(batch_norm):
    network = Network(SMALL_D, batch_norm=batch_norm)
    everywhere = list(range(len(network.layers)))
    x, outputs = expected(network, picture(), average_pools=True)
    plan = Plan(network, everywhere, batch=2, input_gradient=True, average_pools=True)
    values, _ = plan.forward(picture())
    given = direction(outputs[-1], 3)
    (outputs[-1] * torch.from_numpy(given)).sum().backward()
    _, found = plan.backward({}, given)
    assert all(apart(values[i], outputs[i].detach()) < 1e-5 for i in everywhere)
    assert apart(found, x.grad) < 1e-4


@pytest.mark.parametrize("arch,batch_norm,layout", NETS, ids=IDS)
def test_guided_backpropagation(arch, batch_norm, layout, monkeypatch):
    network = Network(arch, batch_norm=batch_norm, layout=layout)
    monkeypatch.setattr(nets.F, "relu", Guided.apply)
    x, outputs = expected(network, picture())
    given = direction(outputs[-1], 7)
    (outputs[-1] * torch.from_numpy(given)).sum().backward()
    last = len(network.layers) - 1
    for taps in [last], range(last + 1):
        plan = Plan(network, taps, batch=2, input_gradient=True, guided=True)
        plan.forward(picture())
        _, found = plan.backward({}, given)
        assert apart(found, x.grad) < 1e-4


def test_names():
    network = Network(SMALL_D, layout=2)
    assert [network.find(f"features.{i}") for i in range(31)] == list(range(31))
    torchvision = {"relu1_2": 3, "relu2_2": 8, "relu3_3": 15, "relu4_3": 22, "relu5_3": 29, "pool5": 30,
                   "conv5_3": 28, "conv1_1": 0, "pool1": 4, "RELU4_1": 18}
    for name, layer in torchvision.items():
        assert network.find(name) == layer, name
    for name, module in {"fc6": "classifier.0", "relu6": "classifier.1", "drop6": "classifier.2",
                         "fc7": "classifier.3", "relu7": "classifier.4", "fc8": "classifier.6",
                         "logits": "classifier.6"}.items():
        assert network.layers[network.find(name)].name.decode() == module
    assert network.layers[29].paper_name == b"relu5_3" and network.layers[31].paper_name == b""
    norm = Network(SMALL_D, batch_norm=True)
    assert norm.find("bn5_3") == norm.find("conv5_3") + 1 == norm.find("relu5_3") - 1
    with pytest.raises(Failed, match="no layer relu6_1: .* conv5_3 and fc8, and classifier.6"):
        network.find("relu6_1")
    with pytest.raises(Failed, match="no layer : "):
        network.find("")


def test_nobody_looks_nothing_changes():
    """Fusions stay where there is no tap, and what lies above the highest does not run."""
    network = Network(SMALL_D, batch_norm=True, layout=2)
    usual = Plan(network, None, batch=2).algorithms()
    pool4 = network.find("pool4")
    tapped = Plan(network, [pool4], batch=2, ends_at_taps=True).algorithms()
    assert tapped == usual[:len(tapped)]
    assert tapped[-1][0] == network.layers[network.find("conv4_3")].name.decode()
    assert tapped[-1][1].endswith("+pool")
    _, logits = Plan(network, [pool4], batch=2).forward(picture())
    plain = np.zeros_like(logits)
    inputs = picture()
    untapped = Plan(network, None, batch=2)
    nets.call(network.library.vgg_plan_forward, untapped.handle, nets.floats(inputs), nets.SIZE(2),
              nets.floats(plain))
    assert (plain == logits).all()
    one = Plan(network, [network.find("relu3_2")], batch=2, ends_at_taps=True).algorithms()
    assert "max-pool" not in [algorithm for _, algorithm in one]
    assert one[-1][0] == network.layers[network.find("conv3_2")].name.decode()
    assert [name for name, _ in one] == [name for name, _ in usual[:len(one)]]


def test_other_sizes_up_to_the_classifier():
    network = Network(SMALL_D)
    inputs = np.random.default_rng(2).standard_normal([1, 3, 48, 67]).astype(np.float32)
    tap = network.find("relu5_1")
    plan = Plan(network, [tap], height=48, width=67, ends_at_taps=True)
    (values,), _ = plan.forward(inputs)
    outputs = run(network, torch.from_numpy(inputs.astype(np.float64)), layers=tap + 1)
    assert apart(values, outputs[tap]) < 1e-5
    with pytest.raises(Failed, match="features"):
        Plan(network, [network.find("fc6")], height=48, width=67, ends_at_taps=True)


def test_the_same_bits_for_any_number_of_threads():
    network = Network(SMALL_D)
    results = []
    for threads in 1, 3:
        plan = Plan(network, [network.find("relu2_2"), network.find("relu4_1")], batch=3, threads=threads,
                    input_gradient=True, ends_at_taps=True)
        values, _ = plan.forward(picture(3))
        _, to = plan.backward({0: direction(values[0], 1), 1: direction(values[1], 2)})
        results.append([*values, to])
    assert all((a == b).all() for a, b in zip(*results))


def test_what_is_refused():
    network = Network("4,M/8")
    for options, message in (
            ({"taps": [99]}, "layer 99, expected one of the 7"),
            ({"taps": [], "ends_at_taps": True}, "has none, expected at least one"),
            ({"taps": [0], "ends_at_taps": True, "softmax": True}, "softmax to be off"),
            ({"taps": [0], "mode": 1}, "eval")):
        taps = options.pop("taps")
        with pytest.raises(Failed, match=message):
            Plan(network, taps, **options)
    plan = Plan(network, [0], ends_at_taps=True)
    values, _ = plan.forward(picture(1))
    with pytest.raises(Failed, match="without gradients"):
        plan.backward({0: values[0]})
    plan = Plan(network, [0], gradients=True, ends_at_taps=True)
    values, _ = plan.forward(picture(1))
    with pytest.raises(Failed, match="without the gradient of the input"):
        plan.backward({0: values[0]})
    with pytest.raises(Failed, match="neither"):
        plan.backward({}, to_input=False)
    with pytest.raises(Failed, match="no logits to begin"):
        plan.backward({}, np.zeros([1, 10]), to_input=False)
    plan.ends = False
    with pytest.raises(Failed, match="has no logits"):
        plan.forward(picture(1))


@pytest.mark.skipif("VGG_TEST_FULL" not in os.environ, reason="VGG_TEST_FULL=1 runs D at 3 x 224 x 224")
@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_full_network(batch_norm):
    """D at 3 x 224 x 224."""
    network = Network(D, batch_norm=batch_norm, classes=1000, size=(3, 224, 224), layout=2)
    everywhere = list(range(len(network.layers)))
    inputs = picture(1, 224)
    with torch.no_grad():
        outputs = run(network, torch.from_numpy(inputs.astype(np.float64)))
    values, _ = Plan(network, everywhere, exact=True).forward(inputs)
    for layer in everywhere:
        assert apart(values[layer], outputs[layer]) < 1e-5, network.layers[layer].name


def run_piece(network, x, values):
    """The linear piece that `values`, which all layers gave, are on: what ReLUs let through and pools chose is theirs.
    Among millions of values some are so near to zero that float32 has them on the other side."""
    outputs, before = [], None
    for layer, given in zip(network.layers, values):
        given = torch.from_numpy(given)
        if layer.type == nets.RELU:
            x = x * (given > 0)
        elif layer.type == nets.MAX_POOL:
            _, chosen = nets.F.max_pool2d(before, 2, return_indices=True)
            x = x.flatten(2).gather(2, chosen.flatten(2)).reshape(given.shape)
        else:
            x = nets.apply(network, layer, x)
        before = given
        outputs.append(x)
    return outputs


@pytest.mark.skipif("VGG_TEST_FULL" not in os.environ, reason="VGG_TEST_FULL=1 runs D at 3 x 224 x 224")
@pytest.mark.parametrize("batch_norm", [False, True])
def test_gradients_of_the_full_network(batch_norm):
    """Those of all layers at once, which arrive at every layer and at the picture, and those of a few alone."""
    network = Network(D, batch_norm=batch_norm, classes=1000, size=(3, 224, 224), layout=2)
    everywhere = list(range(len(network.layers)))
    inputs = picture(1, 224)
    plan = Plan(network, everywhere, input_gradient=True)
    values, _ = plan.forward(inputs)
    x = torch.from_numpy(inputs.astype(np.float64)).requires_grad_()
    outputs = run_piece(network, x, values)
    given = {layer: direction(outputs[layer], layer) for layer in everywhere}
    total = sum((outputs[layer] * torch.from_numpy(given[layer])).sum() for layer in everywhere)
    wanted, *arriving = torch.autograd.grad(total, [x, *outputs], retain_graph=True)
    found, to = plan.backward(given, wanted=everywhere)
    assert apart(to, wanted) < 1e-4
    for layer in everywhere:
        assert apart(found[layer], arriving[layer]) < 1e-4, network.layers[layer].name
    for layer in map(network.find, ("relu2_2", "relu5_3", "logits")):
        (wanted,) = torch.autograd.grad(outputs[layer], x, torch.from_numpy(given[layer]), retain_graph=True)
        plan.forward(inputs)
        _, to = plan.backward({layer: given[layer]})
        assert apart(to, wanted) < 1e-4, network.layers[layer].name
