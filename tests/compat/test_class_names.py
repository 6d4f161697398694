"""The modules that classes say they are of while cltorch answers as PyTorch."""

from __future__ import annotations

from tests.compat.test_run import program


def test_classes_name_the_modules_of_pytorch():
    program(
        """
        import pickle, torch, torchvision
        layer = torch.nn.Linear(2, 2)
        assert type(layer).__module__ == "torch.nn.modules.linear" and repr(torch.Tensor) == "<class 'torch.Tensor'>"
        assert type(layer.weight).__module__ == "torch.nn.parameter"
        for kind in (torch.dtype, torch.device, torch.Size, torch.Generator):
            assert kind.__module__ == "torch"
        assert torch.optim.Adam.__module__ == "torch.optim.adam"
        assert torchvision.models.ResNet.__module__ == "torchvision.models.resnet"
        for kind in (torch.Tensor, torch.nn.Linear, torch.nn.MaxPool2d, torch.optim.Adam, torchvision.models.ResNet):
            assert pickle.loads(pickle.dumps(kind)) is kind
        assert pickle.loads(pickle.dumps(layer)).weight.equal(layer.weight)

        class Own(torch.nn.Module):
            pass
        assert Own.__module__ == "__main__"

        compat.uninstall()
        import cltorch
        assert type(layer) is cltorch.nn.Linear and cltorch.nn.Linear.__module__ == "cltorch.nn.modules.linear"
        assert pickle.loads(pickle.dumps(cltorch.Tensor)) is cltorch.Tensor
        """
    )


def test_models_go_to_files_under_the_same_names(tmp_path):
    path = tmp_path / "model.pt"
    program(
        f"""
        import torch
        model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2))
        torch.save(model, {str(path)!r})
        assert torch.load({str(path)!r}, weights_only=False)[0].weight.equal(model[0].weight)
        compat.uninstall()
        import cltorch
        assert type(cltorch.load({str(path)!r}, weights_only=False)) is cltorch.nn.Sequential
        with cltorch.serialization.safe_globals([cltorch.nn.Sequential, cltorch.nn.Conv2d, cltorch.nn.ReLU,
                                                 cltorch.nn.MaxPool2d]):
            assert type(cltorch.load({str(path)!r})[2]) is cltorch.nn.MaxPool2d
        """
    )


def test_annotations_of_classes_can_be_read():
    out = program(
        """
        import torch
        from typing import get_type_hints

        class Own(torch.nn.Module):
            size: int

        print(get_type_hints(Own)["size"].__name__, "training" in get_type_hints(torch.nn.Linear))
        for place in (torch, torch.nn, torch.optim, torch.distributions):
            for kind in vars(place).values():
                if isinstance(kind, type) and kind.__module__.startswith("torch"):
                    get_type_hints(kind)
        """
    )
    assert out == "int True"
