## Where a kernel of matrix products takes its numbers from: its arguments, or a table with the numbers of many products, in which
## every work-group has an entry: the place of its product's numbers, and three coordinates. Functions that return C text.
##
##   <%namespace name="group" file="gemm_group.cl"/>
##   list = group.module.numbers("long a_off b_off", "int M N")
<%!
def numbers(*texts):
    """Return (type, name) of numbers given as texts of a type and names."""
    return [(kind, name) for kind, *names in (text.split() for text in texts) for name in names]
def arguments(numbers, grouped):
    """Return the numbers as a kernel's arguments."""
    return "const __global long *table, long from" if grouped else ", ".join(f"{kind} {name}" for kind, name in numbers)
def read(numbers, grouped):
    """Return the statements that read the numbers of a work-group's product."""
    if not grouped:
        return ""
    lines = ["const __global long *entry = table + from + 4 * (long)get_group_id(0), *given = table + entry[0];"]
    return "\n    ".join(lines + [f"const {kind} {name} = ({kind})given[{i}];" for i, (kind, name) in enumerate(numbers)])
def place(d, grouped, ask="get_group_id"):
    """Return a work-group's coordinate along dimension d of its product."""
    return f"entry[{d + 1}]" if grouped else f"{ask}({d})"
%>
