// Fill, drop out or flip coins from a Philox stream: word i of the stream makes element i (words == 2: words 2i, 2i+1).
// Parameters: dist, dtype, ctype, words; source: dtype name of the input array of dropout and bernoulli_tensor, or None.
// lanes: 16 on CPU devices, where a work-item takes a run of tiles of sixteen blocks in explicit vectors; 1 on others, where
// it takes one block.
<%
double = dtype == "float64" and words == 2
R = "double" if double else "float"
S = R + "16" if lanes == 16 else R
U = "uint16" if lanes == 16 else "uint"
L = "ulong16" if lanes == 16 else "ulong"
N = "16" if lanes == 16 else ""
integer = dist == "randint"
E = L if integer else S                      # type of an element before it is stored
count = 4 // words                           # elements per block
stored = {"float16": "f16", "bfloat16": "bf16"}
shift, digits = {"float16": (21, 11), "bfloat16": (24, 8)}.get(dtype, (8, 24))
if dist not in ("uniform", "cauchy"):
    shift, digits = 8, 24
A = "ulong" if integer else "double" if double else "float"   # type of the two parameters
%>
<%include file="random_philox.cl"/>

// ---- from words to elements -------------------------------------------------------------------------------------
% if double:
static inline ${S} ct_unit(${U} high, ${U} low) {
    return (convert_double${N}(high >> 5) * 67108864.0 + convert_double${N}(low >> 6)) * 0x1p-53;
}
static inline ${S} ct_open(${U} high, ${U} low) { return 1.0 - ct_unit(high, low); }
% else:
// in [0, 1), with as many bits as the dtype holds, so that rounding never gives 1
static inline ${S} ct_unit(${U} w) { return convert_float${N}(convert_int${N}(w >> ${shift})) * 0x1p-${digits}f; }
// in (0, 1], with 32 bits near 0, where the logarithm needs them
static inline ${S} ct_open(${U} w) { return convert_float${N}(w) * 0x1p-32f + 0x1p-33f; }
% endif

static inline void ct_elements(${U} w[4], ${E} e[${count}], ${A} a, ${A} b) {
% if dist in ("normal", "log_normal"):
    // Box, Muller: a radius and an angle (in half turns, from -1 to 1) make two values
%   for i in range(0, count, 2):
    {
%     if double:
        ${S} radius = sqrt(-2.0 * log(ct_open(w[0], w[1]))), angle = ct_unit(w[2], w[3]) * 2.0 - 1.0;
%     else:
        ${S} radius = sqrt(-2.0f * log(ct_open(w[${i}]))), angle = convert_float${N}(as_int${N}(w[${i + 1}])) * 0x1p-31f;
%     endif
        e[${i}] = fma(radius * cospi(angle), (${S})b, (${S})a);
        e[${i + 1}] = fma(radius * sinpi(angle), (${S})b, (${S})a);
    }
%   endfor
%   if dist == "log_normal":
    for (int i = 0; i < ${count}; i++) e[i] = exp(e[i]);
%   endif
% else:
%   for i in range(count):
<% word = f"w[{2 * i}], w[{2 * i + 1}]" if words == 2 else f"w[{i}]" %>
%     if dist == "uniform":
    // a + u * b, rounded once; what rounds up to the upper end (a + b) goes to the lower one
    e[${i}] = fma(ct_unit(${word}), (${S})b, (${S})a);
    e[${i}] = e[${i}] < (${S})(a + b) ? e[${i}] : (${S})a;
%     elif dist == "exponential":
    e[${i}] = fmax(-log(ct_open(${word})), (${S})${"0x1p-54" if double else "0x1p-33f"}) * a;
%     elif dist == "geometric":
    e[${i}] = fmax(ceil(log(ct_open(${word})) * a), (${S})1);
%     elif dist == "cauchy":
%       if double:
    e[${i}] = fma(tanpi(ct_unit(${word}) - (0.5 - 0x1p-54)), (${S})b, (${S})a);
%       else:
    // centred between two values of u, so that neither pole is hit: exact in 24 bits
    e[${i}] = fma(tanpi((convert_float${N}(convert_int${N}(${word} >> 8) - 8388608) + 0.5f) * 0x1p-24f), (${S})b, (${S})a);
%       endif
%     elif dist == "randint":
%       if words == 2:
<% bits = f"(convert_ulong{N}(w[{2 * i}]) << 32 | convert_ulong{N}(w[{2 * i + 1}]))" %>
    e[${i}] = (b ? mul_hi(${bits}, (${L})b) : ${bits}) + a;
%       else:
    e[${i}] = (convert_ulong${N}(${word}) * b >> 32) + a;
%       endif
%     else:
    e[${i}] = ct_unit(${word});
%     endif
%   endfor
% endif
}

