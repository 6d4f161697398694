<%doc>
Vectors of zeros with a one at the place that an index names: out[i, k] = (k == index[i]).

gpu   False: a work-item takes per_item vectors.  True: it takes single elements
An index out of range leaves a vector of zeros, and is noted as one of the operator ``site``.
</%doc>
__kernel void ct_one_hot(const int site, const long n, const long classes, const long per_item,
                         const __global long *index, const long io, __global long *out, volatile __global int *note)
{
    int faulty = 0;
    long wrong = 0;
% if gpu:
    for (long e = get_global_id(0); e < n * classes; e += get_global_size(0)) {
        const long i = e / classes, at = index[io + i];
        out[e] = e - i * classes == at;
        if ((ulong)at >= (ulong)classes) {
            wrong = at;
            faulty = 1;
        }
    }
% else:
    const long first = (long)get_global_id(0) * per_item, last = min(n, first + per_item);
    for (long i = first; i < last; ++i) {
        const long at = index[io + i];
        __global long *line = out + i * classes;
        for (long k = 0; k < classes; ++k) line[k] = 0;
        if ((ulong)at < (ulong)classes) {
            line[at] = 1;
        } else {
            wrong = at;
            faulty = 1;
        }
    }
% endif
    if (faulty) ct_note(note, site, 0, wrong, classes);
}
