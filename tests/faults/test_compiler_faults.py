"""A compiler that fails or hangs: the device is skipped with the compiler's words, or the build is a BuildError."""

from __future__ import annotations

import json

FAILS = """
    import json
    from cltorch import doctor
    report = doctor.collect(measure=False, again=False, each=False)
    assert not torch.cl.is_available() and (torch.ones(2) * 2).tolist() == [2, 2]
    print(json.dumps([report, doctor.text(report), error(lambda: torch.ones(1, device="cl"))]))
"""


def test_a_listed_device_that_cannot_build_is_skipped_and_explained(first_device, faulty, tmp_path):
    told = faulty(FAILS, FAULT_BUILD="1", CLTORCH_CACHE=str(tmp_path))
    report, text, refused = json.loads(told)
    devices = [device for entry in report["platforms"] for device in entry["devices"]]
    assert devices and all(device["verdict"]["stage"] == "build" for device in devices)
    assert "unknown target CPU 'future'" in text and "SKIPPED" in text and "the host (cpu)" in text
    assert "this PoCL is older than the processor" in text and report["chosen"]["device"] == "cpu"
    assert refused.startswith("RuntimeError: No OpenCL device is available") and devices[0]["name"] in refused


HANGS = """
    from cltorch.device import discovery, screening
    screening.screen()
    os.environ["CLTORCH_PROBE_TIMEOUT"] = "1"
    assert discovery.devices() == [] and (torch.ones(2) * 2).tolist() == [2, 2]
    assert all(s.why == "the driver did not answer within 1 s" for s in discovery.skipped())
    print(error(lambda: torch.ones(1, device="cl")))
"""


def test_a_listed_device_whose_compiler_hangs_is_skipped(first_device, faulty, tmp_path):
    refused = faulty(HANGS, FAULT_BUILD="2", CLTORCH_CACHE=str(tmp_path))
    assert refused.startswith("RuntimeError: No OpenCL device is available") and "did not answer within 1 s" in refused


HANGS_LATER = """
    import json, threading, time
    x = torch.arange(4.0, device="cl")
    context, told = torch.device("cl").context, []

    def build(name):
        source = "// %d\\n__kernel void %s(__global float *x) { x[0] = 7; }" % (time.time_ns(), name)
        context.kernel_from_source(source, name, "b", name)((1,), None, x._storage)

    for kind, limit in ((2, "0.2"), (1, "")):
        fault("build", kind)
        os.environ["CLTORCH_BUILD_TIMEOUT"] = limit
        told.append(error(lambda: build("ct_first")))
        assert x.tolist() == [0, 1, 2, 3]
    fault("build", 3)  # slow, not hanging
    build("ct_second")
    assert x.tolist() == [7, 1, 2, 3]
    fault("build")
    for thread in threading.enumerate():
        if thread.name == "cltorch build":
            thread.join(60)  # of the first, which hangs no longer
    x.zero_()
    build("ct_first")  # what could not be built is tried anew
    assert x.tolist() == [7, 0, 0, 0]
    fault("build", 2)
    os.environ["CLTORCH_BUILD_TIMEOUT"] = "0.2"
    error(lambda: build("ct_third"))
    print(json.dumps(told))  # and the process ends while the compiler hangs
"""


def test_a_compiler_that_hangs_in_the_middle_of_a_program_is_a_build_error(first_device, faulty):
    hangs, fails = json.loads(faulty(HANGS_LATER))
    assert hangs.startswith("BuildError: ct_first does not build on cl:0")
    assert "has not come back within 0.2 s (CLTORCH_BUILD_TIMEOUT" in hangs
    assert fails.startswith("BuildError: ct_first does not build on cl:0") and "unknown target CPU 'future'" in fails
