## Where a reduction reads: places in an input whose kept and reduced dimensions are coalesced to KR and RR, with
## run-time sizes kd, rd and strides ks, rs, as Mako definitions.

## the place in x of the kept index ``k`` (without its last dimension: ``skip`` = 1), as ``base``
<%def name="kept_base(k, skip)">
        long base = xo;
% if KR - skip == 1:
        base += ${k} * ks0;
% elif KR - skip > 1:
        {
            long rest = ${k};
% for r in range(KR - 1 - skip, -1, -1):
            { const long q = rest / kd${r}; base += (rest - q * kd${r}) * ks${r}; rest = q; }
% endfor
        }
% endif
</%def>
## the place of the p-th reduced element, added to ``at``; I is the type in which p is taken apart
<%def name="reduced_place(p, at='at', I='long')">
            {
% if I == "long":
                long rest = ${p};
% for r in range(RR - 1, 0, -1):
                { const long t = rest / rd${r}; ${at} += (rest - t * rd${r}) * rs${r}; rest = t; }
% endfor
% else:
                ${I} rest = (${I})(${p});
% for r in range(RR - 1, 0, -1):
                { const ${I} t = rest / (${I})rd${r}; ${at} += (rest - t * (${I})rd${r}) * rs${r}; rest = t; }
% endfor
% endif
                ${at} += rest * rs0;
            }
</%def>
