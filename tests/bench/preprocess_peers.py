"""What a page of Python needs for the same as `tenfold preprocess`: see tests/bench/preprocess.

    preprocess_peers.py sets FOLDER_OF_JPEGS WORK      make the sets of pictures
    preprocess_peers.py pillow|draft|pyvips|dali FOLDER OUT     short side 256, JPEG 92 4:4:4, by two processes
"""
import io
import multiprocessing
import os
import shutil
import sys

SIDE = 256


# --- sets of pictures ---------------------------------------------------------------------------------------------------


def table(folder, names):
    with open(f"{folder}/metadata.csv", "w") as f:
        f.write("path,label\n")
        for i, name in enumerate(names):
            f.write(f"images/{name},{'abc'[i % 3]}\n")


def mosaic(photos, first, w, h):
    """w x h pixels of photos side by side, none of them scaled: a picture of this size has as much detail."""
    from PIL import Image

    out, y, k = Image.new("RGB", (w, h)), 0, first
    while y < h:
        x, height = 0, h
        while x < w:
            photo = Image.open(photos[k % len(photos)]).convert("RGB")
            out.paste(photo, (x, y))
            x, height, k = x + photo.size[0], min(height, photo.size[1]), k + 1
        y += height
    return out


def make_sets(source, work):
    from PIL import Image

    sized = []
    for name in sorted(os.listdir(source)):
        with Image.open(f"{source}/{name}") as photo:
            sized.append((-photo.size[0] * photo.size[1], name))
    names = [name for _, name in sorted(sized)]
    large = [f"{source}/{name}" for name in names[:500]]
    folders = {kind: f"{work}/{kind}" for kind in ("small", "large", "enlarged", "png", "webp")}
    for folder in folders.values():
        os.makedirs(f"{folder}/images", exist_ok=True)
    for name in names[:3545]:
        shutil.copyfile(f"{source}/{name}", f"{folders['small']}/images/{name}")
    table(folders["small"], sorted(names[:3545]))
    for i in range(500):
        mosaic(large, 7 * i, 1117, 1025).save(f"{folders['large']}/images/{i:03}.jpg", quality=90)
        enlarged = Image.open(large[i]).convert("RGB").resize((1117, 1025), Image.BICUBIC)
        enlarged.save(f"{folders['enlarged']}/images/{i:03}.jpg", quality=90)
        photo = Image.open(large[i]).convert("RGB")
        photo.save(f"{folders['png']}/images/{i:03}.png")
        photo.save(f"{folders['webp']}/images/{i:03}.webp", quality=90)
    for kind, end in (("large", "jpg"), ("enlarged", "jpg"), ("png", "png"), ("webp", "webp")):
        table(folders[kind], [f"{i:03}.{end}" for i in range(500)])


# --- peers --------------------------------------------------------------------------------------------------------------


def size_of(w, h):
    share = min(1, SIDE / min(w, h))
    return round(w * share), round(h * share)


def by_pillow(path, draft):
    from PIL import Image, ImageOps

    photo = Image.open(path)
    size = size_of(*photo.size)
    if draft:
        photo.draft("RGB", size)
    photo = photo.convert("RGB")
    if photo.size != size:
        photo = photo.resize(size, Image.LANCZOS)
    photo = ImageOps.exif_transpose(photo)
    out = io.BytesIO()
    photo.save(out, "JPEG", quality=92, subsampling=0)
    return out.getvalue()


def by_pyvips(path):
    import pyvips

    header = pyvips.Image.new_from_file(path)
    w, h = size_of(header.width, header.height)
    photo = pyvips.Image.thumbnail(path, w, height=h, size="down")
    return photo.jpegsave_buffer(Q=92, subsample_mode="off", strip=True)


def by_dali(paths, out):
    """Reads, decodes and scales; DALI does not encode, which Pillow does for it."""
    from nvidia.dali import fn, pipeline_def
    from PIL import Image

    @pipeline_def(batch_size=64, num_threads=1, device_id=None)
    def pipeline():
        files, _ = fn.readers.file(files=paths)
        return fn.resize(fn.decoders.image(files, device="cpu"), resize_shorter=SIDE, interp_type=_lanczos())

    pipe, left = pipeline(), len(paths)
    pipe.build()
    while left > 0:
        (batch,) = pipe.run()
        for i in range(min(left, len(batch))):
            stored = io.BytesIO()
            Image.fromarray(batch.at(i)).save(stored, "JPEG", quality=92, subsampling=0)
            out.write(stored.getvalue())
        left -= len(batch)


def _lanczos():
    from nvidia.dali import types

    return types.INTERP_LANCZOS3


def work(method, paths, to):
    with open(to, "wb") as out:
        if method == "dali":
            return by_dali(paths, out)
        if method == "pyvips":
            import pyvips

            pyvips.cache_set_max(0)
        for path in paths:
            out.write(by_pyvips(path) if method == "pyvips" else by_pillow(path, method == "draft"))


def main():
    if sys.argv[1] == "sets":
        return make_sets(sys.argv[2], sys.argv[3])
    method, folder, to = sys.argv[1:]
    paths = [f"{folder}/{name}" for name in sorted(os.listdir(folder))]
    parts = [multiprocessing.Process(target=work, args=(method, paths[i::2], f"{to}.{i}")) for i in range(2)]
    for part in parts:
        part.start()
    for part in parts:
        part.join()
    sys.exit(max(part.exitcode for part in parts))


if __name__ == "__main__":
    main()
