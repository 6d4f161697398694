"""The declarations in front of a program on PoCL: those that it names, all overloads of each, and a way out."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch.device import declarations

HEADER = """
//===--- a header ---===//
#ifndef _OPENCL_H_
#define _OPENCL_H_
#include "opencl-c-base.h"
#define __ovld __attribute__((overloadable))
/**
 * Words, with sin(x); in them.
 */
float __ovld sin(float);
float2 __ovld sin(float2); // two
#if defined(__opencl_c_one) && \\
    defined(two) // a remark
double __ovld sin(double);
#else
double __ovld cos(double);
#endif //two
#ifdef three
#ifdef four
int __ovld
tan(int a,
    int b);
#endif
#endif
__attribute__((deprecated("say (this) instead")))
int __ovld old(int);
#endif //_OPENCL_H_
"""


@pytest.fixture
def header(tmp_path):
    (tmp_path / "opencl-c.h").write_text(HEADER)
    return declarations._pieces(tmp_path)


def lines_for(header, *names):
    return [" ".join(line.split()) for line in declarations._chosen(header, set(names)).splitlines()]


def test_every_overload_of_a_name_stays_with_its_conditions(header):
    lines = lines_for(header, "sin")
    first = lines.index("float __ovld sin(float);")
    assert lines[first : first + 6] == [
        "float __ovld sin(float);", "float2 __ovld sin(float2);",
        "#if defined(__opencl_c_one) && defined(two)", "double __ovld sin(double);", "#else", "#endif",
    ]  # fmt: skip
    assert not any("cos" in line or "tan" in line or "old" in line or "include" in line for line in lines)
    assert not any("_OPENCL_H_" in line for line in lines)  # the option defines that one
    assert lines[-1] == "#line 1"


def test_declarations_of_several_lines_and_with_attributes_are_found(header):
    lines = lines_for(header, "tan", "old")
    assert "int __ovld tan(int a, int b);" in lines and lines.count("#ifdef three") == 1
    assert any(line.endswith("int __ovld old(int);") and line.startswith("__attribute__") for line in lines)


def test_nothing_of_a_condition_without_use_is_left(header):
    lines = lines_for(header)
    assert not any(line.startswith("#if ") or line == "#ifdef three" for line in lines)
    assert sum(line.startswith("#if") for line in lines) == sum(line.startswith("#endif") for line in lines) == 1


def test_only_opencl_c_1_2_is_helped():
    assert declarations.before("", ["-cl-std=CL3.0"]) is None


def test_programs_build_whether_names_are_found_or_made(cl_device):
    """A name that the preprocessor makes of parts is not seen, so that such a program is built the driver's way."""
    context = cltorch.device(cl_device).resolve().context
    body = "{ x[get_global_id(0)] = %s(x[get_global_id(0)]); }"
    plain = "__kernel void ct_found(__global float *x) " + body % "sqrt"
    made = "#define JOIN(a, b) a##b\n__kernel void ct_made(__global float *x) " + body % "JOIN(sq, rt)"
    for source, name in ((plain, "ct_found"), (made, "ct_made")):
        kernel = context.kernel_from_source(source, name, "b")
        buffer = context.alloc(4 * 3)
        context.write(buffer.buf, np.array([0, 4, 9], np.float32))
        kernel((3,), None, buffer)
        assert buffer.bytes().view(np.float32).tolist() == [0, 2, 3]


def test_errors_show_the_programs_own_lines(cl_device):
    context = cltorch.device(cl_device).resolve().context
    with pytest.raises(cltorch.errors.BuildError, match="no_such_name") as error:
        context.kernel_from_source("\n\n__kernel void ct_wrong(__global float *x) { no_such_name; }", "ct_wrong", "b")
    assert "__ovld" not in str(error.value)
