<%doc>
Keys that order elements as PyTorch sorts them, made of their raw bits: unsigned integers whose order is the elements'.

Included by the kernels of sorting. A key together with the element's position is a ct_e: all ct_e of a line differ, so
that every way to sort them, stable or not, gives the one stable order. NaN is larger than everything, minus zero
equals zero.

bits        8, 16, 32 or 64: size of an element
kind        "b" bool, "u" unsigned, "i" signed, "f" floating point; infinity: the bits of infinity (kind "f")
vector      0, or how many keys ct_keys_of makes at a time
descending  True: keys are complemented, so that the largest element comes first (equal ones still in order)
A ct_e of up to 32 bits is one ulong (key above, position below), of 64 bits a ulong2 (key, position).
</%doc>
<%
U = {8: "uchar", 16: "ushort", 32: "uint", 64: "ulong"}[bits]
S = U[1:]
wide = bits == 64
mark = "UL" if wide else "U"
ones, sign = (1 << bits) - 1, 1 << (bits - 1)
def lit(v): return f"0x{v:x}{mark}"
last = f" ^ {lit(ones)}" if descending else ""
vlast = lambda V: f" ^ ({V})({lit(ones)})" if descending else ""
%>
typedef ${U} ct_raw;
typedef ${"ulong" if wide else "uint"} ct_key;
static inline ct_key ct_key_of(ct_raw raw) {
    const ct_key u = raw;
% if kind == "b":
    return (u != 0)${last};
% elif kind == "u":
    return u${last};
% elif kind == "i":
    return (u ^ ${lit(sign)})${last};
% else:
    const ct_key size = u & ${lit(sign - 1)};
    const ct_key k = u & ${lit(sign)} ? u ^ ${lit(ones)} : u | ${lit(sign)};
    return (size > ${lit(infinity)} ? ${lit(ones)} : size == 0 ? ${lit(sign)} : k)${last};
% endif
}
static inline int ct_is_nan(ct_raw raw) {
    return ${f"((ct_key)raw & {lit(sign - 1)}) > {lit(infinity)}" if kind == "f" else "0"};
}
% if vector:
<% V, M = f"{U}{vector}", f"{S}{vector}" %>
// several keys at a time, as wide as the elements
static inline ${V} ct_keys_of(${V} u) {
% if kind == "b":
    return (as_${V}(u != (${V})(0)) & (${V})(1))${vlast(V)};
% elif kind == "u":
    return u${vlast(V)};
% elif kind == "i":
    return (u ^ (${V})(${lit(sign)}))${vlast(V)};
% else:
    const ${V} size = u & (${V})(${lit(sign - 1)});
    const ${V} k = select(u | (${V})(${lit(sign)}), ~u, as_${M}(u) < (${M})(0));
    const ${V} number = select(k, (${V})(${lit(sign)}), size == (${V})(0));
    return select(number, (${V})(${lit(ones)}), size > (${V})(${lit(infinity)}))${vlast(V)};
% endif
}
% endif
% if wide:
typedef ulong2 ct_e;
static inline ct_e ct_pack(ct_key k, ulong at) { return (ulong2)(k, at); }
static inline ct_key ct_e_key(ct_e e) { return e.x; }
static inline long ct_e_at(ct_e e) { return e.y; }
static inline int ct_before(ct_e a, ct_e b) { return a.x < b.x || (a.x == b.x && a.y < b.y); }
% else:
typedef ulong ct_e;
static inline ct_e ct_pack(ct_key k, ulong at) { return (ulong)k << 32 | at; }
static inline ct_key ct_e_key(ct_e e) { return e >> 32; }
static inline long ct_e_at(ct_e e) { return e & 0xffffffffUL; }
static inline int ct_before(ct_e a, ct_e b) { return a < b; }
% endif
// The element of a key; only those that share a key with another bit pattern are looked up in their line.
static inline ct_raw ct_element(ct_key key, long at, const __global ct_raw *line, long inner) {
    const ct_key k = key${last};
% if kind in "bu":
    return k;
% elif kind == "i":
    return k ^ ${lit(sign)};
% else:
    if (k == ${lit(sign)} || k == ${lit(ones)}) return line[at * inner];
    return k & ${lit(sign)} ? k ^ ${lit(sign)} : k ^ ${lit(ones)};
% endif
}
// The place of a line's first element in an array of [outer, n, inner].
static inline long ct_line(long line, long n, long inner) {
    const long o = line / inner;
    return o * n * inner + (line - o * inner);
}
