<%doc>
Quantiles of sorted lines (kernels of sort.cl, ascending): out[level, line], between the two elements nearest to each.

A         the elements' type, which is that of the arithmetic
Arguments, so that one program serves all calls:
mode      0 "linear", 1 "lower", 2 "higher", 3 "midpoint", 4 "nearest"
skip_nan  NaN, which stand last in a line, are not counted; else a line with one has it as all of its quantiles
number    q is the only level, else they are a vector
A work-item takes per_item results. A level that is no place in its line gives NaN, and is noted as one of the operator
``site``.
</%doc>
__kernel void ct_quantile(const int site, const int mode, const int skip_nan, const int number, const long count,
                          const long lines, const long n, const long inner, const long per_item,
                          const __global ${A} *sorted, const ${A} q, const __global ${A} *levels, const long lo,
                          const long step, __global ${A} *out, volatile __global int *note)
{
    const long first = (long)get_global_id(0) * per_item, last = min(count, first + per_item);
    int faulty = 0;
    long wrong = 0;
    for (long i = first; i < last; ++i) {
        const long l = i % lines, o = l / inner;
        const __global ${A} *line = sorted + o * n * inner + (l - o * inner);
        const ${A} level = number ? q : levels[lo + i / lines * step];
        const int broken = line[(n - 1) * inner] != line[(n - 1) * inner];
        long most = n - 1;
        if (broken && skip_nan) {
            // where the NaNs begin
            long begin = 0, end = n;
            while (begin < end) {
                const long c = (begin + end) / 2;
                if (line[c * inner] != line[c * inner]) end = c;
                else begin = c + 1;
            }
            most = max(begin - 1, 0L);
        }
        ${A} rank = broken && !skip_nan ? (${A})most : level * (${A})most;
        if (mode == 1) rank = floor(rank);
        if (mode == 2) rank = ceil(rank);
        if (mode == 4) rank = rint(rank);
        if (!(rank >= 0 && rank <= (${A})(n - 1))) {
            wrong = rank == rank ? (long)floor(rank) : LONG_MIN;
            faulty = 1;
            out[i] = NAN;
            continue;
        }
        const ${A} below = floor(rank), w = mode == 3 ? (${A})0.5f : rank - below;
        const ${A} a = line[min((long)below, n - 1) * inner], b = line[min((long)ceil(rank), n - 1) * inner];
        out[i] = mode != 0 && mode != 3 ? a : w < (${A})0.5f ? a + w * (b - a) : b - (b - a) * (1 - w);
    }
    if (faulty) ct_note(note, site, 0, wrong, n);
}
