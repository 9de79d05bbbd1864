"""EfficientNets in PyTorch on the GPU, timed: the peer of tests/bench/bench_train.c in tests/gpu/proof.

Prints `ready VERSIONS`, then for each line `NET PX BATCH train|infer STEPS` of its input a line: images/s, the median over STEPS after
WARM_UP that are not counted, or `failed WHY`. The precision is bf16 (autocast), channels-last; images stay on the GPU.
"""
import statistics
import sys
import time

import torch

CLASSES, WARM_UP = 5, 5


class Block(torch.nn.Module):
    """MBConv as in torchvision: expand, depthwise, squeeze-and-excitation, project; stochastic depth."""

    def __init__(self, n_in, n_out, kernel, stride, expand, drop):
        super().__init__()
        n, squeezed, nn = n_in * expand, max(1, n_in // 4), torch.nn
        layers = [nn.Conv2d(n_in, n, 1, bias=False), nn.BatchNorm2d(n), nn.SiLU(True)] if expand > 1 else []
        layers += [nn.Conv2d(n, n, kernel, stride, kernel // 2, groups=n, bias=False), nn.BatchNorm2d(n), nn.SiLU(True)]
        self.first = nn.Sequential(*layers)
        self.scale = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(n, squeezed, 1), nn.SiLU(True),
                                   nn.Conv2d(squeezed, n, 1), nn.Sigmoid())
        self.project = nn.Sequential(nn.Conv2d(n, n_out, 1, bias=False), nn.BatchNorm2d(n_out))
        self.skips, self.drop = stride == 1 and n_in == n_out, drop

    def forward(self, x):
        y = self.first(x)
        y = self.project(y * self.scale(y))
        if not self.skips:
            return y
        if self.training and self.drop:
            keep = torch.rand(len(y), 1, 1, 1, device=y.device, dtype=y.dtype) >= self.drop
            y = y * keep / (1 - self.drop)
        return x + y


def own(name):
    """For machines without torchvision."""
    width, depth, dropout = {"b0": (1.0, 1.0, 0.2), "b1": (1.0, 1.1, 0.2), "b4": (1.4, 1.8, 0.4)}[name[-2:]]
    stages = [(1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4), (6, 3, 1, 320, 1)]

    def wide(n):
        rounded = max(8, int(n * width + 4) // 8 * 8)
        return rounded + 8 if rounded < 0.9 * n * width else rounded

    nn, n_in = torch.nn, wide(32)
    layers = [nn.Conv2d(3, n_in, 3, 2, 1, bias=False), nn.BatchNorm2d(n_in), nn.SiLU(True)]
    repeats = [-int(-depth * stage[4] // 1) for stage in stages]
    for (expand, kernel, stride, n_out, _), count in zip(stages, repeats):
        for i in range(count):
            drop = 0.2 * sum(isinstance(x, Block) for x in layers) / sum(repeats)
            layers.append(Block(n_in, wide(n_out), kernel, stride if i == 0 else 1, expand, drop))
            n_in = wide(n_out)
    last = 4 * n_in
    layers += [nn.Conv2d(n_in, last, 1, bias=False), nn.BatchNorm2d(last), nn.SiLU(True), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
               nn.Dropout(dropout), nn.Linear(last, CLASSES)]
    return nn.Sequential(*layers)


try:
    import torchvision

    where = f"torchvision {torchvision.__version__}"

    def make(name):
        return getattr(torchvision.models, name.replace("-", "_"))(num_classes=CLASSES)
except ImportError:
    where, make = "own nets", own


def call(net, image):
    with torch.autocast("cuda", dtype=torch.bfloat16):
        return net(image)


def trainer(net, image):
    label = torch.randint(0, CLASSES, (len(image),), device="cuda")
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=1e-4, fused=True)
    criterion = torch.nn.CrossEntropyLoss(label_smoothing=0.1)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = criterion(call(net, image).float(), label)
        loss.backward()
        optimizer.step()
        loss.item()

    return step


def inferrer(net, image):
    net.eval()

    def step():
        with torch.inference_mode():
            call(net, image).float().softmax(1).cpu()

    return step


def images_per_second(name, px, batch, mode, steps):
    net = make(name).to("cuda", memory_format=torch.channels_last)
    image = torch.randn(batch, 3, px, px, device="cuda").contiguous(memory_format=torch.channels_last)
    work = (trainer if mode == "train" else inferrer)(net, image)
    times = []
    for _ in range(steps + WARM_UP):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        work()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
    return batch / statistics.median(times[WARM_UP:])


if __name__ == "__main__":
    if not torch.cuda.is_available():
        sys.exit("PyTorch sees no GPU")
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(0)
    images_per_second("efficientnet-b1", 240, 128, "train", 1)  # loads the libraries' kernels: on a cold disk that takes a minute
    print(f"ready PyTorch {torch.__version__}, {where}, cuDNN {torch.backends.cudnn.version()}", flush=True)
    for line in sys.stdin:
        name, px, batch, mode, steps = line.split()
        try:
            print(f"{images_per_second(name, int(px), int(batch), mode, int(steps)):.1f}", flush=True)
        except RuntimeError as error:
            print("failed", str(error).splitlines()[0], flush=True)
        torch.cuda.empty_cache()
