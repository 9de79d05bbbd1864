"""One EfficientNet in PyTorch, timed: the peer of bench_train.c, for train_vs_pytorch.

    python train_torch.py NET PX BATCH THREADS CONFIGURATION train|infer STEPS   efficientnet-b1 240 16 2 bf16+cl train 5

CONFIGURATION: fp32 or bf16 (autocast), joined with cl (channels-last), weights (to infer: they and the images are bf16, without
autocast) and compile. Prints one line `img_s peak_mib`: the median over STEPS after two that are not counted (they compile), and the
peak of the process (getrusage).
"""
import resource
import statistics
import sys
import time

import torch
import torch._inductor.config
import torchvision

CLASSES = 5
name, px, batch, threads, configuration, what, steps = sys.argv[1:]
batch, px, parts = int(batch), int(px), configuration.split("+")


def call(net, image):
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled="bf16" in parts and "weights" not in parts):
        return net(image)


def trainer(net, image):
    label = torch.randint(0, CLASSES, (batch,))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=1e-4, fused=True)
    criterion = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
    run = torch.compile(net) if "compile" in parts else net

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = criterion(call(run, image).float(), label)
        loss.backward()
        optimizer.step()
        loss.item()

    return step


def inferrer(net, image):
    net.eval()
    torch._inductor.config.freezing = True  # folds the batch norms into the convolutions
    if "weights" in parts:
        net, image = net.to(torch.bfloat16), image.to(torch.bfloat16)
    run = torch.compile(net) if "compile" in parts else net

    def step():
        with torch.inference_mode():
            call(run, image)

    return step


torch.set_num_threads(int(threads))
torch.manual_seed(0)
memory_format = torch.channels_last if "cl" in parts else torch.contiguous_format
model = getattr(torchvision.models, name.replace("-", "_"))(num_classes=CLASSES).to(memory_format=memory_format)
images = torch.randn(batch, 3, px, px).contiguous(memory_format=memory_format)
work = (trainer if what == "train" else inferrer)(model, images)
times = []
for _ in range(int(steps) + 2):
    begin = time.perf_counter()
    work()
    times.append(time.perf_counter() - begin)
peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"{batch / statistics.median(times[2:]):.3f} {peak_mib:.0f}")
