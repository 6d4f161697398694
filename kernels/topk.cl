<%doc>
The first k elements of every line in the order of sort_key.cl, sorted, without sorting the line.

name, mode  kernel name without its prefix;
            "list"   CPU devices: a work-item keeps the best k in order, and passes over blocks that hold nothing better
            "rounds" GPUs: a work-group looks k times for the first element behind the one found before
most, G     the largest k (list), work-group size (rounds); unit: True where inner == 1 (list)
bits, kind, infinity, descending: see sort_key.cl
</%doc>
<%include file="sort_key.cl"/>
<%
step = "" if unit else " * inner"
U = {8: "uchar", 16: "ushort", 32: "uint", 64: "ulong"}[bits]
wide = bits == 64
%>
% if mode == "list":
static inline void ct_insert(ct_e *best, int *have, int k, ct_e e) {
    int i = *have < k ? (*have)++ : k - 1;
    for (; i > 0 && ct_before(e, best[i - 1]); --i) best[i] = best[i - 1];
    best[i] = e;
}
__kernel void ct_${name}(long lines, long n, long inner, int k, long per_item, const __global ct_raw *x, long xo,
                         __global ct_raw *values, __global long *indices)
{
    const long first = (long)get_global_id(0) * per_item, last = min(lines, first + per_item);
    for (long l = first; l < last; ++l) {
        const __global ct_raw *line = x + xo + ct_line(l, n, inner);
        ct_e best[${most}];
        int have = 0;
        long i = 0;
        for (; i < k; ++i) ct_insert(best, &have, k, ct_pack(ct_key_of(line[i${step}]), i));
        // a later element with the same key is not better
        ct_key worst = ct_e_key(best[k - 1]);
        for (; i + 64 <= n; i += 64) {
% if vector:
<% V = U + str(vector) %>
            // no rescan of what holds nothing: 64 elements, then each vector of them
            ${V} limit = (${V})((ct_raw)worst);
% for k in range(64 // vector):
            const ${V} k${k} = ct_keys_of(vload${vector}(${k}, line + i));
% endfor
            if (!any(${" | ".join(f"(k{k} < limit)" for k in range(64 // vector))})) continue;
% for k in range(64 // vector):
            if (any(k${k} < limit)) {
                ct_raw keys[${vector}];
                vstore${vector}(k${k}, 0, keys);
                for (int j = 0; j < ${vector}; ++j)
                    if (keys[j] < worst) {
                        ct_insert(best, &have, k, ct_pack(keys[j], i + ${k * vector} + j));
                        worst = ct_e_key(best[k - 1]);
                    }
                limit = (${V})((ct_raw)worst);
            }
% endfor
% else:
            ct_key hit = 0;
            for (int j = 0; j < 64; ++j) hit |= ct_key_of(line[(i + j)${step}]) < worst;
            if (!hit) continue;
            for (int j = 0; j < 64; ++j) {
                const ct_key key = ct_key_of(line[(i + j)${step}]);
                if (key < worst) {
                    ct_insert(best, &have, k, ct_pack(key, i + j));
                    worst = ct_e_key(best[k - 1]);
                }
            }
% endif
        }
        for (; i < n; ++i) {
            const ct_key key = ct_key_of(line[i${step}]);
            if (key < worst) {
                ct_insert(best, &have, k, ct_pack(key, i));
                worst = ct_e_key(best[k - 1]);
            }
        }
        const long to = ct_line(l, k, inner);
        for (int r = 0; r < k; ++r) {
            values[to + r * inner] = line[ct_e_at(best[r])${step}];
            indices[to + r * inner] = ct_e_at(best[r]);
        }
    }
}
% else:
__kernel __attribute__((reqd_work_group_size(${G}, 1, 1)))
void ct_${name}(long lines, long n, long inner, int k, const __global ct_raw *x, long xo, __global ct_raw *values,
                __global long *indices)
{
    __local ct_e tree[${G}];
    const long l = get_group_id(0), to = ct_line(l, k, inner);
    const __global ct_raw *line = x + xo + ct_line(l, n, inner);
    const int me = get_local_id(0);
    ct_e found = ct_pack(0, 0);
    for (int r = 0; r < k; ++r) {
        ct_e best = ${"(ulong2)(0xffffffffffffffffUL)" if wide else "0xffffffffffffffffUL"};
        for (long i = me; i < n; i += ${G}) {
            const ct_e e = ct_pack(ct_key_of(line[i * inner]), i);
            if ((r == 0 || ct_before(found, e)) && ct_before(e, best)) best = e;
        }
        tree[me] = best;
        for (int half_ = ${G // 2}; half_ > 0; half_ /= 2) {
            barrier(CLK_LOCAL_MEM_FENCE);
            if (me < half_ && ct_before(tree[me + half_], tree[me])) tree[me] = tree[me + half_];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        found = tree[0];
        barrier(CLK_LOCAL_MEM_FENCE);
        if (me == 0) {
            values[to + r * inner] = line[ct_e_at(found) * inner];
            indices[to + r * inner] = ct_e_at(found);
        }
    }
}
% endif
