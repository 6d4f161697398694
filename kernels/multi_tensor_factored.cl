<%doc>
Mean squares of many matrices by rows and by columns, brought into running means, and the gradients divided by the root
of what these estimate. A launch serves T tensors, each any number of matrices (R, C) one after the other; a table says
what each work-group does.

mode         "means": the running means of whole matrices (kind 0) or of rows of one, with sums of its columns (kind 1)
             "finish": the running means of columns from those sums (kind 0), the mean over rows (kind 1)
             "divide": the gradients divided, row by row
T            tensors per launch; types: (dtype tag, storage type) of gradient, row means and column means
A, W         type that is computed in, vector width
groups       0 where a work-item has an entry alone (CPU), else the size of the work-groups that share it (GPU)
</%doc>
<%namespace name="memory" file="memory.cl"/>
<%
load, store = memory.module.load, memory.module.store
def get(k, at, w=1): return load(f"a{k}", at, *types[k], A, w)
def put(k, at, value): return store(f"a{k}", at, value, *types[k], A)
me, many = ("(long)get_local_id(0)", groups) if groups else ("0", 1)
%>
static inline ${A} ct_nearer(${A} mean, ${A} now, ${A} weight) { return now - (now - mean) * (1 - weight); }
% if mode == "means" and groups:
// the sum over a work-group, for all its items
static inline ${A} ct_sum(${A} x, __local ${A} *lanes) {
    const int me = (int)get_local_id(0);
    barrier(CLK_LOCAL_MEM_FENCE);
    lanes[me] = x;
    for (int step = ${groups // 2}; step > 0; step /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (me < step)
            lanes[me] += lanes[me + step];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return lanes[0];
}
% endif
__kernel void ct_${mode}(
    const __global long *table, long first, __global ${A} *mids, __global ${A} *parts, ${A} weight, ${A} eps
% for t in range(T):
% for k in range(3):
    , __global ${types[k][1]} *b${t}_${k}
% endfor
% endfor
)
{
    const __global long *entry = table + first + (long)get_group_id(0) * 10;
% for k in range(3):
    __global ${types[k][1]} *a${k} = b0_${k};
% endfor
    switch ((int)entry[0]) {
% for t in range(1, T):
    case ${t}:${"".join(f" a{k} = b{t}_{k};" for k in range(3))} break;
% endfor
    default: break;
    }
    const long count = entry[2], R = entry[3], C = entry[4];
    const long g = entry[5], row = entry[6], column = entry[7], mid = entry[8], part = entry[9];
% if mode == "means":
% if groups:
    __local ${A} lanes[${groups}];
% endif
    if (entry[1] == 0) {
        for (long b = ${me}; b < count; b += ${many}) {
            const long at = g + b * R * C;
            ${A} mean = 0;
            for (long r = 0; r < R; ++r) {
                ${A} sum = 0;
                for (long c = 0; c < C; ++c) {
                    const ${A} x = ${get(0, "at + r * C + c")};
                    sum += x * x;
                }
                const ${A} now = ct_nearer(${get(1, "row + b * R + r")}, sum / C, weight);
                ${put(1, "row + b * R + r", "now")}
                mean += now;
            }
            for (long c = 0; c < C; ++c) {
                ${A} sum = 0;
                for (long r = 0; r < R; ++r) {
                    const ${A} x = ${get(0, "at + r * C + c")};
                    sum += x * x;
                }
                const ${A} now = ct_nearer(${get(2, "column + b * C + c")}, sum / R, weight);
                ${put(2, "column + b * C + c", "now")}
            }
            mids[mid + b] = mean / R;
        }
        return;
    }
% if groups:
    for (long r = 0; r < count; ++r) {
        ${A} sum = 0;
        for (long c = ${me}; c < C; c += ${many}) {
            const ${A} x = ${get(0, "g + r * C + c")};
            sum += x * x;
        }
        sum = ct_sum(sum, lanes);
        if (get_local_id(0) == 0) {
            ${put(1, "row + r", "ct_nearer(" + get(1, "row + r") + ", sum / C, weight)")}
        }
    }
    for (long c = ${me}; c < C; c += ${many}) {
        ${A} sum = 0;
        for (long r = 0; r < count; ++r) {
            const ${A} x = ${get(0, "g + r * C + c")};
            sum += x * x;
        }
        parts[part + c] = sum;
    }
% else:
    for (long r = 0; r < count; ++r) {
        const long at = g + r * C;
        ${A}${W} sums = (${A}${W})(0);
        long c = 0;
        for (; c + ${W} <= C; c += ${W}) {
            const ${A}${W} x = ${get(0, "at + c", W)};
            sums += x * x;
            vstore${W}(r == 0 ? x * x : vload${W}(0, parts + part + c) + x * x, 0, parts + part + c);
        }
        ${A} lanes[${W}];
        vstore${W}(sums, 0, lanes);
        ${A} sum = 0;
        for (int j = 0; j < ${W}; ++j)
            sum += lanes[j];
        for (; c < C; ++c) {
            const ${A} x = ${get(0, "at + c")};
            sum += x * x;
            parts[part + c] = r == 0 ? x * x : parts[part + c] + x * x;
        }
        ${put(1, "row + r", "ct_nearer(" + get(1, "row + r") + ", sum / C, weight)")}
    }
% endif
% elif mode == "finish":
    if (entry[1] == 0) {
        // of ${"``count`` columns, whose sums over ``g`` blocks of rows lie C apart"}
        for (long c = ${me}; c < count; c += ${many}) {
            ${A} sum = 0;
            for (long k = 0; k < g; ++k)
                sum += parts[part + k * C + c];
            ${put(2, "column + c", "ct_nearer(" + get(2, "column + c") + ", sum / R, weight)")}
        }
        return;
    }
% if groups:
    if (get_local_id(0) != 0)
        return;
% endif
    ${A} mean = 0;
    for (long r = 0; r < R; ++r)
        mean += ${get(1, "row + r")};
    mids[mid] = mean / R;
% else:
    // rows from the row entry[1] of a matrix on
    const ${A} least = eps * eps;
% if groups:
    for (uint i = (uint)get_local_id(0); i < (uint)(count * C); i += ${groups}) {
        const uint r = i / (uint)C, c = i - r * (uint)C;
        const uint b = ((uint)entry[1] + r) / (uint)R;
        const ${A} factor = ${get(1, "row + r")} / fmax(mids[mid + b], eps);
        const ${A} square = fmax(factor * ${get(2, "column + b * C + c")}, least);
        parts[part + i] = ${get(0, "g + i")} * rsqrt(square);
    }
% else:
    long b = 0, within = entry[1];
    for (long r = 0; r < count; ++r) {
        const ${A} factor = ${get(1, "row + r")} / fmax(mids[mid + b], eps);
        const long at = g + r * C, to = part + r * C, from = column + b * C;
        long c = 0;
        for (; c + ${W} <= C; c += ${W}) {
            const ${A}${W} square = fmax(factor * ${get(2, "from + c", W)}, (${A}${W})(least));
            vstore${W}(${get(0, "at + c", W)} * rsqrt(square), 0, parts + to + c);
        }
        for (; c < C; ++c)
            parts[to + c] = ${get(0, "at + c")} * rsqrt(fmax(factor * ${get(2, "from + c")}, least));
        if (++within == R) {
            within = 0;
            ++b;
        }
    }
% endif
% endif
}
