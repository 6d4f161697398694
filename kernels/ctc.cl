<%doc>
Connectionist temporal classification: one work-group per sample (alpha, beta), work-items that stride (grad, labels).

name   kernel name without its prefix
mode   "alpha": forward over time, and the loss.  "beta": backward over time; both = alpha + beta.  "grad": the gradient
       as of classes that are no labels.  "labels": that of the labels, over it
A      type of all values;  I type of the targets
G      work-items of a group; with one there is nothing to wait for

table holds (length of the input, of the labels, where they begin in the targets) of every sample; alpha and both are
(N, T, L) with L places; logp is (T, N, C). Places 0, 2, 4 … bear the blank. A label out of range makes its sample NaN,
and "alpha" notes it as one of the operator ``site``.
</%doc>
<%
fence = "barrier(CLK_GLOBAL_MEM_FENCE);" if G > 1 else ""
%>
static inline ${A} ct_ctc_sum(const ${A} a, const ${A} b, const ${A} c)
{
    const ${A} m = fmax(fmax(a, b), c);
    return m == -INFINITY ? m : log(exp(a - m) + exp(b - m) + exp(c - m)) + m;
}
#define LABEL(s) ((s) & 1 ? labels[(s) >> 1] : blank)
#define LOGP(t, c) ((c) >= 0 && (c) < C ? logp[((long)(t) * N + n) * C + (c)] : (${A})NAN)
__kernel void ct_${name}(${"const int site, " if mode == "alpha" else ""}const int N, const int C, const int L, const int T, const int blank,
% if mode in ("grad", "labels"):
                const int zero, const __global int *table, const __global ${I} *targets, const __global ${A} *logp,
                const __global ${A} *both, const __global ${A} *loss, const __global ${A} *g, const long go,
                const long gs, __global ${A} *out)
% elif mode == "beta":
                const __global int *table, const __global ${I} *targets, const __global ${A} *logp,
                const __global ${A} *alpha, __global ${A} *both)
% else:
                const __global int *table, const __global ${I} *targets, const __global ${A} *logp,
                __global ${A} *alpha, __global ${A} *loss, volatile __global int *note)
% endif
{
% if mode == "grad":
    const long total = (long)T * N * C;
    for (long at = get_global_id(0); at < total; at += get_global_size(0)) {
        const int n = (int)(at / C % N), t = (int)(at / C / N);
        const ${A} nll = loss[n];
        const bool live = t < table[3 * n] && !(zero && nll == INFINITY);
        out[at] = live ? (exp(logp[at]) - exp(-INFINITY + nll - logp[at])) * g[go + n * gs] : 0;
    }
% elif mode == "labels":
    // places with labels come by twos, the blanks' first; the first place of a label sums for all of them
    const int firsts = L / 2 + 1;
    const long total = (long)N * T * firsts;
    for (long at = get_global_id(0); at < total; at += get_global_size(0)) {
        const long row = at / firsts;
        const int first = (int)(at - row * firsts), n = (int)(row / T), t = (int)(row - (long)n * T);
        const int count = table[3 * n + 1], places = 2 * count + 1;
        const __global ${I} *labels = targets + table[3 * n + 2];
        const ${A} nll = loss[n];
        if (t >= table[3 * n] || (zero && nll == INFINITY) || first > count)
            continue;
        const int s0 = first ? 2 * first - 1 : 0;
        const long label = LABEL(s0);
        if (label < 0 || label >= C || (first && label == blank))
            continue;
        bool again = false;
        for (int k = 1; k < s0; k += 2)
            again |= LABEL(k) == label;
        if (again)
            continue;
        const __global ${A} *b = both + row * L;
        ${A} most = -INFINITY, sum = 0;
        for (int k = s0; k < places; ++k)
            if (LABEL(k) == label)
                most = fmax(most, b[k]);
        if (most > -INFINITY)
            for (int k = s0; k < places; ++k)
                if (LABEL(k) == label)
                    sum += exp(b[k] - most);
        const long to = ((long)t * N + n) * C + label;
        const ${A} total_here = most > -INFINITY ? log(sum) + most : most;
        out[to] = (exp(logp[to]) - exp(total_here + nll - logp[to])) * g[go + n * gs];
    }
% else:
    const int me = get_local_id(0);
% if mode == "alpha":
    int faulty = 0;
    long wrong = 0;
% endif
    for (int n = get_group_id(0); n < N; n += get_num_groups(0)) {
        const int steps = table[3 * n], places = 2 * table[3 * n + 1] + 1;
        const __global ${I} *labels = targets + table[3 * n + 2];
% if mode == "alpha":
        for (int k = me; k < table[3 * n + 1]; k += ${G})
            if ((ulong)(long)labels[k] >= (ulong)C) {
                wrong = labels[k];
                faulty = 1;
            }
        __global ${A} *to = alpha + (long)n * T * L;
        for (int s = me; steps && s < places; s += ${G})
            to[s] = s < 2 ? LOGP(0, LABEL(s)) : -INFINITY;
        for (int t = 1; t < steps; ++t) {
            ${fence}
            const __global ${A} *from = to;
            to += L;
            for (int s = me; s < places; s += ${G}) {
                const long label = LABEL(s);
                const ${A} a = from[s], b = s > 0 ? from[s - 1] : -INFINITY;
                const ${A} c = (s & 1) && s > 1 && label != LABEL(s - 2) ? from[s - 2] : -INFINITY;
                to[s] = ct_ctc_sum(a, b, c) + LOGP(t, label);
            }
        }
        ${fence}
        if (me == 0) {
            const ${A} last = steps ? to[places - 1] : places > 1 ? -INFINITY : 0;
            const ${A} before = steps && places > 1 ? to[places - 2] : -INFINITY;
            loss[n] = -ct_ctc_sum(last, before, -INFINITY);
        }
% else:
        // both serves to hold beta; alpha is added once the time before has read it
        __global ${A} *to = both + ((long)n * T + steps) * L;
        for (int back = 1; back <= steps; ++back) {
            const int t = steps - back;
            const __global ${A} *from = to;
            to -= L;
            for (int s = me; s < places; s += ${G}) {
                const long label = LABEL(s);
                ${A} on = s >= places - 2 ? 0 : -INFINITY;
                if (back > 1) {
                    const ${A} a = from[s], b = s + 1 < places ? from[s + 1] : -INFINITY;
                    const ${A} c = (s & 1) && s + 2 < places && label != LABEL(s + 2) ? from[s + 2] : -INFINITY;
                    on = ct_ctc_sum(a, b, c);
                }
                to[s] = on + LOGP(t, label);
            }
            ${fence}
        }
        const __global ${A} *al = alpha + (long)n * T * L;
        for (int t = 0; t < steps; ++t)
            for (int s = me; s < places; s += ${G})
                to[(long)t * L + s] += al[(long)t * L + s];
% endif
    }
% if mode == "alpha":
    if (faulty) ct_note(note, site, 0, wrong, C);
% endif
% endif
}
