<%doc>
Dense arrays beside one another in rows, up to K by one launch: row r of the result is row r of each in turn.

U     unsigned type of the elements' size
takes how many arrays the kernels ct_join_K take, of which ``count`` are joined; their rows have n0, n1, … elements
gpu   False: a work-item takes per_item rows.  True: it takes single elements, ``part`` of a row
total elements of a whole row of the result, the first of which for this launch is number ``to``
</%doc>
% for K in takes:
__kernel void ct_join_${K}(const long rows, const long total, const long part, const int count, const long per_item,
                      __global ${U} *out, const long to
% for k in range(K):
                      , const __global ${U} *x${k}, const long o${k}, const long n${k}
% endfor
)
{
% if gpu:
    for (long e = get_global_id(0); e < rows * part; e += get_global_size(0)) {
        const long r = e / part, j = e - r * part;
        long at = j;
        ${U} found = 0;
% for k in range(K):
        if (at >= 0 && at < n${k}) found = x${k}[o${k} + r * n${k} + at];
        at -= n${k};
% endfor
        out[to + r * total + j] = found;
    }
% else:
    const long first = (long)get_global_id(0) * per_item, last = min(rows, first + per_item);
    for (long r = first; r < last; ++r) {
        __global ${U} *line = out + to + r * total;
% for k in range(K):
        if (count > ${k}) {
            const __global ${U} *from = x${k} + o${k} + r * n${k};
            for (long j = 0; j < n${k}; ++j) line[j] = from[j];
            line += n${k};
        }
% endfor
    }
% endif
}
% endfor
