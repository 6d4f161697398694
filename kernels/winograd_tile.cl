## Winograd's transforms for F(4x4, 3x3) on CPU-class devices, as Mako definitions: vectors of vw channels, six or four
## places at a time. The points are 0, 1, -1, 2, -2 and infinity.
## Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, https://arxiv.org/abs/1509.09308
##
## Every definition takes a function that gives the C text of the operand at a place, and one that takes the text of a
## result at a place to a statement.
<%def name="six(load)">
% for i in range(6):
                const ct_v d${i} = ${load(i)};
% endfor
</%def>
## B^T d: input
<%def name="input(load, save)">
            {
                ${six(load)}
                const ct_v a = d4 - (ct_t)4 * d2, b = d3 - (ct_t)4 * d1, c = d4 - d2, e = (ct_t)2 * (d3 - d1);
                ${save(0, "(ct_t)4 * d0 - (ct_t)5 * d2 + d4")}
                ${save(1, "a + b")}
                ${save(2, "a - b")}
                ${save(3, "c + e")}
                ${save(4, "c - e")}
                ${save(5, "(ct_t)4 * d1 - (ct_t)5 * d3 + d5")}
            }
</%def>
## G g: weight
<%def name="weight(load, save)">
            {
% for i in range(3):
                const ct_v g${i} = ${load(i)};
% endfor
                const ct_v a = (g0 + g2) * (ct_t)(-1.0f / 6), b = g1 * (ct_t)(1.0f / 6);
                const ct_v c = g0 * (ct_t)(1.0f / 24) + g2 * (ct_t)(1.0f / 6), e = g1 * (ct_t)(1.0f / 12);
                ${save(0, "g0 * (ct_t)0.25f")}
                ${save(1, "a - b")}
                ${save(2, "a + b")}
                ${save(3, "c + e")}
                ${save(4, "c - e")}
                ${save(5, "g2")}
            }
</%def>
## A^T m: result
<%def name="result(load, save)">
            {
                ${six(load)}
                const ct_v a = d1 + d2, b = d1 - d2, c = d3 + d4, e = d3 - d4;
                ${save(0, "d0 + a + c")}
                ${save(1, "b + (ct_t)2 * e")}
                ${save(2, "a + (ct_t)4 * c")}
                ${save(3, "b + (ct_t)8 * e + d5")}
            }
</%def>
