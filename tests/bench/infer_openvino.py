"""One EfficientNet in OpenVINO, timed: a peer of bench_train.c in evaluation, for train_vs_pytorch.

    python infer_openvino.py NET PX BATCH FILE.xml                                  converts the net of train_torch.py
    python infer_openvino.py FILE.xml PX BATCH THREADS CONFIGURATION infer STEPS    net.xml 240 16 2 bf16+2 infer 5

CONFIGURATION: fp32 or bf16 (a hint: a processor without bf16 computes in fp32), joined with 2: two streams, two batches at a
time. Prints one line `img_s peak_mib`: the median over STEPS after two that are not counted, and the peak of the process
(getrusage), which loads no PyTorch.
"""
import resource
import statistics
import sys
import time

import numpy
import openvino

CLASSES = 5


def convert(name, px, batch, file):
    import torch
    import torchvision

    torch.manual_seed(0)
    net = getattr(torchvision.models, name.replace("-", "_"))(num_classes=CLASSES).eval()
    image = torch.zeros(int(batch), 3, int(px), int(px))
    openvino.save_model(openvino.convert_model(net, example_input=image, input=image.shape), file, compress_to_fp16=False)


def measure(file, px, batch, threads, configuration, _, steps):
    parts = configuration.split("+")
    streams = 2 if "2" in parts else 1
    batches = 1 if streams == 1 else 8  # per step, so that a stream seldom waits for the other
    model = openvino.compile_model(file, "CPU", {
        "PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT", "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": int(threads), "INFERENCE_PRECISION_HINT": "bf16" if "bf16" in parts else "f32"})
    queue = openvino.AsyncInferQueue(model, streams)
    images = numpy.random.default_rng(0).standard_normal((int(batch), 3, int(px), int(px)), numpy.float32)
    times = []
    for _ in range(int(steps) + 2):
        begin = time.perf_counter()
        for _ in range(batches):
            queue.start_async({0: images}, share_inputs=True)
        queue.wait_all()
        times.append(time.perf_counter() - begin)
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{int(batch) * batches / statistics.median(times[2:]):.3f} {peak_mib:.0f}")


(convert if len(sys.argv) == 5 else measure)(*sys.argv[1:])
