## C text that joins the lanes of a vector, as a function of Python.
<%!
def joined(A, v, w, join):
    """Return statements that leave in t0 what ``join`` makes, two by two, of the lanes of a vector v of w elements.

    They are spelled out: a loop over lanes in memory takes longer than a short row.
    """
    lines, step = [f"{A} t{j} = {v}.s{j:x};" for j in range(w)], w // 2
    while step:
        lines += [f"t{j} = {join(f't{j}', f't{j + step}')};" for j in range(step)]
        step //= 2
    return "\n    ".join(lines)
%>