// ---- from elements to memory ------------------------------------------------------------------------------------
<%
def load(at, n):
    if source in stored:
        return f"ct_load_{stored[source]}{'' if n == 1 else '_16'}(in, {at})"
    return f"in[{at}]" if n == 1 else f"vload16(0, in + {at})"

def value(e, at, n):
    """The text of the stored value: coins and dropout compare their number with a probability first."""
    v = "" if n == 1 else "16"
    if dist == "bernoulli":
        return f"({e} < a ? (float{v})1 : (float{v})0)"
    if dist == "bernoulli_tensor":
        p = load(at, n) if source != "float64" else f"convert_float{v}({load(at, n)})"
        return f"({e} < {p} ? (float{v})1 : (float{v})0)"
    if dist == "dropout":
        factor = f"({e} < a ? (float{v})b : (float{v})0)"
        return f"{load(at, n)} * " + (factor if source != "float64" else f"convert_double{v}{factor}")
    return f"as_long{v}({e})" if integer else e

def store(e, at, n):
    v = "" if n == 1 else "16"
    x = value(e, at, n)
    if dtype in stored:
        x = f"convert_float{v}({x})" if integer else x
        return f"ct_store_{stored[dtype]}{'' if n == 1 else '_16'}({x}, out, {at});"
    return f"out[{at}] = ({ctype})({x});" if n == 1 else f"vstore16(convert_{ctype}16({x}), 0, out + {at});"
%>
__kernel void ct_random(__global ${ctype} *restrict out, long offset, long n, uint k0, uint k1, ulong block, ${A} a, ${A} b, long tiles
% if source:
                        , __global const ${source_ctype} *in, long in_offset
% endif
                        ) {
    ${U} w[4];
    ${E} e[${count}];
    out += offset;
% if source:
    in += in_offset;
% endif
% if lanes == 1:
    long k = (long)get_global_id(0) * ${count};
    if (k >= n) return;
    ct_words(w, block + get_global_id(0), 0, k0, k1);
    ct_elements(w, e, a, b);
    for (int j = 0; j < ${count} && k < n; j++, k++) ${store("e[j]", "k", 1)}
% else:
    long tile = (long)get_global_id(0) * tiles, stop = min(tile + tiles, (n + ${16 * count - 1}) / ${16 * count});
    for (; tile < stop; tile++) {
        ct_words(w, block + tile * 16, 0, k0, k1);
        ct_elements(w, e, a, b);
%   for q in range(count):
<%
    per = 16 // count
    order = ", ".join(f"e[{j}].s{per * q + lane:x}" for lane in range(per) for j in range(count))
%>\
        {
            ${E} v = (${E})(${order});
            long k = tile * ${16 * count} + ${16 * q};
            if (k + 16 <= n) {
                ${store("v", "k", 16)}
            } else {
                ${A if integer else R} part[16];
                vstore16(v, 0, part);
                for (int j = 0; j < 16 && k < n; j++, k++) ${store("part[j]", "k", 1)}
            }
        }
%   endfor
    }
% endif
}
