"""Photos with sentences, and species with their ranks, in their published folders, made small."""

import pytest

from cltorch.vision import datasets
from cltorch.vision.datasets import inaturalist
from tests.vision.made_up import photo, seen

Image = pytest.importorskip("PIL.Image", reason="reads PIL images")


def make_flickr(root):
    photo(root / "11_b.jpg", 10)
    photo(root / "7_a.jpg", 20)
    link = "<tr><td><a href='http://x'>http://www.flickr.com/photos/me/{}/</a></td><td><ul>{}</ul></td></tr>"
    one = link.format(7, "<li>A dog runs .\n</li><li> It barks .</li>")
    gone = "<tr><td>Image Not Found</td><td><ul><li>Nobody knows .</li></ul></td></tr>"
    page = f"<html><h1>a</h1><table>{one}{gone}{link.format(11, '<li>A cat sleeps .</li>')}</table><li>end</li></html>"
    (root / "captions.html").write_text(page)
    lines = "7_a.jpg#0\tA dog runs .\n11_b.jpg#0\tA cat sleeps .\n7_a.jpg#1\tIt barks .\n"
    (root / "results.token").write_text(lines)


@pytest.mark.parametrize(("name", "file"), [("Flickr8k", "captions.html"), ("Flickr30k", "results.token")])
def test_flickr(tmp_path, name, file):
    make_flickr(tmp_path)
    data = getattr(datasets, name)(str(tmp_path), str(tmp_path / file))
    assert seen(data) == [(10, ["A cat sleeps ."]), (20, ["A dog runs .", "It barks ."])]
    short = getattr(datasets, name)(tmp_path, tmp_path / file, transform=lambda image: image.size, target_transform=len)
    assert short[1] == ((6, 4), 2)


def make_2021(root):
    for i, (name, shade) in enumerate(
        (("Animalia_Chordata_Aves_Gaviiformes_Gaviidae_Gavia_immer", 10),
         ("Animalia_Chordata_Mammalia_Carnivora_Felidae_Lynx_rufus", 20),
         ("Plantae_Bryophyta_Aves_X_Y_Z_z", 30))
    ):  # fmt: skip
        photo(root / "2021_valid" / f"{i:05d}_{name}" / "p.jpg", shade)


def make_earlier(root):
    for version, first, second in (("2017", "Gavia immer", "Lynx rufus"), ("2018", "1", "0")):
        photo(root / version / "Aves" / first / "b.jpg", 10)
        photo(root / version / "Aves" / first / "a.jpg", 15)
        photo(root / version / "Mammalia" / second / "c.jpg", 20)


def test_species(tmp_path):
    make_2021(tmp_path)
    data = datasets.INaturalist(tmp_path, "2021_valid", ["full", "kingdom", "class"])
    assert seen(data) == [(10, (0, 0, 0)), (20, (1, 0, 1)), (30, (2, 1, 0))]
    assert data.category_name("class", 1) == "Mammalia" and data.category_name("full", 2).startswith("00002_Plantae")
    for kind, number in (("kingdom", 2), ("super", 0)):
        with pytest.raises(ValueError, match="Invalid category"):
            data.category_name(kind, number)
    with pytest.raises(ValueError, match="Unknown value 'super'"):
        datasets.INaturalist(tmp_path, "2021_valid", "super")
    with pytest.raises(RuntimeError, match="INaturalist: files not found"):
        datasets.INaturalist(tmp_path)
    (tmp_path / "2021_valid" / "00003_Animalia").mkdir()
    with pytest.raises(RuntimeError, match="not the name of species 00003"):
        datasets.INaturalist(tmp_path, "2021_valid")


def test_species_in_groups(tmp_path):
    make_earlier(tmp_path)
    assert seen(datasets.INaturalist(tmp_path, "2017", "super")) == [(15, 0), (10, 0), (20, 1)]
    data = datasets.INaturalist(tmp_path, "2018", ["full", "super"], loader=lambda path: Image.open(path).convert("L"))
    assert seen(data) == [(20, (0, 1)), (15, (1, 0)), (10, (1, 0))]
    photo(tmp_path / "2018" / "Reptilia" / "3" / "d.jpg", 1)
    with pytest.raises(RuntimeError, match="species 2 is missing"):
        datasets.INaturalist(tmp_path, "2018")
    photo(tmp_path / "2018" / "Reptilia" / "0" / "d.jpg", 1)
    with pytest.raises(RuntimeError, match="species 0 is there twice"):
        datasets.INaturalist(tmp_path, "2018")


def test_species_are_downloaded(tmp_path, monkeypatch):
    make_2021(tmp_path / "source")

    def fetch(url, root, filename, md5):
        assert (filename, md5) == ("2021_valid.tgz", "f6f6e0e242e3d4c9569ba56400938afc") and url.endswith(
            "/2021/val.tar.gz"
        )
        (tmp_path / "new").mkdir(exist_ok=True)
        (tmp_path / "source" / "2021_valid").rename(tmp_path / "new" / "val")

    monkeypatch.setattr(inaturalist, "download_and_extract_archive", fetch)
    assert len(datasets.INaturalist(tmp_path / "new", "2021_valid", download=True)) == 3
