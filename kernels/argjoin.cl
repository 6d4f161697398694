// Join the two stages of a position search: the row that won, and the place within it.
__kernel void ct_argjoin(const __global long *outer, const __global long *inner, __global long *out, long row)
{
    const long r = outer[0];
    out[0] = r * row + inner[r];
}
