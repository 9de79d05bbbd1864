"""What trains with PyTorch loads pictures with: see tests/bench/loader.

    loader_peers.py dali|torch FOLDER_OF_JPEGS PX THREADS SECONDS

Random resized crops (area .08 to 1) to PX and flips, batches of 64 in random order, bytes: images per second after a warm-up. DALI decodes only
the crop and resizes with a triangular filter; PyTorch's DataLoader has THREADS worker processes, which decode with Pillow and use torchvision.
"""
import os
import sys
import time

BATCH = 64


def rate(next_batch, seconds):
    for _ in range(4):
        next_batch()
    begin, n = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        next_batch()
        n += BATCH
    return n / (time.perf_counter() - begin)


def dali(paths, px, threads, seconds):
    from nvidia.dali import fn, pipeline_def

    @pipeline_def(batch_size=BATCH, num_threads=threads, device_id=None, seed=1)
    def pipeline():
        files, _ = fn.readers.file(files=paths, random_shuffle=True, initial_fill=len(paths))
        crop = fn.decoders.image_random_crop(files, device="cpu", random_area=[0.08, 1.0], random_aspect_ratio=[3 / 4, 4 / 3])
        return fn.flip(fn.resize(crop, size=(px, px)), horizontal=fn.random.coin_flip())

    pipe = pipeline()
    pipe.build()
    return rate(pipe.run, seconds)


def torch(paths, px, threads, seconds):
    import torch
    from PIL import Image
    from torchvision import transforms

    class Files(torch.utils.data.Dataset):
        change = transforms.Compose([transforms.RandomResizedCrop(px), transforms.RandomHorizontalFlip(), transforms.PILToTensor()])

        def __len__(self):
            return len(paths)

        def __getitem__(self, i):
            return self.change(Image.open(paths[i]).convert("RGB"))

    order = torch.utils.data.RandomSampler(paths, replacement=True, num_samples=1 << 20)
    batches = iter(torch.utils.data.DataLoader(Files(), batch_size=BATCH, num_workers=threads, sampler=order))
    return rate(lambda: next(batches), seconds)


def main():
    method, folder, px, threads, seconds = sys.argv[1:]
    paths = [f"{folder}/{name}" for name in sorted(os.listdir(folder))]
    print(f"{globals()[method](paths, int(px), int(threads), float(seconds)):.1f}", flush=True)
    os._exit(0)  # DataLoader's workers have batches that nobody wants


if __name__ == "__main__":
    main()
