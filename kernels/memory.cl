## C text that reads and writes ``w`` elements of an array in the storage type of its dtype, as functions of Python, and
## the fields of a table. ``tag`` and ``stored`` are the dtype's tag and storage type; the halves are float once read.
<%!
from cltorch.dtypes import STORAGE_TAGS as HALVES
NARROW = ("char", "uchar", "short", "ushort")
def vload(w, stored, p):
    """Return a vector of the elements from the pointer p on."""
    return f"CT_VLOAD{w}({stored}, {p})" if stored in NARROW else f"vload{w}(0, {p})"
def vstore(w, stored, value, p):
    """Return the expression that writes a vector to the elements from the pointer p on."""
    return f"CT_VSTORE{w}({stored}, {value}, {p})" if stored in NARROW else f"vstore{w}({value}, 0, {p})"
def load(p, at, tag, stored, wanted=None, w=1):
    """Return the elements of p from ``at`` on, converted to the type ``wanted`` where one is named."""
    n = "" if w == 1 else str(w)
    if tag in HALVES:
        value, have = f"ct_load_{tag}{'_' + n if n else ''}({p}, {at})", "float"
    else:
        value, have = f"{p}[{at}]" if w == 1 else vload(w, stored, f"{p} + {at}"), stored
    return value if wanted in (None, have) else f"convert_{wanted}{n}({value})"
def store(p, at, value, tag, stored, given=None, w=1):
    """Return a statement that writes a value to p from ``at`` on, converted where its type ``given`` is named."""
    n = "" if w == 1 else str(w)
    have = "float" if tag in HALVES else stored
    value = value if given in (None, have) else f"convert_{have}{n}({value})"
    if tag in HALVES:
        return f"ct_store_{tag}{'_' + n if n else ''}({value}, {p}, {at});"
    return f"{p}[{at}] = {value};" if w == 1 else f"{vstore(w, stored, value, f'{p} + {at}')};"
LINE = 64  # bytes of a line of the cache
BYTES = {"float": 4, "int": 4, "double": 8, "long": 8}
def whole_line(tag, stored, w):
    """Return whether vectors of a storage type are as large as a line, so that they may be written past the caches."""
    return w * BYTES.get(stored, 0) == LINE and tag not in HALVES
def store_line(p, at, value, stored):
    """Return a statement that writes a line past the caches, by a function that ``streams`` has made."""
    return f"ct_stream_{stored}({value}, {p} + {at});"
%>
## CT_PREFETCH and CT_PREFETCH_WRITE, which ask for the line at an address
<%def name="prefetch()">
// A prefetch is worth 5 to 10 % of a product whose panels come from L2. OpenCL's own prefetch() does nothing on PoCL; Clang
// has a builtin that wants a private pointer, on processors. Other compilers do without.
% if "no_prefetch_builtin" not in caps.quirks:
#if defined(__clang__) && defined(__has_builtin) && (defined(__x86_64__) || defined(__aarch64__) || defined(__SPIR__))
#if __has_builtin(__builtin_prefetch)
#define CT_PREFETCH(p) __builtin_prefetch((const void *)(size_t)(p), 0, 3)
#define CT_PREFETCH_WRITE(p) __builtin_prefetch((const void *)(size_t)(p), 1, 3)
#endif
#endif
% endif
#ifndef CT_PREFETCH
#define CT_PREFETCH(p)
#define CT_PREFETCH_WRITE(p)
#endif
</%def>
## functions that write vectors past the caches, where their place is the beginning of a line, else as usual
<%def name="streams(types, w)">
% for stored in types:
static inline void ct_stream_${stored}(const ${stored}${w} value, __global ${stored} *p) {
#if defined(__clang__) && (defined(__x86_64__) || defined(__aarch64__))
#if __has_builtin(__builtin_nontemporal_store)
    if ((size_t)p % ${LINE} == 0) {
        __builtin_nontemporal_store(value, (__global ${stored}${w} *)p);
        return;
    }
#endif
#endif
    vstore${w}(value, 0, p);
}
% endfor
% if types:
// For a kernel's end: x86 orders such stores neither with what the thread writes afterwards nor with its saying that it
// is done.
#if defined(__clang__) && defined(__x86_64__)
#define CT_STREAMED() __builtin_ia32_sfence()
#else
#define CT_STREAMED()
#endif
% endif
</%def>
## the fields of a table of longs, T, by their names: those that fit an int first
<%def name="fields(ints, longs)">
% for i, name in enumerate(ints):
    const int ${name} = (int)T[${i}];
% endfor
% for i, name in enumerate(longs):
    const long ${name} = T[${len(ints) + i}];
% endfor
</%def>
