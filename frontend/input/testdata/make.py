"""Makes the pictures of this folder and what Pillow makes of them (needs Pillow and NumPy)."""
import numpy as np
from PIL import Image, ImageOps

def smooth(h, w, c, seed):
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (h // 4 + 1, w // 4 + 1, c), np.uint8).squeeze())
    return small.resize((w, h), Image.BICUBIC)

def save(name, im, w, h, shorter=0):
    im = ImageOps.exif_transpose(im).convert("RGB")
    if shorter:  # torchvision's Resize and CenterCrop
        a, b = im.size
        s = min(a, b)
        im = im.resize((a * shorter // s, b * shorter // s), Image.BILINEAR)
        left, top = round((im.width - w) / 2.0), round((im.height - h) / 2.0)
        im = im.crop((left, top, left + w, top + h))
    else:
        im = im.resize((w, h), Image.BILINEAR)
    np.asarray(im).transpose(2, 0, 1).tofile(name)

rgb = smooth(37, 53, 3, 1)
rgb.save("rgb.png")
save("rgb-24x16.u8", rgb, 24, 16)
save("rgb-64x80.u8", rgb, 64, 80)
save("rgb-20of23.u8", rgb, 20, 20, 23)
alpha = smooth(30, 22, 4, 2)
alpha.save("alpha.png")
save("alpha-22x30.u8", alpha, 22, 30)
save("alpha-11x9.u8", alpha, 11, 9)
grey = smooth(40, 40, 1, 3)
table = grey.convert("P")
table.save("palette.png", transparency=7)
save("palette-13x13.u8", Image.open("palette.png"), 13, 13)
for how in range(1, 9):
    exif = Image.Exif()
    exif[0x0112] = how
    exif[0x010f] = "a maker"
    rgb.save(f"turned{how}.png", exif=exif)
    im = Image.open(f"turned{how}.png")
    w, h = ImageOps.exif_transpose(im).size
    save(f"turned{how}-{w}x{h}.u8", im, w, h)
for name, subsampling in (("jpeg444", 0), ("jpeg422", 1), ("jpeg420", 2)):
    rgb.save(f"{name}.jpg", quality=95, subsampling=subsampling)
    save(f"{name}-53x37.u8", Image.open(f"{name}.jpg"), 53, 37)
